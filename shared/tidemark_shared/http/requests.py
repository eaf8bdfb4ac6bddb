"""Requests: one transaction per request, the caller, If-Match and ETag. SPEC 4 and 9."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, NoReturn
from uuid import UUID

from fastapi import Body, Depends, Header, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from tidemark_shared.database import ACQUIRE_TIMEOUT_SECONDS, Connection, Pool
from tidemark_shared.domain.strict_input import Strict
from tidemark_shared.http.auth import require_role
from tidemark_shared.http.idempotency import MAX_KEY_LENGTH, StoredResponse, replay_response, store_response
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.tokens import Actor, Role

# Five seconds in total.
_EVENT_PAUSES_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.5, 2.0)


class VersionConflictError(Exception):
    """Another request has changed the resource since it was read: a 412."""


class RunOutsideTransaction(Exception):  # noqa: N818 - it is no error
    """Roll back, await ``work`` without holding a connection, and handle the request again."""

    def __init__(self, work: Callable[[], Awaitable[object]]) -> None:
        self.work = work


def wait_for_event(request: Request, problem: Problem) -> NoReturn:
    """Handle the request again after a pause: the event of what it refers to may still be on its way.

    Raises ``problem`` if the event has not arrived after five seconds.
    """
    pauses = getattr(request.state, "pauses_seconds", None) or iter(_EVENT_PAUSES_SECONDS)
    request.state.pauses_seconds = pauses
    if (pause_seconds := next(pauses, None)) is None:
        raise problem
    raise RunOutsideTransaction(partial(asyncio.sleep, pause_seconds))


class TransactionRoute(APIRoute):
    """Runs each request in one transaction, which also stores the response to an ``Idempotency-Key``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the route's handler in a transaction that ends before the response is sent."""
        handle = super().get_route_handler()

        async def handle_in_transaction(request: Request) -> Response:
            pool: Pool = request.app.state.pool
            async with pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection, connection.transaction():
                request.state.connection = connection
                try:
                    response = await handle(request)
                except StoredResponse as stored:
                    return stored.response
                except VersionConflictError:
                    raise _version_conflict() from None
                await store_response(request, response)
                return response

        async def handle_until_done(request: Request) -> Response:
            while True:
                try:
                    return await handle_in_transaction(request)
                except RunOutsideTransaction as outside:
                    work = outside.work
                await work()

        return handle_until_done


@dataclass(frozen=True)
class Call:
    """The caller of a request, the transaction's connection, and the response headers."""

    connection: Connection
    response: Response
    actor: Actor
    if_match: str = "*"

    def require_version(self, version: int) -> None:
        """Raise a 412 unless the caller's ``If-Match`` allows this version."""
        if self.if_match.strip() != "*" and f'"{version}"' not in (tag.strip() for tag in self.if_match.split(",")):
            raise _version_conflict()

    def set_etag(self, version: int) -> None:
        """Set the ETag of the response to the version that it shows."""
        self.response.headers["etag"] = f'"{version}"'


def _version_conflict() -> Problem:
    return Problem(412, "The resource has changed", "Read it again and send its new ETag in If-Match.")


def _read_call(role: Role) -> Any:
    def call(request: Request, response: Response, actor: Annotated[Actor, require_role(role)]) -> Call:
        return Call(request.state.connection, response, actor)

    return Depends(call)


def post_call(role: Role) -> Any:
    """A dependency: the :class:`Call` of a POST that needs ``role``. It handles the ``Idempotency-Key``."""

    async def call(
        request: Request,
        response: Response,
        actor: Annotated[Actor, require_role(role)],
        idempotency_key: Annotated[str | None, Header(max_length=MAX_KEY_LENGTH)] = None,
    ) -> Call:
        if idempotency_key is not None:
            await replay_response(request, actor, idempotency_key)
        return Call(request.state.connection, response, actor)

    return Depends(call)


ReadCall = Annotated[Call, _read_call("viewer")]
CustomerCall = Annotated[Call, _read_call("customer")]
"""The call of a request that a customer may send; it changes nothing that needs an ``Idempotency-Key``."""
CreateCall = Annotated[Call, post_call("manager")]


def _change_call(
    call: CreateCall,
    if_match: Annotated[str | None, Header(description='The ETag that you read, such as `"3"`.')] = None,
) -> Call:
    if if_match is None:
        raise Problem(428, "If-Match is required", "Send the ETag that you read in If-Match.")
    return replace(call, if_match=if_match)


ChangeCall = Annotated[Call, Depends(_change_call)]
"""The call of a request that changes a resource; ``If-Match`` is required."""


class EmptyBody(BaseModel):
    """An empty body."""


NoBody = Annotated[Strict[EmptyBody] | None, Body()]
"""The body of a request that needs none."""


class Versioned(BaseModel):
    """The members that Tidemark adds to a stored body; the version is the ETag."""

    id: UUID
    version: int
