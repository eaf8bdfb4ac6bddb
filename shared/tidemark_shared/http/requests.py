"""What every route shares: one transaction a request, idempotency keys, If-Match. SPEC 4 and 9."""

import hashlib
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from tidemark_shared.database import Connection, Pool, queries
from tidemark_shared.http.auth import require_role
from tidemark_shared.http.problems import Problem, Violation
from tidemark_shared.http.tokens import Actor, Role

_sql = queries("tidemark_shared")
_MAX_KEY_LENGTH = 255
_KEY_RETENTION = timedelta(days=7)


class VersionConflictError(Exception):
    """Somebody else changed it since it was read: a 412."""


class TransactionRoute(APIRoute):
    """Each request is one transaction; what it answers to an ``Idempotency-Key`` is committed with what it did."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, inside a transaction that ends before the answer leaves."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            # Not inside the transaction: a slow sender would hold it open.
            await request.body()
            async with request.app.state.pool.acquire() as connection, connection.transaction():
                request.state.connection = connection
                try:
                    response = await handle(request)
                except _StoredResponse as known:
                    return known.response
                except VersionConflictError:
                    raise _stale() from None
                await _store_response(request, response)
                return response

        return answer


class _StoredResponse(Exception):  # noqa: N818 - it carries an answer
    def __init__(self, response: Response) -> None:
        self.response = response


async def _store_response(request: Request, response: Response) -> None:
    if key := getattr(request.state, "key", None):
        actor, name, digest = key
        headers = json.dumps(dict(response.headers))
        await _sql.store_response(
            request.state.connection, actor=actor, key=name, request=digest,
            status=response.status_code, headers=headers, body=bytes(response.body),
        )  # fmt: skip


async def _digest(request: Request) -> bytes:
    """What a request asks for, however its JSON is spaced and ordered."""
    said = await request.body()
    with suppress(ValueError):
        said = json.dumps(json.loads(said), sort_keys=True).encode()
    return hashlib.sha256(f"{request.method} {request.url.path} ".encode() + said).digest()


@dataclass(frozen=True)
class Call:
    """Who calls, and what its answer is made with."""

    connection: Connection
    response: Response
    actor: Actor
    if_match: str = "*"

    def require_version(self, version: int) -> None:
        """Refuse to change a version that the caller has not seen."""
        if self.if_match.strip() != "*" and f'"{version}"' not in (tag.strip() for tag in self.if_match.split(",")):
            raise _stale()

    def set_etag(self, version: int) -> None:
        """Tell the version that the answer shows."""
        self.response.headers["etag"] = f'"{version}"'


def _stale() -> Problem:
    return Problem(412, "It has changed meanwhile", "Read it again, and send its new ETag as If-Match.")


def _read(request: Request, response: Response, actor: Annotated[Actor, require_role("viewer")]) -> Call:
    return Call(request.state.connection, response, actor)


def post_call(role: Role) -> Any:
    """A dependency that gives the :class:`Call` of a POST that ``role`` may make; a known key is answered here."""

    async def call(
        request: Request,
        response: Response,
        actor: Annotated[Actor, require_role(role)],
        idempotency_key: Annotated[str | None, Header(max_length=_MAX_KEY_LENGTH)] = None,
    ) -> Call:
        if idempotency_key is not None:
            await _answer_from_store(request, actor, idempotency_key)
        return Call(request.state.connection, response, actor)

    return Depends(call)


ReadCall = Annotated[Call, Depends(_read)]
CreateCall = Annotated[Call, post_call("manager")]


def _change(
    call: CreateCall,
    if_match: Annotated[str | None, Header(description='The ETag of what was read, such as `"3"`.')] = None,
) -> Call:
    if if_match is None:
        raise Problem(428, "If-Match is needed", "Send the ETag of what you read as If-Match.")
    return replace(call, if_match=if_match)


ChangeCall = Annotated[Call, Depends(_change)]
"""A change of something that exists: says which version it saw."""


async def _answer_from_store(request: Request, actor: Actor, name: str) -> None:
    """A known key is answered before anything else is checked (SPEC 4)."""
    connection: Connection = request.state.connection
    digest = await _digest(request)
    await _sql.lock_key(connection, actor=actor.name, key=name)
    known = await _sql.stored_response(connection, actor=actor.name, key=name)
    if known is None:
        request.state.key = (actor.name, name, digest)
        return
    if known["request"] != digest:
        message = "This Idempotency-Key was used for another request. Take a new one."
        raise Problem(422, "The key is known", message, [Violation(code="duplicate", path="", message=message)])
    raise _StoredResponse(Response(known["body"], known["status"], json.loads(known["headers"])))


async def delete_expired_keys(pool: Pool, now: datetime) -> None:
    """Forget what was answered to keys more than 7 days ago (SPEC 4)."""
    async with pool.acquire() as connection:
        await _sql.delete_expired_keys(connection, before=now - _KEY_RETENTION)


class Versioned(BaseModel):
    """What Tidemark adds to a body that it keeps; the version is the ETag."""

    id: UUID
    version: int
