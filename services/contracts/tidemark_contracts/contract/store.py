"""The event store of contracts. The read model and the outbox are written in the same transaction as the events."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import reduce
from typing import NamedTuple, cast
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
    return replace(
        await load_references(connection, [terms], now=now, actor=actor),
        code_taken=new and bool(await find_taken_codes(connection, [terms.code])),
    )


async def load_references(
    connection: Connection, terms: Iterable[Contract], *, now: datetime, actor: str
) -> DecisionContext:
    """Which entities exist that these terms refer to. They cannot be deleted until the transaction ends."""
    ids = sorted({id_ for contract_terms in terms for id_ in referenced_ids(contract_terms)})
    ids_by_kind: dict[str, set[UUID]] = {"organization": set(), "team": set()}
    async for row in _sql.lock_entities(connection, ids=ids):
        # A rate card is neither: its id is an unknown reference.
        ids_by_kind.setdefault(row["kind"], set()).add(row["id"])
    return DecisionContext(
        now=now,
        actor=actor,
        organizations=frozenset(ids_by_kind["organization"]),
        teams=frozenset(ids_by_kind["team"]),
    )


async def find_taken_codes(connection: Connection, codes: Sequence[str]) -> set[str]:
    """Those of the codes that contracts have."""
    return {row["code"] async for row in _sql.taken_codes(connection, codes=codes)}


class Append(NamedTuple):
    """Events for the stream of a contract that is at ``state``."""

    contract_id: UUID
    state: State
    events: Sequence[Event]

    @property
    def new_state(self) -> State:
        """The state after the events."""
        return reduce(evolve, self.events, self.state)


async def append_events(connection: Connection, contract_id: UUID, state: State, events: Sequence[Event]) -> State:
    """Append events to the stream that is at ``state``; see :func:`append_streams`. Return the new state."""
    append = Append(contract_id, state, events)
    await append_streams(connection, [append])
    return append.new_state


async def append_streams(connection: Connection, appends: Sequence[Append]) -> None:
    """Append events to streams of different contracts; write the read model and the outbox.

    Raises :class:`VersionConflictError` if a stream has moved on, and a 422 if a code was taken in the meantime.
    """
    records, rows = [], []
    for contract_id, state, events in appends:
        for event in events:
            event_type, data = lifecycle_event(contract_id, state, event)
            records.append(event_record(LIFECYCLE, contract_id, event_type, data, event.occurred_at))
            state = evolve(state, event)  # noqa: PLW2901 - the state after each event
            rows.append((contract_id, state.version, event))
    try:
        await _sql.append_events(
            connection,
            contract_ids=[contract_id for contract_id, _, _ in rows],
            versions=[version for _, version, _ in rows],
            types=[event.type for _, _, event in rows],
            data=[event_json(event) for _, _, event in rows],
            actors=[event.actor for _, _, event in rows],
            reasons=[event.reason for _, _, event in rows],
            occurred_at=[event.occurred_at for _, _, event in rows],
            correlation_id=get_correlation_id(),
        )
    except asyncpg.UniqueViolationError:
        raise VersionConflictError from None
    states = {append.contract_id: append.new_state for append in appends}
    if discarded := [id_ for id_, state in states.items() if state.status is None]:
        await _sql.delete_discarded(connection, ids=discarded)
    if len(discarded) < len(states):
        await save_contracts(connection, states)
    await outbox.write_outbox(connection, records)


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
