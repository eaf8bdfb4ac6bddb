"""No name can change the terminal: every command prints through ``tidemark.cli.output``."""

import ast
import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self
from unittest.mock import AsyncMock

import pytest
from typer.testing import CliRunner

import tidemark
from tidemark.cli import app, connection, dlq, token, verify
from tidemark.cli.connection import print_details
from tidemark.cli.output import Column, print_line, print_records
from tidemark_client import Entity, TidemarkError
from tidemark_shared.domain.text import escape_invisible

HOSTILE = "a\x1b]0;owned\x07[red]b[/red]:smile:\u202ec\x9b31m"
SAFE = r"a\x1b]0;owned\x07[red]b[/red]:smile:\u202ec\x9b31m"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
FIGURES = {"planned": 3_600, "consumed": 0, "remaining": 3_600, "percent": "0.00", "unrated_seconds": None}
PERIOD = FIGURES | {"start": "2026-03-01", "end": "2026-03-31", "carried": 0, "available": 3_600}
CONTRACT = {
    "id": HOSTILE, "code": HOSTILE, "name": HOSTILE, "status": HOSTILE, "version": 1, "type": HOSTILE,
    "owner": {"name": HOSTILE, "email": HOSTILE}, "organization_id": HOSTILE, "recurrence": "none",
    "start_date": HOSTILE, "end_date": HOSTILE, "timezone": "UTC", "contracted_hours": HOSTILE, "currency": None,
}  # fmt: skip
BALANCE = {
    "unit": "seconds", "currency": None, "unaccounted_seconds": 1, "whole": FIGURES, "periods": [PERIOD],
    "accounts": [
        {
            "name": HOSTILE, "billable": True, "whole": FIGURES, "periods": [PERIOD],
            "slices": [{"team_id": HOSTILE, "whole": FIGURES, "periods": [PERIOD]}],
        }
    ],
}  # fmt: skip
WORKLOG = {"reason": HOSTILE, "seconds": 3_600}
ENTRY = {
    "version": 1, "occurred_at": NOW.isoformat(), "actor": HOSTILE, "what": HOSTILE, "reason": HOSTILE,
    "descriptions": [HOSTILE], "changes": [],
}  # fmt: skip
RULE = {
    "id": HOSTILE, "name": HOSTILE, "enabled": True, "scope": {"kind": "organization", "id": HOSTILE},
    "trigger": {"kind": "status_changed", "to": HOSTILE},
}  # fmt: skip
ITEMS: dict[str, dict[str, Any]] = {
    "history": ENTRY, "worklogs": WORKLOG, "rules": RULE,
    "organizations": {
        "id": HOSTILE, "name": HOSTILE, "timezone": HOSTILE,
        "contacts": [{"name": HOSTILE, "email": HOSTILE, "roles": [HOSTILE]}],
    },
    "teams": {"id": HOSTILE, "name": HOSTILE, "members": [{"person_id": HOSTILE, "name": None}]},
    "rate-cards": {
        "id": HOSTILE, "person_id": HOSTILE, "team_id": HOSTILE, "from": HOSTILE, "currency": HOSTILE,
        "per_hour_minor": dict.fromkeys(("normal", "extra_time", "weekend", "holiday"), 1),
    },
    "explain": {
        "rule_name": HOSTILE, "scope": {"kind": HOSTILE}, "state": HOSTILE, "text": HOSTILE, "thresholds": [],
    },
    "notifications": {
        "id": HOSTILE, "contract_code": HOSTILE, "rule_name": HOSTILE, "raised_at": NOW.isoformat(),
        "snapshot": {"kind": "test", "reason": HOSTILE}, "deliveries": [{"status": HOSTILE}],
    },
}  # fmt: skip
LETTER = {
    "id": 1, "service": "notifier", "topic": HOSTILE, "partition": 0, "record_offset": 0, "reason": HOSTILE,
    "key": HOSTILE.encode(), "value": HOSTILE.encode(), "headers": [[HOSTILE, HOSTILE.encode()]],
    "received_at": NOW, "replayed_at": None,
}  # fmt: skip


