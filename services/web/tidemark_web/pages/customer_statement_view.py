"""What a customer reads of a statement, as a page and as PDF, in the customer's language. Pure.

Both show these texts, so their figures are those of the JSON; nothing is rounded.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from tidemark_shared.language import Language
from tidemark_web.pages.client import Json
from tidemark_web.pages.customer_view import LocalAmounts, describe_use
from tidemark_web.pages.formatting import customer_contract_page


class TextTable(NamedTuple):
    """Rows of texts under ``columns``: the label of each column, and whether it has numbers."""

    title: str
    columns: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[str]]


class StatementLine(NamedTuple):
    """A statement in the list of a contract's statements."""

    link: str
    name: str
    use: str
    frozen: str


def build_lines(statements: Sequence[Json], language: Language) -> list[StatementLine]:
    """The statements of a contract, the newest first."""
    return [
        StatementLine(
            link=statement_page(statement),
            name=_period_name(statement["figures"], language),
            use=describe_use(statement["figures"], LocalAmounts(language, statement["currency"])),
            frozen=_format_day(statement["closed_at"], language),
        )
        for statement in reversed(statements)
    ]


def build_statement(answer: Json, language: Language) -> dict[str, Any]:
    """A statement with the figures today, and what has changed in between."""
    _, statement = language.gettext, answer["statement"]
    tables = (_accounts(answer, language), _adjustments(statement, language), _corrections(statement, language),
              _restatements(answer, language))  # fmt: skip
    return {
        "title": _("Statement %(number)s", number=statement["number"]),
        "period_label": _period_name(statement["figures"], language),
        "facts": list(_list_facts(answer, language)),
        "tables": [table for table in tables if table.rows],
        "frozen": _("As it was on %(day)s", day=_format_day(statement["closed_at"], language)),
        "is_changed": bool(answer["restatements"]),
        "pdf_path": f"{statement_page(statement)}.pdf",
        "contract_page": customer_contract_page(statement["contract_code"]),
    }


def statement_page(statement: Json) -> str:
    """The path of a statement's page for the customer."""
    page = customer_contract_page(statement["contract_code"])
    return f"{page}/statements/{statement['figures']['start']}"


def _list_facts(answer: Json, language: Language) -> Iterator[tuple[str, str]]:
    _, statement, today = language.gettext, answer["statement"], answer["today"]
    figures, amount = statement["figures"], LocalAmounts(language, statement["currency"])
    yield _("Planned"), amount(figures["planned"])
    if figures["carried"] > 0:
        yield _("Carried over from earlier"), amount(figures["carried"])
    elif figures["carried"] < 0:
        yield _("Deducted for earlier overruns"), amount(-figures["carried"])
    yield _("Used"), amount(figures["consumed"])
    yield _("Left"), amount(figures["remaining"])
    if today and today["figures"]["consumed"] != figures["consumed"]:
        yield _("Used, as of today"), amount(today["figures"]["consumed"])


def _accounts(answer: Json, language: Language) -> TextTable:
    _, statement = language.gettext, answer["statement"]
    amount, today = LocalAmounts(language, statement["currency"]), answer["today"]
    now = {account["account_id"]: account for account in today["accounts"]} if today else {}
    frozen = {account["account_id"]: account for account in statement["accounts"]}
    nothing = {"planned": None, "consumed": 0, "remaining": None}
    added = [
        {**nothing, "account_id": id_, "name": account["name"]} for id_, account in now.items() if id_ not in frozen
    ]
    rows = [
        (
            account["name"],
            amount(account["planned"]),
            amount(account["consumed"]),
            amount(account["remaining"]),
            amount(now.get(account["account_id"], nothing)["consumed"]),
        )
        for account in (*frozen.values(), *added)
    ]
    columns = ((_("Account"), False), (_("Planned"), True), (_("Used"), True), (_("Left"), True), (_("Today"), True))
    return TextTable(_("Budgets"), columns, rows)


def _adjustments(statement: Json, language: Language) -> TextTable:
    _, amount = language.gettext, LocalAmounts(language, statement["currency"])
    names = {account["account_id"]: account["name"] for account in statement["accounts"]}

    def describe(change: int) -> str:
        text = amount(abs(change))
        return _("%(amount)s less", amount=text) if change < 0 else _("%(amount)s more", amount=text)

    rows = [(names[row["account_id"]], describe(row["amount"])) for row in statement["adjustments"]]
    return TextTable(_("Agreed in addition"), ((_("Account"), False), (_("Change"), True)), rows)


def _corrections(statement: Json, language: Language) -> TextTable:
    _ = language.gettext
    rows = [
        (_format_day(row["period_start"], language), *_change(row, statement, language))
        for row in statement["corrections"]
    ]
    columns = ((_("Period from"), False), (_("Account"), False), (_("Before"), True), (_("After"), True))
    return TextTable(_("Corrections of earlier statements"), columns, rows)


def _restatements(answer: Json, language: Language) -> TextTable:
    _ = language.gettext
    rows = [
        (*_change(row, answer["statement"], language), _format_day(row["restated_at"], language))
        for row in answer["restatements"]
    ]
    columns = ((_("Account"), False), (_("Before"), True), (_("After"), True), (_("Last change"), False))
    return TextTable(_("What has changed since"), columns, rows)


def _change(row: Json, statement: Json, language: Language) -> tuple[str, str, str]:
    _, amount = language.gettext, LocalAmounts(language, statement["currency"])
    return row["account_name"] or _("Removed account"), amount(row["before"]), amount(row["after"])


def _period_name(figures: Mapping[str, Any], language: Language) -> str:
    return language.format_period(date.fromisoformat(figures["start"]), date.fromisoformat(figures["end"]))


def _format_day(text: str, language: Language) -> str:
    """The day of a moment in UTC, or a day."""
    return language.format_day(datetime.fromisoformat(text).date())
