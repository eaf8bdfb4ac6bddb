"""Organizations and teams: kept as they stand, with a version; each change is an event with the full state."""

import json
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from tidemark_contracts.store import publication
from tidemark_shared import outbox
from tidemark_shared.bodies import Body, Organization, Team
from tidemark_shared.database import Connection, queries
from tidemark_shared.events import DIRECTORY, ORGANIZATION_CHANGED, TEAM_CHANGED, OrganizationChanged, TeamChanged
from tidemark_shared.requests import ConflictError

_sql = queries("tidemark_contracts")


class Kind(NamedTuple):
    """A kind of entity and the event that tells of it."""

    name: str
    body: type[Body]
    event: str
    changed: type[BaseModel]


ORGANIZATION = Kind("organization", Organization, ORGANIZATION_CHANGED, OrganizationChanged)
TEAM = Kind("team", Team, TEAM_CHANGED, TeamChanged)


class Entity(NamedTuple):
    """An entity as it stands."""

    id: UUID
    version: int
    body: Body


class ReferredToError(Exception):
    """A contract names it."""


async def find(connection: Connection, kind: Kind, id_: UUID) -> Entity | None:
    """The entity of this kind, if there is one."""
    row = await _sql.entity(connection, kind=kind.name, id=id_)
    return _entity(kind, row) if row else None


async def add(connection: Connection, kind: Kind, id_: UUID, body: Body, now: datetime) -> Entity:
    """A new entity, at version 1."""
    await _sql.add_entity(connection, kind=kind.name, id=id_, body=body.model_dump_json())
    return await _tell(connection, kind, Entity(id_, 1, body), now)


async def change(connection: Connection, kind: Kind, before: Entity, body: Body, now: datetime) -> Entity:
    """The entity with another body; as it stood where nothing changes. Raises :class:`ConflictError`."""
    if body == before.body:
        return before
    version = await _sql.change_entity(connection, id=before.id, version=before.version, body=body.model_dump_json())
    if version is None:
        raise ConflictError
    return await _tell(connection, kind, Entity(before.id, version, body), now)


async def remove(connection: Connection, kind: Kind, before: Entity, now: datetime) -> None:
    """Raises :class:`ConflictError`, and :class:`ReferredToError` while a contract names the entity."""
    try:
        version = await _sql.remove_entity(connection, id=before.id, version=before.version)
    except asyncpg.ForeignKeyViolationError:
        raise ReferredToError from None
    if version is None:
        raise ConflictError
    await _tell(connection, kind, before._replace(version=version), now, deleted=True)


async def page(
    connection: Connection, kind: Kind, *, name: str | None, text: str | None, after: tuple[str, UUID] | None, most: int
) -> list[Entity]:
    """Entities by name, then id: those behind ``after``, with this name or with this text in it."""
    after_name, after_id = after or (None, None)
    rows = _sql.list_entities(
        connection, kind=kind.name, name=name, text=text, after_name=after_name, after_id=after_id, most=most
    )
    return [_entity(kind, row) async for row in rows]


async def _tell(connection: Connection, kind: Kind, entity: Entity, now: datetime, *, deleted: bool = False) -> Entity:
    changed = kind.changed(id=entity.id, version=entity.version, deleted=deleted, **dict(entity.body))
    await outbox.put(connection, [publication(DIRECTORY, entity.id, kind.event, changed, now)])
    return entity


def _entity(kind: Kind, row: asyncpg.Record) -> Entity:
    return Entity(row["id"], row["version"], kind.body.model_validate(json.loads(row["body"])))
