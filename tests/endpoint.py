"""A webhook endpoint in this process, which can misbehave."""

import asyncio

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Endpoint:
    """An HTTP server; ``script`` has its next responses, as bytes or as a kind of misbehaviour.

    ``stall`` sends nothing, ``drip`` sends headers without end, ``flood`` a body without end, ``drop`` disconnects.
    """

    def __init__(self, tls=None):
        self.script, self.requests, self.port, self._server, self._tls = [], [], 0, None, tls
        self.flooded_bytes = self.connection_count = 0
        self.keeps_connections = False

    async def start(self):
        self._server = await asyncio.start_server(self._respond, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self):
        self._server.close()
        await self._server.wait_closed()

    async def _respond(self, reader, writer):
        self.connection_count += 1
        try:
            await self._respond_by_script(reader, writer)
            while self.keeps_connections:
                await self._respond_by_script(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has disconnected
        finally:
            writer.transport.abort()

    async def _respond_by_script(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        lines = (line.partition(": ") for line in head[1:] if line)
        headers = {name.lower(): value for name, _, value in lines}
        self.requests.append((head[0], headers, await reader.readexactly(int(headers["content-length"]))))
        response = self.script.pop(0) if self.script else OK
        if response == "stall":
            await reader.read()
        elif response == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                writer.write(b"x: y\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
        elif response == "flood":
            writer.write(b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                await writer.drain()
                self.flooded_bytes += 65536
        elif response != "drop":
            writer.write(response)
            await writer.drain()
