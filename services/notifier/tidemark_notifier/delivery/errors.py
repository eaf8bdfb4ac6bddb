"""How a delivery fails."""


class DeliveryError(Exception):
    """An attempt failed, with the reason in a sentence.

    ``permanent`` means that another attempt cannot succeed. ``retry_after_seconds`` is the delay that the server asked
    for.
    """

    def __init__(self, reason: str, *, permanent: bool = False, retry_after_seconds: float = 0) -> None:
        super().__init__(reason)
        self.permanent, self.retry_after_seconds = permanent, retry_after_seconds
