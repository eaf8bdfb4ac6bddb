"""Forms that somebody has made larger than any browser sends: what reads them does not grow with the square."""

import asyncio
from collections.abc import Iterator

import pytest
from fastapi import Request

from tidemark_web.pages import form_definitions as definitions
from tidemark_web.pages import references
from tidemark_web.pages.client import ApiError
from tidemark_web.pages.form_messages import read_questions
from tidemark_web.pages.forms import Control, Field, build_body
from tidemark_web.pages.references import find_ids
from tidemark_web.pages.session import read_form
from tidemark_web.upstreams import find_service


class CountedValues(dict[str, str]):
    """The values of a form, and how often somebody has gone through all of them."""

    rounds = 0

    def __iter__(self) -> Iterator[str]:
        self.rounds += 1
        return super().__iter__()


def test_values_are_read_in_one_round_however_many_items_there_are() -> None:
    values = CountedValues({f"accounts/{index}/slices/{index}/team_id": "x" for index in range(300)})
    body, _ = build_body(definitions.CONTRACT, values)
    assert [len(account["slices"]) for account in body["accounts"]] == [1] * 300
    assert values.rounds == 1


def test_name_with_endless_parts_is_no_control() -> None:
    body, _ = build_body(definitions.CONTRACT, {"accounts/0/name": "Desk", "0/" * 500_000: "x"})
    assert [account["name"] for account in body["accounts"]] == ["Desk"]


async def test_form_with_more_fields_than_any_page_has_is_refused() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"a=1&" * 101}

    with pytest.raises(ApiError) as error:
        await read_form(Request({"type": "http", "method": "POST", "headers": []}, receive))
    assert (error.value.status, error.value.detail) == (413, "A form of this page has at most 100 fields.")


def test_questions_that_no_page_asks_are_left_out() -> None:
    assert read_questions({"question/0": "[" * 100_000}) == []
    assert len(read_questions({f"question/{index}": '[["name"], null]' for index in range(10_000)})) == 500


class CountedApi:
    """An API that answers slowly, and counts how many requests are on their way."""

    current = most = total = 0

    async def get(self, _path: str, _query: object) -> dict[str, object]:
        """Answer with a team."""
        self.current, self.total = self.current + 1, self.total + 1
        self.most = max(self.most, self.current)
        for _ in range(5):
            await asyncio.sleep(0)
        self.current -= 1
        return {"items": [{"id": "7"}]}


def team_controls(count: int) -> list[Control]:
    """Controls that name as many teams."""
    field = Field(name="team_id", label="Team", kind="reference", source="teams")
    return [Control(field, f"teams/{index}", "Team", f"Team {index}") for index in range(count)]


async def test_names_of_a_form_are_looked_up_a_few_at_a_time() -> None:
    api = CountedApi()
    ids, _ = await find_ids(api, team_controls(200))  # type: ignore[arg-type] # it has what is called
    assert (len(ids), api.total, api.most) == (200, 200, references._MAX_REQUESTS)


async def test_more_names_than_any_form_has_are_not_looked_up() -> None:
    api = CountedApi()
    with pytest.raises(ApiError, match="Too many names"):
        await find_ids(api, team_controls(501))  # type: ignore[arg-type] # it has what is called
    assert api.total == 0


@pytest.mark.parametrize("path", ["/v1/teams/a?dry_run=true", "/v1/teams/a#b", "/v1/offers/..", "/v1/offers/%2e/x"])
def test_path_that_a_service_would_read_differently_has_no_service(path: str) -> None:
    assert find_service(path) is None
