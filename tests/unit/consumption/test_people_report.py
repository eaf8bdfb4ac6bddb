"""Work by person and week, against capacity."""

from datetime import date
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tidemark_consumption.people import split_into_weeks, sum_by_person

SUPPORT, DESIGN, CONTRACT = (UUID(int=number) for number in (1, 2, 3))
KINDS = ("billable_seconds", "non_billable_seconds", "unaccounted_seconds")
WEEKS = split_into_weeks(date(2026, 3, 4), date(2026, 3, 17))


def work(person, week, billable=0, non_billable=0, unaccounted=0, contract=CONTRACT):
    return {
        "author_id": person, "week": week, "contract_id": contract, "contract_code": "ACME", "contract_name": "Acme",
        **dict(zip(KINDS, (billable, non_billable, unaccounted), strict=True)),
    }  # fmt: skip


def test_weeks_begin_on_mondays():
    assert [date(2026, 3, 2), date(2026, 3, 9), date(2026, 3, 16)] == WEEKS


def test_each_person_has_teams_weeks_contracts_and_capacity():
    people = sum_by_person(
        WEEKS,
        memberships=[
            {"person_id": "sam", "team_id": SUPPORT, "team_name": "Support"},
            {"person_id": "sam", "team_id": DESIGN, "team_name": "Design"},
            {"person_id": "idle", "team_id": DESIGN, "team_name": "Design"},
        ],
        work=[
            work("sam", WEEKS[0], billable=10),
            work("sam", WEEKS[0], unaccounted=5, contract=None),
            work("sam", WEEKS[2], non_billable=3),
            work("guest", WEEKS[1], billable=7),
        ],
        capacity=[{"person_id": "sam", "week": WEEKS[0], "capacity_seconds": 100}],
        names={"sam": "Sam Sorensen"},
    )
    sam, guest, idle = people
    assert [sam["person_name"], guest["person_id"], idle["person_id"]] == ["Sam Sorensen", "guest", "idle"]
    assert [team["team_name"] for team in sam["teams"]] == ["Support", "Design"]
    assert [[week[kind] for kind in KINDS] for week in sam["weeks"]] == [[10, 0, 5], [0, 0, 0], [0, 3, 0]]
    assert [week["capacity_seconds"] for week in sam["weeks"]] == [100, 0, 0]
    assert [sam[kind] for kind in ("capacity_seconds", *KINDS)] == [100, 10, 3, 5]
    assert [[contract[kind] for kind in KINDS] for contract in sam["contracts"]] == [[10, 3, 0]]
    assert guest["capacity_seconds"] is None
    assert guest["weeks"][1]["capacity_seconds"] is None
    assert idle["capacity_seconds"] == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(WEEKS), *[st.integers(0, 10**6)] * 3), max_size=30))
def test_no_second_is_lost(rows):
    people = sum_by_person(WEEKS, memberships=[], work=[work(*row) for row in rows], capacity=[], names={})
    for position, kind in enumerate(KINDS, 2):
        total = sum(row[position] for row in rows)
        assert sum(person[kind] for person in people) == total
        assert sum(contract[kind] for person in people for contract in person["contracts"]) == total
