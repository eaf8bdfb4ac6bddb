"""The runtime of a service: its connections, its background tasks, and the HTTP server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NoReturn

import asyncpg
import uvicorn
from aiokafka.errors import KafkaError
from fastapi import FastAPI
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from tidemark_shared import log, tracing
from tidemark_shared.database import Connection, Pool, Workload, connect_pool
from tidemark_shared.http.idempotency import delete_expired_keys
from tidemark_shared.http.server import SERVER_OPTIONS
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.batches import Handler
from tidemark_shared.messaging.consumer import Consumer
from tidemark_shared.messaging.outbox import RECORD_OUTBOX, Outbox, Relay
from tidemark_shared.settings import InvalidSettingError, Settings, require_setting
from tidemark_shared.tasks import cancel_tasks, keep_running

_START_TIMEOUT_SECONDS = 120
_STOP_TIMEOUT_SECONDS = 5
_KEY_EXPIRY_INTERVAL_SECONDS = 60
_CHECK_TIMEOUT_SECONDS = 5
_CONNECTION_ERRORS = (KafkaError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


Check = Callable[[Connection], Awaitable[list[str]]]
"""Returns the reasons why something makes no progress, each with its remedy."""


class ServiceRuntime:
    """The database pool, the consumer (if the service reads topics) and the background tasks of a service."""

    def __init__(self, service: str, settings: Settings, pool: Pool, cluster: str) -> None:
        self.service, self.settings, self.pool = service, settings, pool
        self._cluster = cluster
        self._tasks: list[asyncio.Task[None]] = []
        self._checks: list[Check] = []
        self.consumer: Consumer | None = None

    def run_task(self, name: str, task: Callable[[], Awaitable[Any]]) -> None:
        """Run a task until the service stops."""
        self._tasks.append(asyncio.create_task(keep_running(name, task), name=name))

    def add_check(self, check: Check) -> None:
        """Add a check of progress for ``/readyz``."""
        self._checks.append(check)

    def relay_outbox(
        self, outbox: Outbox = RECORD_OUTBOX, *, after: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Publish an outbox until the service stops; begin once ``after`` returns."""
        relay = Relay(
            self.settings.service_database_url(self.service),
            self.service,
            self._bootstrap_servers,
            outbox,
            prefix=self.settings.topic_prefix,
        )
        self.add_check(relay.problems)

        async def run() -> None:
            if after:
                await after()
            await relay.run()

        self.run_task(outbox.name, run)

    async def start_consumer(
        self, handlers: Mapping[str, Handler], *, after_commit: Callable[[], None] = lambda: None
    ) -> Consumer:
        """Read topics as a member of the service's consumer group until the service stops.

        ``after_commit`` is called after each transaction that processed records.
        """
        prefix = self.settings.topic_prefix
        self.consumer = consumer = Consumer(
            self._bootstrap_servers,
            self.pool,
            cluster=self._cluster,
            group=f"{prefix}tidemark.{self.service}",
            handlers={prefix + topic: handle for topic, handle in handlers.items()},
            after_commit=after_commit,
            prefix=prefix,
        )
        await consumer.start()
        self.run_task("consumer", consumer.watch)
        return consumer

    async def expire_idempotency_keys(self) -> NoReturn:
        """Delete expired idempotency keys once a minute."""
        while True:
            await delete_expired_keys(self.pool, datetime.now(UTC))
            await asyncio.sleep(_KEY_EXPIRY_INTERVAL_SECONDS)

    async def problems(self) -> list[str]:
        """Reasons why the service makes no progress, for ``/readyz``."""
        problems = self.consumer.problems() if self.consumer else []
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_SECONDS), self.pool.acquire() as connection:
                for check in self._checks:
                    problems += await check(connection)
        except (*_CONNECTION_ERRORS, TimeoutError) as error:
            problems.append(f"The database does not respond: {error!r}.")
        return problems

    async def failures(self) -> list[str]:
        """Reasons why the process should be restarted, for ``/healthz``."""
        return self.consumer.failures() if self.consumer else []

    @property
    def _bootstrap_servers(self) -> str:
        return require_setting(self.settings.kafka_bootstrap_servers, "kafka_bootstrap_servers")

    async def aclose(self) -> None:
        """Cancel the tasks, then stop the consumer: one of the tasks would replace a stopped client."""
        tasks, self._tasks = self._tasks, []
        await cancel_tasks(tasks)
        consumer, self.consumer = self.consumer, None
        if consumer:
            await consumer.stop()


@asynccontextmanager
async def service_runtime(
    service: str, settings: Settings, *, workload: Workload = Workload.FOLD, pool_size: int = 8
) -> AsyncIterator[ServiceRuntime]:
    """Wait for the database and the broker, then yield the runtime; its pool is configured for ``workload``."""
    kafka.use_settings(settings)
    retry = AsyncRetrying(
        stop=stop_after_delay(_START_TIMEOUT_SECONDS),
        wait=wait_random_exponential(multiplier=0.1, max=2),
        retry=retry_if_exception_type(_CONNECTION_ERRORS),
        reraise=True,
    )
    url = settings.service_database_url(service)
    pool: Pool = await retry(connect_pool, url, service, workload=workload, size=pool_size)
    cluster = await kafka.fetch_cluster_id(
        require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers"),
        timeout_seconds=_START_TIMEOUT_SECONDS,
    )
    runtime = ServiceRuntime(service, settings, pool, cluster)
    runtime.run_task("idempotency_key_expiry", runtime.expire_idempotency_keys)
    try:
        yield runtime
    finally:
        await runtime.aclose()
        pool.terminate()


def serve(name: str, create_app: Callable[[Settings], FastAPI], *, has_runtime: bool = True) -> None:
    """Run a service until SIGINT or SIGTERM; ``has_runtime`` is whether it uses :func:`service_runtime`."""
    try:
        settings = Settings()
        app = create_app(settings)
        if has_runtime:
            # Here, because an error of the start is logged with its traceback.
            settings.service_database_url(name)
            require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers")
            require_setting(settings.secret, "secret")
    except InvalidSettingError as error:
        raise SystemExit(str(error)) from None
    log.configure(name, settings.log_level)
    tracing.configure(name, settings.otlp_endpoint)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        timeout_graceful_shutdown=_STOP_TIMEOUT_SECONDS,
        **SERVER_OPTIONS,
    )
    tracing.shutdown()
