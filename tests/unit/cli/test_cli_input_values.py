"""Values that people type become members of the API's bodies."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark.cli.body_file import InputError
from tidemark.cli.input_values import (
    build_adjustment,
    describe_adjustment,
    parse_contact,
    parse_money,
    select_period,
)
from tidemark_shared.domain.bodies import format_money
from tidemark_shared.domain.quantities import MinorUnits

DESK, CHANGES = "7d3c9a52-9d2b-4d9e-8f0e-0a6f3c1d2b4a", "b72f1c6e-d3b2-4fbb-8f1d-6c6d2eb9778b"


def contract(**changes: Any) -> dict[str, Any]:
    return {
        "code": "ACME-SUP", "type": "time_and_materials", "recurrence": "monthly", "currency": None,
        "start_date": "2026-01-01", "end_date": "2026-12-31",
        "accounts": [{"id": DESK, "name": "Help desk"}, {"id": CHANGES, "name": "Changes"}], **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann <ann@acme.example>:billing,approver", ("Ann", "ann@acme.example", ["billing", "approver"])),
        ("  Ann Ardent <ann@acme.example> : billing , ", ("Ann Ardent", "ann@acme.example", ["billing"])),
        ("Ann: the boss <ann@acme.example>", ("Ann: the boss", "ann@acme.example", [])),
    ],
)
def test_contact_has_a_name_an_address_and_roles(text: str, expected: tuple[str, str, list[str]]) -> None:
    assert tuple(parse_contact(text).values()) == expected


@pytest.mark.parametrize("text", ["", "Ann", "ann@acme.example", "<ann@acme.example>", "Ann <a@b> billing", "Ann <>"])
def test_other_text_is_no_contact(text: str) -> None:
    with pytest.raises(InputError, match=r"Write one such as 'Ann <ann@acme.example>:billing,approver'"):
        parse_contact(text)


@given(st.integers(-(10**15), 10**15), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_money_is_read_as_it_is_written(minor: int, currency: str) -> None:
    assert parse_money(format_money(MinorUnits(minor), currency).split()[0], currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "example"),
    [
        ("1.234", "EUR", "1200.50"),
        ("1,5", "EUR", "1200.50"),
        ("0.5", "JPY", "120050"),
        ("1e3", "EUR", "1200.50"),
        ("NaN", "EUR", "1200.50"),
        ("Infinity", "EUR", "1200.50"),
        ("", "KWD", "120.050"),
    ],
)
def test_amount_that_is_not_exact_is_refused_with_an_example(text: str, currency: str, example: str) -> None:
    with pytest.raises(InputError, match=f"is not an amount in {currency}. Write a decimal number such as {example}"):
        parse_money(text, currency)


@pytest.mark.parametrize("text", ["2026-03", "2026-03-01", "2026-03-31"])
def test_period_is_named_by_its_month_or_a_day_in_it(text: str) -> None:
    assert select_period(contract(), text) == (date(2026, 3, 1), date(2026, 3, 31))


def test_month_that_belongs_to_two_periods_is_refused_with_both() -> None:
    with pytest.raises(InputError) as error:
        select_period(contract(start_date="2026-01-06"), "2026-03")
    assert str(error.value).splitlines() == [
        "2 periods of ACME-SUP have days in 2026-03:",
        "  2026-02-06 to 2026-03-05",
        "  2026-03-06 to 2026-04-05",
        "Give a day of the one you mean, such as --period 2026-03-06.",
    ]


def test_contract_with_one_period_needs_no_name_for_it() -> None:
    assert select_period(contract(recurrence="none"), None) == (date(2026, 1, 1), date(2026, 12, 31))
    with pytest.raises(InputError, match=r"ACME-SUP has 12 periods\. Give --period, such as --period 2026-01"):
        select_period(contract(), None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2027-01", "has no period in 2027-01. It lasts from 2026-01-01 to 2026-12-31"),
        ("2025-12-31", "has no period in 2025-12-31"),
        ("March", "'March' is neither a month such as 2026-03 nor a day such as 2026-03-01"),
        ("2026-02-30", "'2026-02-30' is neither"),
    ],
)
def test_time_outside_of_the_contract_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        select_period(contract(), text)


def adjust(terms: dict[str, Any], **changes: Any) -> dict[str, Any]:
    options = {"account": "Changes", "period": "2026-03", "hours": None, "value": None, "reason": "Mail"}
    return build_adjustment(terms, **options | changes)


def test_adjustment_names_account_period_and_amount() -> None:
    adjustment = adjust(contract(), hours="-7.5")
    assert adjustment == {
        "account_id": CHANGES, "period_start": "2026-03-01", "hours": "-7.5", "value_minor": None, "reason": "Mail",
    }  # fmt: skip
    assert describe_adjustment(contract(), adjustment) == "-7.5 h for Changes from 2026-03-01 to 2026-03-31."
    fixed = contract(type="fixed_price", currency="EUR", recurrence="none")
    adjustment = adjust(fixed, account=DESK, period=None, value="1200.50")
    assert (adjustment["account_id"], adjustment["hours"], adjustment["value_minor"]) == (DESK, None, 120_050)
    assert describe_adjustment(fixed, adjustment) == "+1200.50 EUR for Help desk from 2026-01-01 to 2026-12-31."


@pytest.mark.parametrize(
    ("terms", "options", "message"),
    [
        (contract(), {"value": "20"}, "ACME-SUP is time and materials. Use --hours."),
        (contract(type="fixed_price", currency="EUR"), {"hours": "20"}, "is fixed price. Use --value, in EUR."),
        (contract(), {"hours": "1", "account": "Desk"}, "no account 'Desk'. Its accounts: Help desk, Changes."),
    ],
)
def test_adjustment_that_does_not_fit_the_contract_is_refused(
    terms: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        adjust(terms, **options)
