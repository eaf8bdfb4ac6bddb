import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tidemark.cli import app
from tidemark.stack.processes import identify_process
from tidemark.stack.state import State


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TIDEMARK_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def running(tmp_path: Path) -> Path:
    """The data directory of a stack that seems to run."""
    state = State.load(tmp_path)
    state.environment = {
        "TIDEMARK_SECRET": "a secret that is long enough for it",
        "TIDEMARK_CONTRACTS_URL": "http://127.0.0.1:20001",
        "TIDEMARK_API_URL": "http://127.0.0.1:8000",
        "TIDEMARK_DATABASE_URL": "postgresql://127.0.0.1/tidemark",
    }
    state.supervisor = identify_process(os.getpid())
    state.save()
    return tmp_path


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_env_prints_client_settings_and_no_secret(running: Path) -> None:
    result = _run("env", "--data-dir", running)
    assert result.stdout.splitlines() == [
        "TIDEMARK_DATABASE_URL=postgresql://127.0.0.1/tidemark",
        "TIDEMARK_API_URL=http://127.0.0.1:8000",
    ]


def test_env_without_a_running_stack_exits_with_a_message(tmp_path: Path) -> None:
    result = _run("env", "--data-dir", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        result.stderr == f"Tidemark is not running on {tmp_path}. Start it with `tidemark up --data-dir {tmp_path}`.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (("token", "create", "jira", "--role", "viewer"), "TIDEMARK_SECRET"),
        (("token", "list"), "TIDEMARK_DATABASE_URL"),
        (("token", "revoke", "jira"), "TIDEMARK_DATABASE_URL"),
        (("migrate",), "TIDEMARK_DATABASE_URL"),
        (("topics",), "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"),
    ],
)
def test_missing_setting_exits_with_a_message(tmp_path: Path, arguments: tuple[str, ...], variable: str) -> None:
    result = _run(*arguments, "--data-dir", tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith("Tidemark is not running here. Start it with `tidemark up`")
    assert result.stderr.endswith(f"or set {variable}.\n")


def test_unknown_role_is_a_usage_error() -> None:
    assert _run("token", "create", "jira", "--role", "king").exit_code == 2


def test_every_command_has_a_help_line() -> None:
    help_ = _run("--help").stdout
    for command in ("up", "env", "serve", "migrate", "topics", "token", "contract", "import", "publish", "status"):
        (line,) = [line for line in help_.splitlines() if line.split()[:1] == [command]]
        assert len(line.split()) > 3


@pytest.mark.parametrize("list_", ["contract", "offer", "notification"])
def test_unknown_status_is_a_usage_error_that_names_the_others(list_: str) -> None:
    result = _run(list_, "list", "--status", "lost")
    assert result.exit_code == 2
    assert "'lost' is not one of '" in result.stderr
