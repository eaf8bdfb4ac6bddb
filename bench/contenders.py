"""What is measured: Tidemark, floors, and peers."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench import facts
from bench.backlog import (
    CODES,
    CONTRACTS,
    Event,
    Totals,
    as_messages,
    message,
    spread,
)
from bench.peers import install
from bench.stack import Stack, settle
from bench.trials import Contender, Outcome, Run, Trial, UnavailableError, read_cpu, run_clock
from tidemark.stack import ports
from tidemark.stack.processes import Component
from tidemark_shared.database import migrate
from tidemark_shared.messaging.kafka import PARTITION_COUNT
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE, WORKLOGS

# A transaction a record takes minutes for what the rest do in seconds; its rate does not depend on the number.
SLOW_WARM, SLOW_RECORDS = 200, 5_000
BATCH = 20_000
_BOUND_SECONDS = 300
_POLL_SECONDS = 0.2
_PEERS = Path(__file__).with_name("peers")


# Floors: in this process, for they are a loop around one client


async def drain(trial: Trial) -> Outcome:
    """Read all records with one bare consumer and do nothing with them."""
    await trial.loader.publish(trial.topic, map(message, trial.backlog.events()))
    consumer = AIOKafkaConsumer(bootstrap_servers=trial.stack.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(trial.topic, partition) for partition in range(PARTITION_COUNT)])
        remaining_records = trial.backlog.records
        async with run_clock(trial.stack) as clock:
            while remaining_records:
                remaining_records -= sum(map(len, (await consumer.getmany(timeout_ms=1000)).values()))
    finally:
        await consumer.stop()
    return Outcome(trial.backlog.records, clock.seconds, clock.cpu, exact=None)


_FLOOR_TABLE = """
CREATE TABLE worklogs (
  source text NOT NULL, worklog_id text NOT NULL, issue_id text NOT NULL, author_id text, started_at timestamptz,
  seconds integer NOT NULL, deleted boolean NOT NULL, changed_at timestamptz NOT NULL, content bytea NOT NULL,
  PRIMARY KEY (source, worklog_id)
)
"""
_STAGE = "CREATE TEMPORARY TABLE stage ON COMMIT DELETE ROWS AS SELECT * FROM worklogs WITH NO DATA"
_LAST_WRITER = """
INSERT INTO worklogs AS w
  (source, worklog_id, issue_id, author_id, started_at, seconds, deleted, changed_at, content)
SELECT DISTINCT ON (source, worklog_id)
  source, worklog_id, issue_id, author_id, started_at, seconds, deleted, changed_at, content
FROM stage
ORDER BY source, worklog_id, changed_at DESC, deleted DESC, content DESC
ON CONFLICT (source, worklog_id) DO UPDATE SET
  issue_id = excluded.issue_id, author_id = excluded.author_id, started_at = excluded.started_at,
  seconds = excluded.seconds, deleted = excluded.deleted, changed_at = excluded.changed_at, content = excluded.content
