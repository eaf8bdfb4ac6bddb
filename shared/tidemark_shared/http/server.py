"""The HTTP server of every process: uvicorn, with a bound on each wait for a client."""

import asyncio
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 400
MAX_HEADER_BYTES = 32 * 1024
# From the connection, or the end of the previous response, to the last byte of the headers.
HEADERS_TIMEOUT_SECONDS = 15.0
# How long a client may leave a full buffer unread.
WRITE_TIMEOUT_SECONDS = 30.0


class BoundedProtocol(H11Protocol):
    """HTTP/1.1, where a client that sends or reads too slowly loses its connection.

    When all connections are taken, a new one replaces the connection that has waited longest for its client, to send
    a request or to read the response, among those of the client with the most connections. So idle and slow clients
    never keep others out.
    """

    _headers_timeout: asyncio.TimerHandle | None = None
    _write_timeout: asyncio.TimerHandle | None = None
    _is_unread = False
    waiting_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request."""
        super().connection_made(transport)
        self._watch()
        if len(self.connections) >= MAX_CONNECTIONS:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time-outs."""
        super().connection_lost(exc)
        for timeout in (self._headers_timeout, self._write_timeout):
            if timeout:
                timeout.cancel()

    def data_received(self, data: bytes) -> None:
        """Receive a part of a request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Start to wait for the next request."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """The client leaves the buffer unread."""
        super().pause_writing()
        self._is_unread, self.waiting_since = True, self.loop.time()
        self._write_timeout = self.loop.call_later(WRITE_TIMEOUT_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read the buffer."""
        super().resume_writing()
        self._is_unread = False
        if self._write_timeout:
            self._write_timeout.cancel()

    def _watch(self) -> None:
        # Abort: a connection that closes would wait until the client has read the rest of the last response.
        if self.cycle is not None and not self.cycle.response_complete:
            if self._headers_timeout:
                self._headers_timeout.cancel()
                self._headers_timeout = None
        elif self._headers_timeout is None:
            self.waiting_since = self.loop.time()
            self._headers_timeout = self.loop.call_later(HEADERS_TIMEOUT_SECONDS, self.transport.abort)

    def _make_room(self) -> None:
        waiting = [
            connection
            for connection in self.connections
            if isinstance(connection, BoundedProtocol) and connection is not self and connection.waits_for_client
        ]
        counts = Counter(connection.address for connection in waiting)
        if waiting:
            oldest = min(waiting, key=lambda connection: (-counts[connection.address], connection.waiting_since))
            self.connections.discard(oldest)
            oldest.transport.abort()

    @property
    def waits_for_client(self) -> bool:
        """Whether the request has not arrived completely, or the client leaves the response unread."""
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body or self._is_unread

    @property
    def address(self) -> str:
        """The address of the client."""
        return self.client[0] if self.client else ""


SERVER_OPTIONS: dict[str, Any] = {
    "http": BoundedProtocol,
    "ws": "none",
    "loop": "uvloop",
    "access_log": False,
    # Nothing depends on the address that a proxy names, so no client can forge it.
    "proxy_headers": False,
    "server_header": False,
    "h11_max_incomplete_event_size": MAX_HEADER_BYTES,
    # One more than there can be: a request that finds no connection to end gets a 503.
    "limit_concurrency": MAX_CONNECTIONS + 1,
}
"""The arguments of ``uvicorn.run`` that every process shares."""
