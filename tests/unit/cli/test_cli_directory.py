"""Organizations, teams and references to them, without an API."""

from typing import Any
from uuid import UUID

import pytest

from tidemark.cli.body_file import InputError
from tidemark.cli.organization import change_contacts
from tidemark.cli.references import replace_account_names
from tidemark.cli.team import end_membership

DESK = "7d3c9a52-9d2b-4d9e-8f0e-0a6f3c1d2b4a"


def contact(name: str, email: str) -> dict[str, Any]:
    return {"name": name, "email": email, "roles": []}


def test_contacts_are_added_replaced_and_removed_by_address() -> None:
    ann, bob, new_ann = contact("Ann", "ann@x.example"), contact("Bob", "bob@x.example"), contact("A", "ann@x.example")
    assert change_contacts([ann], [bob], []) == [ann, bob]
    assert change_contacts([ann, bob], [new_ann], []) == [bob, new_ann]
    assert change_contacts([ann, bob], [], ["ann@x.example"]) == [bob]
    with pytest.raises(InputError, match=r"No contact has the address eve@x\.example"):
        change_contacts([ann], [], ["eve@x.example"])


def membership(first_day: str, until: str | None, person: str = "sam") -> dict[str, Any]:
    return {"person_id": person, "from": first_day, "until": until}


def test_membership_of_that_day_ends() -> None:
    old, other = membership("2025-01-01", "2025-06-30"), membership("2025-01-01", None, "eve")
    members = [old, membership("2026-01-01", None), other]
    assert end_membership(members, "sam", "2026-03-31") == [old, membership("2026-01-01", "2026-03-31"), other]
    assert end_membership([membership("2026-01-01", "2026-12-31")], "sam", "2026-03-31") == [
        membership("2026-01-01", "2026-03-31")
    ]


@pytest.mark.parametrize("until", ["2025-12-31", "2026-07-01"])
def test_membership_cannot_end_outside_of_itself(until: str) -> None:
    with pytest.raises(InputError, match=f"sam is not in the team on {until}"):
        end_membership([membership("2026-01-01", "2026-06-30")], "sam", until)


def test_adjustments_name_accounts_of_the_file() -> None:
    body = {
        "accounts": [{"name": "Help desk"}, {"name": "New"}, {"name": "Other"}],
        "adjustments": [{"account_id": "Help desk"}, {"account_id": "New"}, {"account_id": "None"}],
    }
    changed = replace_account_names(body, [{"id": DESK, "name": "Help desk"}])
    assert changed["accounts"][0] == {"name": "Help desk", "id": DESK}
    assert UUID(changed["accounts"][1]["id"])
    assert changed["accounts"][2]["id"] is None
    ids = [changed["accounts"][0]["id"], changed["accounts"][1]["id"], "None"]
    assert [adjustment["account_id"] for adjustment in changed["adjustments"]] == ids


@pytest.mark.parametrize(
    "body",
    [{}, {"accounts": [{"name": "A"}]}, {"accounts": 1, "adjustments": "x"}, {"adjustments": [1], "accounts": [[]]},
     {"accounts": [{"name": []}], "adjustments": [{"account_id": {}}]}],
    ids=str,
)  # fmt: skip
def test_what_is_no_name_stays_for_the_api_to_refuse(body: dict[str, Any]) -> None:
    assert replace_account_names(body) == body
