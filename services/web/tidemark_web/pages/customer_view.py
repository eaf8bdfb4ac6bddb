"""What the pages of customers show of their contracts, in the customer's language. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from tidemark_shared.domain.bodies import minor_digits
from tidemark_shared.language import N_, Language
from tidemark_web.pages.charts import Bar, DayLabels, build_bar, build_curve
from tidemark_web.pages.client import Json
from tidemark_web.pages.contract import (
    PeriodColumn,
    contracted_limits,
    curve_rows,
    figures_of_period,
    hours_per_week,
    select_period,
    whole_figures,
)
from tidemark_web.pages.contracts import elapsed_percent
from tidemark_web.pages.formatting import customer_contract_page

_STATUSES = {
    "ACTIVE": N_("Active"),
    "EXPIRED": N_("Expired"),
    "INACTIVE": N_("Paused"),
    "CLOSED": N_("Closed"),
}
_SECONDS_PER_HOUR = 3600


class LocalAmounts(NamedTuple):
    """Formats the figures of a contract: hours, or money where ``currency`` is set."""

    language: Language
    currency: str | None

    def __call__(self, amount: int | None, *, unit: bool = True) -> str:
        """``187200`` seconds as ``52 h``; axes, without the unit, have whole hours or units of the currency."""
        if amount is None:
            return "\N{EN DASH}"
        if unit:
            return self.language.format_quantity(amount, self.currency)
        return self.language.format_number(amount // self.step)

    @property
    def step(self) -> int:
        """The amount of one hour or one unit of the currency."""
        return int(10 ** (minor_digits(self.currency) or 0)) if self.currency else _SECONDS_PER_HOUR


class CustomerRow(NamedTuple):
    """A contract in the list."""

    contract: Json
    link: str
    status: str
    bar: Bar
    used: str
    rest: str
    is_over: bool
    period: str
    ends: str


class AccountRow(NamedTuple):
    """A billable account, in a period or the whole contract."""

    name: str
    planned: str
    consumed: str
    rest: str
    is_over: bool
    percent: str
    bar: Bar


def build_row(contract: Json, today: date, language: Language) -> CustomerRow:
    """A contract in the list, with the figures of its current period. ``today`` is a day in its zone."""
    amount, period = LocalAmounts(language, contract["currency"]), contract["period"]
    end = language.format_day(date.fromisoformat(contract["end_date"]))
    is_running = contract["end_date"] >= today.isoformat()
    return CustomerRow(
        contract=contract,
        link=customer_contract_page(contract["contract_code"]),
        status=_status_label(contract, language),
        bar=build_bar(period["consumed"], period["available"]),
        used=describe_use(period, amount),
        rest=describe_rest(period, amount),
        is_over=is_over(period),
        period=_period_name(period, contract, language),
        ends=language.gettext("Ends on %(day)s", day=end)
        if is_running
        else language.gettext("Ended on %(day)s", day=end),
    )


def build_contract_view(
    contract: Json, curve: Sequence[Json], *, start: str | None, today: date, language: Language
) -> dict[str, Any]:
    """What the page of a contract shows of the period that begins on ``start``, or of the whole contract."""
    amount = LocalAmounts(language, contract["currency"])
    selected = select_period(contract, start, today)
    figures = selected or whole_figures(contract)
    days = date.fromisoformat(figures["start"]), date.fromisoformat(figures["end"])
    is_current = days[0] <= today <= days[1]
    # More can be asked for in the period that is shown, if it has not ended; in hours only.
    asked = selected or select_period(contract, None, today) or figures
    can_ask = contract["status"] == "ACTIVE" and contract["unit"] == "seconds" and asked["end"] >= today.isoformat()
    per_week = hours_per_week(figures, days, today) if contract["status"] == "ACTIVE" else None
    exhausts_on = contract["exhausts_on"] if is_current and (selected or len(contract["periods"]) == 1) else None
    return {
        "amount": amount,
        "selected": selected,
        "figures": figures,
        "period_label": _period_name(selected, contract, language) if selected else language.gettext("Whole contract"),
        "status_label": _status_label(contract, language),
        "use": describe_use(figures, amount),
        "rest": describe_rest(figures, amount),
        "is_over": is_over(figures),
        "percent": language.format_percent(figures["percent"]) if figures["percent"] else amount(None),
        "bar_of_figures": build_bar(
            figures["consumed"], figures["available"], elapsed_percent(figures, today) if is_current else None
        ),
        "per_week": per_week,
        "is_used_up": figures["remaining"] is not None and figures["remaining"] <= 0,
        "exhausts_on": exhausts_on and language.format_day(date.fromisoformat(exhausts_on)),
        "first_day": language.format_day(date.fromisoformat(contract["start_date"])),
        "last_day": language.format_day(date.fromisoformat(contract["end_date"])),
        "periods": list(_columns(contract, selected, today, amount)),
        "accounts": [_account_row(account, selected, amount) for account in contract["accounts"]],
        **_curve(contract, curve, selected, today, amount),
        "asked_period": asked if can_ask else None,
        "asked_label": _period_name(asked, contract, language),
        "updated_on": language.format_day(date.fromisoformat(contract["updated_at"][:10])),
    }


def is_over(figures: Mapping[str, Any]) -> bool:
    """Whether more is used than there was."""
    return figures["remaining"] is not None and figures["remaining"] < 0


def describe_rest(figures: Mapping[str, Any], amount: LocalAmounts) -> str:
    """``8 h left`` or ``5 h over``."""
    _, remaining = amount.language.gettext, figures["remaining"]
    if remaining is None:
        return _("Nothing is planned")
    if remaining < 0:
        return _("%(amount)s over", amount=amount(-remaining))
    return _("%(amount)s left", amount=amount(remaining))


def describe_use(figures: Mapping[str, Any], amount: LocalAmounts) -> str:
    """``32 h of 40 h used``."""
    _ = amount.language.gettext
    available = figures["available"]
    if available is None:
        return _("%(consumed)s used", consumed=amount(figures["consumed"]))
    return _("%(consumed)s of %(available)s used", consumed=amount(figures["consumed"]), available=amount(available))


def _status_label(contract: Json, language: Language) -> str:
    label = _STATUSES[contract["status"]]
    return language.gettext(label)


def _period_name(period: Json, contract: Json, language: Language) -> str:
    if contract["recurrence"] == "none":
        return language.gettext("Whole contract")
    return language.format_period(date.fromisoformat(period["start"]), date.fromisoformat(period["end"]))


def _columns(contract: Json, selected: Json | None, today: date, amount: LocalAmounts) -> Iterator[PeriodColumn]:
    language = amount.language
    periods = contract["periods"]
    for period in periods if len(periods) > 1 else ():
        yield PeriodColumn(
            label=language.format_short_month(date.fromisoformat(period["start"])),
            title=f"{_period_name(period, contract, language)}: {describe_use(period, amount)}",
            start=period["start"],
            bar=build_bar(period["consumed"], period["available"]),
            figures=period,
            link=f"?period={period['start']}",
            is_selected=selected is not None and selected["start"] == period["start"],
            is_current=period["start"] <= today.isoformat() <= period["end"],
        )


def _account_row(account: Json, selected: Json | None, amount: LocalAmounts) -> AccountRow:
    figures = figures_of_period(account, selected["start"]) if selected else account["whole"]
    percent = figures["percent"]
    return AccountRow(
        name=account["name"],
        planned=amount(figures["planned"]),
        consumed=amount(figures["consumed"]),
        rest=amount(figures["remaining"]),
        is_over=is_over(figures),
        percent=amount.language.format_percent(percent) if percent else amount(None),
        bar=build_bar(figures["consumed"], figures["planned"]),
    )


def _curve(
    contract: Json,
    curve: Sequence[Json],
    selected: Json | None,
    today: date,
    amount: LocalAmounts,
) -> dict[str, Any]:
    """What was used day by day against what is available, as a chart and as a table."""
    figures = selected or whole_figures(contract)
    days = date.fromisoformat(figures["start"]), date.fromisoformat(figures["end"])
    if selected:
        points = [(day["day"], day["period_consumed"]) for day in curve if day["period_start"] == selected["start"]]
        limits = contracted_limits([{**selected, "planned": selected["available"]}])
    else:
        points, limits = [(day["day"], day["consumed"]) for day in curve], contracted_limits(contract["periods"])
    totals = [(date.fromisoformat(day), total) for day, total in points]
    language = amount.language
    chart = build_curve(
        totals,
        limits=limits,
        days=days,
        today=today,
        forecast=None,
        amount=amount,
        labels=DayLabels(language.format_short_day, language.format_short_month),
    )
    rows = [(language.format_day(day), total) for day, total, _ in curve_rows(totals, limits, days)]
    return {"curve": chart, "curve_rows": rows}
