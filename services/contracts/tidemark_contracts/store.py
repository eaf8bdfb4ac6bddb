"""Streams of events, and what is written with them in one transaction: the reading model and the outbox."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from typing import Any
from uuid import UUID

import asyncpg

from tidemark_contracts import rules
from tidemark_contracts.decider import Event, State, evolve
from tidemark_contracts.rules import Facts
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.bodies import Contract
from tidemark_shared.domain.calendar import start_of_day
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.requests import VersionConflictError
from tidemark_shared.log import get_correlation_id
from tidemark_shared.messaging import outbox
from tidemark_shared.messaging.cloudevents import OutboxRecord, outbox_record
from tidemark_shared.messaging.events import ContractChanged
from tidemark_shared.messaging.topics import LIFECYCLE, Topic

_sql = queries("tidemark_contracts")

SOURCE = "/contracts"
_LINKS = ("renewed_from", "renewed_as")


async def load(connection: Connection, contract_id: UUID) -> State:
    """A contract, from its events; the initial state where there are none."""
    return reduce(evolve, await events(connection, contract_id), State())


async def find(connection: Connection, reference: str) -> tuple[UUID, State] | None:
    """The contract that has this id or, failing that, this code; from the reading model."""
    try:
        id_ = UUID(reference)
    except ValueError:
        id_ = None
    row = await _sql.find(connection, id=id_, code=reference)
    return _stands(row) if row else None


async def page(
    connection: Connection, after: tuple[str, UUID] | None, *, limit: int, **wanted: Any
) -> list[tuple[UUID, State]]:
    """Contracts by code, one more than ``limit``, from the reading model; ``wanted`` narrows the query."""
    rows = _sql.list_contracts(connection, after=after and after[0], most=limit + 1, **wanted)
    return [_stands(row) async for row in rows]


def _stands(row: asyncpg.Record) -> tuple[UUID, State]:
    terms = Contract.model_validate_json(row["body"])
    return row["id"], State(row["version"], row["status"], terms, row["renewed_from"], row["renewed_as"])


async def events(connection: Connection, contract_id: UUID) -> list[Event]:
    """A contract's events, oldest first."""
    return [_event(row) async for row in _sql.stream(connection, contract_id=contract_id)]


async def every_event(connection: Connection) -> AsyncIterator[tuple[UUID, Event]]:
    """All events of all contracts, each contract's together and oldest first."""
    async with _sql.streams_cursor(connection) as cursor:
        async for row in cursor:
            yield row["contract_id"], _event(row)


async def facts(connection: Connection, terms: Contract | None, *, now: datetime, actor: str, new: bool) -> Facts:
    """What a decision about these terms rests on. What they refer to stays there until the transaction ends."""
    if terms is None:
        return Facts(now=now, actor=actor)
    known: dict[str, set[UUID]] = {"organization": set(), "team": set()}
    async for row in _sql.known_entities(connection, ids=list(rules.references(terms))):
        known[row["kind"]].add(row["id"])
    return Facts(
        now=now,
        actor=actor,
        organizations=frozenset(known["organization"]),
        teams=frozenset(known["team"]),
        code_taken=new and await _sql.code_taken(connection, code=terms.code),
    )


async def append(connection: Connection, contract_id: UUID, before: State, new: Sequence[Event]) -> State:
    """Append to a stream that stands at ``before``, and write all that follows from it.

    Raises :class:`ConflictError` where the stream has moved on; a code that was taken meanwhile is a 422.
    """
    records, state = [], before
    for event in new:
        type_, changed = published(contract_id, state, event)
        records.append(publication(LIFECYCLE, contract_id, type_, changed, event.occurred_at))
        state = evolve(state, event)
    try:
        await _sql.append(
            connection,
            contract_id=contract_id,
            versions=list(range(before.version + 1, state.version + 1)),
            types=[event.what for event in new],
            data=[_data(event) for event in new],
            actors=[event.actor for event in new],
            reasons=[event.reason for event in new],
            occurred_at=[event.occurred_at for event in new],
            correlation_id=get_correlation_id(),
        )
    except asyncpg.UniqueViolationError:
        raise VersionConflictError from None
    if state.status is None:
        await _sql.forget(connection, id=contract_id)
    else:
        await save(connection, {contract_id: state})
    await outbox.write_outbox(connection, records)
    return state


async def save(connection: Connection, contracts: Mapping[UUID, State]) -> None:
    """Write where contracts stand to the reading model, and what they refer to; a code that was taken is a 422."""
    stand = [(id_, state, state.terms) for id_, state in contracts.items() if state.status and state.terms]
    try:
        await _sql.save(
            connection,
            ids=[id_ for id_, _, _ in stand],
            versions=[state.version for _, state, _ in stand],
            statuses=[state.status for _, state, _ in stand],
            bodies=[terms.model_dump_json() for _, _, terms in stand],
            ends_at=[start_of_day(terms.end_date + timedelta(days=1), terms.zone) for _, _, terms in stand],
            renewed_from=[state.renewed_from for _, state, _ in stand],
            renewed_as=[state.renewed_as for _, state, _ in stand],
        )
    except asyncpg.UniqueViolationError:
        taken = [rules.code_taken(terms) for _, _, terms in stand]
        raise Problem(422, "The contract is refused", taken[0].message, taken) from None
    referred = [(id_, entity) for id_, _, terms in stand for entity in sorted(rules.references(terms))]
    await _sql.refer(
        connection, contract_ids=[id_ for id_, _ in referred], entity_ids=[entity for _, entity in referred]
    )


def _event(row: asyncpg.Record) -> Event:
    data = json.loads(row["data"])
    terms = Contract.model_validate(data["terms"]) if data["terms"] else None
    links = {name: UUID(data[name]) for name in _LINKS if data.get(name)}
    return Event(row["type"], data["status"], terms, row["actor"], row["reason"], row["occurred_at"], **links)


def _data(event: Event) -> str:
    terms = event.terms.model_dump(mode="json") if event.terms else None
    links = {name: str(id_) for name in _LINKS if (id_ := getattr(event, name))}
    return json.dumps({"status": event.status, "terms": terms, **links})


def published(contract_id: UUID, before: State, event: Event) -> tuple[str, ContractChanged]:
    """The type and the data that an event after ``before`` is published with."""
    after = evolve(before, event)
    if after.terms is None:
        raise AssertionError("The first event of a contract carries its terms.")
    return f"tidemark.contract.{event.what}.v1", ContractChanged(
        contract_id=contract_id,
        stream_version=after.version,
        status=after.status,
        previous_status=before.status,
        terms=after.terms,
        actor=event.actor,
        reason=event.reason,
        occurred_at=event.occurred_at,
        renewed_from=after.renewed_from,
        renewed_as=after.renewed_as,
    )


def publication(topic: Topic, key: UUID, type_: str, data: Any, time: datetime) -> OutboxRecord:
    """An event of this service as a record, keyed by what it is about."""
    return outbox_record(topic, str(key), type_, data, source=SOURCE, time=time, correlation_id=get_correlation_id())
