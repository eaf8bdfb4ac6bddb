"""How a delivery fails: what its channel tells the deliverer."""


class NotDeliveredError(Exception):
    """An attempt that failed, with a sentence that says why.

    ``final`` where trying again cannot help; ``pause`` where the other side asked for so many seconds at least.
    """

    def __init__(self, reason: str, *, final: bool = False, pause: float = 0) -> None:
        super().__init__(reason)
        self.final, self.pause = final, pause
