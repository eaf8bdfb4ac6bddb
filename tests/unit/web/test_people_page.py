"""The page of people: teams, stacks and what is free."""

from tidemark_web.pages.formatting import Amounts
from tidemark_web.pages.people import Load, add_up, describe, group_by_team, stack

HOUR = 3600
NORTH, SOUTH = {"team_id": "1", "team_name": "North"}, {"team_id": "2", "team_name": "South"}


def person(id_, *teams, billable=0, capacity=40 * HOUR):
    load = {
        "billable_seconds": billable, "non_billable_seconds": HOUR, "unaccounted_seconds": 0,
        "capacity_seconds": capacity if teams else None,
    }  # fmt: skip
    contract = {"contract_code": "A/B", "contract_name": "Acme"}
    return {"person_id": id_, "person_name": None, "teams": list(teams), **load, "contracts": [contract],
            "weeks": [{"start": "2026-03-02", **load}]}  # fmt: skip


def test_everybody_is_in_one_team():
    report = {"people": [person("ann", SOUTH, NORTH), person("bo", NORTH), person("guest")]}
    groups = group_by_team(report, {"A/B": "Over"}, Amounts())
    assert [(group.name, [view.name for view in group.people]) for group in groups] == [
        ("North", ["bo"]), ("South", ["ann"]), ("No team", ["guest"]),
    ]  # fmt: skip
    assert groups[1].people[0].other_teams == ["North"]
    assert groups[0].people[0].flags == [("A/B", "/contracts/A%2FB", "Over")]
    chosen = group_by_team(report, {}, Amounts(), team="1")
    assert [view.name for view in chosen[0].people] == ["ann", "bo"]


def test_work_beyond_the_capacity_is_shown_by_how_much():
    load = Load(billable=50 * HOUR, other=0, unaccounted=0, capacity=40 * HOUR)
    assert load.free == -10 * HOUR
    drawing = stack(load, 50 * HOUR, "")
    assert [(part.kind, part.start, part.size) for part in drawing.parts] == [("billable", "0.0%", "100.0%")]
    assert drawing.capacity == "80.0%"


def test_nobody_has_no_capacity_and_no_share():
    nobody = add_up([])
    assert nobody == Load(0, 0, 0, None)
    assert nobody.free is None
    assert nobody.billable_percent is None
    assert describe(nobody, Amounts()) == "no work"


def test_loads_add_up():
    total = add_up([Load(1, 2, 3, 4), Load(10, 20, 30, None)])
    assert total == Load(11, 22, 33, 4)
    assert total.worked == 66
