"""Processes that are started, watched, restarted when they die, and stopped."""

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
from types import MappingProxyType
from typing import TypedDict

import psutil

_STOP_TIMEOUT_SECONDS = 4.0
_START_TIMEOUT_SECONDS = 90.0
_MIN_BACK_OFF_SECONDS, _MAX_BACK_OFF_SECONDS = 0.5, 15.0
_POLL_SECONDS = 0.1
_PROGRESS_SECONDS = 5.0
_MAX_LOG_BYTES = 10_000_000


class StackError(Exception):
    """The stack cannot run; the text says why and what to do."""


@dataclass(frozen=True)
class Component:
    """A process of the stack: its command, how to see that it is ready, and how to stop it."""

    name: str
    command: Sequence[str]
    is_ready: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] = field(default_factory=dict)
    # Every user may enter this folder, and it hides no module of Python.
    folder: Path = Path("/")
    user: str | None = None
    # Removes what a previous process left behind, before each start.
    clean_up: Callable[[], None] = lambda: None
    stop_signal: signal.Signals = signal.SIGTERM


@dataclass(frozen=True)
class ProcessIdentity:
    """A process id with the start time, which a later process with the same id does not have; and its stop signal."""

    pid: int
    created: float
    stop_signal: int

    def find_process(self) -> psutil.Process | None:
        """The process, if it is still alive."""
        try:
            process = psutil.Process(self.pid)
        except psutil.NoSuchProcess:
            return None
        return process if process.create_time() == self.created and _is_alive(process) else None


def identify_process(pid: int, stop_signal: int = signal.SIGTERM) -> ProcessIdentity:
    """The identity of a running process."""
    return ProcessIdentity(pid, psutil.Process(pid).create_time(), stop_signal)


def stop_orphans(identities: Sequence[ProcessIdentity]) -> None:
    """Stop processes that a previous run of the stack left behind, and their children."""
    processes: list[psutil.Process] = []
    for identity in identities:
        if process := identity.find_process():
            with contextlib.suppress(psutil.NoSuchProcess):
                processes += [process, *process.children(recursive=True)]
                process.send_signal(identity.stop_signal)
    kill(wait_for_exit(_STOP_TIMEOUT_SECONDS, processes))


