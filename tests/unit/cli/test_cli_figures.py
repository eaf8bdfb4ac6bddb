"""The figures of `tidemark status` and `tidemark contract show`, in tables that fit a terminal of 80 columns."""

from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from rich.console import Console, RenderableType

from tidemark.cli.contract_tables import CONTRACT_COLUMNS, HISTORY_COLUMNS, build_contract_details
from tidemark.cli.figures import FIELDS, Figures, build_status, list_figures
from tidemark.cli.output import build_table

NOW = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)
"""Still March in UTC, April in Berlin."""
CONTRACT: dict[str, Any] = {
    "id": "b72f1c6e-d3b2-4fbb-8f1d-6c6d2eb9778b", "code": "ACME-SUP", "name": "Support", "status": "ACTIVE",
    "version": 2,
    "owner": {"name": "Olga", "email": "olga@provider.example"}, "organization_id": "7d3c9a52", "type": "fixed_price",
    "recurrence": "monthly", "start_date": "2026-01-01", "end_date": "2026-12-31", "timezone": "Europe/Berlin",
    "contracted_hours": None, "contracted_value_minor": 123_456_789, "currency": "EUR",
}  # fmt: skip
HOUR = 3_600


def amounts(planned: int | None, consumed: int, percent: str | None = None, **more: Any) -> dict[str, Any]:
    remaining = None if planned is None else planned - consumed
    return {
        "planned": planned, "consumed": consumed, "remaining": remaining, "percent": percent, "unrated_seconds": None,
        **more,
    }  # fmt: skip


def period(month: int, available: int, consumed: int = 0, carried: int = 0, percent: str | None = None) -> Any:
    days = {"start": f"2026-{month:02}-01", "end": f"2026-{month:02}-30"}
    remaining = available - consumed
    figures = amounts(available - carried, consumed, percent, carried=carried, available=available, **days)
    return figures | {"remaining": remaining}


def figures(currency: str | None = None, unaccounted: dict[str, int] | None = None, **changes: Any) -> Figures:
    scale = HOUR if currency is None else 1
    help_desk = amounts(40 * scale, 56 * scale, "140.00", start="2026-04-01", end="2026-04-30")
    team = amounts(None, 56 * scale, start="2026-04-01", end="2026-04-30")
    balance = {
        "unit": "minor" if currency else "seconds", "currency": currency,
        "whole": amounts(480 * scale, 56 * scale, "11.67"),
        "periods": [
            period(3, 40 * scale),
            period(4, 70 * scale, 56 * scale, 30 * scale, "80.00"),
            period(5, 54 * scale, carried=14 * scale),
        ],
        "accounts": [
            {"name": "Internal", "billable": False, "periods": [], "slices": []},
            {
                "name": "Help desk", "billable": True, "periods": [help_desk],
                "slices": [{"team_id": "1", "periods": [team]}, {"team_id": None, "periods": [team]}],
            },
        ],
        **changes,
    }  # fmt: skip
    return Figures(CONTRACT, balance, {"1": "Support"}, unaccounted or {})


def lines(table: RenderableType) -> list[list[str]]:
    """The words of each line. No line is wider than the terminal."""
    console = Console(file=StringIO(), width=80, markup=False)
    console.print(table)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    return [line.split() for line in text.splitlines()]


def test_amount_without_a_currency_is_not_shown_as_hours() -> None:
    shown = lines(build_status(CONTRACT, figures(unit="minor"), NOW))
    assert ["1", "April", "2026", "to", "30", "April", "2026,", "in", "minor", "units"] in shown
    assert ["All", "periods", "1,728,000", "1,728,000", "201,600", "1,526,400", "11.67"] in shown


def test_status_shows_what_is_available_with_what_was_carried_in() -> None:
    shown = lines(build_status(CONTRACT, figures(), NOW))
    assert [row for row in shown if row] == [
        ["ACME-SUP", "·", "Support", "·", "ACTIVE"],
        ["1", "April", "2026", "to", "30", "April", "2026,", "in", "hours"],
        ["Account", "and", "team", "Planned", "Available", "Consumed", "Remaining", "%"],
        shown[4],
        ["Help", "desk", "40.00", "40.00", "56.00", "-16.00", "140.00"],
        ["Support", "56.00"],
        ["unassigned", "56.00"],
        ["Internal", "(not", "billed)", "0.00"],
        ["Contract", "40.00", "70.00", "56.00", "14.00", "80.00"],
        ["carried", "in", "30.00"],
        ["All", "periods", "480.00", "480.00", "56.00", "424.00", "11.67"],
    ]


