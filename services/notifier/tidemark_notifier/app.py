"""The composition of the notifier."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from tidemark_notifier import api, trial_api
from tidemark_notifier.deliver import Deliverer, by_mail, by_webhook
from tidemark_notifier.guard import Guard
from tidemark_notifier.judge import Judge
from tidemark_notifier.smtp import Server
from tidemark_shared.database import Work, connect_pool
from tidemark_shared.http.app import api as http_api
from tidemark_shared.messaging.batches import Handler
from tidemark_shared.messaging.consumer import Consumer
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE
from tidemark_shared.runtime import ServiceRuntime, service_runtime
from tidemark_shared.settings import Settings, required

_GLANCE_SECONDS = 0.2
_ASK_SECONDS = 20


def handlers(judge: Judge) -> dict[str, Handler]:
    """What is read, by topic."""
    return {
        LIFECYCLE.name: judge.lifecycle,
        DIRECTORY.name: judge.directory,
        BALANCES.name: judge.balances,
    }


def create_app(settings: Settings) -> FastAPI:
    """Tells: judges rules against balances, and delivers."""
    guard = Guard.of(settings.webhook_allow)
    send_mail = by_mail(
        Server.at(required(settings.smtp_url, "smtp_url")), sender=settings.mail_from, public_url=settings.public_url
    )
    call_webhook = by_webhook(guard, public_url=settings.public_url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            service_runtime("notifier", settings) as held,
            # Of its own: rules that wait for word of a contract leave the consumer its connections.
            await connect_pool(settings.database("notifier"), "notifier", work=Work.REQUEST) as asking,
            # Proxies named in the environment are for the world outside.
            httpx.AsyncClient(base_url=settings.consumption_url, timeout=_ASK_SECONDS, trust_env=False) as consumption,
        ):
            judge = Judge()
            app.state.pool, app.state.judge, app.state.guard = asking, judge, guard
            app.state.consumption = consumption
            held.relay()
            consumer = await held.consume(handlers(judge))
            held.keep("begin", lambda: _begin(judge, held, consumer))
            held.keep("clock", lambda: judge.run(held.pool))
            held.keep("mails", Deliverer(held.pool, "email", send_mail).run)
            held.keep("webhooks", Deliverer(held.pool, "webhook", call_webhook).run)

            async def problems() -> list[str]:
                waiting = "Contracts and the directory are still being read; nothing is judged yet."
                return [*await held.problems(), *([] if judge.judging else [waiting])]

            app.state.problems, app.state.failures = problems, held.failures
            yield

    app = http_api("notifier", settings, lifespan)
    for router in (trial_api.router, trial_api.asking, api.router):
        app.include_router(router)
    app.webhooks.include_router(api.webhooks)
    return app


async def _begin(judge: Judge, held: ServiceRuntime, consumer: Consumer) -> None:
    """Judge once what many contracts rest on has been read to its end; then there is nothing more to do."""
    topics = [held.settings.topic_prefix + topic.name for topic in (LIFECYCLE, DIRECTORY)]
    while True:
        if await consumer.caught_up(topics):
            break
        await asyncio.sleep(_GLANCE_SECONDS)
    await judge.begin(held.pool)
    await asyncio.Event().wait()
