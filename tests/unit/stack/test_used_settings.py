"""Each process gets the settings that it reads, and no other: neither secrets nor addresses of others."""

import ast
from pathlib import Path

import pytest

from tidemark.stack import up
from tidemark_shared.settings import Settings

_CHECKED = {"open", "port", "kafka_security_protocol", "kafka_sasl_mechanism", "locale", "restatement_quiet_seconds"}
ROOT = Path(__file__).parents[3]


def settings_read_by(process: str) -> set[str]:
    """The attributes of ``settings`` in the code of a process."""
    return {
        f"TIDEMARK_{node.attr.upper()}"
        for file in (ROOT / f"services/{process}/tidemark_{process}").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in Settings.model_fields
        if ast.unparse(node.value).rpartition(".")[2] == "settings"
    }


@pytest.mark.parametrize("process", up.USED_SETTINGS)
def test_process_gets_what_it_reads(process: str) -> None:
    assert settings_read_by(process) - up.USED_SETTINGS[process] == set()


@pytest.mark.parametrize("process", up.USED_SETTINGS)
def test_process_gets_no_secret_of_another(process: str) -> None:
    environment = {f"TIDEMARK_{name.upper()}": "x" * 32 for name in Settings.model_fields if name not in _CHECKED}
    databases = {name for name in up.select_settings(environment, process) if name.endswith("DATABASE_URL")}
    assert databases == ({f"TIDEMARK_{process.upper()}_DATABASE_URL"} if process in up.ALL_SERVICES else set())
    selected = set(up.select_settings(environment, process))
    assert "TIDEMARK_API_TOKEN" not in selected
    assert ("TIDEMARK_SMTP_URL" in selected) == (process == "notifier")
    assert ("TIDEMARK_KAFKA_PASSWORD" in selected) == (process in up.ALL_SERVICES)


def test_service_of_a_common_database_gets_its_address() -> None:
    environment = {"TIDEMARK_DATABASE_URL": "postgresql://all", "TIDEMARK_NOTIFIER_DATABASE_URL": "postgresql://own"}
    selected = {process: up.select_settings(environment, process) for process in up.SERVICES}
    assert selected == {
        "contracts": {"TIDEMARK_CONTRACTS_DATABASE_URL": "postgresql://all"},
        "consumption": {"TIDEMARK_CONSUMPTION_DATABASE_URL": "postgresql://all"},
        "notifier": {"TIDEMARK_NOTIFIER_DATABASE_URL": "postgresql://own"},
    }
