"""Who worked how much, week by week, and who has room (SPEC 7). For internal use."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response

from tidemark_web.pages.client import Api, Json, optional
from tidemark_web.pages.contracts import REASONS
from tidemark_web.pages.formatting import Amounts, contract_page, format_day
from tidemark_web.pages.rendering import render
from tidemark_web.pages.report import read_style
from tidemark_web.pages.report_tables import NO_TEAM

WEEKS = {"4": "4 weeks", "8": "8 weeks", "13": "13 weeks", "26": "26 weeks"}
_DEFAULT_WEEKS = "8"
_MAX_TEAMS = 200
_MAX_CONTRACTS = 100
# The last one wins.
_ATTENTION = ("runs_out", "over")
_WEEK = timedelta(days=7)


class Load(NamedTuple):
    """Seconds of work by kind; ``capacity`` is None for a person in no team."""

    billable: int
    other: int
    unaccounted: int
    capacity: int | None

    @property
    def worked(self) -> int:
        """All time."""
        return self.billable + self.other + self.unaccounted

    @property
    def free(self) -> int | None:
        """What is left of the capacity; negative where more was worked."""
        return None if self.capacity is None else self.capacity - self.worked

    @property
    def billable_percent(self) -> str | None:
        """How much of the time is billable."""
        return str(100 * self.billable // self.worked) if self.worked else None


class Part(NamedTuple):
    """A part of a drawing, along one axis, in percent."""

    kind: str
    start: str
    size: str


class Stack(NamedTuple):
    """The kinds of work after one another, and where the capacity ends."""

    parts: list[Part]
    capacity: str
    title: str


class PersonView(NamedTuple):
    """A person on the page."""

    name: str
    person_id: str
    other_teams: list[str]
    load: Load
    bar: Stack
    weeks: list[tuple[Load, Stack]]
    flags: list[tuple[str, str, str]]
    """The contracts that need attention: code, path, why."""


class TeamView(NamedTuple):
    """A team, with the people whose latest team it is."""

    name: str
    load: Load
    people: list[PersonView]


async def show_people(request: Request, api: Api) -> Response:
    """The weeks up to this one, of one team or of all."""
    parameters = request.query_params
    number = parameters.get("weeks", "")
    number = number if number in WEEKS else _DEFAULT_WEEKS
    team = parameters.get("team", "")
    last = find_sunday(datetime.now(UTC).date())
    first = last - int(number) * _WEEK + timedelta(days=1)
    report, teams, flags = await asyncio.gather(
        api.get("/v1/reports/people", {"from": first.isoformat(), "to": last.isoformat(), "team": team}),
        api.get("/v1/teams", {"limit": _MAX_TEAMS}),
        _load_flags(api),
    )
    style = read_style(request)
    amount = Amounts(style)
    groups = group_by_team(report, flags, amount, team)
    return render(
        request,
        "people.html",
        groups=groups,
        total=add_up(person.load for group in groups for person in group.people),
        weeks=[first + number * _WEEK for number in range(int(number))],
        week_choices=[(label, _link({"weeks": key, "team": team}), key == number) for key, label in WEEKS.items()],
        selected_weeks=number,
        teams=teams["items"],
        team=team,
        days=f"{format_day(first, year=first.year != last.year)} \N{EN DASH} {format_day(last)}",
        amount=amount,
        hours=style,
    )


async def _load_flags(api: Api) -> dict[str, str]:
    """The codes of the contracts that run out or are over, with the reason; the more severe one wins."""
    pages = await asyncio.gather(
        *(optional(api.get("/v1/balances", {"attention": reason, "limit": _MAX_CONTRACTS})) for reason in _ATTENTION)
    )
    return {
        item["contract_code"]: REASONS[reason]
        for reason, page in zip(_ATTENTION, pages, strict=True)
        for item in (page["items"] if page else [])
    }


def find_sunday(day: date) -> date:
    """The last day of the week of a day."""
    return day + timedelta(days=6 - day.weekday())


def group_by_team(report: Json, flags: Mapping[str, str], amount: Amounts, team: str = "") -> list[TeamView]:
    """Everybody once: in ``team``, or else in their latest team."""
    people = report["people"]
    top = max((max(load.worked, load.capacity or 0) for person in people for load in map(read_load, person["weeks"])),
              default=0)  # fmt: skip
    widest = max((max(load.worked, load.capacity or 0) for load in map(read_load, people)), default=0)
    groups: dict[tuple[bool, str, str], list[PersonView]] = {}
    for person in people:
        names = {entry["team_id"]: entry["team_name"] for entry in person["teams"]}
        home = team if team in names else next(iter(names), "")
        others = [name for id_, name in names.items() if id_ != home]
        # People without a team come last.
        key = (not home, names.get(home, NO_TEAM), home)
        groups.setdefault(key, []).append(_view(person, others, flags, (widest, top), amount))
    return [
        TeamView(name, add_up(view.load for view in views), views)
        for (_, name, _), views in sorted(groups.items(), key=itemgetter(0))
    ]


def read_load(row: Json) -> Load:
    """The hours of a row of the API."""
    names = ("billable_seconds", "non_billable_seconds", "unaccounted_seconds", "capacity_seconds")
    return Load(*(row[name] for name in names))


def add_up(loads: Iterable[Load]) -> Load:
    """The sum; its capacity is of those who have one."""
    rows = list(loads)
    capacities = [load.capacity for load in rows if load.capacity is not None]
    return Load(
        sum(load.billable for load in rows),
        sum(load.other for load in rows),
        sum(load.unaccounted for load in rows),
        sum(capacities) if capacities else None,
    )


def stack(load: Load, scale: int, title: str) -> Stack:
    """The kinds of work, as parts of ``scale``."""
    parts, start = [], 0
    for kind, size in (("billable", load.billable), ("other", load.other), ("unaccounted", load.unaccounted)):
        if size:
            parts.append(Part(kind, _percent(start, scale), _percent(size, scale)))
        start += size
    return Stack(parts, "" if load.capacity is None else _percent(load.capacity, scale), title)


def _view(
    person: Json, others: list[str], flags: Mapping[str, str], scales: tuple[int, int], amount: Amounts
) -> PersonView:
    load = read_load(person)
    name = person["person_name"] or person["person_id"]
    weeks = [(date.fromisoformat(week["start"]), read_load(week)) for week in person["weeks"]]
    return PersonView(
        name=name,
        person_id=person["person_id"],
        other_teams=others,
        load=load,
        bar=stack(load, scales[0], f"{name}: {describe(load, amount)}"),
        weeks=[
            (week, stack(week, scales[1], f"Week of {format_day(start)}: {describe(week, amount)}"))
            for start, week in weeks
        ],
        flags=[
            (contract["contract_code"], contract_page(code), flags[code])
            for contract in person["contracts"]
            if (code := contract["contract_code"]) in flags
        ],
    )


def describe(load: Load, amount: Amounts) -> str:
    """A load in words."""
    parts: Sequence[tuple[int, str]] = (
        (load.billable, "billable"), (load.other, "not billable"), (load.unaccounted, "not counted"),
    )  # fmt: skip
    text = ", ".join(f"{amount(seconds)} {word}" for seconds, word in parts if seconds) or "no work"
    return text if load.capacity is None else f"{text}, of {amount(load.capacity)}"


def _link(parameters: Mapping[str, str]) -> str:
    return f"?{urlencode({name: value for name, value in parameters.items() if value})}"


def _percent(part: int, whole: int) -> str:
    value = 1000 * part // max(whole, 1)
    return f"{value // 10}.{value % 10}%"
