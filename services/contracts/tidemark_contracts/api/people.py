"""``/v1/forgotten-people``: a person becomes a pseudonym (SPEC W8)."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, EmailStr, Field

from tidemark_contracts import people
from tidemark_shared.database import queries
from tidemark_shared.database.query_types import SharedQueries
from tidemark_shared.domain.bodies import Body, Name, Text
from tidemark_shared.domain.people import parse_people
from tidemark_shared.domain.strict_input import Strict
from tidemark_shared.http.pagination import Page
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.requests import Call, ReadCall, TransactionRoute, post_call

_sql: SharedQueries = queries("tidemark_shared")

router = APIRouter(prefix="/v1/forgotten-people", tags=["people"], route_class=TransactionRoute)


class ForgetBody(Body):
    """A person to forget."""

    person_id: Annotated[Text, Field(min_length=1, description="The person's id, as the source of worklogs has it.")]
    names: Annotated[tuple[Name, ...], Field(description="Names beside those that teams have for the person.")] = ()
    emails: Annotated[tuple[EmailStr, ...], Field(description="Mail addresses beside those that teams have.")] = ()


class ForgottenPerson(BaseModel):
    """Who was forgotten, without who it was."""

    id: Annotated[UUID, Field(description="Random; the pseudonym is made of it.")]
    pseudonym: Annotated[str, Field(description="What stands in place of the person's id.")]
    forgotten_at: Annotated[datetime, Field(description="When it was asked for first.")]
    forgotten_by: Annotated[str, Field(description="The token that asked for it.")]


@router.post("", status_code=201)
async def forget_person(body: Strict[ForgetBody], call: Annotated[Call, post_call("admin")]) -> ForgottenPerson:
    """Replace a person by a pseudonym, in every service, for ever. It cannot be undone.

    The answer comes when the contracts service has done it; the others follow as they read the event.
    """
    try:
        event = await people.forget_person(
            call.connection, body.person_id, {*body.names, *body.emails}, now=datetime.now(UTC), actor=call.actor.name
        )
    except people.StillNeededError as error:
        uses = ", ".join(error.args[0])
        message = f"The person is still used: {uses}. Replace the person there, revoke the tokens, and try again."
        raise Problem(409, "The person is still needed", message) from None
    return next(person for person in await _list(call) if person.id == event.id)


@router.get("")
async def list_forgotten_people(call: ReadCall) -> Page[ForgottenPerson]:
    """Who was forgotten, when and by whom; oldest first, all on one page."""
    return Page(items=await _list(call), next=None)


async def _list(call: Call) -> list[ForgottenPerson]:
    rows = [row async for row in _sql.forgotten_people(call.connection)]
    return [
        ForgottenPerson(
            id=person.id,
            pseudonym=person.pseudonym,
            forgotten_at=row["forgotten_at"],
            forgotten_by=row["forgotten_by"] or "",
        )
        for person, row in zip(parse_people(rows), rows, strict=True)
    ]
