"""What a digest says of its contracts, from their snapshots alone. SPEC 10."""

from collections.abc import Iterator, Sequence
from typing import Any

from tidemark_notifier.delivery.snapshot_text import build_bar, build_contract_link, format_remaining
from tidemark_notifier.evaluation.formatting import STATUS_NAMES, format_consumption
from tidemark_notifier.evaluation.reasons import describe_forecast
from tidemark_notifier.evaluation.snapshot import Attention, DigestDetails, DigestFigures, Snapshot
from tidemark_notifier.language import N_, Language

_ATTENTION: dict[Attention, str] = {
    "over": N_("Over"),
    "account_over": N_("Account over"),
    "runs_out": N_("Runs out"),
    "ended": N_("Ended"),
    "ends_soon": N_("Ends soon"),
    "not_counted": N_("Not counted"),
}


def format_digest_headline(snapshots: Sequence[Snapshot], language: Language) -> str:
    """How many contracts need a word."""
    count = sum(bool(snapshot.digest and snapshot.digest.attention) for snapshot in snapshots)
    if not count:
        return language.gettext("No contract needs attention")
    return language.ngettext("%(count)s contract needs attention", "%(count)s contracts need attention", count)


def build_digest(
    snapshots: Sequence[Snapshot], public_url: str, language: Language, *, has_page: bool
) -> dict[str, Any]:
    """The values that the templates have for a digest in place of those of a contract; nothing for other mails."""
    if not snapshots or not snapshots[0].digest:
        return {}
    return {
        "kind_note": f"{language.format_day(snapshots[0].digest.day)}.",
        "headline": format_digest_headline(snapshots, language),
        "consumption": None,
        "reason": language.ngettext(
            "%(count)s contract, with what has changed since the last digest.",
            "%(count)s contracts, with what has changed since the last digest.",
            len(snapshots),
        ),
        "others_title": language.gettext("Contracts"),
        "others": [
            _build_entry(snapshot, snapshot.digest, public_url if has_page else "", language)
            for snapshot in snapshots
            if snapshot.digest
        ],
        "contract_name": "",
        "facts": [],
        "accounts": [],
        "link": f"{public_url.rstrip('/')}/" if has_page else "",
        "link_label": language.gettext("View all contracts"),
    }


def _build_entry(snapshot: Snapshot, digest: DigestDetails, public_url: str, language: Language) -> dict[str, Any]:
    attention = _ATTENTION[digest.attention[0]] if digest.attention else ""
    has_figures = snapshot.consumed is not None and bool(snapshot.available)
    return {
        "kind": language.gettext(attention) if attention else "",
        "opening": [],
        "name": f"{snapshot.contract_name} ({snapshot.contract_code})"
        + (f", {snapshot.organization_name}" if public_url else ""),
        "reason": " ".join(_list_sentences(snapshot, digest, language)),
        "bar": build_bar(snapshot.consumed or 0, snapshot.available or 0) if has_figures else None,
        "link": build_contract_link(snapshot, public_url) if public_url else "",
    }


def _list_sentences(snapshot: Snapshot, digest: DigestDetails, language: Language) -> Iterator[str]:
    """The figures, what has changed, and what needs attention."""
    _, consumed, available = language.gettext, snapshot.consumed, snapshot.available
    if consumed is not None and snapshot.period_start and snapshot.period_end:
        used = format_consumption(consumed, available or 0, snapshot.currency, language)
        period = language.format_within_period(snapshot.period_start, snapshot.period_end)
        rest = f" ({format_remaining(snapshot, language)})" if available is not None else ""
        yield _("%(consumption)s used %(period)s", consumption=used, period=period) + f"{rest}."
    if digest.previous is None:
        yield _("New in this digest.")
    else:
        unchanged = _("Unchanged since %(day)s.", day=language.format_day(digest.previous.day))
        yield from list(_list_changes(snapshot, digest, digest.previous, language)) or [unchanged]
    end = language.format_day(snapshot.contract_end)
    if digest.accounts_over:
        yield _("Over their plan: %(accounts)s.", accounts=language.join(digest.accounts_over))
    if "runs_out" in digest.attention:
        yield describe_forecast(snapshot.forecast, snapshot.raised_on, snapshot.remaining, language)
    if "ended" in digest.attention:
        yield _("The contract ended on %(end)s.", end=end)
    if "ends_soon" in digest.attention:
        days = language.format_days(snapshot.days_left)
        yield _("The contract ends on %(end)s (%(days)s left).", end=end, days=days)
    if "not_counted" in digest.attention:
        hours = language.format_quantity(snapshot.unaccounted_seconds or 0, None)
        yield _("%(hours)s not counted", hours=hours) + "."


def _list_changes(
    snapshot: Snapshot, digest: DigestDetails, previous: DigestFigures, language: Language
) -> Iterator[str]:
    _, day, currency = language.gettext, language.format_day(previous.day), snapshot.currency
    used, planned = (digest.consumed or 0) - (previous.consumed or 0), digest.planned
    if used:
        amount = language.format_quantity(abs(used), currency)
        yield (
            _("%(amount)s more than on %(day)s.", amount=amount, day=day)
            if used > 0
            else _("%(amount)s less than on %(day)s.", amount=amount, day=day)
        )
    if planned is not None and planned != previous.planned:
        yield _(
            "Planned in all: %(now)s instead of %(then)s.",
            now=language.format_quantity(planned, currency),
            then=language.format_quantity(previous.planned or 0, currency),
        )
    if digest.status != previous.status:
        was, now = STATUS_NAMES[previous.status], STATUS_NAMES[digest.status]
        yield _("Was %(was)s, now %(now)s", was=_(was), now=_(now)) + "."
    if digest.contract_end != previous.contract_end:
        yield _("Now ends on %(end)s.", end=language.format_day(digest.contract_end))
