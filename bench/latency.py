"""At a steady rate: from a worklog published to the figure that shows it, and to the mail that it causes."""

import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from itertools import count, islice

import asyncpg
from aiokafka import AIOKafkaProducer
from aiosmtpd.smtp import SMTP, Envelope, Session
from rich.box import MARKDOWN
from rich.console import Group
from rich.table import Table

from bench import facts
from bench.api import SECRET, open_client
from bench.backlog import (
    CODES,
    CONTRACTS,
    Event,
    Loader,
    Message,
    Version,
    as_messages,
    event,
    loader_producer,
    message,
    totals,
)
from bench.contenders import consumption, listens
from bench.stack import SERVERS, Stack, running_stack, settle
from bench.trials import WARM
from tidemark.stack import ports
from tidemark.stack.processes import Component
from tidemark_shared.database import migrate
from tidemark_shared.messaging.events import CONTRACT_EVENTS, ISSUE_LINKED, ORGANIZATION_CHANGED
from tidemark_shared.messaging.kafka import create_producer, create_topics
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE, WORKLOGS

DEFAULT_RATE, DEFAULT_SECONDS = 1_000, 20
# At the same rate, before anything is measured: after the preparation each connection plans its queries again.
WARM_UP_SECONDS = 3
# Contracts of 40 h, each taken across its threshold by one worklog, evenly over the time.
CROSSINGS = 200
_WATCHED = CODES[:5]
_TICK_SECONDS, _POLL_SECONDS = 0.01, 0.02
_BOUND_SECONDS = 120
_CROSSING_CODES = [f"X{number}" for number in range(CROSSINGS)]
_RULE = {
    "name": "Warn",
    "scope": {"kind": "global"},
    "trigger": {"kind": "consumed_percent", "of": "contract", "over": "whole", "at": ["80"]},
    "receivers": [{"kind": "owner"}],
    "channels": ["email"],
    "subject": "{contract_code} {threshold}",
}
_PARTS = ("consumption", "notifier", *SERVERS)


class _Sink:
    """A mail server that notes when it accepted which mail, by its subject."""

    def __init__(self) -> None:
        self.accepted: dict[str, float] = {}

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        self.accepted[message_from_bytes(envelope.content or b"")["Subject"]] = time.perf_counter()  # type: ignore[arg-type]
        return "250 OK"


@dataclass
class _Timing:
    """When each worklog of a contract was published and shown: both in their order."""

    published: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    shown: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def seconds(self, since: float) -> list[float]:
        """How long each took that was published ``since``, the shortest first."""
        return sorted(
            shown - published
            for code in self.published
            for published, shown in zip(self.published[code], self.shown[code], strict=True)
            if published >= since
        )


def _new_work() -> Iterable[Event]:
    """New work alone, after what warmed the services: each adds one to its contract's count."""
    return (item for number in count(WARM) if (item := event(number)).worklog == number)


def _message(type_: str, key: str, data: object) -> Message:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", key.encode()),
        ("ce_source", b"/tracker"),
        ("ce_type", type_.encode()),
        ("content-type", b"application/json"),
    ]
    return Message(key.encode(), json.dumps(data).encode(), headers)


def _small_contract(code: str) -> Message:
    """A contract of 40 h with one account."""
    data = json.loads(facts.contract(code).value or b"")
    account = {"id": facts.uid(f"account {code} 0"), "name": "Account 0", "billable": True, "planned_hours": "40"}
    data["terms"] |= {"recurrence": "none", "contracted_hours": "40", "accounts": [account]}
    return _message(CONTRACT_EVENTS[0], code, data)


def _link(number: int) -> Message:
    at = "2026-01-01T00:00:00Z"
    data = {
        "issue_id": f"I{facts.ISSUES + number}",
        "contract_id": _CROSSING_CODES[number],
        "account_id": "Account 0",
        "created_at": at,
        "updated_at": at,
    }
    return _message(ISSUE_LINKED, data["issue_id"], data)


