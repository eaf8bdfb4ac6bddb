"""A limit for how often one caller may send a request."""

from datetime import datetime, timedelta

from tidemark_shared.http.problems import Problem

_MAX_KEYS = 10_000


class RateLimit:
    """At most ``max_requests`` with one key in a window that begins with its first request, in this process."""

    def __init__(self, max_requests: int, window: timedelta) -> None:
        self._max_requests, self._window = max_requests, window
        self._counts: dict[str, tuple[datetime, int]] = {}

    def count(self, key: str, now: datetime) -> None:
        """Count a request. Raises a 429 if there were too many."""
        if len(self._counts) >= _MAX_KEYS:
            self._counts = {key: value for key, value in self._counts.items() if now - value[0] < self._window}
        begin, count = self._counts.get(key, (now, 0))
        if now - begin >= self._window:
            begin, count = now, 0
        self._counts[key] = begin, count + 1
        if count >= self._max_requests:
            raise Problem(429, "Too many requests", "Wait a minute, then try again.")
