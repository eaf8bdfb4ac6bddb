"""Organizations, teams and rate cards in the database: the current state, with a version.

Each change writes an event with the full state to the outbox.
"""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from tidemark_contracts.database.query_types import ContractsQueries, FindEntityRow, ListEntitiesRow
from tidemark_contracts.directory.resources import TEAM, Entity, Resource
from tidemark_contracts.events import event_record
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.bodies import Body
from tidemark_shared.http.requests import VersionConflictError
from tidemark_shared.messaging import outbox
from tidemark_shared.messaging.topics import DIRECTORY

_sql: ContractsQueries = queries("tidemark_contracts")


class ReferencedError(Exception):
    """A contract or a rate card refers to the entity."""


class DuplicateRateCardError(Exception):
    """A rate card with this person, team, currency and first day exists; its id is :attr:`existing_id`."""

    def __init__(self, existing_id: UUID) -> None:
        super().__init__(existing_id)
        self.existing_id = existing_id


async def find(connection: Connection, resource: Resource, id_: UUID) -> Entity | None:
    """Find an entity by its id."""
    row = await _sql.find_entity(connection, kind=resource.kind, id=id_)
    return _entity(resource, row) if row else None


async def add(connection: Connection, resource: Resource, id_: UUID, body: Body, now: datetime) -> Entity:
    """Add an entity at version 1. Raises :class:`DuplicateRateCardError`."""
    json_body, sort_key = body.model_dump_json(), resource.sort_key(body)
    version = await _sql.add_entity(connection, kind=resource.kind, id=id_, name=sort_key, body=json_body)
    if version is None:
        existing_id = await _sql.find_rate_card(connection, body=json_body)
        # Another request deleted the card between the two queries.
        raise DuplicateRateCardError(existing_id) if existing_id else VersionConflictError
    return await _publish(connection, resource, Entity(id_, version, body), now)


async def change(connection: Connection, resource: Resource, entity: Entity, body: Body, now: datetime) -> Entity:
    """Replace an entity's body, unless it is the same. Raises :class:`VersionConflictError`."""
    if body == entity.body:
        return entity
    version = await _sql.change_entity(
        connection, id=entity.id, version=entity.version, name=resource.sort_key(body), body=body.model_dump_json()
    )
    if version is None:
        raise VersionConflictError
    return await _publish(connection, resource, Entity(entity.id, version, body), now)


async def delete(connection: Connection, resource: Resource, entity: Entity, now: datetime) -> None:
    """Delete an entity. Raises :class:`VersionConflictError` and :class:`ReferencedError`."""
    try:
        version = await _sql.delete_entity(connection, id=entity.id, version=entity.version)
    except asyncpg.ForeignKeyViolationError:
        raise ReferencedError from None
    if version is None:
        raise VersionConflictError
    await _publish(connection, resource, entity._replace(version=version), now, deleted=True)


async def list_entities(
    connection: Connection,
    resource: Resource,
    *,
    after: tuple[str, UUID] | None,
    max_rows: int,
    ids: Collection[UUID] | None = None,
    name: str | None = None,
    text: str | None = None,
    person: str | None = None,
    team: UUID | None = None,
) -> list[Entity]:
    """List entities by sort key and id, starting behind ``after``."""
    after_name, after_id = after or (None, None)
    rows = _sql.list_entities(
        connection,
        kind=resource.kind,
        ids=ids,
        name=name,
        text=text,
        person=person,
        team=team,
        after_name=after_name,
        after_id=after_id,
        max_rows=max_rows,
    )
    return [_entity(resource, row) async for row in rows]


async def lock_teams(connection: Connection, ids: Sequence[UUID]) -> frozenset[UUID]:
    """The ids that belong to teams. These teams cannot be deleted until the transaction ends."""
    rows = _sql.lock_entities(connection, ids=ids)
    return frozenset([row["id"] async for row in rows if row["kind"] == TEAM.kind])


async def load_names(connection: Connection, ids: Collection[UUID]) -> dict[UUID, str]:
    """The current names of organizations and teams; deleted ones are left out."""
    return {row["id"]: row["name"] async for row in _sql.list_names(connection, ids=list(ids))}


async def _publish(
    connection: Connection, resource: Resource, entity: Entity, now: datetime, *, deleted: bool = False
) -> Entity:
    data = resource.event_data(id=entity.id, version=entity.version, deleted=deleted, **dict(entity.body))
    await outbox.write_outbox(connection, [event_record(DIRECTORY, entity.id, resource.event_type, data, now)])
    return entity


def _entity(resource: Resource, row: FindEntityRow | ListEntitiesRow) -> Entity:
    return Entity(row["id"], row["version"], resource.body.model_validate(json.loads(row["body"])))
