"""Work by person and week, against capacity, from rows. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

Row = Mapping[str, Any]

DEFAULT_WORKLOAD_SECONDS = 8 * 3600
_KINDS = ("billable_seconds", "non_billable_seconds", "unaccounted_seconds")
_WEEK = timedelta(days=7)


def split_into_weeks(first_day: date, last_day: date) -> list[date]:
    """The Mondays of the weeks that have days of the range."""
    monday = first_day - timedelta(days=first_day.weekday())
    return [monday + number * _WEEK for number in range((last_day - monday).days // _WEEK.days + 1)]


def sum_by_person(
    weeks: Sequence[date],
    *,
    memberships: Iterable[Row],
    work: Iterable[Row],
    capacity: Iterable[Row],
    names: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Everybody who is a member of a team or has work: by week, by contract (the most time first), and in total.

    Capacity is null where a person is in no team in the range.
    """
    teams: dict[str, dict[UUID, str]] = defaultdict(dict)
    for membership in memberships:
        teams[membership["person_id"]].setdefault(membership["team_id"], membership["team_name"])
    by_week: dict[tuple[str, date], dict[str, int]] = defaultdict(lambda: dict.fromkeys(_KINDS, 0))
    by_contract: dict[str, dict[UUID, dict[str, Any]]] = defaultdict(dict)
    for row in work:
        totals = by_week[row["author_id"], row["week"]]
        for kind in _KINDS:
            totals[kind] += row[kind]
        if row["contract_id"]:
            contract = by_contract[row["author_id"]].setdefault(
                row["contract_id"], {**{name: row[name] for name in ("contract_id", "contract_code", "contract_name")},
                                     **dict.fromkeys(_KINDS, 0)},
            )  # fmt: skip
            for kind in _KINDS:
                contract[kind] += row[kind]
    available = {(row["person_id"], row["week"]): row["capacity_seconds"] for row in capacity}
    people = []
    for person in teams.keys() | {person for person, _ in by_week}:
        loads: list[dict[str, Any]] = [
            {
                "start": week,
                "capacity_seconds": available.get((person, week), 0) if person in teams else None,
                **by_week.get((person, week), dict.fromkeys(_KINDS, 0)),
            }
            for week in weeks
        ]
        people.append(
            {
                "person_id": person,
                "person_name": names.get(person),
                "teams": [{"team_id": id_, "team_name": name} for id_, name in teams.get(person, {}).items()],
                "weeks": loads,
                "contracts": sorted(
                    by_contract.get(person, {}).values(),
                    key=lambda contract: (-sum(contract[kind] for kind in _KINDS), contract["contract_code"]),
                ),
                "capacity_seconds": sum(load["capacity_seconds"] for load in loads) if person in teams else None,
                **{kind: sum(load[kind] for load in loads) for kind in _KINDS},
            }
        )
    return sorted(people, key=lambda entry: (str(entry["person_name"] or entry["person_id"]), str(entry["person_id"])))
