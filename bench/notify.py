"""How long it takes from a crossing to its mail: from a balance sent to Kafka to the mail server's acceptance."""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
import httpx
from aiokafka import AIOKafkaProducer
from aiosmtpd.smtp import SMTP, Envelope, Session
from rich.table import Table

from bench.facts import uid
from tidemark.stack import kafka, ports
from tidemark.stack.processes import Component, Supervisor
from tidemark_shared.database import migrate
from tidemark_shared.messaging.events import CONTRACT_BALANCE, CONTRACT_EVENTS, ORGANIZATION_CHANGED
from tidemark_shared.messaging.kafka import create_producer, create_topics
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE, Topic

CONTRACTS, A_SECOND = 300, 20
_PLANNED = 40 * 3600
_PATIENCE_SECONDS = 120
_RULE = {
    "name": "Warn",
    "scope": {"kind": "global"},
    "trigger": {"kind": "consumed_percent", "of": "contract", "over": "whole", "at": ["80", "100"]},
    "receivers": [{"kind": "owner"}],
    "channels": ["email"],
    "subject": "{contract_code} {threshold}",
}


class _Sink:
    """A mail server that notes when it accepted which mail, by its subject."""

    def __init__(self) -> None:
        self.accepted: dict[str, float] = {}

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        self.accepted[message_from_bytes(envelope.content or b"")["Subject"]] = time.perf_counter()  # type: ignore[arg-type]
        return "250 OK"


class _Running(NamedTuple):
    producer: AIOKafkaProducer
    sink: _Sink
    database: asyncpg.Connection
    url: str


@asynccontextmanager
async def _running(server_url: str) -> AsyncIterator[_Running]:
    """A broker, a mail server, and the notifier as a process of its own, on a fresh database."""
    name, sink = f"bench_{uuid4().hex[:8]}", _Sink()
    own, smtp, port, broker = f"{server_url.rpartition('/')[0]}/{name}", ports.find_free(), ports.find_free(), ports.find_free()
    url, servers = f"http://127.0.0.1:{port}", kafka.bootstrap_servers(broker)
    listening = await asyncio.get_running_loop().create_server(
        lambda: SMTP(sink, hostname="sink", enable_SMTPUTF8=True), "127.0.0.1", smtp
    )
    connection = await asyncpg.connect(server_url)
    with tempfile.TemporaryDirectory() as folder:
        supervisor = Supervisor(Path(folder) / "logs")
        try:
            await connection.execute(f"CREATE DATABASE {name}")
            await migrate(own, "notifier")
            await asyncio.to_thread(kafka.fetch_jars)
            await supervisor.start(kafka.prepare(Path(folder) / "kafka", broker, ports.find_free()))
            await create_topics(servers)
            environment = {
                **os.environ,
                "TIDEMARK_DATABASE_URL": own,
                "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS": servers,
                "TIDEMARK_SMTP_URL": f"smtp://127.0.0.1:{smtp}",
                "TIDEMARK_PORT": str(port),
                "TIDEMARK_OPEN": "1",
            }
            command = [sys.executable, "-m", "tidemark_notifier"]
            await supervisor.start(Component("notifier", command, lambda: _ready(url), environment=environment))
            sender, database = create_producer(servers), await asyncpg.connect(own)
            await sender.start()
            yield _Running(sender, sink, database, url)
            await sender.stop()
            await database.close()
        finally:
            await supervisor.stop()
            listening.close()
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await connection.close()


async def _ready(url: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{url}/readyz")).is_success
    except httpx.HTTPError:
        return False


async def _send(running: _Running, topic: Topic, type_: str, data: dict[str, Any], key: str) -> None:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", uuid4().hex.encode()),
        ("ce_source", b"/bench"),
        ("ce_type", type_.encode()),
        ("content-type", b"application/json"),
    ]
    await running.producer.send_and_wait(topic.name, json.dumps(data).encode(), key=key.encode(), headers=headers)


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.05)


