"""``/v1/organizations``, ``/v1/teams`` and ``/v1/rate-cards`` (SPEC 4): the same five routes for each."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from tidemark_contracts.directory import store
from tidemark_contracts.directory.resources import ORGANIZATION, RATE_CARD, TEAM, Entity, Resource
from tidemark_contracts.directory.validation import entity_violations
from tidemark_shared.domain import bodies
from tidemark_shared.domain.bodies import Body, Text
from tidemark_shared.domain.strict_input import Strict
from tidemark_shared.http.pagination import Cursor, Limit, Page, build_page, decode_page_cursor
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.requests import DRY_RUN, Call, ChangeCall, CreateCall, ReadCall, TransactionRoute, Versioned

router = APIRouter(prefix="/v1", route_class=TransactionRoute)

_MAX_IDS = 200


class Organization(Versioned, bodies.Organization):
    """The current state of an organization."""


class Team(Versioned, bodies.Team):
    """The current state of a team."""


class RateCard(Versioned, bodies.RateCard):
    """The current state of a rate card."""


class NameFilter(BaseModel):
    """Which organizations or teams a list shows."""

    id: Annotated[
        list[UUID] | None, Field(max_length=_MAX_IDS, description="These ids; unknown ones are left out.")
    ] = None
    name: Annotated[Text | None, Field(description="The exact name.")] = None
    text: Annotated[Text | None, Field(description="Part of the name; case is ignored.")] = None
    cursor: Cursor = None
    limit: Limit = 50


class RateCardFilter(BaseModel):
    """Which rate cards a list shows."""

    person: Annotated[Text | None, Field(description="The person's id.")] = None
    team: Annotated[UUID | None, Field(description="The team that the card is for; general cards have none.")] = None
    cursor: Cursor = None
    limit: Limit = 50


def _add_routes(
    resource: Resource,
    model: Any,
    filter_model: type[NameFilter | RateCardFilter],
    *,
    list_doc: str,
    create_doc: str = "",
    change_doc: str = "",
    delete_doc: str = "",
) -> None:
    """Add the five routes of a resource; the ``…_doc`` texts add to their documentation."""
    plural, collection = resource.path.replace("-", "_"), f"/{resource.path}"
    article = "an" if resource.kind[0] in "aeiou" else "a"
    label, item = f"{article} {resource.label}", f"{collection}/{{{resource.kind}}}"
    entity_id = Annotated[UUID, Path(alias=resource.kind)]
    body_type: Any = Strict[resource.body]  # type: ignore[misc, name-defined] # it is known at run time only

    async def create(body: Body, call: CreateCall) -> Any:
        entity = await _create(call, resource, body)
        call.response.headers["location"] = _path(resource, entity.id)
        return _respond(call, entity)

    async def list_(call: ReadCall, filters: Any) -> Any:
        query = filters.model_dump(exclude={"cursor", "limit"})
        after, max_rows = decode_page_cursor(filters.cursor), filters.limit + 1
        entities = await store.list_entities(
            call.connection, resource, ids=query.pop("id", None), after=after, max_rows=max_rows, **query
        )
        return build_page([model(**_members(entity)) for entity in entities], filters.limit, resource.sort_key)

    async def read(id_: UUID, call: ReadCall) -> Any:
        return _respond(call, await _find(call, resource, id_))

    async def change(id_: UUID, body: Body, call: ChangeCall) -> Any:
        entity = await _find(call, resource, id_)
        call.require_version(entity.version)
        await _validate(call, resource, body, entity.body)
        return _respond(call, await store.change(call.connection, resource, entity, body, datetime.now(UTC)))

    async def delete(id_: UUID, call: ChangeCall) -> None:
        await _delete(call, resource, id_)

    def add(method: str, path: str, endpoint: Callable[..., Any], verb: str, doc: str, **types: Any) -> None:
        # FastAPI reads the types of the parameters from the annotations.
        endpoint.__annotations__.update(types)
        router.add_api_route(
            path,
            endpoint,
            methods=[method],
            tags=[resource.path],
            name=f"{verb}_{plural if verb == 'list' else resource.kind}",
            description=doc,
            dependencies=[] if method == "GET" else [DRY_RUN],
            status_code={"POST": 201, "DELETE": 204}.get(method, 200),
            response_model=None if method == "DELETE" else Page[model] if verb == "list" else model,
        )

    add("POST", collection, create, "create", f"Create {label}.{create_doc}", body=body_type)
    add("GET", collection, list_, "list", list_doc, filters=Annotated[filter_model, Query()])
    add("GET", item, read, "get", f"Read one {resource.label}.", id_=entity_id)
    add(
        "PUT", item, change, "update", f"Change {label}. Send the whole body.{change_doc}",
        id_=entity_id, body=body_type,
    )  # fmt: skip
    add("DELETE", item, delete, "delete", f"Delete {label}.{delete_doc}", id_=entity_id)


_add_routes(
    ORGANIZATION,
    Organization,
    NameFilter,
    list_doc="List organizations by name.",
    delete_doc=" No contract may refer to it.",
)
_add_routes(
    TEAM,
    Team,
    NameFilter,
    list_doc="List teams by name.",
    delete_doc=" No contract and no rate card may refer to it.",
)
_add_routes(
    RATE_CARD,
    RateCard,
    RateCardFilter,
    list_doc="List rate cards by person and first day.",
    create_doc=" If one with this person, team, currency and first day exists, the response is a 409 that names it.",
    change_doc=" Person, team, currency and first day cannot change.",
)


async def _create(call: Call, resource: Resource, body: Body) -> Entity:
    await _validate(call, resource, body, None)
    try:
        return await store.add(call.connection, resource, uuid4(), body, datetime.now(UTC))
    except store.DuplicateRateCardError as error:
        message = f"It is {_path(resource, error.existing_id)}. Change that rate card, or use another first day."
        raise Problem(409, "The rate card already exists", message) from None


async def _delete(call: Call, resource: Resource, id_: UUID) -> None:
    entity = await _find(call, resource, id_)
    call.require_version(entity.version)
    try:
        await store.delete(call.connection, resource, entity, datetime.now(UTC))
    except store.ReferencedError:
        message = "A contract or a rate card refers to it. Change or delete that first."
        raise Problem(409, f"The {resource.label} is in use", message) from None


async def _find(call: Call, resource: Resource, id_: UUID) -> Entity:
    entity = await store.find(call.connection, resource, id_)
    if entity is None:
        label = resource.label
        raise Problem(404, f"{label.capitalize()} not found", f"No {label} with id {id_}.")
    return entity


async def _validate(call: Call, resource: Resource, body: Body, previous: Body | None) -> None:
    team_ids = [body.team_id] if isinstance(body, bodies.RateCard) and body.team_id else []
    if violations := entity_violations(body, previous, await store.lock_teams(call.connection, team_ids)):
        message = "See `violations` for each error and its location."
        raise Problem(422, f"The {resource.label} is not valid", message, violations)


def _path(resource: Resource, id_: UUID) -> str:
    return f"/v1/{resource.path}/{id_}"


def _respond(call: Call, entity: Entity) -> dict[str, Any]:
    call.set_etag(entity.version)
    return _members(entity)


def _members(entity: Entity) -> dict[str, Any]:
    return {**dict(entity.body), "id": entity.id, "version": entity.version}
