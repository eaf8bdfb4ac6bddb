"""Settings that cannot be used are refused with a sentence, wherever they are read."""

import runpy

import pytest

from tidemark_shared.settings import InvalidSettingError, Settings


def test_secret_of_32_bytes_is_accepted() -> None:
    assert Settings(secret="ü" * 16).secret == "ü" * 16


@pytest.mark.parametrize("secret", ["s", "s" * 31])
def test_shorter_secret_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(InvalidSettingError) as raised:
        Settings(secret=secret)
    assert str(raised.value) == (
        f"TIDEMARK_SECRET has {len(secret)} bytes; it needs at least 32. Make one with `openssl rand -hex 32`."
    )


@pytest.mark.parametrize("command", ["tidemark_contracts", "tidemark_consumption", "tidemark_notifier", "tidemark_web"])
def test_no_process_starts_with_a_short_secret(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMARK_SECRET", "short")
    # Python prints the text and ends with status 1.
    with pytest.raises(SystemExit) as raised:
        runpy.run_module(command, run_name="__main__")
    assert str(raised.value).startswith("TIDEMARK_SECRET has 5 bytes;")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("variable", ["TIDEMARK_SMPT_URL", "TIDEMARK_DATABASEURL", "TIDEMARK_ALLOWED_HOST"])
def test_misspelt_variable_is_refused_with_the_right_name(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "x")
    with pytest.raises(InvalidSettingError, match=rf"{variable} is not a setting\. Rename it to TIDEMARK_[A-Z_]+,"):
        Settings()


@pytest.mark.parametrize("part", ["WEB", "CONTRACTS", "CONSUMPTION", "NOTIFIER", "INTAKE"])
@pytest.mark.parametrize("suffix", ["PORT", "SERVICE_HOST", "SERVICE_PORT", "PORT_8000_TCP_ADDR"])
def test_variable_of_kubernetes_is_accepted(monkeypatch: pytest.MonkeyPatch, part: str, suffix: str) -> None:
    monkeypatch.setenv(f"TIDEMARK_{part}_{suffix}", "tcp://10.0.0.1:8000")
    monkeypatch.setenv("TIDEMARK_MAILDIR", "/mails")
    Settings()