WHERE (excluded.changed_at, excluded.deleted, excluded.content) > (w.changed_at, w.deleted, w.content)
"""
_FLOOR_TOTALS = """
SELECT substr(issue_id, 2)::int % 800 AS account, sum(seconds) AS seconds, count(*) AS worklogs
FROM worklogs WHERE NOT deleted GROUP BY 1
"""
_FLOOR_CONNECTIONS = 2


def _copy_row(item: Event, content: bytes) -> str:
    version = item.version
    return (
        f"/tracker\tW{item.worklog}\tI{item.issue}\tperson-{item.author}\t{item.started_at}\t{version.seconds}\t"
        f"{'t' if version.deleted else 'f'}\t{version.changed_at}\t\\\\x{content.hex()}\n"
    )


def _decoded(events: Iterable[Event]) -> list[list[bytes]]:
    """The input of COPY in batches, for each connection: each has half of the partitions."""
    rows: list[list[str]] = [[] for _ in range(_FLOOR_CONNECTIONS)]
    for item in events:
        _, value, _ = message(item)
        rows[item.issue % _FLOOR_CONNECTIONS].append(_copy_row(item, value))
    return [["".join(part[at : at + BATCH]).encode() for at in range(0, len(part), BATCH)] for part in rows]


async def _upsert_all(connection: asyncpg.Connection, batches: Iterable[bytes]) -> None:
    for batch in batches:
        async with connection.transaction():
            await connection.copy_to_table("stage", source=BytesIO(batch), format="text")
            await connection.execute(_LAST_WRITER)


async def database_floor(trial: Trial) -> Outcome:
    """Write records that were decoded before: COPY to a stage and one last-writer upsert a batch."""
    warm, batches = _decoded(trial.backlog.warm_events()), _decoded(trial.backlog.events())
    connections = [await asyncpg.connect(trial.url) for _ in batches]
    try:
        await connections[0].execute(_FLOOR_TABLE)
        for connection, part in zip(connections, warm, strict=True):
            await connection.execute(_STAGE)
            await _upsert_all(connection, part)
        await settle(trial.url)
        async with run_clock(trial.stack) as clock:
            await asyncio.gather(*map(_upsert_all, connections, batches))
        exact = _as_totals(await trial.fetch(_FLOOR_TOTALS)) == trial.backlog.final_totals()
    finally:
        for connection in connections:
            await connection.close()
    return Outcome(trial.backlog.records, clock.seconds, clock.cpu, exact)


# Contenders that are processes of their own


@dataclass(frozen=True)
class Figures:
    """Where a contender shows its figures: a cheap query for their sum, and one for each account."""

    total: str
    accounts: str
    is_in_total: Callable[[int], bool] = lambda _: True

    def expected(self, totals: Totals) -> tuple[int, int]:
        """What the cheap query answers when the figures are these."""
        parts = [figures for account, figures in totals.items() if self.is_in_total(account)]
        return sum(seconds for seconds, _ in parts), sum(worklogs for _, worklogs in parts)


def _as_totals(rows: Iterable[asyncpg.Record]) -> Totals:
    return {row["account"]: (int(row["seconds"]), int(row["worklogs"])) for row in rows if row["worklogs"]}


async def _wait_until_exact(trial: Trial, figures: Figures, totals: Totals, part: str) -> float:
    """The moment when the figures are exactly these."""
    connection = await asyncpg.connect(trial.url)
    expected, row = figures.expected(totals), None
    try:
        async with asyncio.timeout(_BOUND_SECONDS):
            while True:
                asked_at = time.perf_counter()
                row = await connection.fetchrow(figures.total)
                if tuple(map(int, row)) == expected and _as_totals(await connection.fetch(figures.accounts)) == totals:
                    return asked_at
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise UnavailableError(
            f"not exact after {_BOUND_SECONDS} s: (seconds, worklogs) {tuple(row or ())} instead of {expected}; "
            f"{trial.stack.log_tail(part)}"
        ) from None
    finally:
        await connection.close()


async def _measure_process(trial: Trial, figures: Figures, part: Component) -> Outcome:
    """Start, warm, suspend, publish, resume, and wait for the figures."""
    backlog = trial.backlog
    built = trial.loader.build(spread(map(message, backlog.events())))
    final = backlog.final_totals()
    await trial.loader.publish(trial.topic, map(message, backlog.warm_events()))
    async with trial.stack.running(part):
        await _wait_until_exact(trial, figures, backlog.warm_totals(), part.name)
        await settle(trial.url)
        with trial.stack.suspended([part.name]):
            await trial.loader.send(trial.topic, built)
            before = read_cpu(trial.stack, part.name)
            begun = time.perf_counter()
        seconds = await _wait_until_exact(trial, figures, final, part.name) - begun
        after = read_cpu(trial.stack, part.name)
        # Figures that pass through the right values are not figures that stay.
        await asyncio.sleep(1)
        exact = _as_totals(await trial.fetch(figures.accounts)) == final
    return Outcome(backlog.records, seconds, {name: after[name] - before[name] for name in after}, exact)


_TIDEMARK = Figures(
    "SELECT coalesce(sum(consumed_seconds), 0), coalesce(sum(worklog_count), 0) FROM reporting.contracts",
    f"""
    SELECT
      substr(contract_code, 2)::int + {CONTRACTS} * substr(account_name, 9)::int AS account,
      consumed_seconds AS seconds, worklog_count AS worklogs
    FROM reporting.account_totals
    """,  # noqa: S608 - a constant
    # A contract's total is that of its billable accounts; the first account is not billable.
    lambda account: account >= CONTRACTS,
)


async def tidemark(trial: Trial) -> Outcome:
    """The product's own process, every rule on."""
    await migrate(trial.url, "consumption")
    contracts = [facts.contract(code) for code in CODES]
    for topic, records in ((LIFECYCLE, contracts), (DIRECTORY, facts.teams()), (WORKLOGS, facts.links(CODES))):
        await trial.loader.publish(trial.prefix + topic.name, as_messages(records))
    return await _measure_process(trial, _TIDEMARK, consumption(trial.stack, trial.url, trial.prefix))


