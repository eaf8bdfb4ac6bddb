"""One notification in words: its headline, its bar, the lines below its figure, and the placeholders. SPEC N5."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from tidemark_notifier.evaluation.formatting import (
    STATUS_NAMES,
    ForecastKind,
    classify_forecast,
    format_forecast_day,
)
from tidemark_notifier.evaluation.offer_text import format_amount
from tidemark_notifier.evaluation.reasons import describe_reason, format_threshold
from tidemark_notifier.evaluation.snapshot import Snapshot
from tidemark_notifier.language import ENGLISH, N_, Language
from tidemark_shared.domain.balances import Forecast
from tidemark_shared.domain.text import to_safe_line

_BAR_CHARACTERS = 20
_FORECAST_HEADLINES = {
    "lasts": N_("Lasts until the end"),
    "runs_out": N_("Runs out %(when)s"),
    "expected": N_("Expected to run out %(when)s"),
    "used_up": N_("Used up %(when)s"),
}
_FORECAST_FACTS = {
    "lasts": N_("lasts until the end at the current pace"),
    "runs_out": N_("runs out %(when)s at the current pace"),
    "expected": N_("expected to run out %(when)s"),
    "used_up": N_("used up %(when)s"),
}


class Bar(NamedTuple):
    """Planned and executed as shares of one line, in percent: executed within the plan, executed beyond it, free."""

    within: int
    beyond: int
    free: int

    def __str__(self) -> str:
        within = self.within * _BAR_CHARACTERS // 100
        return "[" + "#" * within + ("!" if self.beyond else "-") * (_BAR_CHARACTERS - within) + "]"


def build_bar(consumed: int, available: int) -> Bar:
    """The bar of ``consumed`` against ``available``. If nothing is available, everything is beyond the plan."""
    if consumed > available:
        within = max(available, 0) * 100 // max(consumed, 1)
        return Bar(within, 100 - within, 0)
    within = consumed * 100 // available if available > 0 else 0
    return Bar(within, 0, 100 - within)


def format_headline(snapshot: Snapshot, language: Language = ENGLISH) -> str:
    """The message in a few words, the figure first: ``80 % used``, ``2 h 30 min over``, ``30 days left``."""
    _ = language.gettext
    headline = _("%(percent)s used", percent=format_percent(snapshot, language))
    match snapshot.trigger:
        case "offer" if snapshot.offer:
            headline = format_amount(snapshot.offer, snapshot, language)
        case "remaining_hours" | "remaining_amount" | "overrun" if snapshot.remaining is not None:
            headline = format_remaining(snapshot, language)
        case "expires_in_days" | "expired":
            headline = _format_end(snapshot, language)
        case "status_changed":
            now = _(STATUS_NAMES[snapshot.status])
            was = _(STATUS_NAMES.get(snapshot.threshold or "", STATUS_NAMES[snapshot.status]))
            headline = (
                _("Now %(status)s", status=now) if was == now else _("Was %(was)s, now %(now)s", was=was, now=now)
            )
        case "period_closed":
            headline = _("Statement corrected") if snapshot.corrections else _("Statement")
        case "unaccounted_work":
            hours = language.format_quantity(snapshot.unaccounted_seconds or 0, None)
            headline = _("%(hours)s not counted", hours=hours)
        case "forecast_exhausts":
            today = snapshot.raised_on
            when = format_forecast_day(snapshot.forecast, today, language)
            headline = _(_FORECAST_HEADLINES[_classify_forecast(snapshot)], when=when)
    return headline


def _classify_forecast(snapshot: Snapshot) -> ForecastKind:
    # The figures of another trigger may be those of an account, or of another period.
    remaining = snapshot.remaining if snapshot.trigger == "forecast_exhausts" else None
    return classify_forecast(snapshot.forecast, snapshot.raised_on, remaining)


def _format_end(snapshot: Snapshot, language: Language) -> str:
    _ = language.gettext
    if snapshot.days_left < 0:
        return _("Ended on %(day)s", day=language.format_day(snapshot.contract_end))
    if not snapshot.days_left:
        return _("Ends today")
    return language.ngettext("%(count)s day left", "%(count)s days left", snapshot.days_left)


def format_remaining(snapshot: Snapshot, language: Language = ENGLISH) -> str:
    """``8 h left``, ``1 s over``."""
    remaining, _ = snapshot.remaining or 0, language.gettext
    amount = language.format_quantity(abs(remaining), snapshot.currency)
    return _("%(amount)s over", amount=amount) if remaining < 0 else _("%(amount)s left", amount=amount)


def format_percent(snapshot: Snapshot, language: Language = ENGLISH) -> str:
    """``80 %``."""
    hundred, _ = language.format_percent("100"), language.gettext
    if snapshot.percent is None:
        return _("More than %(percent)s", percent=hundred)
    # Rounding never turns an overrun of a second, or a second that is left, into exactly 100 %.
    if snapshot.percent == "100" and snapshot.remaining:
        return (
            _("More than %(percent)s", percent=hundred)
            if snapshot.remaining < 0
            else _("Almost %(percent)s", percent=hundred)
        )
    return language.format_percent(snapshot.percent)


def _format_forecast(forecast: Forecast, snapshot: Snapshot, language: Language) -> str:
    """The forecast with its range."""
    _, kind = language.gettext, _classify_forecast(snapshot)
    text = _(_FORECAST_FACTS[kind], when=format_forecast_day(forecast, snapshot.raised_on, language))
    if kind != "runs_out" or not forecast.low:
        return text
    low = language.format_day(forecast.low)
    if not forecast.high:
        return text + _(" (%(day)s at the earliest)", day=low)
    return text + _(" (between %(low)s and %(high)s)", low=low, high=language.format_day(forecast.high))


def build_placeholder_values(snapshot: Snapshot, language: Language = ENGLISH) -> dict[str, str]:
    """The values of the :data:`~tidemark_notifier.rules.placeholders.PLACEHOLDERS`."""
    _, currency = language.gettext, snapshot.currency
    none = _("none")

    def format_amount(value: int | None) -> str:
        return none if value is None else language.format_quantity(value, currency)

    unaccounted, exhausts_on = snapshot.unaccounted_seconds, snapshot.forecast and snapshot.forecast.exhausts_on
    return {
        "contract_code": snapshot.contract_code,
        "contract_name": snapshot.contract_name,
        "organization": snapshot.organization_name,
        "account": snapshot.account_name or none,
        "team": snapshot.team_name or none,
        "subject": snapshot.team_name or snapshot.account_name or snapshot.contract_name,
        "period": format_subject_period(snapshot, language),
        "start_date": language.format_day(snapshot.contract_start),
        "end_date": language.format_day(snapshot.contract_end),
        "days_left": language.format_number(snapshot.days_left),
        "status": _(STATUS_NAMES[snapshot.status]),
        "headline": format_headline(snapshot, language),
        "reason": describe_reason(snapshot, language),
        "threshold": format_threshold(snapshot.trigger, snapshot.threshold, currency, language) or none,
        "percent": none if snapshot.consumed is None else format_percent(snapshot, language),
        "consumed": format_amount(snapshot.consumed),
        "planned": format_amount(snapshot.planned),
        "available": format_amount(snapshot.available and max(snapshot.available, 0)),
        "remaining": format_amount(snapshot.remaining),
        "not_counted": none if unaccounted is None else language.format_quantity(unaccounted, None),
        "exhausts_on": language.format_day(exhausts_on) if exhausts_on else none,
    }


def format_subject_period(snapshot: Snapshot, language: Language) -> str:
    """The period that the notification is about, or the whole contract."""
    start, end = snapshot.period_start or snapshot.contract_start, snapshot.period_end or snapshot.contract_end
    return language.format_period(start, end)


def list_facts(snapshot: Snapshot, language: Language, *, internal: bool, has_page: bool) -> Iterator[tuple[str, str]]:
    """The lines below the figure, each with its name. ``has_page``: the receiver may open the page of the contract."""
    _ = language.gettext
    if snapshot.account_name:
        yield _("Account"), snapshot.account_name
    if snapshot.team_name:
        yield _("Team"), snapshot.team_name
    if snapshot.consumed is not None:
        period = format_subject_period(snapshot, language) if snapshot.period_start else _("the whole contract")
        yield _("Period"), period
    if snapshot.planned is not None:
        yield _("Planned"), _format_planned(snapshot.planned, snapshot, language)
    if snapshot.forecast:
        name = _("Budget") if _classify_forecast(snapshot) in ("expected", "used_up") else _("Forecast")
        name = name if snapshot.subject_kind == "contract" else _("Whole contract")
        yield name, _format_forecast(snapshot.forecast, snapshot, language)
    if snapshot.unaccounted_seconds and (internal or snapshot.trigger == "unaccounted_work"):
        hours = language.format_quantity(snapshot.unaccounted_seconds, None)
        yield _("Not counted"), _("%(hours)s (see the contract's page for why)", hours=hours) if has_page else hours
    yield _("Contract"), format_contract(snapshot, language)


def format_contract(snapshot: Snapshot, language: Language) -> str:
    """The days and the status of the contract."""
    start, end = language.format_day(snapshot.contract_start), language.format_day(snapshot.contract_end)
    days = language.gettext("%(start)s to %(end)s", start=start, end=end)
    return f"{days}, {language.gettext(STATUS_NAMES[snapshot.status])}"


def _format_planned(planned: int, snapshot: Snapshot, language: Language) -> str:
    _, currency = language.gettext, snapshot.currency
    available, text = (
        planned if snapshot.available is None else snapshot.available,
        language.format_quantity(planned, currency),
    )
    if available == planned:
        return text
    amount = language.format_quantity(abs(available - planned), currency)
    if available > planned:
        return _("%(planned)s, and %(amount)s carried over", planned=text, amount=amount)
    return _("%(planned)s, less %(amount)s overdrawn from the period before", planned=text, amount=amount)


def build_contract_link(snapshot: Snapshot, public_url: str, base: str = "") -> str:
    """The page of the contract, or of the statement that the notification is about; ``/customer`` is the customer's."""
    statement = f"/statements/{snapshot.period_start}" if snapshot.trigger == "period_closed" else ""
    return f"{public_url.rstrip('/')}{base}/contracts/{quote(snapshot.contract_code, safe='')}{statement}"