def _contract(code: str) -> dict[str, Any]:
    today = datetime.now(UTC).date()
    return {
        "contract_id": uid(code),
        "stream_version": 1,
        "status": "ACTIVE",
        "previous_status": None,
        "terms": {
            "code": code,
            "name": code,
            "owner": {"name": "Olga", "email": "olga@provider.example.com"},
            "organization_id": uid("organization"),
            "type": "time_and_materials",
            "recurrence": "none",
            "start_date": str(today - timedelta(days=30)),
            "end_date": str(today + timedelta(days=300)),
            "timezone": "Europe/Berlin",
            "contracted_hours": "40",
            "accounts": [{"id": uid(f"account {code}"), "name": "Help desk", "planned_hours": "40"}],
        },
        "actor": "olga",
        "occurred_at": "2026-01-01T00:00:00Z",
    }


def _balance(code: str, revision: int, consumed: int) -> dict[str, Any]:
    figures = {
        "planned": _PLANNED,
        "consumed": consumed,
        "remaining": _PLANNED - consumed,
        "percent": None,
        "worklogs": 1,
        "unrated_seconds": None,
    }
    account = {
        "account_id": uid(f"account {code}"),
        "name": "Help desk",
        "billable": True,
        "whole": figures,
        "periods": [],
        "slices": [],
    }
    return {
        "contract_id": uid(code),
        "contract_code": code,
        "status": "ACTIVE",
        "stream_version": 1,
        "revision": revision,
        "unit": "seconds",
        "currency": None,
        "unaccounted_seconds": 0,
        "forecast": None,
        "whole": figures,
        "periods": [],
        "accounts": [account],
    }


async def _furnish(running: _Running, codes: list[str]) -> None:
    organization = {
        "id": uid("organization"),
        "version": 1,
        "name": "Acme",
        "timezone": "Europe/Berlin",
        "contacts": [],
    }
    await _send(running, DIRECTORY, ORGANIZATION_CHANGED, organization, "organization")
    for code in codes:
        await _send(running, LIFECYCLE, CONTRACT_EVENTS[0], _contract(code), uid(code))
        await _send(running, BALANCES, CONTRACT_BALANCE, _balance(code, 1, 0), uid(code))
    async with httpx.AsyncClient(base_url=running.url, trust_env=False) as client:
        (await client.post("/v1/rules", json=_RULE)).raise_for_status()
    count = "SELECT count(*) FROM notifier.contracts WHERE terms IS NOT NULL AND balance IS NOT NULL"

    async def known() -> bool:
        return bool(await running.database.fetchval(count) == len(codes))

    await _until(known)


async def _cross(running: _Running, codes: list[str], threshold: int, *, pause: float) -> list[float]:
    """Every contract to this percentage, so many seconds apart; how long each mail took, in seconds."""
    sent = {}
    consumed = _PLANNED * threshold // 100
    sending = []
    for code in codes:
        sent[f"{code} {threshold} %"] = time.perf_counter()
        sending.append(
            asyncio.create_task(
                _send(running, BALANCES, CONTRACT_BALANCE, _balance(code, threshold, consumed), uid(code))
            )
        )
        await asyncio.sleep(pause)
    await asyncio.gather(*sending)

    async def all_accepted() -> bool:
        return sent.keys() <= running.sink.accepted.keys()

    await _until(all_accepted)
    return sorted(running.sink.accepted[subject] - at for subject, at in sent.items())


async def measure(server_url: str) -> Table:
    """Crossings that come one after another, and all at once."""
    codes = [f"C{number}" for number in range(CONTRACTS)]
    table = Table(title=f"From a balance on Kafka to its mail accepted by the server, {CONTRACTS} contracts, in ms")
    for column in ("crossings", "p50", "p99", "longest"):
        table.add_column(column, justify="left" if column == "crossings" else "right")
    async with _running(server_url) as running:
        await _furnish(running, codes)
        for name, threshold, pause in ((f"{A_SECOND} a second", 80, 1 / A_SECOND), ("all at once", 100, 0)):
            taken = await _cross(running, codes, threshold, pause=pause)
            places = (len(taken) // 2, len(taken) * 99 // 100, -1)
            table.add_row(name, *(f"{1000 * taken[place]:,.0f}" for place in places))
    return table
