"""Hours, seconds and percentages are exact, without floats."""

from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from tidemark_shared.domain.quantities import compute_percent, format_hours, hours_to_seconds, parse_hours

MAX_HUNDREDTHS = 99_999_999_999


def expected_percent(consumed: int, planned: int) -> Decimal:
    """The percentage by the standard library, with enough digits to distinguish every quotient from a tie."""
    with localcontext(prec=100):
        return (Decimal(consumed) * 100 / Decimal(planned)).quantize(Decimal("0.01"), ROUND_HALF_EVEN)


@given(st.integers(-MAX_HUNDREDTHS, MAX_HUNDREDTHS))
def test_hours_with_two_decimals_are_whole_seconds(hundredths: int) -> None:
    hours = parse_hours(f"{'-' * (hundredths < 0)}{abs(hundredths) // 100}.{abs(hundredths) % 100:02}")
    assert hours_to_seconds(hours) == hundredths * 36
    assert Fraction(hours) == Fraction(hundredths, 100)


@given(st.integers(-MAX_HUNDREDTHS, MAX_HUNDREDTHS))
def test_formatted_hours_are_short_and_parse_to_the_same_value(hundredths: int) -> None:
    hours = Decimal(hundredths).scaleb(-2)
    text = format_hours(hours)
    assert parse_hours(text) == hours
    assert not ("." in text and text.endswith(("0", ".")))
    assert parse_hours(hours) == hours


@pytest.mark.parametrize(
    ("text", "shortest"),
    [
        ("40", "40"),
        ("40.00", "40"),
        ("37.50", "37.5"),
        ("0.25", "0.25"),
        ("100", "100"),
        ("007", "7"),
        ("0", "0"),
        ("0.00", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("-1.50", "-1.5"),
    ],
)
def test_hours_are_formatted_in_the_shortest_form(text: str, shortest: str) -> None:
    assert format_hours(parse_hours(text)) == shortest


@pytest.mark.parametrize("text", ["0.001", "1.000", "37.555", "-0.125"])
def test_more_than_two_decimals_violate_c5(text: str) -> None:
    with pytest.raises(PydanticCustomError) as raised:
        parse_hours(text)
    assert raised.value.type == "C5.precision"


@pytest.mark.parametrize(
    "value",
    [
        *(40, 40.0, 0.1, True, None, b"1", ["1"], Decimal("NaN"), Decimal("1E+2")),
        *(
            "",
            " 1",
            "1 ",
            "1\n",
            "1.",
            ".5",
            "1,5",
            "1e3",
            "+1",
            "--1",
            "NaN",
            "Infinity",
            "٣",
            "1_000",
            "0x1",
            "1" * 10,
        ),
    ],
    ids=repr,
)
def test_hours_that_are_not_a_decimal_string_are_invalid(value: object) -> None:
    with pytest.raises(PydanticCustomError) as raised:
        parse_hours(value)
    assert raised.value.type == "invalid"
    assert "37.5" in raised.value.message()


@given(st.integers(0, 10**16), st.integers(1, 10**16))
@example(1, 20_000)  # 0.005: a tie, down to 0.00
@example(3, 20_000)  # 0.015: a tie, up to 0.02
@example(5, 20_000)
@example(115_200, 144_000)
@example(2, 3)
def test_percentages_are_exact_and_rounded_half_even(consumed: int, planned: int) -> None:
    assert compute_percent(consumed, planned) == expected_percent(consumed, planned)


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_tie_is_rounded_to_the_even_hundredth(planned: int, hundredths: int) -> None:
    # With 20,000 times the amount planned, half a hundredth of a percent is a whole number.
    percent = compute_percent(planned * (2 * hundredths + 1), 20_000 * planned)
    assert percent is not None
    assert percent * 100 % 2 == 0
    assert abs(percent * 100 - Decimal(2 * hundredths + 1) / 2) == Decimal("0.5")


@given(st.integers(0, 10**16), st.integers(-(10**16), 0))
def test_percentage_is_none_if_nothing_is_planned(consumed: int, planned: int) -> None:
    assert compute_percent(consumed, planned) is None
