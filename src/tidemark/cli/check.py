"""``tidemark check``: what a worklog would change, before it is logged."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Annotated

import typer
from pydantic_core import PydanticCustomError
from rich.console import Group, RenderableType

from tidemark.cli.connection import connect
from tidemark.cli.figures import to_quantity
from tidemark.cli.options import DEFAULT_DATA_DIR, AsJson, DataDir
from tidemark.cli.output import Column, Record, build_table, print_json, print_table
from tidemark.cli.references import TEAMS, find_entity
from tidemark_client import Json
from tidemark_shared.domain.bodies import format_money
from tidemark_shared.domain.quantities import MinorUnits, hours_to_seconds, parse_hours

_INDENT = {"contract": "", "account": "  ", "slice": "    "}
_COLUMNS = (
    Column("Level", "label"),
    Column("Available", "available", right=True, wrap=False),
    Column("Consumed", "consumed", right=True, wrap=False),
    Column("Remaining", "remaining", right=True, wrap=False),
    Column("%", "percent", right=True, wrap=False),
)


def check(
    issue: Annotated[str, typer.Argument(help="The issue's key, or its id in the tracker.")],
    *,
    person: Annotated[str, typer.Option(help="The person's id in the tracker.")],
    hours: Annotated[str, typer.Option(help="How long, such as 3 or 1.25.")],
    day: Annotated[str | None, typer.Option(help="The day, such as 2026-03-01; without it and --at today.")] = None,
    at: Annotated[str | None, typer.Option(help="When it starts, such as 2026-03-01T09:00:00+01:00.")] = None,
    team: Annotated[str | None, typer.Option(help="The team's name or id; without it, by membership.")] = None,
    source: Annotated[str | None, typer.Option(help="The tracker, where several have the issue.")] = None,
    worklog: Annotated[str | None, typer.Option(help="The id of a worklog that this would correct.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show whether a worklog would count, what would be left, and who would be notified. Nothing is stored.

    The exit code is 1 if it would not count, or if it would go over what is available.
    """
    if day and at:
        raise typer.BadParameter("Give either --day or --at.")
    try:
        seconds = hours_to_seconds(parse_hours(hours))
    except PydanticCustomError as error:
        raise typer.BadParameter(f"--hours: {error.message()}") from None
    today = datetime.now(UTC).astimezone().date().isoformat()
    with connect(data_dir) as api:
        body = {
            "source": source,
            "issue_id": issue,
            "author_id": person,
            "started_at": at,
            "day": None if at else day or today,
            "seconds": seconds,
            "team_id": team and find_entity(api, TEAMS, team).id,
            "worklog_id": worklog,
        }
        answer = api.post("worklogs/check", body).body
    if as_json:
        print_json(answer)
    else:
        print_table(Group(*_describe(answer, issue)))
    if not answer["counts"] or any(map(_goes_over, answer["levels"])):
        raise typer.Exit(1)


def _goes_over(level: Json) -> bool:
    before, after = level["before"], level["after"]
    return after["remaining"] is not None and after["remaining"] < 0 and after["consumed"] > before["consumed"]


def _describe(answer: Json, issue: str) -> Iterator[RenderableType]:
    """The answer for people: where it counts, figures before and after, rates, and who is notified."""
    if answer["counts"]:
        team = answer["team_name"] or "no team"
        account = answer["account_name"] + ("" if answer["billable"] else " (not billed)")
        yield f"{issue} would count: {answer['contract_code']} · {account} · {team}, on {answer['day']}"
    else:
        yield f"{issue} would not count ({answer['reason']}). {answer['remedy']}"
    for (contract, period), levels in groupby(answer["levels"], lambda level: (level["contract_code"], _span(level))):
        rows = list(levels)
        yield build_table([_row(level) for level in rows], _COLUMNS, title=f"{contract}, {period}, in {_unit(rows[0])}")
    for balance in (changed["after"] for changed in answer["balances"]):
        if balance["status"] == "CLOSED":
            yield f"{balance['contract_code']} is closed. Its work still counts, and nobody is notified of its limits."
    if answer["rates"]:
        currency = answer["balances"][0]["after"]["currency"]
        parts = ", ".join(
            f"{to_quantity(rate['seconds'], 'h')} h {rate['kind'].replace('_', ' ')} at "
            f"{format_money(MinorUnits(rate['per_hour_minor']), currency)}"
            for rate in answer["rates"]
        )
        yield f"Rate: {parts}; together {format_money(MinorUnits(answer['amount_minor']), currency)}"
    elif answer["unrated_seconds"]:
        yield "Rate: none. The person has no rate card that fits, so the work would add nothing to the amount."
    yield from (
        f"Over: {_row(level)['label'].strip()}, {_span(level)}" for level in answer["levels"] if _goes_over(level)
    )
    if answer["crossings"] is None:
        yield "Notifications: not known, because the notifier does not answer"
    elif not answer["crossings"]:
        yield "Notifications: none"
    for crossing in answer["crossings"] or ():
        receivers = ", ".join(crossing["receivers"]) or "nobody"
        yield f"Notification: {crossing['rule_name']} to {receivers}: {crossing['text']}"


def _row(level: Json) -> Record:
    """The figures as "before → after"."""
    before, after = level["before"], level["after"]
    name = {
        "contract": f"Contract {level['contract_code']}",
        "account": level["account_name"],
        "slice": level["team_name"] or "no team",
    }[level["level"]]

    def change(member: str) -> str:
        values = (to_quantity(figures[member], _unit(level, symbol=True)) for figures in (before, after))
        return " → ".join("" if value is None else f"{value:,}" for value in values).strip(" →")

    return {
        "label": _INDENT[level["level"]] + name,
        "available": to_quantity(after["available"], _unit(level, symbol=True)),
        "consumed": change("consumed"),
        "remaining": change("remaining"),
        "percent": " → ".join(filter(None, (before["percent"], after["percent"]))),
    }


def _unit(level: Json, *, symbol: bool = False) -> str:
    if level["unit"] == "seconds":
        return "h" if symbol else "hours"
    return level["currency"] or "minor units"


def _span(level: Json) -> str:
    return f"{level['period_start']} to {level['period_end']}" if level["period_start"] else "all periods"
