"""The composition of the contracts service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from tidemark_contracts import api, clock, directory_api
from tidemark_shared.database import Workload
from tidemark_shared.http.app import create_api
from tidemark_shared.runtime import service_runtime
from tidemark_shared.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Decides: keeps organizations, teams and contracts, and tells what became of them."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service_runtime("contracts", settings, workload=Workload.REQUEST) as held:
            app.state.pool, app.state.problems, app.state.failures = held.pool, held.problems, held.failures
            held.relay_outbox()
            held.run_task("clock", partial(clock.run, held.pool))
            yield

    app = create_api("contracts", settings, lifespan)
    app.include_router(directory_api.router)
    app.include_router(api.router)
    return app
