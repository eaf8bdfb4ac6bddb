"""``/v1/organizations``, ``/v1/teams`` and ``/v1/rate-cards`` (SPEC 4)."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query

from tidemark_contracts import directory
from tidemark_contracts.directory import ORGANIZATION, RATE_CARD, TEAM, Entity, Kind
from tidemark_contracts.rules import directory_violations
from tidemark_shared.domain import bodies
from tidemark_shared.domain.bodies import Body, Text
from tidemark_shared.http.pagination import Cursor, Limit, Page, build_page, decode_page_cursor
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.requests import Call, ChangeCall, CreateCall, ReadCall, TransactionRoute, Versioned

router = APIRouter(prefix="/v1", route_class=TransactionRoute)

Search = Annotated[Text | None, Query(description="In the name, whatever the case.")]
Person = Annotated[Text | None, Query(description="The person's id.")]
OfTeam = Annotated[UUID | None, Query(description="The team that the card is for; general cards have none.")]
Exactly = Annotated[Text | None, Query(description="The name, exactly.")]


class Organization(Versioned, bodies.Organization):
    """An organization as it stands."""


class Team(Versioned, bodies.Team):
    """A team as it stands."""


class RateCard(Versioned, bodies.RateCard):
    """A rate card as it stands."""


@router.post("/organizations", status_code=201)
async def create_organization(body: bodies.Organization, call: CreateCall) -> Organization:
    """Create an organization."""
    return Organization(**await _create(call, ORGANIZATION, body))


@router.get("/organizations")
async def list_organizations(
    call: ReadCall, name: Exactly = None, text: Search = None, cursor: Cursor = None, limit: Limit = 50
) -> Page[Organization]:
    """Organizations by name."""
    found = await directory.page(
        call.connection, ORGANIZATION, name=name, text=text, after=decode_page_cursor(cursor), most=limit + 1
    )
    return build_page([Organization(**_plain(one)) for one in found], limit, lambda one: one.name)


@router.get("/organizations/{organization}")
async def read_organization(organization: UUID, call: ReadCall) -> Organization:
    """One organization."""
    return Organization(**_answer(call, await _find(call, ORGANIZATION, organization)))


@router.put("/organizations/{organization}")
async def change_organization(organization: UUID, body: bodies.Organization, call: ChangeCall) -> Organization:
    """Change an organization; takes the whole body."""
    return Organization(**await _change(call, ORGANIZATION, organization, body))


@router.delete("/organizations/{organization}", status_code=204)
async def delete_organization(organization: UUID, call: ChangeCall) -> None:
    """Delete an organization that no contract names."""
    await _delete(call, ORGANIZATION, organization)


@router.post("/teams", status_code=201)
async def create_team(body: bodies.Team, call: CreateCall) -> Team:
    """Create a team."""
    return Team(**await _create(call, TEAM, body))


@router.get("/teams")
async def list_teams(
    call: ReadCall, name: Exactly = None, text: Search = None, cursor: Cursor = None, limit: Limit = 50
) -> Page[Team]:
    """Teams by name."""
    found = await directory.page(
        call.connection, TEAM, name=name, text=text, after=decode_page_cursor(cursor), most=limit + 1
    )
    return build_page([Team(**_plain(one)) for one in found], limit, lambda one: one.name)


@router.get("/teams/{team}")
async def read_team(team: UUID, call: ReadCall) -> Team:
    """One team."""
    return Team(**_answer(call, await _find(call, TEAM, team)))


@router.put("/teams/{team}")
async def change_team(team: UUID, body: bodies.Team, call: ChangeCall) -> Team:
    """Change a team; takes the whole body."""
    return Team(**await _change(call, TEAM, team, body))


@router.delete("/teams/{team}", status_code=204)
async def delete_team(team: UUID, call: ChangeCall) -> None:
    """Delete a team that no contract and no rate card names."""
    await _delete(call, TEAM, team)


@router.post("/rate-cards", status_code=201)
async def create_rate_card(body: bodies.RateCard, call: CreateCall) -> RateCard:
    """Create a rate card; one of this person, team, currency and first day that exists already is a 409."""
    return RateCard(**await _create(call, RATE_CARD, body))


@router.get("/rate-cards")
async def list_rate_cards(
    call: ReadCall, person: Person = None, team: OfTeam = None, cursor: Cursor = None, limit: Limit = 50
) -> Page[RateCard]:
    """Rate cards by person and first day."""
    found = await directory.page(
        call.connection, RATE_CARD, person=person, team=team, after=decode_page_cursor(cursor), most=limit + 1
    )
    return build_page([RateCard(**_plain(one)) for one in found], limit, RATE_CARD.order)


@router.get("/rate-cards/{rate_card}")
async def read_rate_card(rate_card: UUID, call: ReadCall) -> RateCard:
    """One rate card."""
    return RateCard(**_answer(call, await _find(call, RATE_CARD, rate_card)))


@router.put("/rate-cards/{rate_card}")
async def change_rate_card(rate_card: UUID, body: bodies.RateCard, call: ChangeCall) -> RateCard:
    """Change a rate card; takes the whole body. Person, team, currency and first day stay."""
    return RateCard(**await _change(call, RATE_CARD, rate_card, body))


@router.delete("/rate-cards/{rate_card}", status_code=204)
async def delete_rate_card(rate_card: UUID, call: ChangeCall) -> None:
    """Delete a rate card."""
    await _delete(call, RATE_CARD, rate_card)


async def _create(call: Call, kind: Kind, body: Body) -> dict[str, Any]:
    await _check(call, kind, body, None)
    try:
        entity = await directory.add(call.connection, kind, uuid4(), body, datetime.now(UTC))
    except directory.TwinError as twin:
        message = f"It is {_path(kind, twin.id)}. Change that one, or take another first day."
        raise Problem(409, "The rate card exists already", message) from None
    call.response.headers["location"] = _path(kind, entity.id)
    return _answer(call, entity)


async def _change(call: Call, kind: Kind, id_: UUID, body: Body) -> dict[str, Any]:
    before = await _find(call, kind, id_)
    call.require_version(before.version)
    await _check(call, kind, body, before.body)
    return _answer(call, await directory.change(call.connection, kind, before, body, datetime.now(UTC)))


async def _delete(call: Call, kind: Kind, id_: UUID) -> None:
    before = await _find(call, kind, id_)
    call.require_version(before.version)
    try:
        await directory.remove(call.connection, kind, before, datetime.now(UTC))
    except directory.ReferredToError:
        message = "A contract or a rate card names it. Change or delete that one first."
        raise Problem(409, f"The {_word(kind)} is in use", message) from None


async def _find(call: Call, kind: Kind, id_: UUID) -> Entity:
    entity = await directory.find(call.connection, kind, id_)
    if entity is None:
        raise Problem(404, f"No such {_word(kind)}", f"There is no {_word(kind)} {id_}.")
    return entity


async def _check(call: Call, kind: Kind, body: Body, before: Body | None) -> None:
    named = [body.team_id] if isinstance(body, bodies.RateCard) and body.team_id else []
    if found := directory_violations(body, before, await directory.teams(call.connection, named)):
        raise Problem(422, f"The {_word(kind)} is refused", "Each violation says where.", found)


def _word(kind: Kind) -> str:
    return kind.name.replace("_", " ")


def _path(kind: Kind, id_: UUID) -> str:
    return f"/v1/{kind.path}/{id_}"


def _answer(call: Call, entity: Entity) -> dict[str, Any]:
    call.set_etag(entity.version)
    return _plain(entity)


def _plain(entity: Entity) -> dict[str, Any]:
    return {**dict(entity.body), "id": entity.id, "version": entity.version}
