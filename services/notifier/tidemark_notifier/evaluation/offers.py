"""The notifications of offers: whom an event concerns, and the frozen copy of what it is about. Pure. SPEC 10."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.evaluation.evaluation_input import EvaluationInput
from tidemark_notifier.evaluation.evaluator import PendingNotification
from tidemark_notifier.evaluation.reasons import describe_reason
from tidemark_notifier.evaluation.snapshot import OfferDetails, OfferEvent, Snapshot, freeze_contract
from tidemark_shared.domain.balances import Figures
from tidemark_shared.domain.bodies import RuleOffer
from tidemark_shared.domain.calendar import start_of_day, to_local_day
from tidemark_shared.domain.quantities import compute_percent, format_hours, hours_to_seconds
from tidemark_shared.messaging.events import OfferChanged

# A notifier that reads all offers again, into an empty database, does not notify of what was settled long ago.
_MAX_AGE = timedelta(days=30)
_APPROVER, _BILLING = "approver", "billing"


def find_event(offer: OfferChanged) -> OfferEvent:
    """What the newest version of an offer says has happened."""
    if offer.status == "open":
        return "refused" if offer.refusal else "made"
    return offer.status


def is_current(offer: OfferChanged, contract: EvaluationInput, now: datetime, *, is_reminder: bool) -> bool:
    """Whether somebody still needs to know: an open offer until it expires, everything else for 30 days.

    The customer is asked for no answer that would not be taken, and reminded of none that would be refused.
    """
    if find_event(offer) == "made":
        is_closed = contract.status != "ACTIVE" if is_reminder else contract.status == "CLOSED"
        if is_closed or not _is_of_customer(offer, contract):
            return False
    if offer.status == "open" and offer.valid_until:
        return now < offer.valid_until
    return now - offer.occurred_at <= _MAX_AGE


def _is_of_customer(offer: OfferChanged, contract: EvaluationInput) -> bool:
    """Whether the contract still belongs to the customer that the offer was made to."""
    return offer.organization_id == contract.terms.organization_id


def find_reminder(offer: OfferChanged, zone: ZoneInfo) -> datetime | None:
    """When to remind of an offer: at the start of the day before it expires. None if it was made later than that."""
    if find_event(offer) != "made" or offer.valid_until is None:
        return None
    reminder = start_of_day(to_local_day(offer.valid_until, zone) - timedelta(days=1), zone)
    return reminder if reminder > offer.occurred_at else None


def resolve_offer_addressees(offer: OfferChanged, contract: EvaluationInput) -> list[Addressee]:
    """An offer goes to the customer, an acceptance to the customer and the owner, everything else to the owner."""
    event, owner = find_event(offer), contract.terms.owner
    people = [] if event == "made" else [Addressee(email=owner.email, name=owner.name, kind="owner")]
    if event in ("made", "accepted") and _is_of_customer(offer, contract):
        people += _list_approvers(contract)
    addressees: dict[str, Addressee] = {}
    for addressee in people:
        addressees.setdefault(addressee.receiver.casefold(), addressee)
    return list(addressees.values())


def _list_approvers(contract: EvaluationInput) -> Iterator[Addressee]:
    """The customer's contacts who decide: those with the role ``approver``, or else ``billing``."""
    contacts = contract.organization.contacts
    role = _APPROVER if any(_APPROVER in contact.roles for contact in contacts) else _BILLING
    for contact in contacts:
        if role in contact.roles:
            yield Addressee(email=contact.email, name=contact.name, kind="contacts", role=role)


def freeze_offer(offer: OfferChanged, contract: EvaluationInput, today: date, *, is_reminder: bool) -> Snapshot:
    """The snapshot of an offer, with the figures of its account in its period; ``today`` in the contract's zone."""
    person = offer.answered_by or offer.requested_by
    figures = _find_figures(offer, contract)
    planned = figures.planned if figures else _compute_planned(offer, contract)
    consumed = figures.consumed if figures else None
    percent = None if consumed is None or planned is None else compute_percent(consumed, planned)
    snapshot = Snapshot(
        **freeze_contract(contract, today),
        kind="reminder" if is_reminder else "offer",
        trigger="offer",
        reason="",
        rule_name=None,
        rule_version=None,
        scope=None,
        threshold=None,
        threshold_text="",
        subject_kind="account",
        account_name=offer.account_name,
        team_name=None,
        period_start=offer.period_start,
        period_end=next((period.end for period in contract.terms.periods if period.start == offer.period_start), None),
        planned=planned,
        available=planned,
        consumed=consumed,
        remaining=None if consumed is None or planned is None else planned - consumed,
        percent=None if percent is None else format_hours(percent),
        unaccounted_seconds=None,
        forecast=None,
        accounts=(),
        subject=None,
        opening=None,
        offer=OfferDetails(
            offer_id=offer.offer_id,
            version=offer.version,
            event=find_event(offer),
            amount=_to_units(offer.hours, offer.value_minor) or 0,
            reason=offer.reason,
            price_minor=offer.price_minor,
            price_currency=offer.price_currency,
            note=offer.note,
            valid_until=offer.valid_until,
            person_name=person and person.name,
            remark=offer.remark,
            refusal=offer.refusal,
        ),
    )
    return snapshot.model_copy(update={"reason": describe_reason(snapshot)})


def find_rule_offer(notification: PendingNotification, contract: EvaluationInput) -> RuleOffer | None:
    """The offer that a rule makes with a notification, once: not with its reminders, nor when it is resolved.

    None if the contract cannot take it: it is not ACTIVE, has no such account, or counts in the other unit.
    """
    offer, unit = notification.rule.offer, contract.terms.type
    if offer is None or notification.kind != "crossing" or contract.status != "ACTIVE":
        return None
    names = {name for account in contract.terms.accounts for name in (str(account.id), account.name)}
    is_in_unit = (offer.hours is None) == (unit == "fixed_price")
    return offer if is_in_unit and offer.account in names else None


def _find_figures(offer: OfferChanged, contract: EvaluationInput) -> Figures | None:
    """The figures of the account in the period. Only the previous and the current period have a balance here."""
    accounts = contract.balance.accounts if contract.balance else ()
    periods = (period for account in accounts if account.account_id == offer.account_id for period in account.periods)
    return next((period for period in periods if period.start == offer.period_start), None)


def _compute_planned(offer: OfferChanged, contract: EvaluationInput) -> int | None:
    """What the terms plan for the account in the period."""
    account = next((account for account in contract.terms.accounts if account.id == offer.account_id), None)
    planned = _to_units(account.planned_hours, account.planned_value_minor) if account else None
    adjustments = [
        _to_units(adjustment.hours, adjustment.value_minor) or 0
        for adjustment in contract.terms.adjustments
        if (adjustment.account_id, adjustment.period_start) == (offer.account_id, offer.period_start)
    ]
    return None if planned is None else planned + sum(adjustments)


def _to_units(hours: Decimal | None, value_minor: int | None) -> int | None:
    return value_minor if hours is None else hours_to_seconds(hours)
