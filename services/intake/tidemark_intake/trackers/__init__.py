"""The trackers: one module each, with the same interface. ``docs/intake.md`` says how to write one."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tidemark_intake.facts import Batch, Delivery, Hints, Issue, Page


class DeliveryError(Exception):
    """A webhook delivery is refused: its signature or token is wrong, or it cannot be read."""


class Tracker(Protocol):
    """A tracker. Its methods read; none changes anything in the tracker."""

    def check_delivery(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """The id and time of a delivery, from what is signed. Raises :class:`DeliveryError` unless it is signed."""
        ...

    def read_delivery(self, body: bytes) -> Hints:
        """What a delivery says. Raises :class:`DeliveryError` if it cannot be read."""
        ...

    async def fetch_worklogs(self, ids: Sequence[str]) -> Batch:
        """The current state of these worklogs."""
        ...

    async def fetch_issues(self, ids: Sequence[str]) -> Sequence[Issue]:
        """The current state of these issues; those that the account cannot see are missing."""
        ...

    def read_changes(self, cursor: Mapping[str, str], now: datetime) -> AsyncIterator[Page]:
        """What has changed since ``cursor`` (empty: everything), in pages that can each be the last one."""
        ...
