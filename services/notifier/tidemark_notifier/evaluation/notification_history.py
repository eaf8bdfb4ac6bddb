"""Deduplication: the keys of notifications, and what a contract was already notified of (N2)."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple
from uuid import UUID

from tidemark_notifier.evaluation.rule_evaluation import RuleEvaluation, ThresholdKey, ThresholdState


class DedupKey(NamedTuple):
    """One notification exists per key (N2).

    ``episode`` is the planned amount, end date or stream version that was evaluated. ``generation`` is the number of
    earlier resolution notifications. ``kind`` is ``crossing``, ``resolved``, or ``reminder`` followed by its day.
    """

    rule_name: str
    trigger: str
    subject: str
    subject_id: str
    period_start: date | None
    threshold: str | None
    episode: str
    generation: int
    kind: str

    @property
    def threshold_key(self) -> ThresholdKey:
        """The part that all episodes and kinds share."""
        return ThresholdKey(*self[:6])


class NotificationKey(NamedTuple):
    """A key that counts as notified since a day in the contract's zone.

    ``notified`` is False if a rule with ``existing: skip`` raised no notification for it.
    """

    dedup_key: DedupKey
    notified_on: date
    notified: bool
    notification_id: UUID | None = None


class NotificationHistory:
    """The notification keys of a contract, by threshold."""

    def __init__(self, keys: Iterable[NotificationKey]) -> None:
        self._by_threshold: defaultdict[ThresholdKey, list[NotificationKey]] = defaultdict(list)
        self.add(keys)

    def add(self, keys: Iterable[NotificationKey]) -> None:
        """Add keys that count as notified from now on."""
        for key in keys:
            self._by_threshold[key.dedup_key.threshold_key].append(key)

    def at(self, evaluation: RuleEvaluation, state: ThresholdState) -> list[NotificationKey]:
        """All keys of a threshold, in every episode."""
        return self._by_threshold[evaluation.threshold_key(state)]

    def dedup_key(self, evaluation: RuleEvaluation, state: ThresholdState, kind: str) -> DedupKey:
        """The key of a notification now. After a resolution notification a new episode begins (N2)."""
        generation = sum(key.notified and key.dedup_key.kind == "resolved" for key in self.at(evaluation, state))
        return DedupKey(*evaluation.threshold_key(state), evaluation.episode, generation, kind)

    def find(self, evaluation: RuleEvaluation, state: ThresholdState, kind: str) -> NotificationKey | None:
        """The key of this episode, if it exists."""
        dedup_key = self.dedup_key(evaluation, state, kind)
        return next((key for key in self.at(evaluation, state) if key.dedup_key == dedup_key), None)

    def is_open(self, evaluation: RuleEvaluation, state: ThresholdState) -> bool:
        """Whether a crossing was notified since the last resolution, in any episode."""
        generation = self.dedup_key(evaluation, state, "resolved").generation
        return any(
            key.notified and key.dedup_key.generation == generation and key.dedup_key.kind == "crossing"
            for key in self.at(evaluation, state)
        )
