"""How far a group is behind: in records, and in the seconds that the oldest of them has waited."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from tidemark_shared import metrics

ANSWER_TIMEOUT_SECONDS = 5.0
# One for each second in which records arrive: what waits longer than they reach back is shown as waiting that long.
_MAX_ARRIVALS = 1_800

_LABELS = ("topic", "partition")
_RECORDS = metrics.gauge(
    "tidemark_consumer_lag_records",
    "Records of a partition that the service has not processed, as of its last check. Each process of a service "
    "shows all partitions: take the greatest, not the sum.",
    *_LABELS,
)
_SECONDS = metrics.gauge(
    "tidemark_consumer_lag_seconds",
    "How long the oldest of these records has waited, as far as this process has seen (it looks every second).",
    *_LABELS,
)
_CHECKED = metrics.gauge(
    "tidemark_consumer_check_timestamp_seconds",
    "When Kafka and the database last answered how far the process is behind, in seconds since 1970.",
)


class LagClock:
    """When the partitions ended where; from that, how long the oldest record waits. Pure."""

    def __init__(self) -> None:
        self._arrivals: defaultdict[TopicPartition, deque[tuple[int, float]]] = defaultdict(deque)

    def waited_seconds(self, tp: TopicPartition, next_offset: int, end: int, now: float) -> float:
        """How long the record at ``next_offset`` has waited, where the partition ends at ``end`` ``now``."""
        arrivals = self._arrivals[tp]
        # A topic that was created again begins again.
        if arrivals and end < arrivals[-1][0]:
            arrivals.clear()
        while arrivals and arrivals[0][0] <= next_offset:
            arrivals.popleft()
        if end > (arrivals[-1][0] if arrivals else next_offset) and len(arrivals) < _MAX_ARRIVALS:
            arrivals.append((end, now))
        return now - arrivals[0][1] if arrivals else 0.0


def show_lag(
    clock: LagClock, prefix: str, ends: Mapping[TopicPartition, int], stored: Mapping[TopicPartition, int]
) -> None:
    """Set the gauges: where partitions end, and the next offset of each that was read."""
    now = time.monotonic()
    for tp, end in ends.items():
        if (next_offset := stored.get(tp)) is not None:
            labels = tp.topic.removeprefix(prefix), tp.partition
            _RECORDS.labels(*labels).set(max(end - next_offset, 0))
            _SECONDS.labels(*labels).set(clock.waited_seconds(tp, next_offset, end, now))
    _CHECKED.set_to_current_time()


async def fetch_end_offsets(
    client: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    """The end offsets of the partitions whose leaders answer: one that is down must not hide the others."""

    async def fetch_end_offset(tp: TopicPartition) -> int:
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
            return int((await client.end_offsets([tp]))[tp])

    results = await asyncio.gather(*map(fetch_end_offset, partitions), return_exceptions=True)
    ends = {tp: end for tp, end in zip(partitions, results, strict=True) if isinstance(end, int)}
    if not ends:
        raise TimeoutError("No partition leader answers.")
    return ends
