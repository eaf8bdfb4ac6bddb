"""The handlers of the topics that the notifier reads: each stores a batch and evaluates its contracts."""

import json
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from tidemark_notifier.database.query_types import NotifierQueries
from tidemark_notifier.engine.evaluator import Evaluator, lock_configuration
from tidemark_notifier.evaluation.evaluation_input import ClosedPeriod, Restatement, StatusChange
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.people import Pseudonyms
from tidemark_shared.messaging.batches import Batch, Handler, decode_batch
from tidemark_shared.messaging.cloudevents import CloudEvent
from tidemark_shared.messaging.events import (
    ORGANIZATION_CHANGED,
    PERIOD_CLOSED,
    PERIOD_RESTATED,
    PERSON_FORGOTTEN,
    TEAM_CHANGED,
    PersonForgotten,
)
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE, OFFERS, PERIODS
from tidemark_shared.people import identities, rewrite_rows, save_people

_sql: NotifierQueries = queries("tidemark_notifier")

# How long a new version of a contract waits for its balance, so that its notifications have figures and are one mail.
# Consumption usually needs less than a second.
_BALANCE_WAIT_SECONDS = 15

_DIRECTORY_KINDS = {ORGANIZATION_CHANGED: "organization", TEAM_CHANGED: "team"}


def create_event_handlers(evaluator: Evaluator) -> dict[str, Handler]:
    """The handlers by topic."""
    return {
        LIFECYCLE.name: partial(handle_lifecycle, evaluator),
        DIRECTORY.name: handle_directory,
        BALANCES.name: partial(handle_balances, evaluator),
        OFFERS.name: handle_offers,
        PERIODS.name: partial(handle_periods, evaluator),
    }


async def handle_lifecycle(evaluator: Evaluator, connection: Connection, batch: Batch) -> None:
    """Store the terms and status changes of contracts, and evaluate these contracts."""
    received = await decode_batch(connection, LIFECYCLE, batch)
    events = sorted((event for _, event in received), key=lambda event: event.data.stream_version)
    changes: dict[UUID, list[StatusChange]] = {}
    for event in events:
        changes.setdefault(event.data.contract_id, []).append(
            StatusChange(event.data.stream_version, event.data.status)
        )
    newest = _select_newest(events, "contract_id", "stream_version")
    await _sql.lock_configuration_shared(connection)
    await _sql.store_contracts(
        connection,
        ids=list(newest),
        versions=[event.data.stream_version for event in newest.values()],
        status_changes=[json.dumps(changes[id_]) for id_ in newest],
        terms=[event.data.terms.model_dump_json() for event in newest.values()],
        now=batch.learned_at,
        wait_seconds=_BALANCE_WAIT_SECONDS,
    )
    await evaluator.evaluate_stored(connection, newest, batch.learned_at)


async def handle_balances(evaluator: Evaluator, connection: Connection, batch: Batch) -> None:
    """Store balances, and evaluate their contracts."""
    received = await decode_batch(connection, BALANCES, batch)
    newest = _select_newest((event for _, event in received), "contract_id", "revision")
    await _sql.lock_configuration_shared(connection)
    await _sql.store_balances(
        connection,
        ids=list(newest),
        revisions=[event.data.revision for event in newest.values()],
        versions=[event.data.stream_version for event in newest.values()],
        bodies=[event.data.model_dump_json() for event in newest.values()],
    )
    await evaluator.evaluate_stored(connection, newest, batch.learned_at)


async def handle_periods(evaluator: Evaluator, connection: Connection, batch: Batch) -> None:
    """Store statements of settled periods and their restatements, and evaluate their contracts."""
    received = await decode_batch(connection, PERIODS, batch)
    statements = sorted(
        (event.data for _, event in received if event.type == PERIOD_CLOSED),
        key=lambda statement: (statement.contract_id, statement.number),
    )
    periods: dict[UUID, list[dict[str, Any]]] = {}
    for statement in statements:
        period = ClosedPeriod.model_validate(statement.model_dump())
        periods.setdefault(statement.contract_id, []).append(period.model_dump(mode="json"))
    await _sql.lock_configuration_shared(connection)
    await _sql.store_closed_periods(connection, ids=list(periods), periods=list(map(json.dumps, periods.values())))
    restated: dict[UUID, list[dict[str, Any]]] = {}
    for event in sorted(
        (event.data for _, event in received if event.type == PERIOD_RESTATED), key=lambda data: data.restatement
    ):
        restatement = Restatement.model_validate(event.model_dump())
        restated.setdefault(event.contract_id, []).append(restatement.model_dump(mode="json"))
    await _sql.store_restatements(
        connection,
        ids=list(restated),
        restatements=list(map(json.dumps, restated.values())),
        now=batch.learned_at,
    )
    await evaluator.evaluate_stored(connection, periods.keys() | restated.keys(), batch.learned_at)


async def handle_directory(connection: Connection, batch: Batch) -> None:
    """Store organizations and teams, and request the re-evaluation of the organizations' contracts."""
    received = await decode_batch(connection, DIRECTORY, batch)
    events = [event for _, event in received if event.type in _DIRECTORY_KINDS]
    newest = _select_newest(events, "id", "version")
    await lock_configuration(connection)
    await _sql.store_directory(
        connection,
        ids=list(newest),
        kinds=[_DIRECTORY_KINDS[event.type] for event in newest.values()],
        versions=[event.data.version for event in newest.values()],
        bodies=[event.data.model_dump_json() for event in newest.values()],
    )
    organization_ids = [id_ for id_, event in newest.items() if event.type == ORGANIZATION_CHANGED]
    await _sql.request_reevaluation(connection, scope_ids=organization_ids)
    await _forget_people(connection, [event.data for _, event in received if event.type == PERSON_FORGOTTEN])


async def _forget_people(connection: Connection, events: Sequence[PersonForgotten]) -> None:
    """Replace persons who were forgotten in all tables, and remember them for what arrives later (SPEC W8)."""
    if events:
        people = await save_people(connection, events)
        rows = [row async for row in _sql.person_identities(connection)]
        await rewrite_rows(connection, Pseudonyms(people).with_identities(identities(rows)))


async def handle_offers(connection: Connection, batch: Batch) -> None:
    """Store offers, each in its newest version. The evaluator notifies of them."""
    received = await decode_batch(connection, OFFERS, batch)
    newest = _select_newest((event for _, event in received), "offer_id", "version")
    await _sql.store_offers(
        connection,
        ids=list(newest),
        contract_ids=[event.data.contract_id for event in newest.values()],
        versions=[event.data.version for event in newest.values()],
        bodies=[event.data.model_dump_json() for event in newest.values()],
    )


def _select_newest(events: Iterable[CloudEvent], id_member: str, version_member: str) -> dict[UUID, CloudEvent]:
    """The newest version of each id, ordered by id."""
    ordered = sorted(events, key=lambda event: (getattr(event.data, id_member), getattr(event.data, version_member)))
    return {getattr(event.data, id_member): event for event in ordered}
