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

_SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
_DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + _SLEEPS
_PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_SLEEPS!r}]); " + _SLEEPS


class Watched(Supervisor):
    """A supervisor whose words and marks are kept."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self.marks: Mapping[str, ProcessIdentity] = {}
        super().__init__(folder, on_change=self._keep_marks, report=self.said.append)

    def _keep_marks(self, marks: Mapping[str, ProcessIdentity]) -> None:
        self.marks = dict(marks)

    def part(self, program: str, name: str = "part") -> Component:
        async def answers() -> bool:
            return self.log_path(name).exists() and "up" in self.log_path(name).read_text()

        return Component(name, [sys.executable, "-c", program], answers)

    def process(self, name: str = "part") -> psutil.Process:
        process = self.marks[name].find_process()
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


async def test_a_part_that_dies_starts_again(supervisor: Watched) -> None:
    await supervisor.start(supervisor.part(_SLEEPS))
    first = supervisor.process()
    first.kill()
    await _until(lambda: supervisor.marks["part"].pid != first.pid)
    assert supervisor.process().is_running()
    assert [text.split(";")[0] for text in supervisor.said] == ["part ended by SIGKILL. It restarts in 0.01 s"]


async def test_each_death_waits_longer(supervisor: Watched) -> None:
    starting = asyncio.create_task(supervisor.start(supervisor.part("raise SystemExit(3)")))
    await _until(lambda: len(supervisor.said) == 4)
    starting.cancel()
    assert [text.split(" in ")[1].split(" s;")[0] for text in supervisor.said] == ["0.01", "0.02", "0.04", "0.08"]
    assert "with status 3" in supervisor.said[0]


async def test_a_program_that_is_not_there_is_tried_again(supervisor: Watched) -> None:
    starting = asyncio.create_task(supervisor.start(Component("part", ["/nowhere"], _never)))
    await _until(lambda: len(supervisor.said) == 2)
    starting.cancel()
    assert "could not start" in supervisor.said[0]


async def test_a_part_that_never_answers_is_told_in_a_sentence(
    supervisor: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_START_TIMEOUT_SECONDS", 0.05)

    with pytest.raises(StackError, match=r"deaf was not ready within .*deaf\.log for the reason\."):
        await supervisor.start(Component("deaf", [sys.executable, "-c", _SLEEPS], _never))


async def test_stop_ends_what_does_not_listen_and_what_it_started(supervisor: Watched) -> None:
    await supervisor.start(supervisor.part(_DEAF, "deaf"), supervisor.part(_PARENT, "parent"))
    deaf, parent = supervisor.process("deaf"), supervisor.process("parent")
    await _until(parent.children)
    (child,) = parent.children()
    await supervisor.stop()
    assert not wait_for_exit(0, (deaf, parent, child))


async def test_a_grown_log_is_put_aside(supervisor: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_MAX_LOG_BYTES", 10)
    (tmp_path / "part.log").write_text("many old lines")
    await supervisor.start(supervisor.part(_SLEEPS))
    assert (tmp_path / "part.log.old").read_text() == "many old lines"


def test_orphans_end_with_what_they_started() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE) as orphan:
        assert orphan.stdout
        orphan.stdout.readline()
        (child,) = psutil.Process(orphan.pid).children()
        stop_orphans([identify_process(orphan.pid)])
    assert not wait_for_exit(0, [child])


def test_another_process_with_the_id_of_an_orphan_is_let_live() -> None:
    with subprocess.Popen([sys.executable, "-c", _SLEEPS]) as other:
        stop_orphans([ProcessIdentity(other.pid, psutil.Process(other.pid).create_time() - 60, signal.SIGTERM)])
        assert other.poll() is None
        other.kill()


async def _never() -> bool:
    return False


_PART = Component("kafka", [], _never)


def test_what_a_command_said_is_in_the_sentence_when_it_fails() -> None:
    with pytest.raises(StackError, match="kafka could not be set up: no space left"):
        run_setup_command(_PART, [sys.executable, "-c", "print('no space\\nleft'); raise SystemExit(1)"])


def test_a_command_is_given_its_input() -> None:
    run_setup_command(_PART, [sys.executable, "-c", "import sys; sys.exit(input() != 'it')"], stdin="it\n")
