"""The composition of the consumption service."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial

from fastapi import FastAPI

from tidemark_consumption import api, replay, worklogs_api
from tidemark_consumption.balance_outbox import balance_outbox, begin_days
from tidemark_consumption.ingest import append
from tidemark_consumption.projection import fold
from tidemark_consumption.projection.projector import Projector
from tidemark_consumption.worklogs_api import Publisher
from tidemark_shared.database import Workload, connect_pool
from tidemark_shared.http.app import create_api
from tidemark_shared.messaging.batches import Handler
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE, WORKLOGS
from tidemark_shared.runtime import service_runtime
from tidemark_shared.settings import Settings, require_setting


def handlers() -> dict[str, Handler]:
    """What is read, by topic: appended to the logs, and folded by the projector."""
    return {
        WORKLOGS.name: append.append_worklogs,
        LIFECYCLE.name: append.append_lifecycle,
        DIRECTORY.name: append.append_directory,
    }


def create_app(settings: Settings) -> FastAPI:
    """Counts: reads work, contracts and teams; publishes balances; answers for figures."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        publisher = Publisher(
            require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers"), settings.topic_prefix
        )
        url = settings.service_database_url("consumption")
        async with (
            service_runtime("consumption", settings) as runtime,
            # Pools of their own: requests and replays leave consumers and the projector their connections.
            await connect_pool(url, "consumption", workload=Workload.REQUEST) as requests,
            await connect_pool(url, "consumption", size=2, init=replay.prepare, workload=Workload.REPLAY) as replaying,
            await connect_pool(url, "consumption", size=2, init=fold.prepare) as folding,
            await connect_pool(url, "consumption", size=1, init=replay.prepare) as rebuilding,
            balance_outbox(url) as balances,
            aclosing(publisher),
            # Last, so it ends first: its tasks hold connections of the pools, which wait for them.
            aclosing(runtime),
        ):
            projector = Projector(folding, rebuilding)

            async def problems() -> list[str]:
                return await runtime.problems() or await projector.problems(runtime.pool)

            app.state.pool, app.state.problems, app.state.publisher = requests, problems, publisher
            app.state.replaying, app.state.failures = replaying, runtime.failures
            runtime.relay_outbox()
            runtime.relay_outbox(balances)
            runtime.run_task("days", partial(begin_days, runtime.pool))
            runtime.run_task("projector", projector.run)
            await runtime.start_consumer(handlers())
            yield

    app = create_api("consumption", settings, lifespan)
    app.include_router(worklogs_api.router)
    app.include_router(api.router)
    return app
