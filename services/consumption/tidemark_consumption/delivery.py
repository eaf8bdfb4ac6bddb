"""The delivery report from rows of totals and whole balances: what overlaps a range of days, and what comes. Pure."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import accumulate
from typing import Any, NamedTuple
from uuid import UUID

from tidemark_consumption.forecast import forecast
from tidemark_consumption.outlook import expect
from tidemark_shared.domain.calendar import Period, split_into_periods
from tidemark_shared.domain.quantities import compute_percent

Row = Mapping[str, Any]
Rows = Sequence[Row]


class ReportRange(NamedTuple):
    """The days of a report, both inclusive, its accounts (None: all of them), and whether it has details."""

    first_day: date
    last_day: date
    accounts: Sequence[UUID] | None
    details: bool

    def has_account(self, account_id: str) -> bool:
        """Whether the report has this account."""
        return self.accounts is None or UUID(account_id) in self.accounts

    def overlaps(self, period: Row) -> bool:
        """Whether a period of a balance has days of the range."""
        return str(period["start"]) <= str(self.last_day) and str(period["end"]) >= str(self.first_day)


class ReportRows(NamedTuple):
    """The rows behind a contract in a report. ``people`` is None where nobody asked for them."""

    work: Rows
    days: Rows
    people: Rows | None
    unaccounted: Rows
    restatements: Rows


def deliver_contract(
    contract: Row, rows: ReportRows, pace: Row | None, shown: ReportRange, team_names: Mapping[UUID, str]
) -> dict[str, Any]:
    """The report of a contract. ``contract`` is a row with its balance, ``pace`` what a forecast is made from."""
    balance = json.loads(contract["body"])
    accounts = [account for account in balance["accounts"] if shown.has_account(account["account_id"])]
    planned_to_date = _planned_to_date(balance["periods"], None if shown.accounts is None else accounts)
    prediction = forecast(**pace) if pace else None
    return {
        "contract_id": contract["contract_id"],
        "contract_code": contract["code"],
        "contract_name": contract["name"],
        "owner": {"name": contract["owner_name"], "email": contract["owner_email"]},
        **{name: contract[name] for name in ("type", "recurrence", "start_date", "end_date", "timezone")},
        **{name: balance[name] for name in ("status", "unit", "currency", "whole")},
        "periods": [
            {**period, "planned_to_date": planned}
            for period, planned in zip(balance["periods"], planned_to_date, strict=True)
            if shown.overlaps(period)
        ],
        "accounts": [_deliver_account(account, rows.work, shown, team_names) for account in accounts if shown.details],
        "billable": _find_work(rows.work, billable=True),
        "non_billable": _find_work(rows.work, billable=False),
        "consumed_before": max((row["cumulative"] for row in rows.days if row["day"] < shown.first_day), default=0),
        "days": [dict(row) for row in rows.days if row["day"] >= shown.first_day],
        "teams": [
            {**_by_billable(team_rows), "team_id": team_id, "team_name": team_rows[0]["team_name"]}
            for team_id, team_rows in _group(_select(rows.work, by_account=False, by_team=True), "team_id")
        ],
        "people": rows.people
        and [
            {**_by_billable(person_rows), "person_id": person_id, "person_name": person_rows[0]["author_name"]}
            for person_id, person_rows in _group(rows.people, "author_id")
        ],
        "unaccounted": [
            {**row, "hours": str(row["hours"]), "worklogs": row["worklog_count"]} for row in map(dict, rows.unaccounted)
        ],
        "restatements": [dict(row) for row in rows.restatements],
        "forecast": prediction,
        "outlook": _look_ahead(contract, balance, pace if shown.details else None),
    }


def deliver_teams(contracts: Iterable[Row]) -> list[dict[str, Any]]:
    """The work of each team for all contracts of a report, in seconds, the most first."""
    names: dict[UUID | None, str | None] = {}
    seconds: dict[UUID | None, list[int]] = defaultdict(lambda: [0, 0])
    for contract in contracts:
        for team in contract["teams"]:
            names[team["team_id"]] = team["team_name"]
            for position, kind in enumerate(("billable", "non_billable")):
                seconds[team["team_id"]][position] += team[kind]["seconds"]
    ordered = sorted(seconds.items(), key=lambda item: (-sum(item[1]), names[item[0]] or "", str(item[0])))
    return [
        {
            "team_id": team_id,
            "team_name": names[team_id],
            "billable_seconds": billable,
            "non_billable_seconds": non_billable,
            "billable_percent": f"{compute_percent(billable, billable + non_billable):.2f}",
        }
        for team_id, (billable, non_billable) in ordered
    ]


def _deliver_account(account: Row, work: Rows, shown: ReportRange, team_names: Mapping[UUID, str]) -> dict[str, Any]:
    account_id = UUID(account["account_id"])
    return {
        **account,
        "periods": [period for period in account["periods"] if shown.overlaps(period)],
        "slices": [
            {
                **slice_,
                "team_name": slice_["team_id"] and team_names.get(UUID(slice_["team_id"])),
                "periods": [period for period in slice_["periods"] if shown.overlaps(period)],
            }
            for slice_ in account["slices"]
        ],
        "work": _find_work(work, account_id=account_id, by_account=True),
        "teams": [
            {"team_id": row["team_id"], "team_name": row["team_name"], "work": _to_work(row)}
            for row in _select(work, account_id=account_id, by_account=True, by_team=True)
        ],
    }


def _planned_to_date(periods: Rows, accounts: Rows | None) -> list[int | None]:
    """What is planned of all periods up to each one: for the contract, or for some of its accounts."""
    planned = [period["planned"] for period in periods]
    if accounts is not None:
        by_account = [[period["planned"] for period in account["periods"]] for account in accounts]
        planned = [
            None if all(amount is None for amount in amounts) else sum(amount or 0 for amount in amounts)
            for amounts in zip(*by_account, strict=True)
        ]
    return list(accumulate(planned, lambda total, amount: None if total is None or amount is None else total + amount))


def _look_ahead(contract: Row, balance: Row, pace: Row | None) -> list[dict[str, Any]]:
    """What the coming months consume at the pace of the forecast, in the unit of the contract."""
    if pace is None:
        return []
    divisor, is_monthly = contract["scale_divisor"], contract["recurrence"] == "monthly"
    months = split_into_periods("monthly", contract["start_date"], contract["end_date"])
    consumed = (
        [period["consumed"] * divisor for period in balance["periods"]]
        if is_monthly
        else [_sum_between(pace["days"], month) for month in months]
    )
    expectations = expect(pace["days"], today=pace["today"], months=months, consumed=consumed)
    planned = _planned_to_date(balance["periods"], None)
    outlook, first = [], len(months) - sum(month.end >= pace["today"] for month in months)
    additions = accumulate(
        expectation.expected - amount for expectation, amount in zip(expectations, consumed[first:], strict=False)
    )
    for index, (expectation, added) in enumerate(zip(expectations, additions, strict=True), first):
        period = balance["periods"][index] if is_monthly else None
        outlook.append(
            {
                **{name: _to_unit(getattr(expectation, name), divisor) for name in ("expected", "low", "high")},
                "start": expectation.start,
                "end": expectation.end,
                "contracted": period and period["available" if index == first else "planned"],
                "cumulative": balance["whole"]["consumed"] + _to_unit(added, divisor),
                "contracted_to_date": planned[index if is_monthly else -1],
            }
        )
    return outlook


def _sum_between(days: Mapping[date, int], month: Period) -> int:
    return sum(amount for day, amount in days.items() if month.start <= day <= month.end)


def _to_unit(exact_units: int, divisor: int) -> int:
    """Exact units in the unit of the contract, rounded half-even."""
    return round(Fraction(exact_units, divisor))


def _select(rows: Rows, **values: object) -> list[Row]:
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def _find_work(rows: Rows, **values: object) -> dict[str, Any]:
    """The work of the only row with these values that is not by team; no work where there is none."""
    selected = _select(rows, **{"by_account": False, "by_team": False, **values})
    return _to_work(selected[0]) if selected else _no_work()


def _by_billable(rows: Rows) -> dict[str, Any]:
    works = {row["billable"]: _to_work(row) for row in rows}
    return {"billable": works.get(True, _no_work()), "non_billable": works.get(False, _no_work())}


def _group(rows: Rows, name: str) -> list[tuple[Any, list[Row]]]:
    """Rows with the same value together, in the order in which the values come."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[name]].append(row)
    return sorted(groups.items(), key=lambda group: -sum(row["seconds"] for row in group[1]))


def _to_work(row: Row) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("seconds", "consumed", "unrated_seconds")},
        "hours": str(row["hours"]),
        "amount": None if row["amount"] is None else str(row["amount"]),
        "worklogs": row["worklog_count"],
    }


def _no_work() -> dict[str, Any]:
    return {
        "seconds": 0, "hours": "0.0000", "consumed": 0, "amount": None, "unrated_seconds": None, "worklogs": 0,
    }  # fmt: skip
