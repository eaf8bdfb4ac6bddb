"""What the mail of an offer says, from its snapshot alone. SPEC 10."""

from collections.abc import Iterator
from typing import Any

from tidemark_notifier.delivery.snapshot_text import format_contract, format_subject_period
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.evaluation.offer_text import format_valid_until
from tidemark_notifier.evaluation.snapshot import OfferDetails, Snapshot
from tidemark_notifier.language import N_, Language
from tidemark_shared.http.links import build_offer_url

OFFER_NAMES = {
    "requested": N_("Request"),
    "made": N_("Offer"),
    "accepted": N_("Accepted"),
    "declined": N_("Declined"),
    "refused": N_("Not accepted"),
    "withdrawn": N_("Withdrawn"),
    "expired": N_("Expired"),
}
"""The names of the events of an offer, as the beginnings of subjects."""


def describe_offer_deadline(offer: OfferDetails, snapshot: Snapshot, language: Language) -> str:
    """Until when the customer can answer; empty for an offer that has been answered."""
    until = format_valid_until(offer, snapshot, language)
    return language.gettext("please answer by %(until)s.", until=until) if offer.event == "made" and until else ""


def list_offer_facts(offer: OfferDetails, snapshot: Snapshot, language: Language) -> Iterator[tuple[str, str]]:
    """The lines below the figure, each with its name: what is offered, and what it would change."""
    _, currency = language.gettext, snapshot.currency
    yield _("Account"), snapshot.account_name or ""
    yield _("Period"), format_subject_period(snapshot, language)
    for name, now in ((_("Planned"), snapshot.planned), (_("Left"), snapshot.remaining)):
        if now is not None:
            yield name, _format_change(now, offer, currency, language)
        if name == _("Planned") and snapshot.consumed is not None:
            yield _("Used"), language.format_quantity(snapshot.consumed, currency)
    yield _("Reason"), offer.reason
    if offer.price_minor is not None and offer.price_currency:
        yield _("Price"), language.format_quantity(offer.price_minor, offer.price_currency)
    if offer.note:
        yield _("Note"), offer.note
    if offer.remark:
        yield _("Remark"), offer.remark
    yield _("Contract"), format_contract(snapshot, language)


def _format_change(now: int, offer: OfferDetails, currency: str | None, language: Language) -> str:
    """``2 h; 22 h if accepted``, or only ``22 h`` where nothing can be accepted any more."""
    if offer.event not in ("made", "requested", "refused"):
        return _format_signed(now, currency, language)
    return language.gettext(
        "%(now)s now, %(then)s if accepted",
        now=_format_signed(now, currency, language),
        then=_format_signed(now + offer.amount, currency, language),
    )


def _format_signed(value: int, currency: str | None, language: Language) -> str:
    amount = language.format_quantity(abs(value), currency)
    return language.gettext("%(amount)s over", amount=amount) if value < 0 else amount


def build_offer_link(
    snapshot: Snapshot, addressee: Addressee, public_url: str, language: Language, secret: str
) -> dict[str, Any]:
    """The link with which a customer answers an open offer; nothing in any other mail.

    The token is in the fragment, which browsers send to no server. It is not stored: the same mail has the same one.
    """
    offer, _ = snapshot.offer, language.gettext
    if offer is None or offer.event != "made" or offer.valid_until is None:
        return {}
    return {
        "link": build_offer_url(
            public_url, secret, offer.offer_id, valid_until=offer.valid_until, email=addressee.email
        ),
        "link_label": _("View and answer the offer"),
        "link_note": _(
            "Opening the link changes nothing: you accept or decline on its page. Whoever has the link can answer in "
            "your place, once. Forward it only to a person who may decide."
        ),
    }
