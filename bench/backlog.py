"""A backlog of worklog events, the same for the same size; its exact figures; and a quick way onto a topic."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple
from zlib import crc32

from aiokafka import AIOKafkaProducer, ConsumerRecord

from bench.facts import ACCOUNTS, DAYS, ISSUES, PEOPLE
from tidemark_shared.messaging.events import WORKLOG_DELETED, WORKLOG_RECORDED
from tidemark_shared.messaging.kafka import PARTITION_COUNT

CONTRACTS = 200
CODES = [f"C{number}" for number in range(CONTRACTS)]
# Every third correction is older than what it would replace, and must lose.
CORRECTION_EVERY, LOSER_EVERY, DELETION_EVERY = 33, 99, 200
BATCH_BYTES = 512 * 1024

_DESCRIPTION = "Looked into it, and wrote down what the cause is. The customer tests it now, and will answer."
_DAYS = [str(date(2026, 1, 5) + timedelta(days=day)) for day in range(DAYS + 2)]

Header = tuple[str, bytes]


class Message(NamedTuple):
    """A record to publish."""

    key: bytes
    value: bytes
    headers: list[Header]


class Version(NamedTuple):
    """A version of a worklog; the greatest wins. ``account`` is a number: see :func:`account_of`."""

    changed_at: str
    deleted: bool
    seconds: int
    account: int


class Event(NamedTuple):
    """A version with what else the event says."""

    worklog: int
    issue: int
    author: int
    started_at: str
    version: Version


Totals = dict[int, tuple[int, int]]


def account_of(issue: int) -> int:
    """The account as one number: contract + 200 * account, as ``bench.facts.links`` spreads issues."""
    return issue % (CONTRACTS * ACCOUNTS)


def event(number: int) -> Event:
    """The event with this number: new work, or one in 33 a correction, or one in 200 a deletion."""
    corrects = number % CORRECTION_EVERY == 0 and number > CORRECTION_EVERY
    deleted = not corrects and number % DELETION_EVERY == 0 and number > DELETION_EVERY
    worklog = number - CORRECTION_EVERY // 2 if corrects or deleted else number
    issue, day, minute = worklog * 7919 % ISSUES, worklog * 31 % DAYS, worklog % 480
    clock = f"{8 + minute // 60:02}:{minute % 60:02}"
    # New work is written the day after at second 10; what corrects or deletes it, earlier or later.
    second = 10 if not (corrects or deleted) else 5 if number % LOSER_EVERY == 0 else 20 + number % 30
    changed_at = f"{_DAYS[day + 1]}T{clock}:{second:02}Z"
    version = Version(changed_at, deleted, 0 if deleted else 60 + number % 7_200, account_of(issue))
    return Event(worklog, issue, worklog * 13 % PEOPLE, f"{_DAYS[day]}T{clock}:00Z", version)


_HEADERS: list[Header] = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"0f8fad5b-d9cb-469f-a165-70867728950e"),
    ("ce_source", b"/tracker"),
    ("content-type", b"application/json"),
]
_RECORDED = [*_HEADERS, ("ce_type", WORKLOG_RECORDED.encode())]
_DELETED = [*_HEADERS, ("ce_type", WORKLOG_DELETED.encode())]


def message(item: Event) -> Message:
    """The event as a tracker publishes it, keyed by its issue."""
    key = f"I{item.issue}".encode()
    if item.version.deleted:
        value = (
            f'{{"worklog_id": "W{item.worklog}", "issue_id": "I{item.issue}", '
            f'"deleted_at": "{item.version.changed_at}"}}'
        )
        return Message(key, value.encode(), _DELETED)
    value = (
        f'{{"worklog_id": "W{item.worklog}", "issue_id": "I{item.issue}", "author_id": "person-{item.author}", '
        f'"started_at": "{item.started_at}", "seconds": {item.version.seconds}, '
        f'"description": "{_DESCRIPTION}", "updated_at": "{item.version.changed_at}"}}'
    )
    return Message(key, value.encode(), _RECORDED)


@dataclass(frozen=True)
class Backlog:
    """Records to warm a contender with, then those that are measured."""

    warm: int
    records: int

    def warm_events(self) -> Iterator[Event]:
        """Those before the clock starts."""
        return map(event, range(self.warm))

    def events(self) -> Iterator[Event]:
        """Those that count."""
        return map(event, range(self.warm, self.warm + self.records))

    def warm_totals(self) -> Totals:
        """What a contender shows when it is warm."""
        return totals(self.warm_events())

    def final_totals(self) -> Totals:
        """What it shows at the end, worked out by a dict."""
        return totals(map(event, range(self.warm + self.records)))


def totals(events: Iterable[Event]) -> Totals:
    """Seconds and worklogs of each account that has any: the reference."""
    latest: dict[int, Version] = {}
    for item in events:
        if (previous := latest.get(item.worklog)) is None or item.version > previous:
            latest[item.worklog] = item.version
    sums: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for version in latest.values():
        if not version.deleted:
            account = sums[version.account]
            account[0] += version.seconds
            account[1] += 1
    return {account: (seconds, worklogs) for account, (seconds, worklogs) in sums.items()}


def spread(messages: Iterable[Message]) -> list[list[Message]]:
    """The messages by partition: a key is always in the same one."""
    partitions: list[list[Message]] = [[] for _ in range(PARTITION_COUNT)]
    for item in messages:
        partitions[crc32(item.key) % PARTITION_COUNT].append(item)
    return partitions


def as_messages(records: Sequence[ConsumerRecord]) -> list[Message]:
    """What ``bench.facts`` makes, to be published; keyed by its number."""
    return [Message(str(number).encode(), record.value, record.headers) for number, record in enumerate(records)]


class Loader:
    """Puts messages on topics in large batches that were built before."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    def build(self, partitions: Sequence[Sequence[Message]]) -> list[tuple[int, object]]:
        """Batches ready to send."""
        built = []
        for partition, messages in enumerate(partitions):
            batch = None
            for key, value, headers in messages:
                if batch is None or not batch.append(timestamp=None, key=key, value=value, headers=headers):
                    batch = self._producer.create_batch()
                    batch.append(timestamp=None, key=key, value=value, headers=headers)
                    built.append((partition, batch))
        for _, batch in built:
            batch.close()
        return built

    async def send(self, topic: str, built: Sequence[tuple[int, object]]) -> None:
        """Send batches in their order; returns when Kafka has them all."""
        sent = [await self._producer.send_batch(batch, topic, partition=partition) for partition, batch in built]
        for future in sent:
            await future

    async def publish(self, topic: str, messages: Iterable[Message]) -> None:
        """Build and send."""
        await self.send(topic, self.build(spread(messages)))


def loader_producer(bootstrap: str) -> AIOKafkaProducer:
    """A producer for :class:`Loader`."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", max_batch_size=BATCH_BYTES, max_request_size=4 * BATCH_BYTES
    )
