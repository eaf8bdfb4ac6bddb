"""A TCP proxy that tests close and open again, as a network would."""

import asyncio
import contextlib


class Proxy:
    """Forwards a port of this machine to another one."""

    def __init__(self, target_port):
        self.port, self._target_port, self._server = 0, target_port, None
        self._writers = set()

    async def open(self):
        """Accept connections, on the same port each time."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self):
        """Refuse connections, and reset those that there are."""
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _forward(self, reader, writer):
        try:
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, target_writer}
        try:
            await asyncio.gather(_copy(reader, target_writer), _copy(target_reader, writer))
        finally:
            self._writers -= {writer, target_writer}


async def _copy(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
