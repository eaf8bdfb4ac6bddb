"""The tables of a statement. Pure: the page and the PDF show these rows, so their figures are those of the JSON.

Time is shown in hours, minutes and seconds, so that no second is lost.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from tidemark_web.pages.client import Json
from tidemark_web.pages.report_tables import NO_TEAM, Cell, Figure, Options, Percent, Row, Table, describe_cause


def list_facts(answer: Json) -> list[tuple[str, Cell]]:
    """The figures of the period under their labels, and what identifies the statement."""
    statement, today = answer["statement"], answer["today"]
    figures, currency = statement["figures"], statement["currency"]
    facts: list[tuple[str, Cell]] = [
        ("Planned", Figure(figures["planned"], currency)),
        ("Carried", Figure(figures["carried"], currency)),
        ("Available", Figure(figures["available"], currency)),
        ("Executed", Figure(figures["consumed"], currency)),
        ("Left", Figure(figures["remaining"], currency)),
        ("Used", Percent(figures["percent"])),
        ("Worked", Figure(figures["seconds"])),
    ]
    if figures["unrated_seconds"]:
        facts.append(("Without a rate", Figure(figures["unrated_seconds"])))
    if today and today["figures"]["consumed"] != figures["consumed"]:
        facts.append(("Executed, today", Figure(today["figures"]["consumed"], today["currency"])))
    return [*facts, ("Frozen", _moment(statement["closed_at"])), ("As known on", _moment(statement["as_of"]))]


def build_tables(answer: Json, *, internal: bool = True) -> list[Table]:
    """The accounts then and today, the adjustments, what the statement corrects, and what has corrected it.

    Without ``internal`` rows there are billable accounts alone.
    """
    tables = (
        Table("accounts", "Accounts and teams", _ACCOUNTS, list(_accounts(answer, internal=internal))),
        Table("adjustments", "Adjustments", _ADJUSTMENTS, list(_adjustments(answer["statement"]))),
        Table(
            "corrections", "Corrections of earlier statements", _CORRECTIONS, list(_corrections(answer["statement"]))
        ),
        Table("restatements", "What has changed since", _RESTATEMENTS, list(_restatements(answer))),
    )
    return [table for table in tables if table.rows or table.name == "accounts"]


_WITHOUT_NAMES = Options(names=False)
_ACCOUNTS = {
    "name": "Account, team", "planned": "Planned", "executed": "Executed", "left": "Left", "percent": "Used",
    "worklogs": "Worklogs", "today": "Today",
}  # fmt: skip
_ADJUSTMENTS = {"account": "Account", "amount": "Amount", "reason": "Reason"}
_CORRECTIONS = {"period": "Period from", "account": "Account", "before": "Before", "after": "After"}
_RESTATEMENTS = {"learned": "Learned", "account": "Account", "before": "Before", "after": "After", "cause": "Cause"}


def _accounts(answer: Json, *, internal: bool) -> Iterator[Row]:
    statement, today = answer["statement"], answer["today"] or {"accounts": [], "currency": None}
    accounts_today = {account["account_id"]: account for account in today["accounts"]}
    frozen_ids = {account["account_id"] for account in statement["accounts"]}
    for account in statement["accounts"]:
        if internal or account["billable"]:
            name = account["name"] if account["billable"] else f"{account['name']} (not billable)"
            consumed = accounts_today.get(account["account_id"], {"consumed": 0})["consumed"]
            yield _row(name, account, statement["currency"], Figure(consumed, today["currency"]))
            for part in account["slices"]:
                name = f"\N{EN DASH} {part['team_name'] or (part['team_id'] and 'Unknown team') or NO_TEAM}"
                yield _row(name, part, statement["currency"], None)
    for account in today["accounts"]:
        if account["account_id"] not in frozen_ids and (internal or account["billable"]):
            empty = dict.fromkeys(("planned", "remaining", "percent"))
            row = {**empty, "consumed": 0, "worklogs": 0}
            yield _row(account["name"], row, statement["currency"], Figure(account["consumed"], today["currency"]))


def _row(name: str, figures: Json, currency: str | None, today: Cell) -> Row:
    return {
        "name": name,
        "planned": Figure(figures["planned"], currency),
        "executed": Figure(figures["consumed"], currency),
        "left": Figure(figures["remaining"], currency),
        "percent": Percent(figures["percent"]),
        "worklogs": figures["worklogs"],
        "today": today,
    }


def _adjustments(statement: Json) -> Iterator[Row]:
    names = {account["account_id"]: account["name"] for account in statement["accounts"]}
    for adjustment in statement["adjustments"]:
        value = adjustment["value_minor"]
        amount = f"{adjustment['hours']} h" if value is None else Figure(value, statement["currency"])
        yield {"account": names.get(adjustment["account_id"]), "amount": amount, "reason": adjustment["reason"]}


def _corrections(statement: Json) -> Iterator[Row]:
    for row in statement["restatements"]:
        period = {"period": date.fromisoformat(row["period_start"])}
        yield {**period, **_change(row, statement["currency"])}


def _restatements(answer: Json) -> Iterator[Row]:
    for row in answer["restatements"]:
        moment = {"learned": datetime.fromisoformat(row["restated_at"]).astimezone(UTC)}
        yield {**moment, **_change(row, row["currency"]), "cause": describe_cause(row["cause"], _WITHOUT_NAMES)}


def _change(row: Json, currency: str | None) -> dict[str, Cell]:
    def figure(side: str) -> Figure:
        amount = row[f"{side}_amount_minor"]
        return Figure(row[f"{side}_seconds"]) if amount is None else Figure(amount, currency)

    return {"account": row["account_name"], "before": figure("before"), "after": figure("after")}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
