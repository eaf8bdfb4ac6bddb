"""Which contracts need attention, and in which order."""

from datetime import date, timedelta

import pytest

from tidemark_consumption.attention import find_attention, rank_urgency

TODAY = date(2026, 3, 15)


def figures(consumed, planned=100):
    percent = f"{100 * consumed / planned:.2f}" if planned else None
    return {"consumed": consumed, "remaining": None if planned is None else planned - consumed, "percent": percent}


def balance(consumed=10, *, status="ACTIVE", whole=None, account=None, unaccounted=0, exhausts_on=None):
    current = figures(consumed)
    return {
        "status": status,
        "unaccounted_seconds": unaccounted,
        "forecast": {"exhausts_on": exhausts_on, "low": exhausts_on, "high": exhausts_on},
        "whole": figures(consumed if whole is None else whole),
        "periods": [figures(500), current],
        "accounts": [{"periods": [figures(500), figures(consumed if account is None else account)]}],
    }


@pytest.mark.parametrize(
    ("body", "days_left", "expected"),
    [
        (balance(), 200, []),
        (balance(79), 200, []),
        (balance(80), 200, ["nearly_used"]),
        (balance(100), 200, ["nearly_used"]),
        (balance(101), 200, ["over", "account_over"]),
        (balance(50, whole=101), 200, ["over"]),
        (balance(50, account=101), 200, ["account_over"]),
        (balance(90, exhausts_on="2026-03-20"), 200, ["runs_out"]),
        (balance(unaccounted=1), 200, ["unaccounted"]),
        (balance(), 30, ["ends_soon"]),
        (balance(), 31, []),
        (balance(101, unaccounted=1), 5, ["over", "account_over", "unaccounted", "ends_soon"]),
        (balance(90, status="EXPIRED"), -1, ["ended"]),
        (balance(101, status="EXPIRED"), -1, ["over", "account_over", "ended"]),
        (balance(101, status="INACTIVE", unaccounted=1), 200, ["unaccounted"]),
        (balance(status="DRAFT", unaccounted=1), 200, ["unaccounted"]),
        (balance(101, status="CLOSED", unaccounted=1), -1, []),
    ],
)
def test_reasons_come_with_the_most_urgent_first(body, days_left, expected):
    assert find_attention(body, today=TODAY, end_date=TODAY + timedelta(days=days_left)) == expected


def test_contracts_are_ordered_by_their_most_urgent_reason_then_by_status():
    in_order = [("ACTIVE", ["over", "ends_soon"]), ("EXPIRED", ["ended"]), ("ACTIVE", ["ends_soon"]), ("ACTIVE", []),
                ("DRAFT", []), ("INACTIVE", []), ("CLOSED", [])]  # fmt: skip
    ranks = [rank_urgency(status, attention) for status, attention in in_order]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)
