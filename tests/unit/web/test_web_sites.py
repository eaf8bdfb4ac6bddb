"""Addresses of other sites, in links and headers."""

import pytest
from fastapi import Request

from tidemark_shared.http.problems import Problem
from tidemark_shared.settings import Settings
from tidemark_web.access import create_admission
from tidemark_web.pages.session import local_path


@pytest.mark.parametrize("target", ["//[", "http://[x", "/\t/evil.example", "//evil.example", "/\\\\evil.example", ""])
def test_target_that_is_no_path_of_this_site_is_the_first_page(target: str) -> None:
    assert local_path(target) == "/"


@pytest.mark.parametrize("origin", ["http://[", "null", "http://evil.example", "http://localhost@evil.example", "x"])
async def test_form_with_an_origin_that_is_not_this_site_is_refused(origin: str) -> None:
    """Given a form with another origin, or with one that is no address, then it is refused with a problem."""
    admit = create_admission(Settings(secret="s" * 40))
    headers = [(b"host", b"localhost"), (b"origin", origin.encode())]
    scope = {"type": "http", "method": "POST", "path": "/sign-in", "headers": headers, "query_string": b""}
    with pytest.raises(Problem, match="Form of another site"):
        await admit(Request(scope))
