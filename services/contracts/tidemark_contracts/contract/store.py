"""The event store of contracts. The read model and the outbox are written in the same transaction as the events."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import reduce
from typing import cast
from uuid import UUID

import asyncpg

from tidemark_contracts.contract.decider import Event, EventType, State, evolve
from tidemark_contracts.contract.rules import DecisionContext, code_taken_violation, referenced_ids
from tidemark_contracts.database.query_types import ContractsQueries, FindContractRow, ListContractsRow, ListEventsRow
from tidemark_contracts.events import event_record
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.bodies import Contract, Status
from tidemark_shared.domain.calendar import start_of_day
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.requests import VersionConflictError
from tidemark_shared.log import get_correlation_id
from tidemark_shared.messaging import outbox
from tidemark_shared.messaging.events import ContractChanged, ContractTerms
from tidemark_shared.messaging.topics import LIFECYCLE

_sql: ContractsQueries = queries("tidemark_contracts")

_LINKS = ("renewed_from", "renewed_as")


async def load_contract(connection: Connection, contract_id: UUID) -> State:
    """A contract's state from its events; the initial state if there are none."""
    return reduce(evolve, await load_events(connection, contract_id), State())


async def load_events(connection: Connection, contract_id: UUID) -> list[Event]:
    """A contract's events, oldest first."""
    return [_event(row) async for row in _sql.list_events(connection, contract_id=contract_id)]


async def load_all_events(connection: Connection) -> AsyncIterator[tuple[UUID, Event]]:
    """The events of all contracts, grouped by contract, oldest first."""
    async with _sql.list_all_events_cursor(connection) as cursor:
        async for row in cursor:
            yield row["contract_id"], _event(row)


async def find_contract(connection: Connection, reference: str) -> tuple[UUID, State] | None:
    """Find a contract in the read model by id, else by code."""
    try:
        id_ = UUID(reference)
    except ValueError:
        id_ = None
    row = await _sql.find_contract(connection, id=id_, code=reference)
    return _contract(row) if row else None


async def list_contracts(
    connection: Connection,
    *,
    after_code: str | None,
    max_rows: int,
    statuses: Sequence[Status] | None,
    organization: UUID | None,
    owner: str | None,
    first_day: date | None,
    last_day: date | None,
    text: str | None,
) -> list[tuple[UUID, State]]:
    """List contracts from the read model by code, starting behind ``after_code``."""
    rows = _sql.list_contracts(
        connection,
        statuses=statuses,
        organization=organization,
        owner=owner,
        first_day=first_day,
        last_day=last_day,
        text=text,
        after_code=after_code,
        max_rows=max_rows,
    )
    return [_contract(row) async for row in rows]


async def load_context(
    connection: Connection, terms: Contract | None, *, now: datetime, actor: str, new: bool
) -> DecisionContext:
    """What a decision about these terms needs. Nothing they refer to can be deleted until the transaction ends."""
    if terms is None:
        return DecisionContext(now=now, actor=actor)
    ids_by_kind: dict[str, set[UUID]] = {"organization": set(), "team": set()}
    async for row in _sql.lock_entities(connection, ids=list(referenced_ids(terms))):
        # A rate card is neither: its id is an unknown reference.
        ids_by_kind.setdefault(row["kind"], set()).add(row["id"])
    return DecisionContext(
        now=now,
        actor=actor,
        organizations=frozenset(ids_by_kind["organization"]),
        teams=frozenset(ids_by_kind["team"]),
        code_taken=new and await _sql.is_code_taken(connection, code=terms.code),
    )


