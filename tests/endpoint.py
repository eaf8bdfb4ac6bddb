"""A webhook's endpoint in this process, as hostile as its script."""

import asyncio

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Endpoint:
    """An HTTP server in this process; ``script`` has the bytes of its next answers, or what it does instead.

    ``stall`` says nothing, ``drip`` sends a header for ever, ``flood`` a body without end, ``drop`` hangs up.
    """

    def __init__(self, tls=None):
        self.script, self.requests, self.port, self._server, self._tls = [], [], 0, None, tls
        self.flooded = 0

    async def start(self):
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self):
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader, writer):
        try:
            await self._act(reader, writer)
        except OSError:
            pass  # it has had enough of us
        finally:
            writer.transport.abort()

    async def _act(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        lines = (one.partition(": ") for one in head[1:] if one)
        headers = {name.lower(): value for name, _, value in lines}
        self.requests.append((head[0], headers, await reader.readexactly(int(headers["content-length"]))))
        answer = self.script.pop(0) if self.script else OK
        if answer == "stall":
            await reader.read()
        elif answer == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                writer.write(b"x: y\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
        elif answer == "flood":
            writer.write(b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                await writer.drain()
                self.flooded += 65536
        elif answer != "drop":
            writer.write(answer)
            await writer.drain()