def _crossing(number: int) -> Message:
    """33 h of work on a contract of 40 h."""
    day = "2026-02-02"
    version = Version(f"{day}T20:00:00Z", deleted=False, seconds=33 * 3600, account=0)
    return message(Event(10**9 + number, facts.ISSUES + number, number, f"{day}T08:00:00Z", version))


_ORGANIZATION = {
    "id": facts.uid("organization"),
    "version": 1,
    "name": "Acme",
    "timezone": "Europe/Berlin",
    "contacts": [],
}


def _notifier(stack: Stack, url: str, smtp: int, port: int) -> Component:
    environment = {
        "TIDEMARK_DATABASE_URL": url,
        "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS": stack.bootstrap,
        "TIDEMARK_SMTP_URL": f"smtp://127.0.0.1:{smtp}",
        "TIDEMARK_PORT": str(port),
        "TIDEMARK_SECRET": SECRET,
        "TIDEMARK_LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, "-m", "tidemark_notifier"]
    return Component("notifier", command, lambda: listens(port), environment=environment)


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_BOUND_SECONDS):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(_POLL_SECONDS)


async def _prepare(stack: Stack, connection: asyncpg.Connection, notifier_url: str) -> None:
    """Contracts, teams, links, earlier work and the rule: counted and read before anything is measured."""
    warm = [event(number) for number in range(WARM)]
    sender = loader_producer(stack.bootstrap)
    await sender.start()
    loader = Loader(sender)
    contracts = [*as_messages([facts.contract(code) for code in CODES]), *map(_small_contract, _CROSSING_CODES)]
    organization = _message(ORGANIZATION_CHANGED, "organization", _ORGANIZATION)
    await loader.publish(DIRECTORY.name, [organization, *as_messages(facts.teams())])
    await loader.publish(LIFECYCLE.name, contracts)
    await loader.publish(WORKLOGS.name, [*as_messages(facts.links(CODES)), *map(_link, range(CROSSINGS))])
    await loader.publish(WORKLOGS.name, map(message, warm))
    await sender.stop()
    async with open_client(notifier_url) as client:
        (await client.post("/v1/rules", json=_RULE)).raise_for_status()
    expected = sum(worklogs for account, (_, worklogs) in totals(warm).items() if account >= CONTRACTS)

    async def counted() -> bool:
        return bool(await connection.fetchval("SELECT sum(worklog_count) FROM reporting.contracts") == expected)

    async def balances_read() -> bool:
        query = "SELECT count(*) FROM notifier.contracts WHERE terms IS NOT NULL AND balance IS NOT NULL"
        return bool(await connection.fetchval(query) == len(contracts))

    await _until(counted)
    await _until(balances_read)


async def _publish(
    sender: AIOKafkaProducer,
    work: Iterator[Event],
    timing: _Timing,
    *,
    rate: int,
    seconds: float,
    crossed: dict[str, float] | None = None,
) -> None:
    """At the rate, in small ticks; among the work, the crossings."""
    a_tick, ticks = round(rate * _TICK_SECONDS), round(seconds / _TICK_SECONDS)
    begun = time.perf_counter()
    sending = []

    async def send(item: Message) -> float:
        sending.append(await sender.send(WORKLOGS.name, item.value, key=item.key, headers=item.headers))
        return time.perf_counter()

    for tick in range(ticks):
        await asyncio.sleep(begun + tick * _TICK_SECONDS - time.perf_counter())
        for item in islice(work, a_tick):
            contract, billable = item.version.account % CONTRACTS, item.version.account >= CONTRACTS
            at = await send(message(item))
            if billable and CODES[contract] in _WATCHED:
                timing.published[CODES[contract]].append(at)
        if crossed is not None and tick % (ticks // CROSSINGS) == 0:
            number = tick // (ticks // CROSSINGS)
            crossed[f"{_CROSSING_CODES[number]} 80 %"] = await send(_crossing(number))
    await asyncio.gather(*sending)


async def _watch(connection: asyncpg.Connection, timing: _Timing, ended: asyncio.Event, seconds: float) -> None:
    """Note when each further worklog of the watched contracts shows in the tables for operations teams."""
    # By id: the figures of a few contracts, which cost the database little.
    query = (
        "SELECT contract_code, sum(worklog_count)::bigint AS worklog_count FROM reporting.contract_periods "
        "WHERE contract_id = ANY ($1::uuid []) GROUP BY contract_code"
    )
    watched = [facts.uid(f"contract {code}") for code in _WATCHED]
    counts = {row["contract_code"]: row["worklog_count"] for row in await connection.fetch(query, watched)}
    async with asyncio.timeout(WARM_UP_SECONDS + seconds + _BOUND_SECONDS):
        while not ended.is_set() or any(len(timing.shown[code]) < len(timing.published[code]) for code in _WATCHED):
            rows, now = await connection.fetch(query, watched), time.perf_counter()
            for code, worklogs in rows:
                timing.shown[code] += [now] * (worklogs - counts[code])
                counts[code] = worklogs
            await asyncio.sleep(_POLL_SECONDS)


@asynccontextmanager
async def _mail_server(sink: _Sink) -> AsyncIterator[int]:
    port = ports.find_free()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(sink, hostname="sink", enable_SMTPUTF8=True), "127.0.0.1", port
    )
    try:
        yield port
    finally:
        server.close()