async def append_events(connection: Connection, contract_id: UUID, state: State, events: Sequence[Event]) -> State:
    """Append events to the stream that is at ``state``; write the read model and the outbox. Return the new state.

    Raises :class:`VersionConflictError` if the stream has moved on, and a 422 if the code was taken in the meantime.
    """
    records, new_state = [], state
    for event in events:
        event_type, data = lifecycle_event(contract_id, new_state, event)
        records.append(event_record(LIFECYCLE, contract_id, event_type, data, event.occurred_at))
        new_state = evolve(new_state, event)
    try:
        await _sql.append_events(
            connection,
            contract_id=contract_id,
            versions=list(range(state.version + 1, new_state.version + 1)),
            types=[event.type for event in events],
            data=[event_json(event) for event in events],
            actors=[event.actor for event in events],
            reasons=[event.reason for event in events],
            occurred_at=[event.occurred_at for event in events],
            correlation_id=get_correlation_id(),
        )
    except asyncpg.UniqueViolationError:
        raise VersionConflictError from None
    if new_state.status is None:
        await _sql.delete_contract(connection, id=contract_id)
    else:
        await save_contracts(connection, {contract_id: new_state})
    await outbox.write_outbox(connection, records)
    return new_state


async def save_contracts(connection: Connection, states: Mapping[UUID, State]) -> None:
    """Write contracts and their references to the read model. Raises a 422 if a code is taken."""
    rows = [(id_, state, state.terms) for id_, state in states.items() if state.status and state.terms]
    try:
        await _sql.save_contracts(
            connection,
            ids=[id_ for id_, _, _ in rows],
            versions=[state.version for _, state, _ in rows],
            statuses=[state.status for _, state, _ in rows],
            bodies=[terms.model_dump_json() for _, _, terms in rows],
            ends_at=[start_of_day(terms.end_date + timedelta(days=1), terms.zone) for _, _, terms in rows],
            renewed_from=[state.renewed_from for _, state, _ in rows],
            renewed_as=[state.renewed_as for _, state, _ in rows],
        )
    except asyncpg.UniqueViolationError:
        violations = [code_taken_violation(terms) for _, _, terms in rows]
        raise Problem(422, "The contract is not valid", violations[0].message, violations) from None
    references = [(id_, entity_id) for id_, _, terms in rows for entity_id in sorted(referenced_ids(terms))]
    await _sql.save_references(
        connection,
        contract_ids=[contract_id for contract_id, _ in references],
        entity_ids=[entity_id for _, entity_id in references],
    )


def lifecycle_event(contract_id: UUID, previous: State, event: Event) -> tuple[str, ContractChanged]:
    """The type and the data of the published event for an event that follows ``previous``."""
    state = evolve(previous, event)
    if state.terms is None:
        raise AssertionError("The first event of a contract carries its terms.")
    return f"tidemark.contract.{event.type}.v1", ContractChanged(
        contract_id=contract_id,
        stream_version=state.version,
        status=state.status,
        previous_status=previous.status,
        terms=ContractTerms.model_construct(**dict(state.terms)),
        actor=event.actor,
        reason=event.reason,
        occurred_at=event.occurred_at,
        renewed_from=state.renewed_from,
        renewed_as=state.renewed_as,
    )


def _contract(row: FindContractRow | ListContractsRow) -> tuple[UUID, State]:
    terms = Contract.model_validate_json(row["body"])
    status = cast("Status", row["status"])
    return row["id"], State(row["version"], status, terms, row["renewed_from"], row["renewed_as"])


def _event(row: ListEventsRow) -> Event:
    data = json.loads(row["data"])
    terms = Contract.model_validate(data["terms"]) if data["terms"] else None
    links = {name: UUID(data[name]) for name in _LINKS if data.get(name)}
    type_ = cast("EventType", row["type"])
    return Event(type_, data["status"], terms, row["actor"], row["reason"], row["occurred_at"], **links)


def event_json(event: Event) -> str:
    """The column ``data`` of an event."""
    terms = event.terms.model_dump(mode="json") if event.terms else None
    links = {name: str(id_) for name in _LINKS if (id_ := getattr(event, name))}
    return json.dumps({"status": event.status, "terms": terms, **links})
