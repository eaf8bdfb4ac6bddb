"""Free ports of this machine, for components whose port number does not matter."""

import random
import socket

# Below the range that systems use for outgoing connections, so that none takes the port while a component is down.
_RANGE = range(15_000, 32_000)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on ``port`` now."""
    with socket.socket() as probe:
        # Servers set this too: a closed connection in TIME_WAIT does not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def find_free() -> int:
    """Find a loopback port on which nothing listens."""
    while not is_free(port := random.choice(_RANGE)):  # noqa: S311 - not a secret
        pass
    return port
