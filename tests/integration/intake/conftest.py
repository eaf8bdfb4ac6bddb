"""A source of each tracker."""

from collections.abc import AsyncIterator

import pytest
from tracker_fakes import FAKES
from tracker_site import Site, open_site
from tracker_state import Fake

from tidemark_shared.database import Pool, connect_pool, migrate


@pytest.fixture(params=FAKES, ids=lambda fake: fake.kind)
def fake(request: pytest.FixtureRequest) -> Fake:
    built: Fake = request.param()
    return built


@pytest.fixture(scope="module")
async def intake_database(database_of_file: str) -> str:
    """The URL of a database that the tests of a file share: each has a source of its own."""
    await migrate(database_of_file, "intake")
    return database_of_file


@pytest.fixture
async def intake_pool(intake_database: str) -> AsyncIterator[Pool]:
    """Connections to it."""
    async with await connect_pool(intake_database, "intake") as pool:
        yield pool


@pytest.fixture
async def site(fake: Fake, intake_pool: Pool) -> AsyncIterator[Site]:
    async with open_site(fake, intake_pool) as built:
        yield built