def consumption(stack: Stack, url: str, prefix: str = "") -> Component:
    """The consumption service."""
    port = ports.find_free()
    environment = {
        "TIDEMARK_DATABASE_URL": url,
        "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS": stack.bootstrap,
        "TIDEMARK_TOPIC_PREFIX": prefix,
        "TIDEMARK_PORT": str(port),
        "TIDEMARK_SECRET": uuid4().hex,
        "TIDEMARK_LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, "-m", "tidemark_consumption"]
    return Component("consumption", command, lambda: listens(port), environment=environment)


async def listens(port: int) -> bool:
    """Whether something listens on a port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


_SINK = """
CREATE TABLE account_totals (account integer PRIMARY KEY, seconds bigint NOT NULL, worklogs bigint NOT NULL);
CREATE TABLE worklogs (
  worklog_id text PRIMARY KEY, account integer NOT NULL, seconds integer NOT NULL, deleted boolean NOT NULL,
  changed_at timestamptz NOT NULL
)
"""
_PEER = Figures(
    "SELECT coalesce(sum(seconds), 0)::bigint, coalesce(sum(worklogs), 0)::bigint FROM account_totals",
    "SELECT account, seconds, worklogs FROM account_totals",
)


def peer(name: str, command: Callable[[], list[str]]) -> Run:
    """A contender that writes to a table of sums; ``command`` makes it available, or says why it is not."""

    async def run(trial: Trial) -> Outcome:
        try:
            arguments = await asyncio.to_thread(command)
        except install.InstallError as reason:
            raise UnavailableError(str(reason)) from None
        connection = await asyncpg.connect(trial.url)
        await connection.execute(_SINK)
        await connection.close()
        address, _, database = trial.url.rpartition("@")[2].partition("/")
        user, _, password = trial.url.removeprefix("postgresql://").rpartition("@")[0].partition(":")
        environment = {
            "BENCH_BOOTSTRAP": trial.stack.bootstrap,
            "BENCH_TOPIC": trial.topic,
            "BENCH_DATABASE_URL": trial.url,
            "BENCH_JDBC_URL": f"jdbc:postgresql://{address}/{database}",
            "BENCH_USER": user,
            "BENCH_PASSWORD": password,
            "BENCH_FOLDER": str(trial.stack.folder / f"{name}-{trial.prefix}"),
        }
        part = Component(name, arguments, _started, environment=environment)
        return await _measure_process(trial, _PEER, part)

    return run


async def _started() -> bool:
    """A peer has no address to ask: its first figures are waited for."""
    return True


CONTENDERS = {
    "drain": Contender("drain by bare aiokafka", drain, "Reads only."),
    "floor": Contender(
        "floor of the database", database_floor, "Decoded before the clock starts; keeps the latest version; no sums."
    ),
    "tidemark": Contender("Tidemark", tidemark, "Every rule on; every version kept; any figure as of any moment."),
    "faststream": Contender(
        "FastStream, a transaction a record",
        peer("faststream", lambda: [sys.executable, str(_PEERS / "faststream_handler.py")]),
        f"{SLOW_RECORDS:,} records. Last-writer sums by account alone; keeps the latest version; at least once.",
        SLOW_WARM,
        SLOW_RECORDS,
    ),
    "flink": Contender(
        "Flink SQL",
        peer("flink", install.flink),
        "Last-writer sums by account alone. The versions are in Flink's state, not in Postgres; a bad record stops "
        "the job; ties are decided by arrival; after a crash older sums may show again for a while.",
    ),
    "kafka-streams": Contender(
        "Kafka Streams",
        peer("kafka-streams", install.kafka_streams),
        "Last-writer sums by account alone. The versions are in its changelog topics, not in Postgres; a bad record "
        "stops it; exactly once to Kafka, at least once to Postgres; between a subtraction and its addition a sum is "
        "wrong for a moment.",
    ),
    "pathway": Contender(
        "Pathway",
        peer("pathway", install.pathway),
        "Last-writer sums by account alone. No snapshots: a restart reads the topic again from its begin; versions "
        "are in memory.",
    ),
}
