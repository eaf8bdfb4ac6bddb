"""The composition of the contracts service."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from fastapi import Depends, FastAPI

from tidemark_contracts import recovery
from tidemark_contracts.api import contract_batches, contracts, customer_links, directory, offer_links, offers, people
from tidemark_contracts.api.examples import EXAMPLES
from tidemark_contracts.contract import expiry
from tidemark_contracts.offer import expiry as offer_expiry
from tidemark_contracts.offer.event_handlers import handle_notifications
from tidemark_contracts.recovery import Recovery, refuse_changes
from tidemark_shared.database import Workload
from tidemark_shared.http.app import create_api
from tidemark_shared.http.operations import Operations, add_operations, measure_status
from tidemark_shared.messaging.batches import Handler
from tidemark_shared.messaging.topics import NOTIFICATIONS
from tidemark_shared.runtime import service_runtime
from tidemark_shared.settings import Settings

EVENT_HANDLERS: Mapping[str, Handler] = {NOTIFICATIONS.name: handle_notifications, **recovery.EVENT_HANDLERS}


def create_app(settings: Settings) -> FastAPI:
    """The contracts service: keeps organizations, teams, rate cards and contracts, and publishes their changes."""
    recovered = Recovery()
    handlers = {**EVENT_HANDLERS, NOTIFICATIONS.name: recovered.require_recovery(handle_notifications)}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service_runtime("contracts", settings, workload=Workload.REQUEST) as runtime:
            failures: dict[UUID, str] = {}
            runtime.add_check(lambda connection: expiry.find_problems(connection, datetime.now(UTC), failures))
            app.state.pool, app.state.problems, app.state.failures = runtime.pool, runtime.problems, runtime.failures
            runtime.relay_outbox()
            recovered.start()
            runtime.add_check(recovered.find_problems)
            consumer = await runtime.start_consumer(handlers)
            topics = [settings.topic_prefix + topic for topic in recovery.EVENT_HANDLERS]
            runtime.run_task("measurements", partial(measure_status, app))
            runtime.run_task("recovery", partial(recovered.run, runtime.pool, consumer, topics))
            runtime.run_task("expiry", recovered.after(partial(expiry.run, runtime.pool, failures)))
            runtime.run_task("offer_expiry", recovered.after(partial(offer_expiry.run, runtime.pool)))
            await recovered.wait()
            yield

    app = create_api("contracts", settings, lifespan, examples=EXAMPLES)
    add_operations(app, Operations("contracts", handlers))
    app.state.recovery, app.state.link_limit = recovered, offer_links.create_link_limit()
    for router in (
        directory.router,
        contract_batches.router,
        contracts.router,
        customer_links.router,
        offer_links.router,
        offers.router,
        offers.customer_router,
        people.router,
    ):
        app.include_router(router, dependencies=[Depends(refuse_changes)])
    return app
