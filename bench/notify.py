"""The latency of notifications: from a balance sent to Kafka until the mail server accepts the mail."""

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

from bench.api import SECRET, open_client
from bench.facts import uid
from tidemark.stack import kafka, ports
from tidemark.stack.processes import Component, Supervisor
from tidemark_shared.database import migrate
from tidemark_shared.messaging.events import CONTRACT_BALANCE, CONTRACT_EVENTS, ORGANIZATION_CHANGED
from tidemark_shared.messaging.kafka import create_producer, create_topics
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE, Topic

CONTRACTS, PER_SECOND = 300, 20
_PLANNED_SECONDS = 40 * 3600
_TIMEOUT_SECONDS = 120
_RULE = {
    "name": "Warn",
    "scope": {"kind": "global"},
    "trigger": {"kind": "consumed_percent", "of": "contract", "over": "whole", "at": ["80", "100"]},
    "receivers": [{"kind": "owner"}],
    "channels": ["email"],
    "subject": "{contract_code} {threshold}",
}


class _MailServer:
    """A mail server that records when it accepted each mail, by subject."""

    def __init__(self) -> None:
        self.accepted: dict[str, float] = {}

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        self.accepted[message_from_bytes(envelope.content or b"")["Subject"]] = time.perf_counter()  # type: ignore[arg-type]
        return "250 OK"


class _RunningNotifier(NamedTuple):
    producer: AIOKafkaProducer
    mail_server: _MailServer
    database: asyncpg.Connection
    url: str


@asynccontextmanager
async def _run_notifier(server_url: str) -> AsyncIterator[_RunningNotifier]:
    """A broker, a mail server, and the notifier as a process, on a new database."""
    name, mail_server = f"bench_{uuid4().hex[:8]}", _MailServer()
    database_url, smtp, port, broker = (
        f"{server_url.rpartition('/')[0]}/{name}",
        ports.find_free(),
        ports.find_free(),
        ports.find_free(),
    )
    url, servers = f"http://127.0.0.1:{port}", kafka.bootstrap_servers(broker)
    listening = await asyncio.get_running_loop().create_server(
        lambda: SMTP(mail_server, hostname="sink", enable_SMTPUTF8=True), "127.0.0.1", smtp
    )
    connection = await asyncpg.connect(server_url)
    with tempfile.TemporaryDirectory() as folder:
        supervisor = Supervisor(Path(folder) / "logs")
        try:
            await connection.execute(f"CREATE DATABASE {name}")
            await migrate(database_url, "notifier")
            await asyncio.to_thread(kafka.fetch_jars)
            await supervisor.start(kafka.prepare(Path(folder) / "kafka", broker, ports.find_free()))
            await create_topics(servers)
            environment = {
                **os.environ,
                "TIDEMARK_DATABASE_URL": database_url,
                "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS": servers,
                "TIDEMARK_SMTP_URL": f"smtp://127.0.0.1:{smtp}",
                "TIDEMARK_PORT": str(port),
                "TIDEMARK_SECRET": SECRET,
            }
            command = [sys.executable, "-m", "tidemark_notifier"]
            await supervisor.start(Component("notifier", command, lambda: _ready(url), environment=environment))
            sender, database = create_producer(servers), await asyncpg.connect(database_url)
            await sender.start()
            yield _RunningNotifier(sender, mail_server, database, url)
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


async def _send(notifier: _RunningNotifier, topic: Topic, type_: str, data: dict[str, Any], key: str) -> None:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", uuid4().hex.encode()),
        ("ce_source", b"/bench"),
        ("ce_type", type_.encode()),
        ("content-type", b"application/json"),
    ]
    await notifier.producer.send_and_wait(topic.name, json.dumps(data).encode(), key=key.encode(), headers=headers)


async def _wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        while not await condition():  # noqa: ASYNC110 - the condition depends on another process
            await asyncio.sleep(0.05)


def _contract_body(code: str) -> dict[str, Any]:
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


def _balance_body(code: str, revision: int, consumed: int) -> dict[str, Any]:
    figures = {
        "planned": _PLANNED_SECONDS,
        "consumed": consumed,
        "remaining": _PLANNED_SECONDS - consumed,
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


async def _seed(notifier: _RunningNotifier, codes: list[str]) -> None:
    organization = {
        "id": uid("organization"),
        "version": 1,
        "name": "Acme",
        "timezone": "Europe/Berlin",
        "contacts": [],
    }
    await _send(notifier, DIRECTORY, ORGANIZATION_CHANGED, organization, "organization")
    for code in codes:
        await _send(notifier, LIFECYCLE, CONTRACT_EVENTS[0], _contract_body(code), uid(code))
        await _send(notifier, BALANCES, CONTRACT_BALANCE, _balance_body(code, 1, 0), uid(code))
    async with open_client(notifier.url) as client:
        (await client.post("/v1/rules", json=_RULE)).raise_for_status()
    count = "SELECT count(*) FROM notifier.contracts WHERE terms IS NOT NULL AND balance IS NOT NULL"

    async def all_stored() -> bool:
        return bool(await notifier.database.fetchval(count) == len(codes))

    await _wait_until(all_stored)


async def _cross_threshold(
    notifier: _RunningNotifier, codes: list[str], threshold: int, *, pause_seconds: float
) -> list[float]:
    """Raise every contract to this percentage, one per pause, and return the latencies in seconds, sorted."""
    sent = {}
    consumed = _PLANNED_SECONDS * threshold // 100
    sending = []
    for code in codes:
        sent[f"{code} {threshold} %"] = time.perf_counter()
        sending.append(
            asyncio.create_task(
                _send(notifier, BALANCES, CONTRACT_BALANCE, _balance_body(code, threshold, consumed), uid(code))
            )
        )
        await asyncio.sleep(pause_seconds)
    await asyncio.gather(*sending)

    async def all_accepted() -> bool:
        return sent.keys() <= notifier.mail_server.accepted.keys()

    await _wait_until(all_accepted)
    return sorted(notifier.mail_server.accepted[subject] - at for subject, at in sent.items())


async def measure(server_url: str) -> Table:
    """Measure crossings one after another, and all at once."""
    codes = [f"C{number}" for number in range(CONTRACTS)]
    table = Table(title=f"From a balance on Kafka to its mail accepted by the server, {CONTRACTS} contracts, in ms")
    for column in ("crossings", "p50", "p99", "longest"):
        table.add_column(column, justify="left" if column == "crossings" else "right")
    async with _run_notifier(server_url) as notifier:
        await _seed(notifier, codes)
        for name, threshold, pause_seconds in ((f"{PER_SECOND} a second", 80, 1 / PER_SECOND), ("all at once", 100, 0)):
            latencies = await _cross_threshold(notifier, codes, threshold, pause_seconds=pause_seconds)
            indexes = (len(latencies) // 2, len(latencies) * 99 // 100, -1)
            table.add_row(name, *(f"{1000 * latencies[index]:,.0f}" for index in indexes))
    return table
