"""The tables of a delivery report. Pure: page, CSV, XLSX and PDF all show these rows, so their figures are equal."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from tidemark_web.pages.client import Json
from tidemark_web.pages.contract import REASON_LABELS
from tidemark_web.pages.contracts import STATUSES
from tidemark_web.pages.formatting import NOTHING, Amounts, HourStyle, format_day, format_percent, format_period

_CAUSES = {
    "worklog": "Worklog",
    "issue": "Link of an issue",
    "contract": "Change of the contract",
    "membership": "Change of a team",
    "rate_card": "Change of a rate",
}
NO_TEAM = "No team"


class Figure(NamedTuple):
    """Whole seconds, or minor units of ``currency``."""

    amount: int | None
    currency: str | None = None


class Percent(NamedTuple):
    """A percentage with two decimals."""

    text: str | None


Cell = str | int | date | datetime | Figure | Percent | None
Row = Mapping[str, Cell]


class Table(NamedTuple):
    """Rows under ``columns``: the key of each column and its label."""

    name: str
    title: str
    columns: Mapping[str, str]
    rows: Sequence[Row]

    def of(self, contract: str) -> list[Row]:
        """The rows of a contract, by its code."""
        return [row for row in self.rows if row["contract"] == contract]


def name_period(row: Row, recurrence: str) -> str:
    """The name of a row's period."""
    return format_period({"start": str(row["period_start"]), "end": str(row["period_end"])}, recurrence=recurrence)


class Options(NamedTuple):
    """What a report leaves out: the names of persons, and what is internal (not billable, or not counted)."""

    names: bool = True
    internal: bool = True


class _Definition(NamedTuple):
    title: str
    columns: Mapping[str, str]
    rows: Callable[[Json, Options], Iterator[Row]]


_INTERNAL_COLUMNS = frozenset({"billable", "non_billable", "billable_percent", "unaccounted"})
_INTERNAL_TABLES = frozenset({"unaccounted"})
_NAME_COLUMNS = frozenset({"owner"})
_NAME_TABLES = frozenset({"people"})


def build_tables(report: Json, options: Options) -> dict[str, Table]:
    """All tables of a report by name, in the order in which files have them."""
    skipped = (frozenset() if options.names else _NAME_TABLES) | (frozenset() if options.internal else _INTERNAL_TABLES)
    hidden = (frozenset() if options.names else _NAME_COLUMNS) | (
        frozenset() if options.internal else _INTERNAL_COLUMNS
    )
    tables = {}
    for name, (title, all_columns, rows_of) in _DEFINITIONS.items():
        if name not in skipped:
            columns = {key: label for key, label in all_columns.items() if key not in hidden}
            rows = [{key: row[key] for key in columns} for row in rows_of(report, options)]
            tables[name] = Table(name, title, columns, rows)
    return tables


def show(cell: Cell, style: HourStyle, *, unit: bool = False) -> str:
    """A cell as people read it."""
    if isinstance(cell, Figure):
        return Amounts(style, cell.currency)(cell.amount, unit=unit or cell.currency is not None)
    if isinstance(cell, Percent):
        return format_percent(cell.text)
    if isinstance(cell, datetime):
        return f"{format_day(cell.date())}, {cell:%H:%M} UTC"
    if isinstance(cell, date):
        return format_day(cell)
    return NOTHING if cell is None else f"{cell:,}" if isinstance(cell, int) else cell


def is_number(cell: Cell) -> bool:
    """Whether a cell belongs at the right of its column."""
    return isinstance(cell, (Figure, Percent, int))


def _accounts(contract: Json, options: Options) -> Iterator[Json]:
    return (account for account in contract["accounts"] if account["billable"] or options.internal)


def _contracts(report: Json, _: Options) -> Iterator[Row]:
    for contract in report["contracts"]:
        forecast = contract["forecast"] or {}
        yield {
            "contract": contract["contract_code"],
            "name": contract["contract_name"],
            "owner": contract["owner"]["name"],
            "status": STATUSES[contract["status"]],
            "start": date.fromisoformat(contract["start_date"]),
            "end": date.fromisoformat(contract["end_date"]),
            "executed": Figure(contract["billable"]["consumed"], contract["currency"]),
            "time": Figure(contract["billable"]["seconds"]),
            "non_billable": Figure(contract["non_billable"]["seconds"]),
            "unaccounted": Figure(sum(work["seconds"] for work in contract["unaccounted"])),
            "whole_planned": Figure(contract["whole"]["planned"], contract["currency"]),
            "whole_executed": Figure(contract["whole"]["consumed"], contract["currency"]),
            "whole_left": Figure(contract["whole"]["remaining"], contract["currency"]),
            "whole_percent": Percent(contract["whole"]["percent"]),
            "exhausts_on": _day(forecast.get("exhausts_on")),
            "exhausts_low": _day(forecast.get("low")),
            "exhausts_high": _day(forecast.get("high")),
        }


