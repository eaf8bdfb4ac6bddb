"""How a delivery fails."""

from tidemark_shared.domain.text import to_safe_line

_MAX_REASON_LENGTH = 1_000


class DeliveryError(Exception):
    """An attempt failed, with the reason in a sentence. It may quote the other side, so it is made safe to store.

    ``permanent`` means that another attempt cannot succeed, ``unavailable`` that no delivery of the channel can succeed
    now. ``retry_after_seconds`` is the delay that the server asked for.
    """

    def __init__(
        self, reason: str, *, permanent: bool = False, unavailable: bool = False, retry_after_seconds: float = 0
    ) -> None:
        super().__init__(to_safe_line(reason)[:_MAX_REASON_LENGTH])
        self.permanent, self.unavailable, self.retry_after_seconds = permanent, unavailable, retry_after_seconds
