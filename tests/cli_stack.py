"""Services behind the one address, for the tests of the command line."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from api_server import running_application
from api_services import CREATE_APP
from api_tokens import SECRET
from applications import build_app
from processes import service_process

from tidemark.stack import ports
from tidemark_shared.messaging.kafka import create_topics
from tidemark_shared.settings import Settings
from tidemark_web.app import create_app


@asynccontextmanager
async def run_services(
    database: str,
    kafka_bootstrap_servers: str,
    topic_prefix: str,
    services: Sequence[str],
    *,
    logs: Path | None = None,
    **settings: str,
) -> AsyncIterator[dict[str, str]]:
    """Run some of contracts, consumption and notifier, and web: in this process or, with a folder for ``logs``, as
    processes of their own, which have all of ``settings`` in their environment.

    Returns the environment of commands at a terminal of 80 columns.
    """
    port = {name: ports.find_free() for name in (*services, "web")}
    await create_topics(kafka_bootstrap_servers, prefix=topic_prefix)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TIDEMARK_")},
        "TIDEMARK_DATABASE_URL": database,
        "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
        "TIDEMARK_TOPIC_PREFIX": topic_prefix,
        "TIDEMARK_API_URL": f"http://127.0.0.1:{port['web']}",
        **{f"TIDEMARK_{name.upper()}_URL": f"http://127.0.0.1:{port[name]}" for name in services},
        "TIDEMARK_OPEN": "1",
        "TIDEMARK_SECRET": SECRET,
        "COLUMNS": "80",
        **settings,
    }
    async with AsyncExitStack() as stack:
        for name in (*services, "web"):
            service_environment = {**environment, "TIDEMARK_PORT": str(port[name])}
            start = _process(name, service_environment, logs) if logs else _application(name, service_environment)
            await stack.enter_async_context(start)
        yield environment


def _ready_path(name: str) -> str:
    # web is ready only when all services are, some of which a test may not use.
    return "/healthz" if name == "web" else "/readyz"


def _application(name: str, environment: Mapping[str, str]) -> AbstractAsyncContextManager[str]:
    values: dict[str, Any] = {
        key.removeprefix("TIDEMARK_").lower(): value
        for key, value in environment.items()
        if key.startswith("TIDEMARK_")
    }
    settings = Settings(**values)
    app = create_app(settings) if name == "web" else build_app(CREATE_APP[name], settings)
    return running_application(app, settings.port, _ready_path(name))


def _process(
    name: str, environment: dict[str, str], logs: Path
) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    return service_process(name, environment, logs, ready_path=_ready_path(name))
