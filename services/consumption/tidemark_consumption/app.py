"""Composition of the consumption service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial

from aiokafka.errors import KafkaError
from fastapi import FastAPI

from tidemark_consumption import check, replay
from tidemark_consumption.api import (
    balances,
    checks,
    customer_statements,
    customers,
    figures,
    people,
    reports,
    statements,
    worklogs,
)
from tidemark_consumption.api.examples import EXAMPLES
from tidemark_consumption.api.worklogs import Publisher
from tidemark_consumption.balance_outbox import begin_days, open_balance_outbox
from tidemark_consumption.catch_up import wait_until_caught_up
from tidemark_consumption.database.query_types import ConsumptionQueries
from tidemark_consumption.ingest import append
from tidemark_consumption.ingest.adopt import adopt_statements
from tidemark_consumption.projection import fold
from tidemark_consumption.projection.projector import Projector
from tidemark_shared.database import Workload, connect_pool, queries
from tidemark_shared.http.app import create_api
from tidemark_shared.http.operations import Operations, add_operations, measure_status
from tidemark_shared.messaging.batches import Handler
from tidemark_shared.messaging.consumer import Consumer
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE, PERIODS, WORKLOGS
from tidemark_shared.runtime import service_runtime
from tidemark_shared.settings import Settings, require_setting

_KAFKA_TIMEOUT_SECONDS = 1.0
_CATCH_UP_INTERVAL_SECONDS = 0.1
_sql: ConsumptionQueries = queries("tidemark_consumption")


def handlers() -> dict[str, Handler]:
    """The handler of each topic. Each appends to a log, which the projector folds; what was published is taken back."""
    return {
        WORKLOGS.name: append.append_worklogs,
        LIFECYCLE.name: append.append_lifecycle,
        DIRECTORY.name: append.append_directory,
        PERIODS.name: adopt_statements,
    }


async def _run_projector(projector: Projector, consumer: Consumer, periods: str) -> None:
    """Fold once the statements that were published are known: a fold may freeze others."""
    while True:
        with suppress(KafkaError, TimeoutError):
            if await consumer.has_caught_up([periods]):
                break
        await asyncio.sleep(_CATCH_UP_INTERVAL_SECONDS)
    await projector.run()


def create_app(settings: Settings) -> FastAPI:
    """Reads work, contracts and teams; publishes balances; answers requests for figures."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        publisher = Publisher(
            require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers"), settings.topic_prefix
        )
        url = settings.service_database_url("consumption")
        async with (
            service_runtime("consumption", settings) as runtime,
            # Separate pools, so requests and replays never take the connections of consumers and the projector.
            await connect_pool(url, "consumption", workload=Workload.REQUEST) as request_pool,
            replay.open_pool(url, size=2, workload=Workload.REPLAY) as replay_pool,
            check.open_pool(url) as check_pool,
            await connect_pool(url, "consumption", size=1, init=fold.prepare_connection) as fold_pool,
            replay.open_pool(url, size=1) as rebuild_pool,
            open_balance_outbox(url) as balances,
            aclosing(publisher),
            # Last, so it closes first: its tasks hold connections, and a pool waits for its connections to close.
            aclosing(runtime),
        ):
            projector = Projector(fold_pool, rebuild_pool)

            async def problems() -> list[str]:
                return await runtime.problems() or await projector.problems(runtime.pool)

            app.state.pool, app.state.problems, app.state.publisher = request_pool, problems, publisher
            app.state.replay_pool, app.state.check_pool = replay_pool, check_pool
            app.state.failures = runtime.failures
            runtime.relay_outbox()
            runtime.run_task("measurements", partial(measure_status, app))
            runtime.run_task("days", partial(begin_days, runtime.pool))
            consumer = await runtime.start_consumer(handlers(), after_commit=projector.wake)
            runtime.run_task(
                "projector", partial(_run_projector, projector, consumer, settings.topic_prefix + PERIODS.name)
            )
            topics = [settings.topic_prefix + topic for topic in handlers()]
            runtime.relay_outbox(balances, after=partial(wait_until_caught_up, consumer, runtime.pool, topics))

            async def has_all_contracts() -> bool:
                try:
                    async with asyncio.timeout(_KAFKA_TIMEOUT_SECONDS):
                        is_appended = await consumer.has_caught_up([settings.topic_prefix + LIFECYCLE.name])
                except (KafkaError, TimeoutError):
                    return False
                async with request_pool.acquire() as connection:
                    return is_appended and not await _sql.has_waiting_contracts(connection)

            app.state.has_all_contracts = has_all_contracts
            yield

    app = create_api("consumption", settings, lifespan, examples=EXAMPLES)
    add_operations(app, Operations("consumption", handlers(), _sql.queues, _sql.last_verification))
    app.include_router(worklogs.router)
    app.include_router(checks.router)
    app.include_router(figures.router)
    app.include_router(statements.router)
    app.include_router(balances.router)
    app.include_router(reports.router)
    app.include_router(people.router)
    app.include_router(customer_statements.router)
    app.include_router(customers.router)
    return app