def _planned(report: Json, options: Options) -> Iterator[Row]:
    """Each period that overlaps the range: the contract, then its accounts, each with its teams."""
    for contract in report["contracts"]:
        for period in contract["periods"]:
            row = _PlannedRow(contract["contract_code"], contract["currency"], period["start"], period["end"])
            yield row.of(period, "Contract")
            for account in _accounts(contract, options):
                name, billable = account["name"], account["billable"]
                yield row.of(_find(account, period["start"]), "Account", name, billable=billable)
                for slice_ in account["slices"]:
                    # Work that no team is given has a row only where there is such work.
                    if figures := _find(slice_, period["start"]):
                        team = slice_["team_name"] or NO_TEAM
                        yield row.of(figures, "Team", name, team, billable=billable)


class _PlannedRow(NamedTuple):
    contract: str
    currency: str | None
    start: str
    end: str

    def of(
        self, figures: Json | None, level: str, account: str | None = None, team: str | None = None, *,
        billable: bool = True,
    ) -> Row:  # fmt: skip
        figures = figures or {}

        def amount(name: str, *, default: int | None = None) -> Figure:
            return Figure(figures.get(name, default), self.currency)

        return {
            "contract": self.contract,
            "period_start": date.fromisoformat(self.start),
            "period_end": date.fromisoformat(self.end),
            "level": level,
            "account": account,
            "team": team,
            "billable": "yes" if billable else "no",
            "planned": amount("planned"),
            "carried": amount("carried"),
            "available": amount("available"),
            "executed": amount("consumed", default=0),
            "left": amount("remaining"),
            "percent": Percent(figures.get("percent")),
            "worklogs": figures.get("worklogs", 0),
        }


def _work(report: Json, options: Options) -> Iterator[Row]:
    for contract in report["contracts"]:
        for account in _accounts(contract, options):
            for team in account["teams"]:
                work = team["work"]
                yield {
                    "contract": contract["contract_code"],
                    "account": account["name"],
                    "team": team["team_name"] or NO_TEAM,
                    "billable": "yes" if account["billable"] else "no",
                    "time": Figure(work["seconds"]),
                    "executed": Figure(work["consumed"], contract["currency"]),
                    "unrated": Figure(work["unrated_seconds"]),
                    "worklogs": work["worklogs"],
                }


def _days(report: Json, _: Options) -> Iterator[Row]:
    for contract in report["contracts"]:
        for day in contract["days"]:
            planned = [period["planned_to_date"] for period in contract["periods"] if period["start"] <= day["day"]]
            yield {
                "contract": contract["contract_code"],
                "day": date.fromisoformat(day["day"]),
                "time": Figure(day["seconds"]),
                "executed": Figure(day["consumed"], contract["currency"]),
                "cumulative": Figure(day["cumulative"], contract["currency"]),
                "contracted_to_date": Figure(planned[-1] if planned else None, contract["currency"]),
            }


def _teams(report: Json, options: Options) -> Iterator[Row]:
    for team in report["teams"]:
        if team["billable_seconds"] or options.internal:
            yield {
                "team": team["team_name"] or NO_TEAM,
                "time": Figure(team["billable_seconds"]),
                "non_billable": Figure(team["non_billable_seconds"]),
                "billable_percent": Percent(team["billable_percent"]),
            }


def _people(report: Json, options: Options) -> Iterator[Row]:
    for contract in report["contracts"]:
        for person in contract["people"] or ():
            if person["billable"]["worklogs"] or options.internal:
                yield {
                    "contract": contract["contract_code"],
                    "person": person["person_name"] or person["person_id"],
                    "person_id": person["person_id"],
                    "time": Figure(person["billable"]["seconds"]),
                    "executed": Figure(person["billable"]["consumed"], contract["currency"]),
                    "non_billable": Figure(person["non_billable"]["seconds"]),
                    "worklogs": person["billable"]["worklogs"]
                    + (person["non_billable"]["worklogs"] if options.internal else 0),
                }


def _unaccounted(report: Json, _: Options) -> Iterator[Row]:
    for contract in report["contracts"]:
        for work in contract["unaccounted"]:
            yield {
                "contract": contract["contract_code"],
                "reason": REASON_LABELS[work["reason"]],
                "time": Figure(work["seconds"]),
                "worklogs": work["worklogs"],
            }


