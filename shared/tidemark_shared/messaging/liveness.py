"""Whether a Kafka client still makes progress. aiokafka starts none of its background tasks again once one has died."""

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

# How long a client may make no progress until it is replaced; each replacement that does not help doubles it.
STUCK_SECONDS = 10.0
_MOST_STUCK_SECONDS = 60.0
# How long replacing may not help until the process should be restarted.
DEAD_SECONDS = 120.0


class ClientHealth:
    """Whether the client makes progress, by what the watch sees of it."""

    def __init__(self) -> None:
        now = time.monotonic()
        self.looked_at = self._answered_at = self._replaced_at = now
        self._failing_since: float | None = None
        self._patience = STUCK_SECONDS
        self._is_dead = False
        self._behind: dict[TopicPartition, tuple[int, float]] = {}
        self._silent: dict[TopicPartition, float] = {}
        self._cause: set[tuple[TopicPartition, int]] = set()

    def answered(self, behind: Mapping[TopicPartition, int], silent: Collection[TopicPartition] = ()) -> None:
        """Kafka answered.

        ``behind`` are the offsets where a worker waits although there are records; ``silent`` are the partitions
        whose leaders did not answer.
        """
        self._answered_at = now = time.monotonic()
        before = self._behind
        self._behind = {
            tp: before[tp] if before.get(tp, (-1, 0))[0] == offset else (offset, now) for tp, offset in behind.items()
        }
        self._silent = {tp: self._silent.get(tp, now) for tp in silent}

    def moved(self, stored: Mapping[TopicPartition, int]) -> None:
        """Kafka and the database answered; where no client was stuck, or what was stuck has moved, all is well."""
        self.looked_at = time.monotonic()
        if not any(stored.get(tp) == offset for tp, offset in self._cause):
            self._failing_since, self._cause = None, set()
            if not self._silent:
                self._patience = STUCK_SECONDS

    def unreachable(self) -> None:
        """Not even a new client reaches Kafka: that is no fault of this process, and a restart would not help."""
        self._failing_since = None

    def died(self) -> None:
        """A background task of the client has ended."""
        self._is_dead = True

    def reason_to_replace(self) -> str:
        """Why the client should be replaced now; empty where there is no reason, or where it is too early."""
        now = time.monotonic()
        stuck = {(tp, offset) for tp, (offset, since) in self._behind.items() if now - since > STUCK_SECONDS}
        silent = [tp for tp, since in self._silent.items() if now - since > STUCK_SECONDS]
        is_failing = True
        if stuck:
            tp, offset = min(stuck)
            reason = f"records wait at {tp.topic}/{tp.partition} from offset {offset} on, and the client brings none"
        elif self._is_dead:
            reason = "a background task of the client has ended"
        elif now - self._answered_at > STUCK_SECONDS:
            reason = f"Kafka has not answered the client for {now - self._answered_at:.0f} s"
        elif silent:
            # A new client may know the leader better. Where there is none, no restart helps.
            reason, is_failing = f"the leader of {silent[0].topic}/{silent[0].partition} has not answered", False
        else:
            return ""
        self._cause |= stuck
        if is_failing:
            self._failing_since = self._failing_since or now
        return reason if now - self._replaced_at > self._patience else ""

    def replaced(self) -> None:
        """Give the new client time, and each further one more."""
        self._replaced_at = self._answered_at = time.monotonic()
        self._behind, self._silent, self._is_dead = {}, {}, False
        self._patience = min(self._patience * 2, _MOST_STUCK_SECONDS)

    def failures(self) -> list[str]:
        """Why the process should be restarted."""
        if self._failing_since is None:
            return []
        seconds = time.monotonic() - self._failing_since
        if seconds <= DEAD_SECONDS:
            return []
        sentence = (
            f"The consumer has made no progress for {seconds:.0f} s, and a new connection to Kafka has not helped. "
            "Restart this process; its log says what was tried."
        )
        return [sentence]


def background_tasks(client: AIOKafkaConsumer) -> list["asyncio.Task[Any]"]:
    """The tasks that a client cannot do without; aiokafka starts none of them again."""
    tasks = (
        client._client._sync_task,  # noqa: SLF001 - aiokafka has no other way to see them
        client._fetcher and client._fetcher._fetch_task,  # noqa: SLF001
        client._coordinator and client._coordinator._coordination_task,  # noqa: SLF001
    )
    return [task for task in tasks if task]
