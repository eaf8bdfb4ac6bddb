"""The composition of the consumption service."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial

from fastapi import FastAPI

from tidemark_consumption import api, fold, recall, worklogs_api
from tidemark_consumption.balances import BALANCE_OUTBOX, begin_days
from tidemark_consumption.worklogs_api import Publisher
from tidemark_shared.consumer import Handle
from tidemark_shared.database import connect_pool
from tidemark_shared.events import DIRECTORY, LIFECYCLE, WORKLOGS
from tidemark_shared.http import api as http_api
from tidemark_shared.service import frame
from tidemark_shared.settings import Settings, required


def handlers() -> dict[str, Handle]:
    """What is read, by topic. Their connections are prepared by :func:`tidemark_consumption.fold.prepare`."""
    return {
        WORKLOGS.name: fold.fold_worklogs,
        LIFECYCLE.name: fold.fold_lifecycle,
        DIRECTORY.name: fold.fold_directory,
    }


def create_app(settings: Settings) -> FastAPI:
    """Counts: reads work, contracts and teams; publishes balances; answers for figures."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        publisher = Publisher(
            required(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers"), settings.topic_prefix
        )
        async with (
            frame("consumption", settings, init=fold.prepare) as held,
            # Of its own: requests that wait for Kafka leave the consumer its connections.
            await connect_pool(settings.database("consumption"), "consumption") as asking,
            await connect_pool(
                settings.database("consumption"), "consumption", size=2, init=recall.prepare
            ) as recalling,
            aclosing(publisher),
        ):
            app.state.pool, app.state.problems, app.state.publisher = asking, held.problems, publisher
            app.state.recalling = recalling
            held.relay()
            held.relay(BALANCE_OUTBOX)
            held.keep("days", partial(begin_days, held.pool))
            await held.consume(handlers())
            yield

    app = http_api("consumption", settings, lifespan)
    app.include_router(worklogs_api.router)
    app.include_router(api.router)
    return app