def test_money_has_the_decimals_of_its_currency() -> None:
    shown = lines(build_status(CONTRACT, figures("EUR"), NOW))
    assert ["1", "April", "2026", "to", "30", "April", "2026,", "in", "EUR"] in shown
    assert ["Contract", "0.40", "0.70", "0.56", "0.14", "80.00"] in shown
    assert ["Contract", "40", "70", "56", "14", "80.00"] in lines(build_status(CONTRACT, figures("JPY"), NOW))


def test_large_amounts_fit() -> None:
    periods = [period(4, 123_456_789, 987_654_321, 1, "800.00")]
    shown = lines(build_status(CONTRACT, figures("EUR", periods=periods), NOW))
    assert ["Contract", "1,234,567.88", "1,234,567.89", "9,876,543.21", "-8,641,975.32", "800.00"] in shown


def test_work_that_does_not_count_is_listed_by_reason() -> None:
    unaccounted = {"outside_dates": HOUR // 2, "contract_inactive": 56 * HOUR}
    whole = amounts(480, 0, "0.00", unrated_seconds=90 * 60)
    shown = [" ".join(row) for row in lines(build_status(CONTRACT, figures("EUR", unaccounted, whole=whole), NOW))]
    assert shown[-3:] == [
        "Not counted: 56.00 h, contract_inactive (the contract is suspended)",
        "Not counted: 0.50 h, outside_dates (the day is outside the contract's dates)",
        "Not rated: 1.50 h of people without a rate, which add nothing to the amount",
    ]


def test_records_have_every_field() -> None:
    records = list_figures(figures(None, {"contract_inactive": HOUR}), NOW)
    assert all(tuple(record) == FIELDS for record in records)
    assert [record["kind"] for record in records] == [
        "account", "team", "team", "account", "period", "contract", "unaccounted",
    ]  # fmt: skip
    period_record = records[4]
    assert (period_record["carried"], period_record["available"], period_record["unit"]) == (30, 70, "h")
    assert (records[-1]["consumed"], records[-1]["reason"]) == (Decimal("1.00"), "contract_inactive")
    assert list_figures(None, NOW) == []


@pytest.mark.parametrize(
    ("now", "month"),
    [(NOW, "April"), (datetime(2020, 1, 1, tzinfo=UTC), "March"), (datetime(2030, 1, 1, tzinfo=UTC), "May")],
)
def test_current_period_is_that_of_today_in_the_contracts_time_zone(now: datetime, month: str) -> None:
    assert [row[:2] for row in lines(build_status(CONTRACT, figures(), now)) if row[2:3] == ["2026"]] == [["1", month]]


def test_contract_without_recurrence_has_one_period_and_without_balance_no_figures() -> None:
    once = figures()._replace(contract=CONTRACT | {"recurrence": "none"})
    assert ["All", "periods"] not in [row[:2] for row in lines(build_status(CONTRACT, once, NOW))]
    assert lines(build_status(CONTRACT, None, NOW))[-1] == ["No", "figures", "yet."]


def test_details_have_the_terms_and_the_same_figures_as_the_status() -> None:
    details = lines(build_contract_details(CONTRACT, "Acme", figures(), NOW))
    status = lines(build_status(CONTRACT, figures(), NOW))
    assert ["Terms", "fixed", "price,", "1,234,567.89", "EUR,", "monthly"] in details
    assert details[7:] == status[1:]


def test_list_fits_long_names_and_incomplete_drafts() -> None:
    draft = CONTRACT | {"code": "C" * 60, "name": "N" * 100, "status": "DRAFT", "currency": None}
    shown = lines(build_table([CONTRACT, draft], CONTRACT_COLUMNS))
    assert ["ACME-SUP", "Support", "ACTIVE", "2026-01-01", "2026-12-31", "1,234,567.89", "EUR"] in shown
    words = [word for row in shown for word in row]
    assert sum(word.count("C") for word in words if set(word) == {"C"}) == 60
    assert sum(word.count("N") for word in words if set(word) == {"N"}) == 100


def test_history_shows_time_actor_change_and_reason() -> None:
    item = {"version": 3, "what": "amended", "actor": "olga", "reason": "more [of it]", "changes": {"name": {}}}
    entries = [
        item | {"occurred_at": "2026-03-31T23:59:00+02:00"},
        item | {"occurred_at": "2026-03-31T21:59:00Z", "reason": None, "descriptions": ["The name became B."]},
    ]
    shown = lines(build_table(entries, HISTORY_COLUMNS))
    assert ["3", "2026-03-31", "21:59", "olga", "amended:", "more", "[of", "it]"] in shown
    assert ["name", "changed"] in shown
    assert ["3", "2026-03-31", "21:59", "olga", "amended"] in shown
    assert ["The", "name", "became", "B."] in shown
