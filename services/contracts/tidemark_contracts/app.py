"""The composition of the contracts service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from tidemark_contracts import api, clock, directory_api
from tidemark_shared.database import Work
from tidemark_shared.http.app import api as http_api
from tidemark_shared.runtime import service_runtime
from tidemark_shared.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Decides: keeps organizations, teams and contracts, and tells what became of them."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service_runtime("contracts", settings, work=Work.REQUEST) as held:
            app.state.pool, app.state.problems, app.state.failures = held.pool, held.problems, held.failures
            held.relay()
            held.keep("clock", partial(clock.run, held.pool))
            yield

    app = http_api("contracts", settings, lifespan)
    app.include_router(directory_api.router)
    app.include_router(api.router)
    return app
