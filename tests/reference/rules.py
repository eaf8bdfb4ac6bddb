"""The rules: periods, what is planned and consumed, rollover, rates (SPEC 1, 3, 4, 9)."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from zoneinfo import ZoneInfo

import holidays

from reference.facts import instant

HOUR = 3600
SATURDAY = 5

# The calendar (SPEC 1: recurrence, W1, W3)


def add_months(day, months):
    """The same day some months on, clamped to the month's end."""
    years, month = divmod(day.month - 1 + months, 12)
    after = date(day.year + years + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    last = after - timedelta(days=1)
    return last.replace(day=min(day.day, last.day))


def periods(terms):
    """First and last day of every period; period k of a monthly contract starts k months after the first day."""
    return list(_periods(terms["recurrence"], terms["start_date"], terms["end_date"]))


@cache
def _periods(recurrence, first, last):
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    if recurrence != "monthly":
        return [(start, end)]
    spans = []
    while add_months(start, len(spans)) <= end:
        k = len(spans)
        spans.append((add_months(start, k), min(end, add_months(start, k + 1) - timedelta(days=1))))
    return spans


def day_of(moment, terms):
    """The day that a moment falls on in the contract's time zone."""
    return moment.astimezone(ZoneInfo(terms["timezone"])).date()


@cache
def calendar(code, year):
    """The public holidays of a year, observed days included."""
    country, _, subdivision = code.partition("-")
    return holidays.country_holidays(
        country, subdiv=subdivision or None, years=year, observed=True, categories=(holidays.PUBLIC,), expand=False
    )


def kind_of_day(terms, day):
    """`holiday` if it is one in the contract's calendar, else `weekend` on Saturday and Sunday; else None."""
    if terms["holidays"] and day in calendar(terms["holidays"], day.year):
        return "holiday"
    return "weekend" if day.weekday() >= SATURDAY else None


# Planned and executed, in exact amounts


def is_fixed_price(terms):
    return terms["type"] == "fixed_price"


def seconds(hours):
    """C5: at most two decimals, so whole seconds."""
    return int(Decimal(hours) * HOUR)


def exact_units(terms, hours, value_minor):
    """An amount of the terms, in exact units of the contract's type; None where it is missing."""
    if is_fixed_price(terms):
        return None if value_minor is None else value_minor * HOUR
    return None if hours is None else seconds(hours)


def to_displayed(terms, amount):
    """An exact amount in displayed units: seconds unchanged, money divided once, half-even."""
    if amount is None:
        return None
    return round(Fraction(amount, HOUR)) if is_fixed_price(terms) else amount


def percent(consumed, plan):
    """Two decimals, half-even; None where the plan is not above zero."""
    if plan is None or plan <= 0:
        return None
    return Decimal(round(Fraction(consumed * 10_000, plan))).scaleb(-2)


def adjustments(terms, account, start):
    """The amount of each adjustment of an account in a period."""
    return [
        exact_units(terms, adjustment["hours"], adjustment["value_minor"]) or 0
        for adjustment in terms["adjustments"]
        if adjustment["account_id"] == account["id"] and adjustment["period_start"] == str(start)
    ]


def planned_for_account(terms, account, start):
    """What is planned for an account in a period, with adjustments; None where nothing is stated."""
    return sum_stated(
        [
            exact_units(terms, account["planned_hours"], account["planned_value_minor"]),
            *adjustments(terms, account, start),
        ]
    )


def planned_for_contract(terms, start):
    """What is planned for a contract in a period: the contracted amount and the adjustments of billable accounts."""
    stated = exact_units(terms, terms["contracted_hours"], terms["contracted_value_minor"])
    billable = [account for account in terms["accounts"] if account["billable"]]
    return None if stated is None else stated + sum(sum(adjustments(terms, account, start)) for account in billable)


def planned_for_slice(terms, account, team_id):
    """The planned hours of a slice in a period, without adjustments; None for other teams, and for fixed price."""
    planned_hours = {slice_["team_id"]: slice_["planned_hours"] for slice_ in account["slices"]}
    return None if is_fixed_price(terms) else exact_units(terms, planned_hours.get(team_id), None)


def sum_stated(amounts):
    """The sum of the amounts that are stated; None where none is."""
    stated = [amount for amount in amounts if amount is not None]
    return sum(stated) if stated else None


def consumed_units(terms, work):
    """W3: time and materials consumes seconds, fixed price consumes seconds times rates."""
    return sum(worklog.amount_exact if is_fixed_price(terms) else worklog.seconds for worklog in work)


def compute_carried(terms, plans, used):
    """What is carried into each period (SPEC 1 rollover, SPEC 9), given each period's plan and consumption.

    An unused amount belongs to its period of origin. At the start of a period, amounts that are too old lapse; then the
    cap cuts the oldest first. Consumption uses the oldest first: carried amounts before those of the period itself.
    After an overrun nothing is unused, so a deduction and an unused amount are never carried together.
    """
    rollover = terms["rollover"] or {}
    if terms["recurrence"] != "monthly" or None in plans:
        return [0 for _ in plans]
    cap = exact_units(terms, rollover.get("cap_hours"), rollover.get("cap_value_minor"))
    lapse = rollover.get("lapse_after_periods")
    carried, lots, overrun = [], [], 0  # a lot: the period of origin, and the unused amount
    for k, plan in enumerate(plans):
        lots = [(origin, unused) for origin, unused in lots if lapse is None or k - origin <= lapse]
        over_cap = 0 if cap is None else max(0, sum(unused for _, unused in lots) - cap)
        lots, _ = take_oldest_first(lots, over_cap)
        carried.append(sum(unused for _, unused in lots) - overrun)
        lots, beyond = take_oldest_first([*lots, (k, plan)], used[k] + overrun)
        lots = lots if rollover.get("unused") == "carry" else []
        overrun = beyond if rollover.get("overrun") == "deduct" else 0
    return carried


def take_oldest_first(lots, amount):
    """Take an amount from lots, the oldest first. Returns the remaining lots, and the amount beyond them."""
    remaining_lots = []
    for origin, unused in lots:
        used = min(unused, amount)
        amount -= used
        remaining_lots.append((origin, unused - used))
    return remaining_lots, amount


def figures(terms, plan, work, *, basis=None):
    """The figures of SPEC 3; those of the other type are null. The percentage is of ``basis``, or of the plan."""
    fixed, used = is_fixed_price(terms), consumed_units(terms, work)
    return {
        "planned_seconds": None if fixed else plan,
        "consumed_seconds": sum(worklog.seconds for worklog in work),
        "unrated_seconds": sum(worklog.unrated_seconds for worklog in work) if fixed else None,
        "planned_amount_minor": to_displayed(terms, plan) if fixed else None,
        "consumed_amount_minor": to_displayed(terms, used) if fixed else None,
        "currency": terms["currency"] if fixed else None,
        "percent": percent(used, plan if basis is None else basis),
        "worklog_count": len(work),
    }


def columns_by_type(terms, name, amount):
    """An amount in the column of the contract's type; the column of the other type is null."""
    fixed = is_fixed_price(terms)
    return {
        f"{name}_seconds": None if fixed else amount,
        f"{name}_amount_minor": to_displayed(terms, amount) if fixed else None,
    }


def body_figures(terms, plan, work, *, basis=None):
    """F of SPEC 4, in the unit of the balance; remaining and percentage refer to ``basis``, or to the plan."""
    used, basis = consumed_units(terms, work), plan if basis is None else basis
    share = percent(used, basis)
    return {
        "planned": to_displayed(terms, plan),
        "consumed": to_displayed(terms, used),
        "remaining": None if basis is None else to_displayed(terms, basis - used),
        "percent": None if share is None else str(share),
        "worklogs": len(work),
        "unrated_seconds": sum(worklog.unrated_seconds for worklog in work) if is_fixed_price(terms) else None,
    }


# Rates (W3, SPEC 9)


def find_rate_card(cards, person, day, team_id, currency):
    """The card of the team before a general card, then the latest `from`; a card in another currency does not fit.

    Unassigned work takes only general cards. Two cards with the same first day are forbidden; then the lesser id.
    """
    candidates = [
        card
        for card in cards
        if card["person_id"] == person
        and card["team_id"] in {team_id, None}
        and card["currency"] == currency
        and card["from"] <= str(day)
    ]
    by_id = sorted(candidates, key=lambda card: card["id"])
    return max(by_id, key=lambda card: (card["team_id"] is not None, card["from"]), default=None)


def split_by_rate(terms, card, day, filled, duration):
    """The seconds of a worklog by kind of rate, after ``filled`` seconds of the same person and day.

    It is split to the second where the daily workload of its card is reached.
    """
    kind = kind_of_day(terms, day)
    if kind:
        return {kind: duration}
    workload = seconds(card["daily_workload_hours"] or "8")
    normal = min(duration, max(0, workload - filled))
    return {"normal": normal, "extra_time": duration - normal}


# What work counts towards (W1, W4)


def teams_of(account):
    """W4: the teams of its slices or, where it has none, its own."""
    return [slice_["team_id"] for slice_ in account["slices"]] or account["teams"]


def governing_day(terms, started_at, link):
    """W1: the day the work started (T&M), or the day the issue was created (fixed price); None where unknown."""
    if not is_fixed_price(terms):
        return day_of(started_at, terms)
    return None if link["created_at"] is None else day_of(instant(link["created_at"]), terms)
