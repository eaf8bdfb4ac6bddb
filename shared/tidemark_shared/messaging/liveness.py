"""Whether a Kafka client still makes progress. aiokafka does not restart a background task that has died."""

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

# A client without progress is replaced after this time. Each replacement that does not help doubles it.
STUCK_SECONDS = 10.0
_MAX_STUCK_SECONDS = 60.0
# If replacements do not help for this long, the process should be restarted.
DEAD_SECONDS = 120.0


class ClientHealth:
    """Whether the client makes progress, according to what the consumer's watch records here."""

    def __init__(self) -> None:
        now = time.monotonic()
        self.checked_at = self._answered_at = self._replaced_at = now
        self._failing_since: float | None = None
        self._stuck_limit = STUCK_SECONDS
        self._is_dead = False
        self._behind: dict[TopicPartition, tuple[int, float]] = {}
        self._silent: dict[TopicPartition, float] = {}
        self._stuck: set[tuple[TopicPartition, int]] = set()

    def record_answer(self, behind: Mapping[TopicPartition, int], silent: Collection[TopicPartition] = ()) -> None:
        """Kafka has answered.

        ``behind`` has the offsets at which a worker waits although there are records; ``silent`` has the partitions
        whose leaders did not answer.
        """
        self._answered_at = now = time.monotonic()
        previous = self._behind
        self._behind = {
            tp: previous[tp] if previous.get(tp, (-1, 0))[0] == offset else (offset, now)
            for tp, offset in behind.items()
        }
        self._silent = {tp: self._silent.get(tp, now) for tp in silent}

    def record_offsets(self, stored: Mapping[TopicPartition, int]) -> None:
        """Kafka and the database have answered. If no partition is stuck at its stored offset, the client works."""
        self.checked_at = time.monotonic()
        if not any(stored.get(tp) == offset for tp, offset in self._stuck):
            self._failing_since, self._stuck = None, set()
            if not self._silent:
                self._stuck_limit = STUCK_SECONDS

    def record_unreachable(self) -> None:
        """A new client cannot reach Kafka either, so a restart of this process would not help."""
        self._failing_since = None

    def record_dead_task(self) -> None:
        """A background task of the client has ended."""
        self._is_dead = True

    def reason_to_replace(self) -> str:
        """Why the client should be replaced now; empty if there is no reason or it is too early."""
        now = time.monotonic()
        stuck = {(tp, offset) for tp, (offset, since) in self._behind.items() if now - since > STUCK_SECONDS}
        silent = [tp for tp, since in self._silent.items() if now - since > STUCK_SECONDS]
        is_failing = True
        if stuck:
            tp, offset = min(stuck)
            reason = (
                f"records wait in {tp.topic}/{tp.partition} from offset {offset}, and the client does not fetch them"
            )
        elif self._is_dead:
            reason = "a background task of the client has ended"
        elif now - self._answered_at > STUCK_SECONDS:
            reason = f"Kafka has not answered the client for {now - self._answered_at:.0f} s"
        elif silent:
            # A new client may find the leader. If there is no leader, a restart does not help.
            reason, is_failing = f"the leader of {silent[0].topic}/{silent[0].partition} has not answered", False
        else:
            return ""
        self._stuck |= stuck
        if is_failing:
            self._failing_since = self._failing_since or now
        return reason if now - self._replaced_at > self._stuck_limit else ""

    def record_replacement(self) -> None:
        """The client was replaced: give the new client time, and each further client more."""
        self._replaced_at = self._answered_at = time.monotonic()
        self._behind, self._silent, self._is_dead = {}, {}, False
        self._stuck_limit = min(self._stuck_limit * 2, _MAX_STUCK_SECONDS)

    def failures(self) -> list[str]:
        """Reasons to restart the process."""
        if self._failing_since is None:
            return []
        seconds = time.monotonic() - self._failing_since
        if seconds <= DEAD_SECONDS:
            return []
        failure = (
            f"The consumer has made no progress for {seconds:.0f} s, and a new connection to Kafka has not helped. "
            "Restart this process. Its log has the details."
        )
        return [failure]


def background_tasks(client: AIOKafkaConsumer) -> list["asyncio.Task[Any]"]:
    """The background tasks that a client needs; aiokafka does not restart them."""
    tasks = (
        client._client._sync_task,  # noqa: SLF001 - aiokafka has no public access to them
        client._fetcher and client._fetcher._fetch_task,  # noqa: SLF001
        client._coordinator and client._coordinator._coordination_task,  # noqa: SLF001
    )
    return [task for task in tasks if task]
