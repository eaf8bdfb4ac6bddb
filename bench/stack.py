"""The real parts to measure on: Postgres and Kafka as the local stack runs them, fresh, and what they cost."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg
import psutil

from tidemark.stack import kafka, ports, postgres
from tidemark.stack.processes import Component, ProcessIdentity, Supervisor


@dataclass
class Stack:
    """A broker and a database server, and the processes that a benchmark starts beside them."""

    server_url: str
    bootstrap: str
    folder: Path
    marks: dict[str, ProcessIdentity] = field(default_factory=dict)

    def processes(self, names: Iterable[str]) -> list[psutil.Process]:
        """The processes of these parts, with all that they started."""
        trees: list[psutil.Process] = []
        for name in names:
            with suppress(psutil.NoSuchProcess, KeyError):
                root = psutil.Process(self.marks[name].pid)
                trees += [root, *root.children(recursive=True)]
        return trees

    def cpu_seconds(self, names: Iterable[str]) -> float:
        """What these parts have spent so far, children that have ended included."""
        spent = 0.0
        for process in self.processes(names):
            with suppress(psutil.NoSuchProcess):
                spent += sum(process.cpu_times()[:4])
        return spent

    @asynccontextmanager
    async def running(self, *parts: Component) -> AsyncIterator[None]:
        """Run parts beside the servers, and end them."""
        supervisor = Supervisor(self.folder / "logs", on_change=self.marks.update, report=lambda _: None)
        try:
            await supervisor.start(*parts)
            yield
        finally:
            await supervisor.stop()

    def log_tail(self, part: str, lines: int = 3) -> str:
        """The last lines that a part wrote."""
        log = self.folder / "logs" / f"{part}.log"
        return " ".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""

    @contextmanager
    def suspended(self, names: Iterable[str]) -> Iterator[None]:
        """Suspend the processes of these parts: they keep what they have, and do nothing."""
        stopped = self.processes(names)
        for process in stopped:
            process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """The URL of a fresh database, dropped at the end."""
        name = f"bench_{uuid4().hex[:8]}"
        connection = await asyncpg.connect(self.server_url)
        try:
            await connection.execute(f"CREATE DATABASE {name}")
            try:
                yield f"{self.server_url.rpartition('/')[0]}/{name}"
            finally:
                await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        finally:
            await connection.close()


SERVERS = ("postgres", "kafka")


@asynccontextmanager
async def running_stack() -> AsyncIterator[Stack]:
    """Postgres and Kafka of the local stack, on folders of their own."""
    await asyncio.to_thread(kafka.fetch_jars)
    with tempfile.TemporaryDirectory() as name:
        folder, password = Path(name), uuid4().hex
        marks: dict[str, ProcessIdentity] = {}
        supervisor = Supervisor(folder / "logs", on_change=marks.update)
        postgres_port, kafka_port = ports.find_free(), ports.find_free()
        try:
            await supervisor.start(
                postgres.prepare(folder / "data", postgres_port, password),
                kafka.prepare(folder / "kafka", kafka_port, ports.find_free()),
            )
            url, bootstrap = postgres.url(postgres_port, password), kafka.bootstrap_servers(kafka_port)
            yield Stack(url, bootstrap, folder, marks)
        finally:
            await supervisor.stop()


async def settle(url: str) -> None:
    """What autovacuum and the checkpointer would do at a time of their own."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("VACUUM ANALYZE")
        # The user of the local stack may not.
        with suppress(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
