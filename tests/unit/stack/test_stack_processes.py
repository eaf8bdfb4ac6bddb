import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import psutil
import pytest

from tidemark.stack import processes
from tidemark.stack.processes import (
    Component,
    ProcessIdentity,
    StackError,
    Supervisor,
    identify_process,
    run_setup_command,
    stop_orphans,
    wait_for_exit,
)

_SLEEP = "import time; print('up', flush=True); time.sleep(600)"
_IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + _SLEEP
_PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_SLEEP!r}]); " + _SLEEP


class Watched(Supervisor):
    """A supervisor that records its messages and identities."""

    def __init__(self, folder: Path) -> None:
        self.messages: list[str] = []
        self.identities: Mapping[str, ProcessIdentity] = {}
        super().__init__(folder, on_change=self._save_identities, report=self.messages.append)

    def _save_identities(self, identities: Mapping[str, ProcessIdentity]) -> None:
        self.identities = dict(identities)

    def component(self, program: str, name: str = "part") -> Component:
        async def is_ready() -> bool:
            return self.log_path(name).exists() and "up" in self.log_path(name).read_text()

        return Component(name, [sys.executable, "-c", program], is_ready)

    def process(self, name: str = "part") -> psutil.Process:
        process = self.identities[name].find_process()
        assert process
        return process


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_MIN_BACK_OFF_SECONDS", 0.01)
    monkeypatch.setattr(processes, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(processes, "_STOP_TIMEOUT_SECONDS", 0.3)


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Watched]:
    supervisor = Watched(tmp_path)
    yield supervisor
    await supervisor.stop()


async def _until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


async def test_dead_component_restarts(supervisor: Watched) -> None:
    await supervisor.start(supervisor.component(_SLEEP))
    first = supervisor.process()
    first.kill()
    await _until(lambda: supervisor.identities["part"].pid != first.pid)
    assert supervisor.process().is_running()
    assert [text.split(";")[0] for text in supervisor.messages] == [
        "  part is ready",
        "part ended by SIGKILL. It restarts in 0.01 s",
    ]


async def test_back_off_grows_with_each_restart(supervisor: Watched) -> None:
    starting = asyncio.create_task(supervisor.start(supervisor.component("raise SystemExit(3)")))
    await _until(lambda: len(supervisor.messages) == 4)
    starting.cancel()
    assert [text.split(" in ")[1].split(" s;")[0] for text in supervisor.messages] == ["0.01", "0.02", "0.04", "0.08"]
    assert "with status 3" in supervisor.messages[0]


async def test_missing_program_is_tried_again(supervisor: Watched) -> None:
    starting = asyncio.create_task(supervisor.start(Component("part", ["/nowhere"], _never)))
    await _until(lambda: len(supervisor.messages) == 2)
    starting.cancel()
    assert "could not start" in supervisor.messages[0]


async def test_component_that_is_never_ready_raises_a_message(
    supervisor: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_START_TIMEOUT_SECONDS", 0.05)

    with pytest.raises(StackError, match=r"deaf was not ready within .*deaf\.log for the reason\."):
        await supervisor.start(Component("deaf", [sys.executable, "-c", _SLEEP], _never))


async def test_stop_kills_unresponsive_components_and_children(supervisor: Watched) -> None:
    await supervisor.start(supervisor.component(_IGNORES_SIGTERM, "deaf"), supervisor.component(_PARENT, "parent"))
    deaf, parent = supervisor.process("deaf"), supervisor.process("parent")
    await _until(parent.children)
    (child,) = parent.children()
    await supervisor.stop()
    assert not wait_for_exit(0, (deaf, parent, child))


async def test_large_log_is_rotated(supervisor: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_MAX_LOG_BYTES", 10)
    (tmp_path / "part.log").write_text("many old lines")
    await supervisor.start(supervisor.component(_SLEEP))
    assert (tmp_path / "part.log.old").read_text() == "many old lines"


def test_orphans_and_their_children_are_stopped() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE) as orphan:
        assert orphan.stdout
        orphan.stdout.readline()
        (child,) = psutil.Process(orphan.pid).children()
        stop_orphans([identify_process(orphan.pid)])
    assert not wait_for_exit(0, [child])


def test_other_process_with_the_id_of_an_orphan_is_kept() -> None:
    with subprocess.Popen([sys.executable, "-c", _SLEEP]) as other:
        stop_orphans([ProcessIdentity(other.pid, psutil.Process(other.pid).create_time() - 60, signal.SIGTERM)])
        assert other.poll() is None
        other.kill()


async def _never() -> bool:
    return False


def test_failed_setup_command_raises_its_output() -> None:
    with pytest.raises(StackError, match="kafka could not be set up: no space left"):
        run_setup_command("kafka", [sys.executable, "-c", "print('no space\\nleft'); raise SystemExit(1)"])


def test_setup_command_gets_its_input() -> None:
    run_setup_command("kafka", [sys.executable, "-c", "import sys; sys.exit(input() != 'it')"], stdin="it\n")