def kill(processes: Sequence[psutil.Process]) -> None:
    """Kill processes, and wait until they have ended."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    wait_for_exit(_STOP_TIMEOUT_SECONDS, processes)


def wait_for_exit(timeout_seconds: float, processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Wait until processes have ended. Returns those that are still alive after the timeout."""
    deadline = time.monotonic() + timeout_seconds
    while (alive := [process for process in processes if _is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return alive


def _is_alive(process: psutil.Process) -> bool:
    try:
        # A zombie has ended; its parent collects it.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def run_setup_command(
    name: str,
    command: Sequence[str],
    *,
    stdin: str = "",
    folder: Path = Path("/"),
    environment: Mapping[str, str] = MappingProxyType({}),
    user: str | None = None,
) -> None:
    """Run a command that sets a component up. Raises :class:`StackError` with its output if it fails."""
    result = subprocess.run(  # noqa: S603 - the commands are the stack's own
        command,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        **_process_options(folder, environment, user),
    )
    if result.returncode:
        raise StackError(f"{name} could not be set up: {' '.join(result.stdout.split())}")


class _ProcessOptions(TypedDict, total=False):
    cwd: Path
    env: dict[str, str]
    user: str
    group: int
    extra_groups: list[str]


def _process_options(folder: Path, environment: Mapping[str, str], user: str | None) -> _ProcessOptions:
    # The settings of this process are for the whole stack: each component gets only those that it is given.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMARK_")}
    options: _ProcessOptions = {"cwd": folder, "env": {**inherited, **environment}}
    if user is None:
        return options
    return {**options, "user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


class Supervisor:
    """Keeps components running. ``on_change`` gets the identities of all processes whenever one starts."""

    def __init__(
        self,
        log_folder: Path,
        *,
        on_change: Callable[[Mapping[str, ProcessIdentity]], None] = lambda _: None,
        report: Callable[[str], None] = lambda text: print(text, file=sys.stderr),  # noqa: T201
    ) -> None:
        self._log_folder = log_folder
        self._on_change = on_change
        self._report = report
        self._components: dict[asyncio.Task[None], Component] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._identities: dict[str, ProcessIdentity] = {}

    async def start(self, *components: Component) -> None:
        """Start components at the same time, and return once all are ready."""
        self._log_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._components |= {asyncio.create_task(self._keep_running(component)): component for component in components}
        await asyncio.gather(*map(self._wait_until_ready, components))

    async def stop(self) -> None:
        """Stop all components, within a few seconds."""
        for task in self._components:
            task.cancel()
        await asyncio.gather(*map(self._stop_component, self._components.values()))
        self._components.clear()

    def log_path(self, name: str) -> Path:
        """The file with a component's output."""
        return self._log_folder / f"{name}.log"

    async def _wait_until_ready(self, component: Component) -> None:
        clock = asyncio.get_running_loop().time
        started_at = reported_at = clock()
        try:
            async with asyncio.timeout(_START_TIMEOUT_SECONDS):
                while not await component.is_ready():
                    await asyncio.sleep(_POLL_SECONDS)
                    if clock() - reported_at >= _PROGRESS_SECONDS:
                        reported_at = clock()
                        self._report(f"  {component.name} is starting, for {reported_at - started_at:.0f} s …")
                self._report(f"  {component.name} is ready")
        except TimeoutError:
            raise StackError(
                f"{component.name} was not ready within {_START_TIMEOUT_SECONDS:.0f} s. "
                f"Read {self.log_path(component.name)} for the reason."
            ) from None

    async def _keep_running(self, component: Component) -> None:
        clock = asyncio.get_running_loop().time
        back_off = _MIN_BACK_OFF_SECONDS
        while True:
            started_at = clock()
            try:
                await asyncio.to_thread(component.clean_up)
                process = self._spawn(component)
            except Exception as error:  # noqa: BLE001 - any error is reported, and the start is tried again
                result = f"could not start ({error})"
            else:
                code = await _wait_for_status(process)
                result = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
                _kill_group(process.pid)
            if clock() - started_at > _MAX_BACK_OFF_SECONDS:
                back_off = _MIN_BACK_OFF_SECONDS
            self._report(
                f"{component.name} {result}. It restarts in {back_off:g} s; its log is {self.log_path(component.name)}."
            )
            await asyncio.sleep(back_off)
            back_off = min(back_off * 2, _MAX_BACK_OFF_SECONDS)

    def _spawn(self, component: Component) -> subprocess.Popen[bytes]:
        log = self.log_path(component.name)
        if log.exists() and log.stat().st_size > _MAX_LOG_BYTES:
            log.replace(log.with_suffix(".log.old"))
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - the commands are the stack's own
                component.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C in the terminal reaches only the supervisor, which then stops the components.
                start_new_session=True,
                **_process_options(component.folder, component.environment, component.user),
            )
        try:
            self._identities[component.name] = identify_process(process.pid, component.stop_signal)
            self._on_change(self._identities)
        except (OSError, psutil.Error):
            # A later run of the stack could not find this process.
            process.kill()
            process.wait()
            raise
        self._running[component.name] = process
        return process

    async def _stop_component(self, component: Component) -> None:
        process = self._running.pop(component.name, None)
        if process is None:
            return
        process.send_signal(component.stop_signal)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_TIMEOUT_SECONDS):
                await _wait_for_status(process)
        _kill_group(process.pid)
        process.wait()


async def _wait_for_status(process: subprocess.Popen[bytes]) -> int:
    """The exit status, once the process has ended. Polling needs no thread or signal handler for each process."""
    while (code := process.poll()) is None:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_SECONDS)
    return code


def _kill_group(leader: int) -> None:
    """Kill the children that a component left behind; each component leads a process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
