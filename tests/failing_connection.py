"""A connection that fails where a test says."""


class PlantedError(Exception):
    """An error that the test causes."""


class FailingConnection:
    """A connection that fails instead of its n-th statement."""

    def __init__(self, connection, statements):
        self._connection, self._left = connection, statements

    def __getattr__(self, name):
        if name in {"execute", "fetch", "fetchrow", "fetchval", "cursor", "copy_to_table"}:
            self._left -= 1
            if self._left < 0:
                raise PlantedError
        return getattr(self._connection, name)
