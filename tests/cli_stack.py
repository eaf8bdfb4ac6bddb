"""Services as processes behind the one address, for the tests of the command line."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
from api_tokens import SECRET
from databases import drop_database
from processes import service_process

from tidemark.stack import ports
from tidemark_shared.messaging.kafka import create_topics


@asynccontextmanager
async def run_services(
    postgres_url: str, template: str, kafka_bootstrap_servers: str, logs: Path, services: Sequence[str], **settings: str
) -> AsyncIterator[dict[str, str]]:
    """Run services and web on a new database. Returns the environment of commands at a terminal of 80 columns."""
    name, prefix = f"cli_{os.getpid()}_{uuid4().hex[:8]}", f"t{uuid4().hex[:8]}."
    server = await asyncpg.connect(postgres_url)
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    await create_topics(kafka_bootstrap_servers, prefix=prefix)
    port = {name: ports.find_free() for name in (*services, "web")}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TIDEMARK_")},
        "TIDEMARK_DATABASE_URL": f"{postgres_url.rpartition('/')[0]}/{name}",
        "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
        "TIDEMARK_TOPIC_PREFIX": prefix,
        "TIDEMARK_OPEN": "1",
        "TIDEMARK_SECRET": SECRET,
        "TIDEMARK_API_URL": f"http://127.0.0.1:{port['web']}",
        "COLUMNS": "80",
        **{f"TIDEMARK_{name.upper()}_URL": f"http://127.0.0.1:{port[name]}" for name in services},
        **settings,
    }
    async with AsyncExitStack() as stack:
        # web is ready only when all services are, some of which a test may not use.
        async with asyncio.TaskGroup() as group:  # noqa: TID251 - each ends by itself
            for service, service_port in port.items():
                ready_path = "/healthz" if service == "web" else "/readyz"
                service_environment = {**environment, "TIDEMARK_PORT": str(service_port)}
                process = service_process(service, service_environment, logs, ready_path=ready_path)
                group.create_task(stack.enter_async_context(process))
        yield environment
    await drop_database(server, name)
    await server.close()
