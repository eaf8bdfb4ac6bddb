"""The composition of the intake service."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NoReturn

import asyncpg
from fastapi import FastAPI, Request

from tidemark_intake.api import webhooks
from tidemark_intake.configuration import Source, load_sources
from tidemark_intake.database.query_types import IntakeQueries
from tidemark_intake.people import handle_directory
from tidemark_intake.reader import Reader
from tidemark_intake.trackers.registry import open_tracker
from tidemark_shared.database import Connection, Pool, Workload, hold_leader_lock, queries
from tidemark_shared.http.admission import body_limit
from tidemark_shared.http.app import create_api
from tidemark_shared.http.auth import admit_token
from tidemark_shared.http.operations import Operations, add_operations, measure_status
from tidemark_shared.messaging.events import format_timestamp
from tidemark_shared.messaging.topics import DIRECTORY
from tidemark_shared.runtime import service_runtime
from tidemark_shared.settings import InvalidSettingError, Settings
from tidemark_shared.tasks import keep_running, run_together

_sql: IntakeQueries = queries("tidemark_intake")
_HANDLERS = {DIRECTORY.name: handle_directory}
_WEBHOOK_PATH = "/v1/intake/"
# How many intervals a source may miss before the service is not ready.
_MAX_MISSED = 3
_LEADER_CHECK_SECONDS = 1
_CHECK_TIMEOUT_SECONDS = 2


async def admit(request: Request) -> int:
    """Admit webhooks, which are signed instead of having a token; other requests as every service does."""
    path = request.scope["path"]
    return body_limit(path) if path.startswith(_WEBHOOK_PATH) else await admit_token(request)


def create_app(settings: Settings) -> FastAPI:
    """The intake service: reads trackers, and publishes their work to ``worklog.events``."""
    sources = load_sources(settings.intake_file)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            runtime = await stack.enter_async_context(service_runtime("intake", settings, workload=Workload.REQUEST))
            app.state.pool, app.state.problems, app.state.trackers = runtime.pool, runtime.problems, {}
            readers = {}
            for source in sources:
                await register(runtime.pool, source)
                tracker = await stack.enter_async_context(open_tracker(source))
                app.state.trackers[source.id] = tracker
                readers[source.id] = Reader(runtime.pool, source, tracker)
            runtime.run_task("sources", lambda: lead(settings.service_database_url("intake"), readers))
            runtime.add_check(lambda connection: find_problems(connection, sources, datetime.now(UTC)))
            app.state.progress = partial(load_progress, runtime.pool)
            runtime.relay_outbox()
            await runtime.start_consumer(_HANDLERS)
            runtime.run_task("measurements", partial(measure_status, app))
            # The readers use the trackers: they stop first.
            stack.push_async_callback(runtime.aclose)
            yield

    app = create_api("intake", settings, lifespan, admit)
    add_operations(app, Operations("intake", _HANDLERS, _sql.queues))
    app.include_router(webhooks.router)
    return app


async def lead(url: str, readers: Mapping[str, Reader]) -> None:
    """Wait until no other process reads the sources, then read them until the database no longer responds."""
    async with hold_leader_lock(url, "intake", "sources_lock") as leader:
        reading = (keep_running(source_id, reader.run) for source_id, reader in readers.items())
        await run_together([_keep_lead(leader), *reading])


async def _keep_lead(leader: Connection) -> NoReturn:
    """Fails if the connection, and with it the lock, is lost."""
    while True:
        await leader.execute("SELECT 1")
        await asyncio.sleep(_LEADER_CHECK_SECONDS)


async def register(pool: Pool, source: Source) -> None:
    """Create the row of a source, if it has none.

    Raises :class:`InvalidSettingError` if its work was published before as that of another source.
    """
    values = {"id": source.id, "kind": source.kind, "event_source": source.event_source, "site": source.jira_site}
    async with pool.acquire() as connection:
        async for row in _sql.list_conflicts(connection, **values, replaces=source.replaces):
            raise InvalidSettingError(
                f"The source {source.id!r} would publish work that {row['id']!r} ({row['kind']},"
                f" {row['event_source']}) has published, and it would count twice. Give the source another id than"
                f' {row["id"]!r} and replaces = "{row["id"]}", or keep what the file said before; if only the address'
                f' has changed, set source = "{row["event_source"]}".'
            )
        await _sql.register_source(connection, **values)


async def load_progress(pool: Pool) -> dict[str, Any]:
    """How far each source is read, for ``/readyz``; nothing if the database does not respond, which is a problem."""
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_SECONDS), pool.acquire() as connection:
            rows = [row async for row in _sql.load_progress(connection)]
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        return {}
    return {
        "sources": [
            {
                **dict(row),
                "cursor": json.loads(row["cursor"]),
                "skipped": json.loads(row["skipped"]) if row["skipped"] else None,
                "last_delivery_at": format_timestamp(row["last_delivery_at"]) if row["last_delivery_at"] else None,
            }
            for row in rows
        ]
    }


async def find_problems(connection: Connection, sources: Sequence[Source], now: datetime) -> list[str]:
    """The sources that fail, or that have not been read for three intervals."""
    before = [now - timedelta(seconds=source.reconcile_seconds * _MAX_MISSED) for source in sources]
    ids = [source.id for source in sources]
    return [
        f"The tracker {row['id']} has not been read since {row['reconciled_at'] or 'the start'}"
        f" ({row['failure'] or 'no failure'}). Check its address and token; `tidemark intake status` says more."
        async for row in _sql.list_problems(connection, ids=ids, overdue_before=before)
    ]
