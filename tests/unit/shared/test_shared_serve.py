"""A service whose settings are incomplete ends with one line that names the setting."""

import os

import pytest
from fastapi import FastAPI

from tidemark_shared import runtime

SETTINGS = {
    "TIDEMARK_SECRET": "x" * 32,
    "TIDEMARK_DATABASE_URL": "postgresql://127.0.0.1:1/x",
    "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
}


@pytest.mark.parametrize("missing", SETTINGS)
def test_missing_setting_is_one_line(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in [name for name in os.environ if name.startswith("TIDEMARK_")]:
        monkeypatch.delenv(name)
    for name in SETTINGS.keys() - {missing}:
        monkeypatch.setenv(name, SETTINGS[name])
    monkeypatch.setattr(runtime.uvicorn, "run", lambda *_, **__: pytest.fail("The service was started."))
    with pytest.raises(SystemExit, match=f"^{missing} is not set"):
        runtime.serve("contracts", lambda _: FastAPI())
