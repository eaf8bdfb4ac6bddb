"""Connections that show figures as they are, or as they were known at a moment (SPEC W8)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from pydantic import BeforeValidator

from tidemark_consumption import replay
from tidemark_shared.database import ACQUIRE_TIMEOUT_SECONDS, Connection
from tidemark_shared.http.problems import Problem, Violation
from tidemark_shared.messaging.events import EventTime

AsOf = Annotated[
    # A plus sign that was not escaped arrives as a space.
    Annotated[EventTime, BeforeValidator(lambda text: text.replace(" ", "+"))] | None,
    Query(description="As it was known at this moment, that moment included."),
]


@asynccontextmanager
async def connection_at(
    request: Request, as_of: datetime | None, *, ref: str | None = None, organization: UUID | None = None
) -> AsyncIterator[tuple[Connection, datetime]]:
    """A connection, and the moment that it shows: now, or ``as_of`` in a session with shadow tables.

    These have the contract with the id or code ``ref``, or the contracts of ``organization``. Raises a 422 for a moment
    that cannot be shown.
    """
    now = datetime.now(UTC)
    if as_of is None:
        async with request.app.state.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
            yield connection, now
        return
    if as_of > now:
        raise _invalid_moment("It is in the future.")
    async with request.app.state.replay_pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
        await replay.settle_moment(connection, as_of)
        async with connection.transaction():
            try:
                await replay.replay(connection, as_of, ref=ref, organization=organization)
            except replay.TooEarlyError as error:
                raise _invalid_moment(str(error)) from None
            yield connection, as_of


def _invalid_moment(reason: str) -> Problem:
    violation = Violation(code="invalid", path="/as_of", message=reason)
    return Problem(422, "That moment cannot be shown", reason, [violation])