def build_statements_link(snapshots: Sequence[Snapshot], public_url: str, base: str = "") -> str:
    """The page of the contract or of the statement; where several periods are settled, the list of statements."""
    link = build_contract_link(snapshots[0], public_url, base)
    return f"{link.partition('/statements/')[0]}#statements" if _has_several_periods(snapshots) else link


def format_link_label(snapshots: Sequence[Snapshot], language: Language) -> str:
    """The name of the page that :func:`build_statements_link` has the address of."""
    if _has_several_periods(snapshots):
        return language.gettext("View the statements")
    is_statement = snapshots[0].trigger == "period_closed"
    return language.gettext("View the statement") if is_statement else language.gettext("View the contract")


def _has_several_periods(snapshots: Sequence[Snapshot]) -> bool:
    return len({snapshot.period_start for snapshot in snapshots if snapshot.trigger == "period_closed"}) > 1


def build_customer_link(snapshots: Sequence[Snapshot], public_url: str) -> str:
    """The customer's page of the contract or of the statement; for a digest, of all contracts. It has no fragment."""
    if snapshots[0].digest:
        return f"{public_url.rstrip('/')}/customer"
    return build_statements_link(snapshots, public_url, base="/customer").partition("#")[0]


def make_safe(value: Any) -> Any:
    """``value`` with all texts in it safe to show: see :func:`~tidemark_shared.domain.text.to_safe_line`."""
    if isinstance(value, str):
        return to_safe_line(value)
    if isinstance(value, dict):
        return {key: make_safe(member) for key, member in value.items()}
    # A named tuple is not text.
    return type(value)(map(make_safe, value)) if type(value) in (list, tuple) else value
