"""The errors of the API on the command line say what to do."""

import httpx
import pytest

from tidemark.api import open_api
from tidemark_client import TidemarkError
from tidemark_shared.settings import Settings

SETTINGS = Settings(api_url="http://test")


def test_rejected_token_raises_the_reason_and_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    response = httpx.Response(401, json={"title": "Invalid token", "detail": "It was revoked on 2026-11-22."})
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda *_: response)
    with (
        pytest.raises(TidemarkError, match=r"It was revoked on 2026-11-22\..*tidemark token create"),
        open_api(SETTINGS) as api,
    ):
        api.get("contracts")


def test_unreachable_api_raises_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> httpx.Response:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", refuse)
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    with (
        pytest.raises(TidemarkError, match=r"Cannot reach the API at http://test \(refused\)\. Start Tidemark, or set"),
        open_api(SETTINGS) as api,
    ):
        api.get("contracts")


def test_other_errors_are_not_changed() -> None:
    with pytest.raises(TidemarkError, match=r"^No such team$"), open_api(SETTINGS):
        raise TidemarkError("No such team")
