"""The calls of pages to the services."""

import httpx
import pytest

from tidemark_web.pages.client import Api, ApiError


async def test_answer_that_is_no_json_counts_as_unreachable():
    """Somebody else may answer at the address, such as a proxy; a page then says what is missing, and stays live."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>Welcome</html>"))
    async with httpx.AsyncClient(transport=transport, base_url="http://consumption") as client:
        with pytest.raises(httpx.TransportError, match="not with JSON"):
            await Api({"consumption": client}, "token").get("/v1/balances/revisions")


@pytest.mark.parametrize(("path", "query"), [("/v1/teams/\0", {}), ("/v1/teams", {"name": "x" * 70_000})])
async def test_what_is_no_address_is_not_found(path: str, query: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url="http://contracts") as client:
        with pytest.raises(ApiError) as error:
            await Api({"contracts": client}, "token").get(path, query)
    assert error.value.status == 404
