"""Contracts from the API as tables that fit a terminal of 80 columns."""

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console, RenderableType

from tidemark.cli.contract_tables import build_contract_details, build_contract_list, build_history

NOW = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)
"""Still March in UTC, April in Berlin."""
CONTRACT: dict[str, Any] = {
    "id": "b72f1c6e-d3b2-4fbb-8f1d-6c6d2eb9778b", "code": "ACME-SUP", "name": "Support", "status": "ACTIVE",
    "version": 2,
    "owner": {"name": "Olga", "email": "olga@provider.example"}, "organization_id": "7d3c9a52", "type": "fixed_price",
    "recurrence": "monthly", "start_date": "2026-01-01", "end_date": "2026-12-31", "timezone": "Europe/Berlin",
    "contracted_hours": None, "contracted_value_minor": 123_456_789, "currency": "EUR",
}  # fmt: skip


def figures(planned: int | None, consumed: int, percent: str | None, **more: Any) -> dict[str, Any]:
    remaining = None if planned is None else planned - consumed
    return {"planned": planned, "consumed": consumed, "remaining": remaining, "percent": percent, **more}


def period(start: str, end: str, available: int) -> dict[str, Any]:
    return figures(1, 0, "1.00", start=start, end=end, available=available)


def balance(unit: str, currency: str | None, **changes: Any) -> dict[str, Any]:
    return {
        "unit": unit, "currency": currency, "whole": figures(123_456_789, 987_654_321, "800.00"),
        "periods": [
            period("2026-03-01", "2026-03-31", 3), period("2026-04-01", "2026-04-30", 4),
            period("2026-05-01", "2026-05-31", 5),
        ],
        "accounts": [{"name": "Help desk", "billable": False, "whole": figures(None, 3_600, None)}], **changes,
    }  # fmt: skip


def rows(table: RenderableType) -> list[list[str]]:
    """The words of each line. No line is wider than the terminal."""
    console = Console(file=StringIO(), width=80, markup=False)
    console.print(table)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    return [line.split() for line in text.splitlines()]


def test_money_has_the_decimals_of_its_currency() -> None:
    lines = rows(build_contract_details(CONTRACT, "Acme", balance("minor", "EUR"), NOW))
    assert ["Terms", "fixed", "price,", "1,234,567.89", "EUR,", "monthly"] in lines
    assert ["Account", "Planned", "EUR", "Consumed", "Remaining", "%"] in lines
    assert ["Help", "desk", "(not", "36.00"] in lines
    assert ["Contract", "1,234,567.89", "9,876,543.21", "-8,641,975.32", "800.00"] in lines
    assert ["Contract", "123,456,789", "987,654,321", "-864,197,532", "800.00"] in rows(
        build_contract_details(CONTRACT, "Acme", balance("minor", "JPY"), NOW)
    )


def test_hours_have_two_decimals() -> None:
    whole = figures(144_000, 115_236, "80.03")
    assert ["Contract", "40.00", "32.01", "7.99", "80.03"] in rows(
        build_contract_details(CONTRACT, "Acme", balance("seconds", None, whole=whole), NOW)
    )


@pytest.mark.parametrize(
    ("now", "period_cells"),
    [
        (NOW, ["2026-04-01", "to", "2026-04-30", "0.04"]),
        (datetime(2020, 1, 1, tzinfo=UTC), ["2026-03-01", "to", "2026-03-31", "0.03"]),
        (datetime(2030, 1, 1, tzinfo=UTC), ["2026-05-01", "to", "2026-05-31", "0.05"]),
    ],
)
def test_current_period_is_that_of_today_in_the_contracts_time_zone(now: datetime, period_cells: list[str]) -> None:
    lines = rows(build_contract_details(CONTRACT, "Acme", balance("minor", "EUR", whole=figures(1, 1, "100.00")), now))
    assert [row[:4] for row in lines if row[1:2] == ["to"]] == [period_cells]


def test_contract_without_recurrence_has_no_period_and_without_balance_no_figures() -> None:
    once = CONTRACT | {"recurrence": "none"}
    assert not any(
        row[1:2] == ["to"] for row in rows(build_contract_details(once, "Acme", balance("minor", "EUR"), NOW))
    )
    assert rows(build_contract_details(once, "Acme", None, NOW))[-1] == ["No", "figures", "yet."]


def test_list_fits_long_names_and_incomplete_drafts() -> None:
    draft = CONTRACT | {"code": "C" * 60, "name": "N" * 100, "status": "DRAFT", "currency": None}
    lines = rows(build_contract_list([CONTRACT, draft]))
    assert ["ACME-SUP", "Support", "ACTIVE", "2026-01-01", "2026-12-31", "1,234,567.89", "EUR"] in lines
    words = [word for row in lines for word in row]
    assert sum(word.count("C") for word in words if set(word) == {"C"}) == 60
    assert sum(word.count("N") for word in words if set(word) == {"N"}) == 100


def test_history_shows_time_actor_change_and_reason() -> None:
    item = {"version": 3, "what": "amended", "actor": "olga", "reason": "more [of it]", "changes": {"name": {}}}
    entries = [
        item | {"occurred_at": "2026-03-31T23:59:00+02:00"},
        item | {"occurred_at": "2026-03-31T21:59:00Z", "reason": None, "sentences": ["The name became B."]},
    ]
    lines = rows(build_history(entries))
    assert ["3", "2026-03-31", "21:59", "olga", "amended:", "more", "[of", "it]"] in lines
    assert ["name", "changed"] in lines
    assert ["3", "2026-03-31", "21:59", "olga", "amended"] in lines
    assert ["The", "name", "became", "B."] in lines
