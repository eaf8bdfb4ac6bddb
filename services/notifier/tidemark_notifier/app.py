"""The notifier's process: what runs in it, and how it is wired."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
from fastapi import FastAPI

from tidemark_notifier.api import notifications, rules, saved_reports, simulation
from tidemark_notifier.api.examples import EXAMPLES
from tidemark_notifier.database.query_types import NotifierQueries
from tidemark_notifier.delivery.deliverer import Deliverer
from tidemark_notifier.delivery.egress import EgressPolicy
from tidemark_notifier.delivery.report_mailer import ReportMailer
from tidemark_notifier.delivery.senders import MailSender, WebhookSender
from tidemark_notifier.delivery.smtp import SmtpServer
from tidemark_notifier.engine.evaluator import Evaluator
from tidemark_notifier.engine.event_handlers import create_event_handlers
from tidemark_shared.database import Workload, connect_pool, queries
from tidemark_shared.http.app import create_api
from tidemark_shared.http.operations import Operations, add_operations, measure_status
from tidemark_shared.messaging.consumer import Consumer
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE
from tidemark_shared.runtime import ServiceRuntime, service_runtime
from tidemark_shared.settings import Settings, require_setting

_sql: NotifierQueries = queries("tidemark_notifier")

_POLL_SECONDS = 0.2
_CONSUMPTION_TIMEOUT_SECONDS = 20


def create_app(settings: Settings) -> FastAPI:
    """The notifier: evaluates rules against balances and dates, and delivers notifications."""
    policy = EgressPolicy.parse(settings.webhook_allow)
    mails = MailSender(
        SmtpServer.parse(require_setting(settings.smtp_url, "smtp_url")),
        sender=settings.mail_from,
        public_url=settings.public_url,
        secret=require_setting(settings.secret, "secret"),
        locale=settings.locale,
    )
    webhooks = WebhookSender(policy, public_url=settings.public_url, locale=settings.locale)
    evaluator = Evaluator(restatement_quiet=timedelta(seconds=settings.restatement_quiet_seconds))
    handlers = create_event_handlers(evaluator)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            service_runtime("notifier", settings) as runtime,
            # A pool of its own: requests that wait for an event must not take connections from the consumer.
            await connect_pool(
                settings.service_database_url("notifier"), "notifier", workload=Workload.REQUEST
            ) as request_pool,
            # Proxies of the environment are for external hosts.
            httpx.AsyncClient(
                base_url=settings.consumption_url, timeout=_CONSUMPTION_TIMEOUT_SECONDS, trust_env=False
            ) as consumption,
        ):
            app.state.pool, app.state.evaluator, app.state.egress_policy = request_pool, evaluator, policy
            app.state.consumption = consumption
            runtime.relay_outbox()
            consumer = await runtime.start_consumer(handlers)
            runtime.run_task("start_evaluator", lambda: _start_evaluator(evaluator, runtime, consumer))
            runtime.run_task("evaluator", lambda: evaluator.run(runtime.pool))
            runtime.add_check(evaluator.find_problems)
            for name, deliverer in (
                ("mails", Deliverer(runtime.pool, "email", mails)),
                ("webhooks", Deliverer(runtime.pool, "webhook", webhooks)),
            ):
                runtime.run_task(name, deliverer.run)
                runtime.add_check(deliverer.find_problems)
            runtime.run_task("report_mails", ReportMailer(runtime.pool, settings).run)

            app.state.problems, app.state.failures = runtime.problems, runtime.failures
            runtime.run_task("measurements", lambda: measure_status(app))
            yield

    app = create_api("notifier", settings, lifespan, examples=EXAMPLES)
    add_operations(app, Operations("notifier", handlers, _sql.queues))
    for router in (
        simulation.router,
        simulation.upstream_router,
        rules.router,
        notifications.router,
        saved_reports.router,
    ):
        app.include_router(router)
    app.webhooks.include_router(notifications.webhooks)
    return app


async def _start_evaluator(evaluator: Evaluator, runtime: ServiceRuntime, consumer: Consumer) -> None:
    """Start the evaluator once the lifecycle and directory topics have been read to their ends; then wait."""
    topics = [runtime.settings.topic_prefix + topic.name for topic in (LIFECYCLE, DIRECTORY)]
    while True:
        if await consumer.has_caught_up(topics):
            break
        await asyncio.sleep(_POLL_SECONDS)
    await evaluator.start(runtime.pool)
    await asyncio.Event().wait()
