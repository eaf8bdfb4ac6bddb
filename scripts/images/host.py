"""On the host, what the containers need: Kafka, Postgres, a mail sink and a tracker, without images of their own.

Containers reach each by its name in ``docker-compose.yml``, at the gateway of their network.
"""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import asyncpg
import httpx

from tidemark.stack import kafka, ports, postgres
from tidemark.stack.processes import Component, Supervisor

GATEWAY = "10.77.77.1"
NETWORK = "10.77.77.0/24"
NAMES = ("kafka", "postgres", "mailpit", "tracker")
"""The hosts that the gateway stands for."""
DATABASE_USERS = ("contracts", "consumption", "notifier", "intake")
# Allows an address that no interface has yet: the first container brings the network up.
_IP_FREEBIND = 15


@dataclass(frozen=True)
class Host:
    """Where the parts are, for programs on this machine."""

    database_url: str
    kafka: str
    maildir: Path


@asynccontextmanager
async def running_host(folder: Path, *, secrets: Mapping[str, str], entry: Mapping[str, Any]) -> AsyncIterator[Host]:
    """Run the parts with their data in ``folder``; the tracker has one entry."""
    password = secrets["POSTGRES_PASSWORD"]
    await asyncio.to_thread(kafka.fetch_jars)
    database, client, controller, inside, smtp, inbox = (ports.find_free() for _ in range(6))
    broker = kafka.prepare(folder / "kafka", client, controller)
    _add_listener(folder / "kafka.properties", client, controller, inside)
    mailbox = [sys.executable, "-m", "tidemark.stack.mailbox", "--smtp-port", smtp, "--http-port", inbox]
    mails = Component("mail", [*map(str, mailbox), "--maildir", str(folder / "mails")], lambda: _answers(inbox))
    supervisor = Supervisor(folder / "logs")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(supervisor.stop)
        await supervisor.start(postgres.prepare(folder / "postgres", database, password), broker, mails)
        await _create_users(postgres.url(database, password), secrets)
        with _tracker(entry) as tracker:
            for port, target in {9092: inside, 5432: database, 1025: smtp, 80: tracker.server_port}.items():
                await stack.enter_async_context(await _relay(port, target))
            yield Host(postgres.url(database, password), kafka.bootstrap_servers(client), folder / "mails")
            tracker.shutdown()


def tracker_entry(started: datetime, minutes: int) -> dict[str, Any]:
    """An entry as Kimai shows it."""
    return {
        "id": 1, "begin": f"{started:%Y-%m-%dT%H:%M:%S%z}", "duration": minutes * 60, "description": None,
        "end": f"{started + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S%z}", "user": {"username": "Sue"},
        "project": {"id": 1, "name": "Support"}, "activity": {"id": 1, "name": "Help"},
    }  # fmt: skip


async def _create_users(url: str, secrets: Mapping[str, str]) -> None:
    """The users of the services, as the Compose file creates them."""
    connection = await asyncpg.connect(url)
    try:
        for user in DATABASE_USERS:
            password = secrets[f"{user.upper()}_PASSWORD"]
            await connection.execute(
                f"CREATE ROLE tidemark_{user} LOGIN PASSWORD '{password}';"
                f"GRANT tidemark_{user} TO tidemark WITH INHERIT TRUE"
            )
    finally:
        await connection.close()


def _add_listener(properties: Path, client: int, controller: int, inside: int) -> None:
    """A listener that tells containers the name of the broker, as in the Compose file. Of two lines the last counts."""
    with properties.open("a") as file:
        file.write(
            f"listeners=PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller},INSIDE://127.0.0.1:{inside}\n"
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{client},INSIDE://kafka:9092\n"
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,INSIDE:PLAINTEXT\n"
        )


async def _answers(port: int) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        with suppress(httpx.HTTPError):
            return (await client.get(f"http://127.0.0.1:{port}/readyz")).is_success
    return False


async def _relay(port: int, target: int) -> asyncio.Server:
    """Pass connections at the gateway on to a port of loopback."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", target)
            await asyncio.gather(_copy(reader, target_writer), _copy(target_reader, writer))

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_IP, _IP_FREEBIND, 1)
    listener.bind((GATEWAY, port))
    return await asyncio.start_server(connect, sock=listener)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


def _tracker(entry: Mapping[str, Any]) -> ThreadingHTTPServer:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = dict(parse_qsl(urlsplit(self.path).query))
            begin, end = query.get("begin", ""), query.get("end", "9")
            body = json.dumps([entry] if begin <= entry["begin"] <= end else []).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    return server
