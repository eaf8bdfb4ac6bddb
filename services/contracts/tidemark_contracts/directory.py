"""Organizations, teams and rate cards: kept as they stand, with a version.

Each change is an event with the full state.
"""

import json
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from tidemark_contracts.store import publication
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.bodies import Body, Organization, RateCard, Team
from tidemark_shared.http.requests import VersionConflictError
from tidemark_shared.messaging import outbox
from tidemark_shared.messaging.events import (
    ORGANIZATION_CHANGED,
    RATE_CARD_CHANGED,
    TEAM_CHANGED,
    OrganizationChanged,
    RateCardChanged,
    TeamChanged,
)
from tidemark_shared.messaging.topics import DIRECTORY

_sql = queries("tidemark_contracts")


class Kind(NamedTuple):
    """A kind of entity: what lists go by, and the event that tells of it."""

    name: str
    path: str
    body: type[Body]
    order: Callable[[Any], str]
    event: str
    changed: type[BaseModel]


def _name(body: Organization | Team) -> str:
    return body.name


def _person_and_day(card: RateCard) -> str:
    return f"{card.person_id} {card.from_}"


ORGANIZATION = Kind("organization", "organizations", Organization, _name, ORGANIZATION_CHANGED, OrganizationChanged)
TEAM = Kind("team", "teams", Team, _name, TEAM_CHANGED, TeamChanged)
RATE_CARD = Kind("rate_card", "rate-cards", RateCard, _person_and_day, RATE_CARD_CHANGED, RateCardChanged)


class Entity(NamedTuple):
    """An entity as it stands."""

    id: UUID
    version: int
    body: Body


class ReferredToError(Exception):
    """A contract or a rate card names it."""


class TwinError(Exception):
    """A rate card of this person, team, currency and first day exists already: :attr:`id`."""

    def __init__(self, id_: UUID) -> None:
        super().__init__(id_)
        self.id = id_


async def find(connection: Connection, kind: Kind, id_: UUID) -> Entity | None:
    """The entity of this kind, if there is one."""
    row = await _sql.entity(connection, kind=kind.name, id=id_)
    return _entity(kind, row) if row else None


async def add(connection: Connection, kind: Kind, id_: UUID, body: Body, now: datetime) -> Entity:
    """A new entity, at version 1. Raises :class:`TwinError`."""
    written = body.model_dump_json()
    if await _sql.add_entity(connection, kind=kind.name, id=id_, name=kind.order(body), body=written) is None:
        # None where it went at this very moment.
        twin = await _sql.twin(connection, body=written)
        raise TwinError(twin) if twin else VersionConflictError
    return await _tell(connection, kind, Entity(id_, 1, body), now)


async def change(connection: Connection, kind: Kind, before: Entity, body: Body, now: datetime) -> Entity:
    """The entity with another body; as it stood where nothing changes. Raises :class:`ConflictError`."""
    if body == before.body:
        return before
    version = await _sql.change_entity(
        connection, id=before.id, version=before.version, name=kind.order(body), body=body.model_dump_json()
    )
    if version is None:
        raise VersionConflictError
    return await _tell(connection, kind, Entity(before.id, version, body), now)


async def remove(connection: Connection, kind: Kind, before: Entity, now: datetime) -> None:
    """Raises :class:`ConflictError`, and :class:`ReferredToError` while a contract or a rate card names the entity."""
    try:
        version = await _sql.remove_entity(connection, id=before.id, version=before.version)
    except asyncpg.ForeignKeyViolationError:
        raise ReferredToError from None
    if version is None:
        raise VersionConflictError
    await _tell(connection, kind, before._replace(version=version), now, deleted=True)


async def page(
    connection: Connection, kind: Kind, *, after: tuple[str, UUID] | None, most: int, **wanted: Any
) -> list[Entity]:
    """Entities by what their kind is listed by, then id: those behind ``after``; ``wanted`` narrows the query."""
    after_name, after_id = after or (None, None)
    everything = dict.fromkeys(("name", "text", "person", "team"))
    rows = _sql.list_entities(
        connection, kind=kind.name, after_name=after_name, after_id=after_id, most=most, **everything | wanted
    )
    return [_entity(kind, row) async for row in rows]


async def teams(connection: Connection, ids: Sequence[UUID]) -> frozenset[UUID]:
    """Which of the ids are teams'. They stay there until the transaction ends."""
    rows = _sql.known_entities(connection, ids=ids)
    return frozenset([row["id"] async for row in rows if row["kind"] == TEAM.name])


async def names(connection: Connection, ids: Collection[UUID]) -> dict[UUID, str]:
    """What organizations and teams are named now; those that are gone are left out."""
    return {row["id"]: row["name"] async for row in _sql.names(connection, ids=list(ids))}


async def _tell(connection: Connection, kind: Kind, entity: Entity, now: datetime, *, deleted: bool = False) -> Entity:
    changed = kind.changed(id=entity.id, version=entity.version, deleted=deleted, **dict(entity.body))
    await outbox.write_outbox(connection, [publication(DIRECTORY, entity.id, kind.event, changed, now)])
    return entity


def _entity(kind: Kind, row: asyncpg.Record) -> Entity:
    return Entity(row["id"], row["version"], kind.body.model_validate(json.loads(row["body"])))
