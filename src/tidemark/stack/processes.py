"""Processes kept running: started, watched, started again when they die, ended in time."""

import asyncio
import contextlib
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

_GRACE_SECONDS = 4.0
_START_SECONDS = 90.0
_LEAST_BACK_OFF, _MOST_BACK_OFF = 0.5, 15.0
_GLANCE_SECONDS = 0.1
_LOG_BYTES = 10_000_000


class StackError(Exception):
    """What keeps the stack from running: one sentence with its remedy, for a person."""


@dataclass(frozen=True)
class Part:
    """A process of the stack: how it is started, how one sees that it answers, and how it is asked to end."""

    name: str
    command: Sequence[str]
    answers: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] = field(default_factory=dict)
    # A folder that every user may enter, and that shadows no module of Python.
    folder: Path = Path("/")
    user: str | None = None
    clear: Callable[[], None] = lambda: None  # away what a former life left behind, before each start
    stop_signal: signal.Signals = signal.SIGTERM


@dataclass(frozen=True)
class Mark:
    """What tells a process from a later one with the same id, and how it is asked to end."""

    pid: int
    created: float
    stop_signal: int

    def process(self) -> psutil.Process | None:
        """The process, if it still is this one and alive."""
        try:
            process = psutil.Process(self.pid)
        except psutil.NoSuchProcess:
            return None
        return process if process.create_time() == self.created and _lives(process) else None


def mark(pid: int, stop_signal: int = signal.SIGTERM) -> Mark:
    """The mark of a process that runs now."""
    return Mark(pid, psutil.Process(pid).create_time(), stop_signal)


def end(marks: Sequence[Mark]) -> None:
    """End processes that another life of the stack left behind, and all that these started."""
    left: list[psutil.Process] = []
    for one in marks:
        if process := one.process():
            with contextlib.suppress(psutil.NoSuchProcess):
                left += [process, *process.children(recursive=True)]
                process.send_signal(one.stop_signal)
    kill(alive_after(_GRACE_SECONDS, left))


def kill(processes: Sequence[psutil.Process]) -> None:
    """End processes without asking."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    alive_after(_GRACE_SECONDS, processes)


def alive_after(seconds: float, processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended within so many seconds."""
    until = time.monotonic() + seconds
    while (alive := [process for process in processes if _lives(process)]) and time.monotonic() < until:
        time.sleep(_GLANCE_SECONDS)
    return alive


def _lives(process: psutil.Process) -> bool:
    try:
        # A zombie is dead; whether its parent ever looks is not ours to wait for.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def run(part: Part, command: Sequence[str], *, given: str = "") -> None:
    """Run a command that sets a part up, to its end; raises with what it said where it fails."""
    done = subprocess.run(  # noqa: S603 - the commands are the stack's own
        command,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        **_surroundings(part),
    )
    if done.returncode:
        raise StackError(f"{part.name} could not be set up: {' '.join(done.stdout.split())}")


def _surroundings(part: Part) -> dict[str, Any]:
    where = {"cwd": part.folder, "env": {**os.environ, **part.environment}}
    if part.user is None:
        return where
    return {**where, "user": part.user, "group": pwd.getpwnam(part.user).pw_gid, "extra_groups": []}


class Supervisor:
    """Keeps parts running. ``on_change`` is given the mark of every part whenever one starts."""

    def __init__(
        self,
        logs: Path,
        *,
        on_change: Callable[[Mapping[str, Mark]], None] = lambda _: None,
        say: Callable[[str], None] = lambda text: print(text, file=sys.stderr),  # noqa: T201
    ) -> None:
        self._logs = logs
        self._on_change = on_change
        self._say = say
        self._kept: dict[asyncio.Task[None], Part] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._marks: dict[str, Mark] = {}

    async def start(self, *parts: Part) -> None:
        """Start parts beside each other, and return once all of them answer."""
        self._logs.mkdir(parents=True, exist_ok=True)
        self._kept |= {asyncio.create_task(self._keep(part)): part for part in parts}
        await asyncio.gather(*map(self._answering, parts))

    async def stop(self) -> None:
        """End all parts, within a few seconds."""
        for task in self._kept:
            task.cancel()
        await asyncio.gather(*map(self._end, self._kept.values()))
        self._kept.clear()

    def log(self, part: str) -> Path:
        """Where a part's output goes."""
        return self._logs / f"{part}.log"

    async def _answering(self, part: Part) -> None:
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not await part.answers():  # noqa: ASYNC110 - another process sets no event
                    await asyncio.sleep(_GLANCE_SECONDS)
        except TimeoutError:
            raise StackError(
                f"{part.name} did not answer within {_START_SECONDS:.0f} s; {self.log(part.name)} says why."
            ) from None

    async def _keep(self, part: Part) -> None:
        clock = asyncio.get_running_loop().time
        back_off = _LEAST_BACK_OFF
        while True:
            started = clock()
            try:
                await asyncio.to_thread(part.clear)
                process = self._spawn(part)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told and tried again
                how = f"could not start ({error})"
            else:
                code = await _ended(process)
                how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
                _kill_group(process.pid)
            if clock() - started > _MOST_BACK_OFF:
                back_off = _LEAST_BACK_OFF
            self._say(f"{part.name} {how} and starts again in {back_off:g} s; its log is {self.log(part.name)}.")
            await asyncio.sleep(back_off)
            back_off = min(back_off * 2, _MOST_BACK_OFF)

    def _spawn(self, part: Part) -> subprocess.Popen[bytes]:
        log = self.log(part.name)
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".log.old"))
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - the commands are the stack's own
                part.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C in the terminal is for the supervisor alone, which then ends the parts.
                start_new_session=True,
                **_surroundings(part),
            )
        try:
            self._marks[part.name] = mark(process.pid, part.stop_signal)
            self._on_change(self._marks)
        except (OSError, psutil.Error):
            # Whoever comes after this stack could not know it.
            process.kill()
            process.wait()
            raise
        self._running[part.name] = process
        return process

    async def _end(self, part: Part) -> None:
        process = self._running.pop(part.name, None)
        if process is None:
            return
        process.send_signal(part.stop_signal)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_SECONDS):
                await _ended(process)
        _kill_group(process.pid)
        process.wait()


async def _ended(process: subprocess.Popen[bytes]) -> int:
    """Its status, once it has one. Polled: a thread or a signal handler a process is more to keep right."""
    while (code := process.poll()) is None:  # noqa: ASYNC110
        await asyncio.sleep(_GLANCE_SECONDS)
    return code


def _kill_group(leader: int) -> None:
    """End what a part started and left behind; a part leads a group of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
