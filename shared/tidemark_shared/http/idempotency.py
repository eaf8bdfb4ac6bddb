"""Idempotency keys: a repeated request gets the response of the first one. SPEC 4 and 9."""

import hashlib
import json
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from fastapi import Request, Response

from tidemark_shared.database import Connection, Pool, queries
from tidemark_shared.database.query_types import SharedQueries
from tidemark_shared.http.problems import Problem, Violation
from tidemark_shared.http.tokens import Actor

MAX_KEY_LENGTH = 255
_sql: SharedQueries = queries("tidemark_shared")
_KEY_RETENTION = timedelta(days=7)


class StoredResponse(Exception):  # noqa: N818 - it carries a response
    """The key was used before: send the stored response."""

    def __init__(self, response: Response) -> None:
        self.response = response


class _IdempotencyKey(NamedTuple):
    actor: str
    key: str


async def replay_response(request: Request, actor: Actor, key: str) -> None:
    """Raise the :class:`StoredResponse` of a key that was used before (SPEC 4). Runs before any other check."""
    connection: Connection = request.state.connection
    digest = await _digest(request)
    stored = None
    # The key can expire between the two statements.
    while stored is None:
        if await _sql.claim_idempotency_key(connection, actor=actor.name, key=key, request=digest):
            request.state.idempotency_key = _IdempotencyKey(actor.name, key)
            return
        stored = await _sql.load_response(connection, actor=actor.name, key=key)
    if stored["request"] != digest:
        message = "This Idempotency-Key was used for a different request. Use a new key."
        raise Problem(422, "Idempotency-Key reused", message, [Violation(code="duplicate", path="", message=message)])
    raise StoredResponse(Response(stored["body"], stored["status"], json.loads(stored["headers"])))


async def release_key(request: Request) -> None:
    """Leave the key of a request that changes nothing free for another request."""
    idempotency_key: _IdempotencyKey | None = getattr(request.state, "idempotency_key", None)
    if idempotency_key:
        request.state.idempotency_key = None
        await _sql.release_idempotency_key(request.state.connection, **idempotency_key._asdict())


async def store_response(request: Request, response: Response) -> None:
    """Store the response to a request that has an idempotency key, in the request's transaction."""
    idempotency_key: _IdempotencyKey | None = getattr(request.state, "idempotency_key", None)
    if idempotency_key:
        await _sql.store_response(
            request.state.connection,
            actor=idempotency_key.actor,
            key=idempotency_key.key,
            status=response.status_code,
            headers=json.dumps(dict(response.headers)),
            body=bytes(response.body),
        )


async def delete_expired_keys(pool: Pool, now: datetime) -> None:
    """Delete the keys that are older than 7 days (SPEC 4)."""
    async with pool.acquire() as connection:
        await _sql.delete_expired_keys(connection, before=now - _KEY_RETENTION)


async def _digest(request: Request) -> bytes:
    """A digest of the request, independent of the white space and key order of its JSON."""
    body = await request.body()
    with suppress(ValueError, RecursionError):
        body = json.dumps(json.loads(body), sort_keys=True).encode()
    return hashlib.sha256(f"{request.method} {request.scope['path']} ".encode() + body).digest()
