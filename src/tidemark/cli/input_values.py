"""Values that people type, as members of the API's bodies: contacts, money, periods. Pure."""

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tidemark.cli.body_file import InputError
from tidemark_shared.domain.bodies import format_money, minor_digits
from tidemark_shared.domain.calendar import Period, split_into_periods, start_of_day

Json = dict[str, Any]

_CONTACT = re.compile(r"\s*(?P<name>[^<>]+?)\s*<(?P<email>[^<>]+)>\s*(?::(?P<roles>.*))?")
_AMOUNT = re.compile(r"[+-]?\d{1,18}(?:\.(?P<decimals>\d+))?", re.ASCII)
_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)


def parse_contact(text: str) -> Json:
    """A contact from ``Ann <ann@acme.example>:billing``; roles are optional. Raises :class:`InputError`."""
    match = _CONTACT.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is not a contact. Write one such as 'Ann <ann@acme.example>:billing,approver'.")
    roles = [role.strip() for role in (match["roles"] or "").split(",")]
    return {"name": match["name"], "email": match["email"].strip(), "roles": [role for role in roles if role]}


def parse_money(text: str, currency: str) -> int:
    """The minor units of a decimal amount: ``1200.50`` in EUR is 120050. Raises :class:`InputError`."""
    digits = minor_digits(currency)
    if digits is None:
        raise InputError(f"{currency!r} is not an ISO 4217 currency with a minor unit. Use a code such as EUR.")
    match = _AMOUNT.fullmatch(text)
    if match is None or len(match["decimals"] or "") > digits:
        example = Decimal(120050).scaleb(-digits)
        raise InputError(f"{text!r} is not an amount in {currency}. Write a decimal number such as {example}.")
    return int(Decimal(text).scaleb(digits))


def parse_price(text: str) -> tuple[int, str]:
    """Minor units and currency: ``1800 EUR`` is 180000 and EUR. Raises :class:`InputError`."""
    amount, _, currency = text.strip().rpartition(" ")
    if not amount:
        raise InputError(f"{text!r} is not a price. Write an amount and a currency, such as '1800 EUR'.")
    return parse_money(amount.strip(), currency.upper()), currency.upper()


def end_of_day(text: str, timezone: str) -> datetime:
    """The last second of a day in a time zone, in UTC. Raises :class:`InputError`."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is not a day. Write one such as 2026-03-31.") from None
    return start_of_day(day + timedelta(days=1), ZoneInfo(timezone)) - timedelta(seconds=1)


def select_period(contract: Json, text: str | None) -> Period:
    """The period of a contract that a month (``2026-03``) or a day names. Raises :class:`InputError`.

    A contract with one period needs no text. A month that belongs to several periods is refused.
    """
    code, start, end = contract["code"], *(date.fromisoformat(contract[name]) for name in ("start_date", "end_date"))
    periods = split_into_periods(contract["recurrence"], start, end)
    if text is None:
        if len(periods) == 1:
            return periods[0]
        raise InputError(f"{code} has {len(periods)} periods. Give --period, such as --period {start:%Y-%m}.")
    if _MONTH.fullmatch(text):
        selected = [period for period in periods if f"{period.start:%Y-%m}" <= text <= f"{period.end:%Y-%m}"]
    else:
        day = _parse_day(text)
        selected = [period for period in periods if period.start <= day <= period.end]
    if not selected:
        raise InputError(f"{code} has no period in {text}. It lasts from {start} to {end}.")
    if len(selected) > 1:
        listed = "\n".join(f"  {period.start} to {period.end}" for period in selected)
        raise InputError(
            f"{len(selected)} periods of {code} have days in {text}:\n{listed}\n"
            f"Give a day of the one you mean, such as --period {selected[-1].start}."
        )
    return selected[0]


def build_adjustment(
    contract: Json, *, account: str, period: str | None, hours: str | None, value: str | None, reason: str
) -> Json:
    """An adjustment of a contract, with either hours or a value in its currency. Raises :class:`InputError`."""
    code, is_fixed_price = contract["code"], contract["type"] == "fixed_price"
    if is_fixed_price != (value is not None):
        option = f"--value, in {contract['currency']}" if is_fixed_price else "--hours"
        raise InputError(f"{code} is {contract['type'].replace('_', ' ')}. Use {option}.")
    ids = [item["id"] for item in contract["accounts"] if account in (item["id"], item["name"])]
    if not ids:
        names = ", ".join(item["name"] for item in contract["accounts"]) or "none"
        raise InputError(f"{code} has no account {account!r}. Its accounts: {names}.")
    return {
        "account_id": ids[0],
        "period_start": select_period(contract, period).start.isoformat(),
        "hours": hours,
        "value_minor": None if value is None else parse_money(value, contract["currency"]),
        "reason": reason,
    }


def describe_adjustment(contract: Json, adjustment: Json) -> str:
    """A sentence such as "+20 h for Help desk from 2026-03-01 to 2026-03-31."."""
    amount = (
        f"{adjustment['hours']} h"
        if adjustment["hours"] is not None
        else format_money(adjustment["value_minor"], contract["currency"])
    )
    sign = "" if amount.startswith(("-", "+")) else "+"
    name = next(item["name"] for item in contract["accounts"] if item["id"] == adjustment["account_id"])
    period = select_period(contract, adjustment["period_start"])
    return f"{sign}{amount} for {name} from {period.start} to {period.end}."


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is neither a month such as 2026-03 nor a day such as 2026-03-01.") from None
