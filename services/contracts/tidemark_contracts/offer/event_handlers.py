"""The offers of rules: each notification of such a rule makes one, unless one waits for an answer (SPEC 10)."""

from datetime import UTC, datetime

from tidemark_contracts.contract.store import find_contract
from tidemark_contracts.offer import store
from tidemark_contracts.offer.decider import Make
from tidemark_contracts.offer.proposal import rule_proposal
from tidemark_shared.database import Connection
from tidemark_shared.domain.bodies import RuleOffer
from tidemark_shared.log import get_logger
from tidemark_shared.messaging.batches import Batch, DeadLetter, decode_batch, write_dead_letters
from tidemark_shared.messaging.events import NOTIFICATION_RAISED, NotificationChanged
from tidemark_shared.messaging.topics import NOTIFICATIONS

_log = get_logger()


async def handle_notifications(connection: Connection, batch: Batch) -> None:
    """Make the offers of a batch of notifications. A notification whose offer cannot be made is a dead letter."""
    dead_letters = []
    for record, event in await decode_batch(connection, NOTIFICATIONS, batch):
        if event.type == NOTIFICATION_RAISED and event.data.offer:
            now = batch.learned_at or datetime.now(UTC)
            if reason := await _make_offer(connection, event.data, event.data.offer, now):
                _log.warning("offer_not_made", notification_id=str(event.data.notification_id), reason=reason)
                dead_letters.append(DeadLetter(record, reason))
    await write_dead_letters(connection, batch, dead_letters)


async def _make_offer(
    connection: Connection, notification: NotificationChanged, offer: RuleOffer, now: datetime
) -> str | None:
    """Make the offer of a notification, once. Returns why it cannot be made."""
    contract = await find_contract(connection, str(notification.contract_id))
    if contract is None or contract[1].terms is None:
        return f"No contract with id {notification.contract_id}."
    contract_id, terms = contract[0], contract[1].terms
    rule_name = notification.rule_name or "a rule"
    proposal = rule_proposal(offer, terms, notification.period_start, rule_name=rule_name, now=now)
    outcome = await store.make_offer(
        connection,
        contract_id,
        Make(proposal, notification_id=notification.notification_id),
        now=now,
        actor=f"rule {rule_name}",
    )
    return outcome.decision.rejection.text if outcome.decision.rejection else None
