"""The events of offers as entries of a contract's history: in words for people. Pure."""

from collections.abc import Iterator

from tidemark_contracts.contract.history import describe_adjustment
from tidemark_contracts.offer.decider import Event, describe_person
from tidemark_shared.domain.bodies import format_money


def describe_offer(event: Event) -> list[str]:
    """What is offered, and what the event says about it."""
    offer = event.offer
    adjustment = describe_adjustment(
        offer.model_dump(mode="json", include={"hours", "value_minor", "period_start", "reason"}),
        offer.account_name,
        offer.currency,
    )
    return [f"Offer: {adjustment}", *_details(event)]


def explain_offer(event: Event) -> str | None:
    """What the one who caused the event said, or why an acceptance was refused."""
    return event.offer.refusal if event.type == "refused" else event.offer.remark


def _details(event: Event) -> Iterator[str]:
    offer = event.offer
    match event.type:
        case "requested" if offer.requested_by:
            yield f"Requested by {describe_person(offer.requested_by)}"
        case "made":
            if offer.price_minor is not None:
                yield f"Price {format_money(offer.price_minor, offer.price_currency)}"
            if offer.valid_until:
                yield f"Valid until {offer.valid_until:%Y-%m-%d %H:%M} UTC"
        case "accepted" | "declined" if offer.answered_by:
            yield f"{event.type.capitalize()} by {describe_person(offer.answered_by)}"
        case _:
            pass
