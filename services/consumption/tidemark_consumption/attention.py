"""Why a contract needs attention, and how urgently (SPEC 7). Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal, get_args

from tidemark_shared.domain.bodies import Status

Attention = Literal["over", "runs_out", "account_over", "nearly_used", "unaccounted", "ended", "ends_soon"]
"""The most urgent one first."""

_REASONS: tuple[Attention, ...] = get_args(Attention)
_STATUSES: tuple[Status, ...] = ("ACTIVE", "EXPIRED", "DRAFT", "INACTIVE", "CLOSED")
_NEARLY_USED_PERCENT = 80
_ENDS_SOON = timedelta(days=30)


def find_attention(balance: Mapping[str, Any], *, today: date, end_date: date) -> list[Attention]:
    """Why a contract needs attention, the most urgent reason first. ``balance`` is the body that is published.

    Figures are those of the current period: the last one of ``balance``. ``today`` is a day in the contract's zone.
    """
    return sorted(_reasons(balance, today, end_date), key=_REASONS.index)


def rank_urgency(status: Status, attention: Sequence[Attention]) -> int:
    """The place of a contract in a list: by its most urgent reason, then those without one by status."""
    return _REASONS.index(attention[0]) if attention else len(_REASONS) + _STATUSES.index(status)


def _reasons(balance: Mapping[str, Any], today: date, end_date: date) -> Iterator[Attention]:
    status = balance["status"]
    if balance["unaccounted_seconds"] and status != "CLOSED":
        yield "unaccounted"
    if status not in ("ACTIVE", "EXPIRED"):
        return
    if status == "EXPIRED":
        yield "ended"
    current, forecast = balance["periods"][-1], balance["forecast"]
    if _is_over(current) or _is_over(balance["whole"]):
        yield "over"
    if any(_is_over(account["periods"][-1]) for account in balance["accounts"]):
        yield "account_over"
    if status == "ACTIVE" and not _is_over(current):
        if forecast and forecast["exhausts_on"]:
            yield "runs_out"
        elif current["percent"] and Decimal(current["percent"]) >= _NEARLY_USED_PERCENT:
            yield "nearly_used"
    if status == "ACTIVE" and end_date - today <= _ENDS_SOON:
        yield "ends_soon"


def _is_over(figures: Mapping[str, Any]) -> bool:
    return figures["remaining"] is not None and figures["remaining"] < 0