def _restatements(report: Json, options: Options) -> Iterator[Row]:
    for contract in report["contracts"]:
        is_money = contract["currency"] is not None
        names = ("before_amount_minor", "after_amount_minor") if is_money else ("before_seconds", "after_seconds")
        shown = {account["account_id"] for account in _accounts(contract, options)}
        for restatement in contract["restatements"]:
            if restatement["account_id"] not in shown and not options.internal:
                continue
            before, after = (restatement[name] or 0 for name in names)
            yield {
                "contract": contract["contract_code"],
                "account": restatement["account_name"] or "Removed account",
                "period_start": date.fromisoformat(restatement["period_start"]),
                "period_end": date.fromisoformat(restatement["period_end"]),
                "before": Figure(before, contract["currency"]),
                "after": Figure(after, contract["currency"]),
                "change": Figure(after - before, contract["currency"]),
                "cause": describe_cause(restatement["cause"], options),
                "restated_at": datetime.fromisoformat(restatement["restated_at"]),
            }


def describe_cause(cause: str, options: Options) -> str:
    """The cause can name a worklog or a person, which says more than a report for others should."""
    kind, _, rest = cause.partition(":")
    label = _CAUSES.get(kind, kind)
    return f"{label} {rest}" if options.names and options.internal else label


def _outlook(report: Json, _: Options) -> Iterator[Row]:
    for contract in report["contracts"]:
        for month in contract["outlook"]:
            yield {
                "contract": contract["contract_code"],
                "period_start": date.fromisoformat(month["start"]),
                "period_end": date.fromisoformat(month["end"]),
                **{
                    name: Figure(month[name], contract["currency"])
                    for name in ("contracted", "expected", "low", "high", "contracted_to_date", "cumulative")
                },
            }


def _find(part: Json, start: str) -> Json | None:
    return next((period for period in part["periods"] if period["start"] == start), None)


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def columns_of_all(tables: Iterable[Table]) -> dict[str, str]:
    """The columns of all tables together, in the order in which they first appear."""
    return {key: label for table in tables for key, label in table.columns.items()}


_DEFINITIONS: Mapping[str, _Definition] = {
    "contracts": _Definition("Contracts", {
        "contract": "Contract", "name": "Name", "owner": "Owner", "status": "Status", "start": "Starts", "end": "Ends",
        "executed": "Executed in the range", "time": "Billable time", "non_billable": "Time not billable",
        "unaccounted": "Not counted", "whole_planned": "Contracted in total", "whole_executed": "Executed in total",
        "whole_left": "Left in total", "whole_percent": "Used in total", "exhausts_on": "Runs out",
        "exhausts_low": "Runs out at the earliest", "exhausts_high": "Runs out at the latest"}, _contracts),
    "planned": _Definition("Planned and executed", {
        "contract": "Contract", "period_start": "First day", "period_end": "Last day", "level": "Level",
        "account": "Account", "team": "Team", "billable": "Billable", "planned": "Planned", "carried": "Carried in",
        "available": "Available", "executed": "Executed", "left": "Left", "percent": "Used", "worklogs": "Worklogs"},
        _planned),
    "work": _Definition("Work in the range", {
        "contract": "Contract", "account": "Account", "team": "Team", "billable": "Billable", "time": "Time",
        "executed": "Executed", "unrated": "Without a rate", "worklogs": "Worklogs"}, _work),
    "days": _Definition("Day by day", {
        "contract": "Contract", "day": "Day", "time": "Time", "executed": "Executed", "cumulative": "Executed to date",
        "contracted_to_date": "Contracted to date"}, _days),
    "teams": _Definition("Teams", {
        "team": "Team", "time": "Billable time", "non_billable": "Time not billable", "billable_percent": "Billable"},
        _teams),
    "people": _Definition("People", {
        "contract": "Contract", "person": "Person", "person_id": "Person's id", "time": "Billable time",
        "executed": "Executed", "non_billable": "Time not billable", "worklogs": "Worklogs"}, _people),
    "unaccounted": _Definition("Work that is not counted", {
        "contract": "Contract", "reason": "Reason", "time": "Time", "worklogs": "Worklogs"}, _unaccounted),
    "restatements": _Definition("Restatements", {
        "contract": "Contract", "account": "Account", "period_start": "First day", "period_end": "Last day",
        "before": "Before", "after": "After", "change": "Change", "cause": "Cause", "restated_at": "Restated"},
        _restatements),
    "outlook": _Definition("Outlook", {
        "contract": "Contract", "period_start": "First day", "period_end": "Last day", "contracted": "Contracted",
        "expected": "Expected", "low": "At least", "high": "At most", "contracted_to_date": "Contracted to date",
        "cumulative": "Executed by then"}, _outlook),
}  # fmt: skip
