"""Ports of this machine for parts that nobody addresses by number."""

import random
import socket

# Below what systems hand out for outbox_record connections: while a part is down, none of those can take its port.
_RANGE = range(15_000, 32_000)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on ``port`` now."""
    with socket.socket() as probe:
        # As servers do: what a former one left in TIME_WAIT is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free() -> int:
    """A port on loopback that nothing listens on."""
    while not is_free(port := random.choice(_RANGE)):  # noqa: S311 - no secret
        pass
    return port
