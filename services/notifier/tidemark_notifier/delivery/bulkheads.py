"""Pure: how many attempts may run at once, in total, for a host and for a receiver.

A receiver starts with one permit. Each attempt that it accepts doubles its permits, and one that fails leaves it one.
So receivers that hang take one permit each, and those of one host never take all permits.
"""

from collections import Counter
from collections.abc import Mapping

MAX_ATTEMPTS = 40
MAX_PER_HOST = 30
_MAX_PER_RECEIVER = 8
_MAX_REMEMBERED = 1_000


class Bulkheads:
    """The attempts in progress, and the permits of receivers that have accepted some."""

    def __init__(self) -> None:
        self._hosts: Counter[str] = Counter()
        self._receivers: Counter[str] = Counter()
        self._permits: dict[str, int] = {}

    @property
    def free(self) -> int:
        """How many more attempts may start."""
        return MAX_ATTEMPTS - self._hosts.total()

    @property
    def free_by_host(self) -> Mapping[str, int]:
        """How many more may start for a host; :data:`MAX_PER_HOST` for those that are not listed."""
        return {host: MAX_PER_HOST - count for host, count in self._hosts.items()}

    @property
    def free_by_receiver(self) -> Mapping[str, int]:
        """How many more may start for a receiver; one for those that are not listed."""
        receivers = self._receivers.keys() | self._permits.keys()
        return {receiver: self._permits.get(receiver, 1) - self._receivers[receiver] for receiver in receivers}

    def enter(self, host: str, receiver: str) -> None:
        """An attempt starts."""
        self._hosts[host] += 1
        self._receivers[receiver] += 1

    def leave(self, host: str, receiver: str, *, is_accepted: bool) -> None:
        """An attempt ends."""
        for counter, key in ((self._hosts, host), (self._receivers, receiver)):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]
        permits = self._permits.pop(receiver, 1)
        if is_accepted:
            self._permits[receiver] = min(2 * permits, _MAX_PER_RECEIVER)
            if len(self._permits) > _MAX_REMEMBERED:
                del self._permits[next(iter(self._permits))]
