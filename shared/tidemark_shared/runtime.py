"""The frame of a service's process: its pool, its broker, its tasks, and the server in front of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NoReturn

import asyncpg
import uvicorn
from aiokafka.errors import KafkaError
from fastapi import FastAPI
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, wait_random_exponential

from tidemark_shared import log
from tidemark_shared.database import Pool, Workload, connect_pool
from tidemark_shared.http.requests import delete_expired_keys
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.batches import Handler
from tidemark_shared.messaging.consumer import Consumer
from tidemark_shared.messaging.outbox import RECORD_OUTBOX, Outbox, Relay
from tidemark_shared.settings import Settings, require_setting

_log = log.get_logger()

_START_PATIENCE_SECONDS = 120
_STOP_SECONDS = 5
_FORGET_SECONDS = 60
_PASSING = (KafkaError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def keep_running(name: str, task: Callable[[], Awaitable[Any]]) -> None:
    """Run ``task`` again, after a growing pause, whenever it ends or raises."""

    def report(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        _log.warning("task_restarts", task=name, error=repr(error))

    async for attempt in AsyncRetrying(wait=wait_random_exponential(multiplier=0.1, max=5), before_sleep=report):
        with attempt:
            await task()
            raise RuntimeError("The task ended by itself.")


class ServiceRuntime:
    """What a service's code is given: its database, its consumer (where it reads), and tasks that are kept alive."""

    def __init__(self, service: str, settings: Settings, pool: Pool, cluster: str) -> None:
        self.service, self.settings, self.pool = service, settings, pool
        self._cluster = cluster
        self._tasks: list[asyncio.Task[None]] = []
        self.consumer: Consumer | None = None

    def run_task(self, name: str, task: Callable[[], Awaitable[Any]]) -> None:
        """Run a task as long as the service runs."""
        self._tasks.append(asyncio.create_task(keep_running(name, task), name=name))

    def relay_outbox(self, outbox: Outbox = RECORD_OUTBOX) -> None:
        """Publish an outbox as long as the service runs."""
        relay = Relay(
            self.settings.service_database_url(self.service),
            self.service,
            self._bootstrap,
            outbox,
            prefix=self.settings.topic_prefix,
        )
        self.run_task(outbox.name, relay.run)

    async def start_consumer(self, handlers: Mapping[str, Handler]) -> Consumer:
        """Read topics as a member of the service's group, as long as the service runs."""
        prefix = self.settings.topic_prefix
        self.consumer = consumer = Consumer(
            self._bootstrap,
            self.pool,
            cluster=self._cluster,
            group=f"{prefix}tidemark.{self.service}",
            handlers={prefix + topic: handle for topic, handle in handlers.items()},
            prefix=prefix,
        )
        await consumer.start()
        self.run_task("consumer", consumer.watch)
        return consumer

    async def forget(self) -> NoReturn:
        """Forget, again and again, the answers to old idempotency keys."""
        while True:
            await delete_expired_keys(self.pool, datetime.now(UTC))
            await asyncio.sleep(_FORGET_SECONDS)

    async def problems(self) -> list[str]:
        """Why the service makes no progress; for ``/readyz``."""
        found = self.consumer.problems() if self.consumer else []
        try:
            await self.pool.fetchval("SELECT 1", timeout=2)
        except (*_PASSING, TimeoutError) as error:
            found.append(f"The database does not answer: {error!r}.")
        return found

    async def failures(self) -> list[str]:
        """Why the process should be restarted; for ``/healthz``."""
        return self.consumer.failures() if self.consumer else []

    @property
    def _bootstrap(self) -> str:
        return require_setting(self.settings.kafka_bootstrap_servers, "kafka_bootstrap_servers")

    async def aclose(self) -> None:
        """End the tasks, also the one that would replace a client that is stopped, then stop reading; once."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        consumer, self.consumer = self.consumer, None
        if consumer:
            await consumer.stop()


@asynccontextmanager
async def service_runtime(
    service: str, settings: Settings, *, workload: Workload = Workload.FOLD
) -> AsyncIterator[ServiceRuntime]:
    """Wait for the database and the broker, then hold them for the service, whose connections are for ``workload``."""
    async for attempt in AsyncRetrying(
        stop=stop_after_delay(_START_PATIENCE_SECONDS),
        wait=wait_random_exponential(multiplier=0.1, max=2),
        retry=retry_if_exception_type(_PASSING),
        reraise=True,
    ):
        with attempt:
            pool = await connect_pool(settings.service_database_url(service), service, workload=workload)
    cluster = await kafka.fetch_cluster_id(
        require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers"),
        timeout_seconds=_START_PATIENCE_SECONDS,
    )
    held = ServiceRuntime(service, settings, pool, cluster)
    held.run_task("forget", held.forget)
    try:
        yield held
    finally:
        await held.aclose()
        pool.terminate()


def serve(name: str, create_app: Callable[[Settings], FastAPI], settings: Settings | None = None) -> None:
    """Run a service until it is told to stop (SIGINT or SIGTERM)."""
    settings = settings or Settings()
    log.configure(name, settings.log_level)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        loop="uvloop",
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
