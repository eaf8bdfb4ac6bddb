"""The environment of the components of `tidemark up`, for the settings of the user."""

import asyncio
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from jwt.types import Options

from tidemark.stack import up
from tidemark.stack.processes import StackError
from tidemark.stack.state import State
from tidemark_shared.settings import InvalidSettingError


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TIDEMARK_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.load(tmp_path)


def test_all_components_are_embedded_by_default(state: State, tmp_path: Path) -> None:
    environment = up.resolve_environment(state, tmp_path, 8123)
    assert set(state.embedded) == {"TIDEMARK_DATABASE_URL", "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS", "TIDEMARK_SMTP_URL"}
    assert environment.items() >= state.embedded.items()
    assert environment["TIDEMARK_API_URL"] == environment["TIDEMARK_PUBLIC_URL"] == "http://127.0.0.1:8123"
    assert environment["TIDEMARK_MAILDIR"] == str(tmp_path / "maildir")
    claims = jwt.decode(environment["TIDEMARK_API_TOKEN"], environment["TIDEMARK_SECRET"], ["HS256"])
    assert (claims["sub"], claims["role"]) == ("local", "admin")


def test_token_of_the_stack_expires_and_is_renewed() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    first, second = (
        up.with_new_token({"TIDEMARK_SECRET": "s" * 32}, time)["TIDEMARK_API_TOKEN"]
        for time in (now, now + timedelta(hours=1))
    )
    options: Options = {"verify_exp": False, "verify_iat": False}
    expiries = [jwt.decode(token, "s" * 32, ["HS256"], options=options)["exp"] for token in (first, second)]
    assert expiries == [(now + timedelta(hours=hours)).timestamp() for hours in (24, 25)]


async def test_running_stack_saves_new_tokens(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "_TOKEN_RENEWAL_SECONDS", 0)
    state.environment = up.resolve_environment(state, tmp_path, 8123)
    before = state.environment["TIDEMARK_API_TOKEN"]
    renewal = asyncio.create_task(up._Stack(state, tmp_path)._renew_token())

    async with asyncio.timeout(30):
        while not state.file.exists() or State.load(tmp_path).environment["TIDEMARK_API_TOKEN"] == before:
            await asyncio.sleep(0.01)
    renewal.cancel()


def test_short_secret_is_refused(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMARK_SECRET", "s" * 31)
    with pytest.raises(InvalidSettingError, match="TIDEMARK_SECRET has 31 bytes; it needs at least 32"):
        up.resolve_environment(state, tmp_path, 8123)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIDEMARK_DATABASE_URL", "postgresql://elsewhere/tidemark"),
        ("TIDEMARK_KAFKA_BOOTSTRAP_SERVERS", "elsewhere:9092"),
        ("TIDEMARK_SMTP_URL", "smtp://elsewhere:25"),
    ],
)
def test_setting_replaces_the_embedded_component(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert up.resolve_environment(state, tmp_path, 8123)[name] == value
    assert name not in state.embedded
    assert len(state.embedded) == 2


def test_output_of_env_in_the_environment_keeps_components_embedded(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = up.resolve_environment(state, tmp_path, 8123)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    up.resolve_environment(state, tmp_path, 8123)
    assert len(state.embedded) == 3


def test_three_service_databases_replace_the_embedded_one(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in up.SERVICES:
        monkeypatch.setenv(f"TIDEMARK_{service.upper()}_DATABASE_URL", f"postgresql://elsewhere/{service}")
    environment = up.resolve_environment(state, tmp_path, 8123)
    assert "TIDEMARK_DATABASE_URL" not in state.embedded
    assert environment["TIDEMARK_DATABASE_URL"] == "postgresql://elsewhere/consumption"


def test_one_service_database_is_used_beside_the_embedded_one(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_CONSUMPTION_DATABASE_URL", "postgresql://elsewhere/figures")
    environment = up.resolve_environment(state, tmp_path, 8123)
    ours = state.embedded["TIDEMARK_DATABASE_URL"]
    settings = up.settings_from(environment)
    assert [settings.service_database_url(service) for service in up.SERVICES] == [
        ours,
        "postgresql://elsewhere/figures",
        ours,
    ]
    assert environment["TIDEMARK_DATABASE_URL"] == "postgresql://elsewhere/figures"


def test_taken_web_port_raises_a_message(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StackError, match=rf"Port {port} is taken\. .* --port or TIDEMARK_PORT\."):
            up.run_stack(tmp_path, port)


async def test_unreachable_external_database_raises_a_message(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_DATABASE_URL", "postgresql://127.0.0.1:1/nowhere")
    monkeypatch.setenv("TIDEMARK_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    state.environment = up.resolve_environment(state, tmp_path, 8123)
    with pytest.raises(StackError, match=r"The database of contracts could not be set up .*TIDEMARK_DATABASE_URL"):
        async with asyncio.timeout(60):
            await up._Stack(state, tmp_path).run(demo=False)
