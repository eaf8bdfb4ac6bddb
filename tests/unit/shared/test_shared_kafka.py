"""How Kafka clients connect: encryption and authentication, from the settings."""

import ast
import ssl
from pathlib import Path
from typing import Any

import certifi
import pytest

from tidemark_shared.messaging.kafka import client_options, security_options, use_settings
from tidemark_shared.settings import InvalidSettingError, Settings

ROOT = Path(__file__).parents[3]


def options(**settings: Any) -> dict[str, Any]:
    return security_options(Settings(**{f"kafka_{name}": value for name, value in settings.items()}))


def test_default_is_a_plain_connection() -> None:
    assert options() == {"security_protocol": "PLAINTEXT"}


def test_tls_checks_the_broker() -> None:
    context = options(security_protocol="SSL", ca_file=certifi.where())["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_sasl_over_tls_has_user_and_password() -> None:
    given = options(security_protocol="SASL_SSL", sasl_mechanism="PLAIN", username="tidemark", password="p")  # noqa: S106 - of the test
    assert isinstance(given.pop("ssl_context"), ssl.SSLContext)
    assert given == {
        "security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_plain_username": "tidemark",
        "sasl_plain_password": "p",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"security_protocol": "SASL_SSL", "password": "p"}, "TIDEMARK_KAFKA_USERNAME is not set"),
        ({"security_protocol": "SASL_PLAINTEXT", "username": "u"}, "TIDEMARK_KAFKA_PASSWORD is not set"),
        ({"security_protocol": "SSL", "ca_file": "/nowhere"}, "TIDEMARK_KAFKA_CA_FILE=/nowhere cannot be used"),
    ],
)
def test_incomplete_settings_are_a_message(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSettingError, match=message):
        options(**settings)


def test_password_is_not_shown() -> None:
    assert "hidden" not in repr(Settings(kafka_password="hidden"))  # noqa: S106 - of the test


def test_every_client_of_a_process_uses_the_settings() -> None:
    use_settings(Settings(kafka_security_protocol="SSL"))
    assert client_options()["security_protocol"] == "SSL"
    use_settings(Settings())
    assert client_options() == {"security_protocol": "PLAINTEXT"}
    clients = [
        (file.relative_to(ROOT), ast.unparse(call))
        for folder in ("src", "shared", "services")
        for file in (ROOT / folder).rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("AIOKafka")
    ]
    assert len(clients) > 5
    # The broker of the local stack listens on loopback only.
    assert {str(file) for file, call in clients if "client_options()" not in call} == {"src/tidemark/stack/kafka.py"}