class HostileApi:
    """An API whose every text is hostile."""

    def __init__(self, _: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get(self, path: str) -> Entity[Any]:
        body = BALANCE if path.endswith("/balance") else CONTRACT
        return Entity(body, "")

    def post(self, *_: object, **__: object) -> Entity[Any]:
        raise TidemarkError(HOSTILE, [{"code": HOSTILE, "path": HOSTILE, "message": HOSTILE}])

    def list(self, path: str, **_: object) -> list[dict[str, Any]]:
        return [ITEMS.get(path.rsplit("/", maxsplit=1)[-1], CONTRACT)]


@pytest.fixture(autouse=True)
def hostile_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("TIDEMARK_DATABASE_URL", "postgresql://nowhere/x")
    monkeypatch.setattr(connection, "open_api", HostileApi)
    monkeypatch.setattr(dlq, "_list_letters", AsyncMock(return_value=[LETTER]))
    monkeypatch.setattr(dlq, "_load_letter", AsyncMock(return_value=LETTER))
    registered = [token.RegisteredToken(id=HOSTILE, name=HOSTILE, role=HOSTILE)]
    monkeypatch.setattr(token, "_load_tokens", AsyncMock(return_value=registered))
    monkeypatch.setattr(token, "_save_tokens", AsyncMock())
    difference = SimpleNamespace(relation=HOSTILE, key={HOSTILE: HOSTILE}, actual={"a": HOSTILE}, expected={"a": 1})
    findings = SimpleNamespace(total=1, first=[difference])
    monkeypatch.setattr(verify, "run_replay", AsyncMock(return_value=findings))


@pytest.mark.parametrize(
    "command",
    [
        "contract list", "contract show X", "contract history X", "contract activate X", "status X",
        "dlq list", "dlq show 1", "token list", f"token revoke {'X' * 8}", "verify",
        "organization list", "organization create --name A --timezone B", "team list", "rate-card list", "rule list",
        "rule explain X", "notification list", "notification resend X",
    ],
)  # fmt: skip
def test_names_of_every_command_are_escaped(command: str, tmp_path: Path) -> None:
    arguments = [HOSTILE if word == "X" * 8 else word for word in command.split()]
    output = CliRunner().invoke(app, [*arguments, "--data-dir", str(tmp_path)]).output
    assert SAFE in output or SAFE[:5] in output
    assert escape_invisible(output) == output


@pytest.mark.parametrize(
    "command",
    ["contract list", "contract history X", "dlq list", "token list", "verify", "rule list", "rule explain X"],
)
def test_json_is_ascii(command: str, tmp_path: Path) -> None:
    output = CliRunner().invoke(app, [*command.split(), "--json", "--data-dir", str(tmp_path)]).output
    assert output.isascii()
    assert escape_invisible(output) == output


@pytest.mark.parametrize(
    "command",
    ["contract list", "contract show X", "contract history X", "status X", "dlq list", "token list", "team list"],
)
def test_csv_has_a_heading_and_the_names_escaped(command: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--csv", "--data-dir", str(tmp_path)])
    rows = list(csv.reader(io.StringIO(result.stdout)))
    assert result.exit_code == 0
    assert {len(row) for row in rows} == {len(rows[0])}
    assert SAFE in result.stdout
    assert escape_invisible(result.output) == result.output


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+4 h", "'+4 h"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\n=1", "'\n=1"),
        ("＝1", "'＝1"),  # noqa: RUF001 - a full-width sign is a formula too
        ("\t=1", "\\t=1"),
        (["=1", "2"], "'=1; 2"),
        ([{"a": "=1"}], '[{"a": "=1"}]'),
        ("-5.00", "-5.00"),
        (Decimal("-5.00"), "-5.00"),
        (-5, "-5"),
        (None, ""),
        (True, "true"),
        ("a,b;c", "a,b;c"),
    ],
)
def test_cell_of_csv_is_no_formula(value: object, cell: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_records([{"a": {"b": value}}], (Column("B", "a"),), as_json=False, as_csv=True)
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [["a.b"], [cell]]


def test_csv_without_records_has_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    print_records([], (), as_json=False, as_csv=True, fields=("a", "b"))
    assert capsys.readouterr().out == "a,b\n"


def test_json_and_csv_exclude_each_other(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["contract", "list", "--json", "--csv", "--data-dir", str(tmp_path)])
    assert result.exit_code == 2
    assert "Choose one of --json and --csv." in result.stderr


@pytest.mark.parametrize("text", ["Größe 8 €", "日本", "\u0645\u06cc\u200c\u062e", "👩\u200d💻", "two\nlines"])
def test_ordinary_text_stays(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_line(text)
    assert capsys.readouterr().out == f"{text}\n"


def test_commands_print_through_the_output_module_only() -> None:
    """A command that printed by itself would have to remember to escape."""
    folder = Path(tidemark.__file__).parent
    files = {*folder.glob("cli/*.py"), *folder.glob("demo/*.py")} - {folder / "cli/output.py"}
    printing = [
        f"{file.name}:{node.lineno}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if (isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "typer.echo", "Console", "typer.secho"})
        or (isinstance(node, ast.ImportFrom) and node.module in {"rich.text", "rich.console.Console"})
    ]
    assert printing == []


def test_details_of_an_entity_are_csv_too(capsys: pytest.CaptureFixture[str]) -> None:
    print_details({"name": "Acme", "owner": {"name": "=Olga"}}, {"Name": "Acme"}, as_json=False, as_csv=True)
    assert capsys.readouterr().out == "name,owner.name\nAcme,'=Olga\n"
