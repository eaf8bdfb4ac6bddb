"""Offers in words: what is proposed, and what has happened to it. SPEC 10."""

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tidemark_notifier.language import ENGLISH, N_, Language

if TYPE_CHECKING:
    # A snapshot has a reason, so its module imports the one that describes reasons.
    from tidemark_notifier.evaluation.snapshot import OfferDetails, Snapshot

_SENTENCES = {
    "requested": N_("%(person)s asks for %(change)s. Confirm this to make an offer of it."),
    "made": N_("The offer of %(change)s is open until %(until)s."),
    "accepted": N_("Agreed with %(person)s, and now part of the contract: %(change)s."),
    "declined": N_("%(person)s declined %(change)s."),
    "refused": N_("The customer could not accept %(change)s, because it no longer fits the contract: %(refusal)s"),
    "withdrawn": N_("The offer of %(change)s was withdrawn."),
    "expired": N_("The offer of %(change)s expired without an answer."),
}


def format_amount(offer: "OfferDetails", snapshot: "Snapshot", language: Language = ENGLISH) -> str:
    """``20 h more``, ``500.00 EUR less``."""
    _, amount = language.gettext, language.format_quantity(abs(offer.amount), snapshot.currency)
    return _("%(amount)s less", amount=amount) if offer.amount < 0 else _("%(amount)s more", amount=amount)


def format_valid_until(offer: "OfferDetails", snapshot: "Snapshot", language: Language = ENGLISH) -> str:
    """``31 March 2026, 23:59 (Europe/Berlin)``; empty for a request that is not confirmed."""
    if offer.valid_until is None:
        return ""
    return language.format_moment(offer.valid_until.astimezone(ZoneInfo(snapshot.timezone)), snapshot.timezone)


def describe_offer(offer: "OfferDetails", snapshot: "Snapshot", language: Language = ENGLISH) -> str:
    """What has happened to the offer, in a sentence or two."""
    _ = language.gettext
    start, end = snapshot.period_start or snapshot.contract_start, snapshot.period_end or snapshot.contract_end
    change = _(
        "%(amount)s for %(account)s %(period)s",
        amount=format_amount(offer, snapshot, language),
        account=snapshot.account_name,
        period=language.format_within_period(start, end),
    )
    sentence = _(
        _SENTENCES[offer.event],
        change=change,
        person=offer.person_name or _("the customer"),
        until=format_valid_until(offer, snapshot, language),
        refusal=offer.refusal,
    )
    return sentence[0].upper() + sentence[1:]
