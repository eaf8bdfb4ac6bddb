"""The composition of the contracts service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from fastapi import FastAPI

from tidemark_contracts.api import contracts, customer_links, directory, offer_links, offers
from tidemark_contracts.api.examples import EXAMPLES
from tidemark_contracts.contract import expiry
from tidemark_contracts.offer import expiry as offer_expiry
from tidemark_contracts.offer.event_handlers import EVENT_HANDLERS
from tidemark_shared.database import Workload
from tidemark_shared.http.app import create_api
from tidemark_shared.http.operations import Operations, add_operations, measure_status
from tidemark_shared.runtime import service_runtime
from tidemark_shared.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """The contracts service: keeps organizations, teams, rate cards and contracts, and publishes their changes."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service_runtime("contracts", settings, workload=Workload.REQUEST) as runtime:
            failures: dict[UUID, str] = {}
            runtime.add_check(lambda connection: expiry.find_problems(connection, datetime.now(UTC), failures))
            app.state.pool, app.state.problems, app.state.failures = runtime.pool, runtime.problems, runtime.failures
            runtime.relay_outbox()
            await runtime.start_consumer(EVENT_HANDLERS)
            runtime.run_task("measurements", partial(measure_status, app))
            runtime.run_task("expiry", partial(expiry.run, runtime.pool, failures))
            runtime.run_task("offer_expiry", partial(offer_expiry.run, runtime.pool))
            yield

    app = create_api("contracts", settings, lifespan, examples=EXAMPLES)
    add_operations(app, Operations("contracts", EVENT_HANDLERS))
    app.state.link_limit = offer_links.create_link_limit()
    for router in (
        directory.router,
        contracts.router,
        customer_links.router,
        offer_links.router,
        offers.router,
        offers.customer_router,
    ):
        app.include_router(router)
    return app
