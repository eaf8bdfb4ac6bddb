"""A source of each tracker."""

from collections.abc import AsyncIterator

import pytest
from tracker_fakes import FAKES
from tracker_site import Site, open_site
from tracker_state import Fake

from tidemark_shared.database import Pool


@pytest.fixture(params=FAKES, ids=lambda fake: fake.kind)
def fake(request: pytest.FixtureRequest) -> Fake:
    built: Fake = request.param()
    return built


@pytest.fixture
async def site(fake: Fake, intake_pool: Pool) -> AsyncIterator[Site]:
    async with open_site(fake, intake_pool) as built:
        yield built
