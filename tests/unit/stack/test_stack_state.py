import json
import os
import socket
import stat
from pathlib import Path

import pytest

from tidemark.stack.processes import ProcessIdentity, StackError, identify_process
from tidemark.stack.state import State, load_environment, lock_data_dir


def test_next_run_has_the_same_ports_and_secrets(tmp_path: Path) -> None:
    first = State.load(tmp_path)
    port, secret = first.port("kafka"), first.secret("tokens")
    first.save()
    second = State.load(tmp_path)
    assert (second.port("kafka"), second.secret("tokens")) == (port, secret)


def test_taken_port_is_replaced(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        state = State(file=tmp_path / "state.json", ports={"kafka": taken})
        assert state.port("kafka") != taken


def test_port_stays_the_same_while_its_component_listens(tmp_path: Path) -> None:
    state = State.load(tmp_path)
    port = state.port("kafka")
    with socket.create_server(("127.0.0.1", port)):
        assert state.port("kafka") == port


def test_components_never_share_a_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = iter([20_001, 20_001, 20_002])
    monkeypatch.setattr("tidemark.stack.ports.find_free", lambda: next(offered))
    state = State.load(tmp_path)
    assert [state.port("kafka"), state.port("controller")] == [20_001, 20_002]


def test_port_chosen_by_the_user_is_not_reused(tmp_path: Path) -> None:
    state = State.load(tmp_path)
    state.ports = {"kafka": 20_001, "web": 20_001}
    assert state.port("kafka") != 20_001


def test_only_the_owner_can_read_the_state(tmp_path: Path) -> None:
    State.load(tmp_path).save()
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600


def test_crash_while_saving_keeps_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State.load(tmp_path)
    state.secret("tokens")
    state.save()
    before = (tmp_path / "state.json").read_text()

    def crash(_: int) -> None:
        raise OSError

    monkeypatch.setattr(os, "fsync", crash)
    state.secret("postgres")
    with pytest.raises(OSError):  # noqa: PT011 - the one above
        state.save()
    assert (tmp_path / "state.json").read_text() == before


def test_second_stack_on_the_same_directory_raises_a_message(tmp_path: Path) -> None:
    with (
        lock_data_dir(tmp_path),
        pytest.raises(StackError, match=r"already runs on .*--data-dir\."),
        lock_data_dir(tmp_path),
    ):
        pass
    with lock_data_dir(tmp_path):
        pass


def test_environment_is_that_of_a_running_stack(tmp_path: Path) -> None:
    assert load_environment(tmp_path) == {}
    state = State.load(tmp_path)
    state.environment, state.supervisor = {"TIDEMARK_API_URL": "http://127.0.0.1:8000"}, identify_process(os.getpid())
    state.save()
    assert load_environment(tmp_path) == state.environment
    # Another process has the id now.
    state.supervisor = ProcessIdentity(os.getpid(), 1.0, 15)
    state.save()
    assert load_environment(tmp_path) == {}


def test_state_file_is_json(tmp_path: Path) -> None:
    state = State.load(tmp_path)
    state.components = {"kafka": identify_process(os.getpid())}
    state.save()
    assert json.loads((tmp_path / "state.json").read_text())["components"]["kafka"]["pid"] == os.getpid()
    assert State.load(tmp_path).components == state.components
