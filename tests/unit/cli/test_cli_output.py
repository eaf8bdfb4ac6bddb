"""No name can change the terminal: every command prints through ``tidemark.cli.output``."""

import ast
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self
from unittest.mock import AsyncMock, MagicMock

import pytest
from typer.testing import CliRunner

import tidemark
from tidemark.api_client import ApiError, Entity
from tidemark.cli import app, contract, dlq, status, token, verify
from tidemark.cli.output import escape, print_line

HOSTILE = "a\x1b]0;owned\x07[red]b[/red]:smile:\u202ec\x9b31m"
SAFE = r"a\x1b]0;owned\x07[red]b[/red]:smile:\u202ec\x9b31m"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
FIGURES = {"planned": 3_600, "consumed": 0, "remaining": 3_600, "percent": "0.00"}
CONTRACT = {
    "id": HOSTILE, "code": HOSTILE, "name": HOSTILE, "status": HOSTILE, "version": 1, "type": HOSTILE,
    "owner": {"name": HOSTILE, "email": HOSTILE}, "organization_id": HOSTILE, "recurrence": "none",
    "start_date": HOSTILE, "end_date": HOSTILE, "timezone": HOSTILE, "contracted_hours": HOSTILE, "currency": None,
}  # fmt: skip
BALANCE = {
    "unit": "seconds", "currency": None, "whole": FIGURES, "periods": [],
    "accounts": [{"name": HOSTILE, "billable": True, "whole": FIGURES}],
}  # fmt: skip
ENTRY = {
    "version": 1, "occurred_at": NOW.isoformat(), "actor": HOSTILE, "what": HOSTILE, "reason": HOSTILE,
    "sentences": [HOSTILE], "changes": [],
}  # fmt: skip
LETTER = {
    "id": 1, "service": "notifier", "topic": HOSTILE, "partition": 0, "record_offset": 0, "reason": HOSTILE,
    "key": HOSTILE.encode(), "value": HOSTILE.encode(), "headers": [[HOSTILE, HOSTILE.encode()]],
    "received_at": NOW, "replayed_at": None,
}  # fmt: skip
ROW = {
    "contract_id": 1, "account_id": 1, "timezone": "UTC", "recurrence": "none", "billable": True,
    "contract_code": HOSTILE, "contract_name": HOSTILE, "status": HOSTILE, "account_name": HOSTILE,
    "team_name": HOSTILE, "period_start": date(2026, 3, 1), "period_end": date(2026, 3, 31),
    "planned_seconds": 3_600, "consumed_seconds": 0, "percent": 0,
}  # fmt: skip


class HostileApi:
    """An API whose every text is hostile."""

    def __init__(self, _: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get(self, path: str) -> Entity:
        body = BALANCE if path.endswith("/balance") else CONTRACT
        return Entity(body, "")

    def post(self, *_: object, **__: object) -> Entity:
        raise ApiError(HOSTILE, [{"code": HOSTILE, "path": HOSTILE, "message": HOSTILE}])

    def list(self, path: str, **_: object) -> list[dict[str, Any]]:
        return [ENTRY if path.endswith("/history") else CONTRACT]


async def _rows(*_: object, **__: object) -> AsyncIterator[dict[str, Any]]:
    yield ROW


@pytest.fixture(autouse=True)
def hostile_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("TIDEMARK_DATABASE_URL", "postgresql://nowhere/x")
    monkeypatch.setattr(contract, "ApiClient", HostileApi)
    monkeypatch.setattr(dlq, "_list_letters", AsyncMock(return_value=[LETTER]))
    monkeypatch.setattr(dlq, "_load_letter", AsyncMock(return_value=LETTER))
    registered = [token.RegisteredToken(id=HOSTILE, name=HOSTILE, role=HOSTILE)]
    monkeypatch.setattr(token, "_load_tokens", AsyncMock(return_value=registered))
    monkeypatch.setattr(token, "_save_tokens", AsyncMock())
    monkeypatch.setattr(status, "open_connection", MagicMock())
    queries = SimpleNamespace(
        **dict.fromkeys(("find_contract", "current_period", "list_accounts", "list_slices"), _rows)
    )
    monkeypatch.setattr(status, "_sql", queries)
    difference = SimpleNamespace(relation=HOSTILE, key={HOSTILE: HOSTILE}, actual={"a": HOSTILE}, expected={"a": 1})
    findings = SimpleNamespace(total=1, first=[difference])
    monkeypatch.setattr(verify, "run_replay", AsyncMock(return_value=findings))


@pytest.mark.parametrize(
    "command",
    [
        "contract list", "contract show X", "contract history X", "contract activate X", "status X",
        "dlq list", "dlq show 1", "token list", f"token revoke {'X' * 8}", "verify",
    ],
)  # fmt: skip
def test_names_of_every_command_are_escaped(command: str, tmp_path: Path) -> None:
    arguments = [HOSTILE if word == "X" * 8 else word for word in command.split()]
    output = CliRunner().invoke(app, [*arguments, "--data-dir", str(tmp_path)]).output
    assert SAFE in output or SAFE[:5] in output
    assert escape(output) == output


@pytest.mark.parametrize("command", ["contract list", "contract history X", "dlq list", "token list", "verify"])
def test_json_is_ascii(command: str, tmp_path: Path) -> None:
    output = CliRunner().invoke(app, [*command.split(), "--json", "--data-dir", str(tmp_path)]).output
    assert output.isascii()
    assert escape(output) == output


@pytest.mark.parametrize("text", ["Größe 8 €", "日本", "\u0645\u06cc\u200c\u062e", "👩\u200d💻", "two\nlines"])
def test_ordinary_text_stays(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_line(text)
    assert capsys.readouterr().out == f"{text}\n"


def test_commands_print_through_the_output_module_only() -> None:
    """A command that printed by itself would have to remember to escape."""
    folder = Path(tidemark.__file__).parent
    files = {*folder.glob("cli/*.py"), folder / "demo.py"} - {folder / "cli/output.py"}
    printing = [
        f"{file.name}:{node.lineno}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if (isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "typer.echo", "Console", "typer.secho"})
        or (isinstance(node, ast.ImportFrom) and node.module in {"rich.text", "rich.console.Console"})
    ]
    assert printing == []