async def measure(rate: int, seconds: int) -> Group:
    """One run with ``rate`` worklogs a second: it takes half a minute more than ``seconds``."""
    sink, timing, crossed, ended = _Sink(), _Timing(), dict[str, float](), asyncio.Event()
    port = ports.find_free()
    async with running_stack() as stack, stack.database() as url, _mail_server(sink) as smtp:
        await create_topics(stack.bootstrap)
        await migrate(url, "consumption")
        await migrate(url, "notifier")
        connection = await asyncpg.connect(url)
        async with stack.running(consumption(stack, url), _notifier(stack, url, smtp, port)):
            await _prepare(stack, connection, f"http://127.0.0.1:{port}")
            await settle(url)
            sender = create_producer(stack.bootstrap)
            await sender.start()
            watching, work = asyncio.create_task(_watch(connection, timing, ended, seconds)), iter(_new_work())
            await _publish(sender, work, timing, rate=rate, seconds=WARM_UP_SECONDS)
            before, begun = {part: stack.cpu_seconds([part]) for part in _PARTS}, time.perf_counter()
            await _publish(sender, work, timing, rate=rate, seconds=seconds, crossed=crossed)
            elapsed = time.perf_counter() - begun
            cores = {part: (stack.cpu_seconds([part]) - before[part]) / elapsed for part in _PARTS}
            ended.set()
            await watching
            await _until(lambda: _all_accepted(sink, crossed))
            await sender.stop()
        deadlocks = await connection.fetchval(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        await connection.close()
    title = f"{rate:,} worklogs/s for {seconds:,} s, from publishing, in ms"
    mails = sorted(sink.accepted[subject] - at for subject, at in crossed.items())
    return _report({"figure": timing.seconds(begun), "mail accepted": mails}, cores, title, deadlocks)


async def _all_accepted(sink: _Sink, crossed: dict[str, float]) -> bool:
    return crossed.keys() <= sink.accepted.keys()


def _report(taken: dict[str, list[float]], cores: dict[str, float], title: str, deadlocks: int) -> Group:
    table = Table(title=title, box=MARKDOWN)
    for column in ("to", "samples", "p50", "p99", "longest"):
        table.add_column(column, justify="left" if column == "to" else "right")
    for name, seconds in taken.items():
        percentiles = (seconds[len(seconds) // 2], seconds[len(seconds) * 99 // 100], seconds[-1])
        table.add_row(name, f"{len(seconds):,}", *(f"{1000 * value:,.0f}" for value in percentiles))
    shares = ", ".join(f"{part} {share:.2f}" for part, share in cores.items())
    return Group(
        table, "", f"Share of a core: {shares}. Postgres answers the poll for figures too. Deadlocks: {deadlocks}."
    )
