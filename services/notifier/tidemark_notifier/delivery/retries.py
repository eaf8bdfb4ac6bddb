"""Pure: when a delivery is attempted again, and when it is given up. SPEC N3."""

from typing import NamedTuple

from tidemark_notifier.delivery.errors import DeliveryError

_BACK_OFF_FACTOR = 2.5


class RetryPolicy(NamedTuple):
    """Limits of attempts and the delays between them. The default ten attempts span about two hours."""

    max_attempts: int = 10
    attempt_timeout_seconds: float = 60
    lease_seconds: float = 15
    first_delay_seconds: float = 3
    jitter: float = 0.3

    def next_delay_seconds(self, attempts: int, error: DeliveryError, chance: float) -> float | None:
        """The delay before the next attempt, after this many; None if there is none.

        It grows exponentially, and is never shorter than the receiver asked for. ``chance`` is a random number from 0
        to 1, so that retries do not coincide.
        """
        if error.permanent or attempts >= self.max_attempts:
            return None
        spread = 1 + self.jitter * (2 * chance - 1)
        delay_seconds = self.first_delay_seconds * _BACK_OFF_FACTOR ** (attempts - 1) * spread
        return max(delay_seconds, error.retry_after_seconds)

    def may_attempt(self, attempts: int) -> bool:
        """Whether the attempt with this number may begin.

        The lease has counted it, so the limit holds even if no result was ever recorded.
        """
        return attempts <= self.max_attempts
