"""Applications of services, many in one process."""

from collections.abc import Callable

from fastapi import FastAPI
from starlette.routing import BaseRoute

from tidemark_shared.settings import Settings

_routes: dict[Callable[[Settings], FastAPI], list[BaseRoute]] = {}


def build_app(create_app: Callable[[Settings], FastAPI], settings: Settings) -> FastAPI:
    """An application with the routes of the first one: FastAPI prepares them at their first request, for 0.2 s."""
    app = create_app(settings)
    app.router.routes = [*_routes.setdefault(create_app, app.router.routes)]
    return app
