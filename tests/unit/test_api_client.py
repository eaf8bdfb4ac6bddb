"""The command line's client of the HTTP API."""

from collections.abc import Callable

import httpx
import pytest

from tidemark.api_client import ApiClient, ApiError
from tidemark_shared.settings import Settings

AWAY = httpx.Response(503, json={"title": "contracts does not answer", "detail": "Try again."})
MADE = httpx.Response(201, json={"id": "1"}, headers={"etag": '"1"'})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[httpx.Request]]:
    """Has the server give these answers (an error: none comes); gives the requests that reached it."""

    def answer_with(*answers: httpx.Response | Exception) -> list[httpx.Request]:
        requests: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            if isinstance(response := answers[len(requests) - 1], Exception):
                raise response
            return response

        monkeypatch.setattr(httpx, "HTTPTransport", lambda **_: httpx.MockTransport(answer))
        return requests

    return answer_with


def api() -> ApiClient:
    return ApiClient(Settings(api_url="http://test"))


def test_what_has_a_key_is_asked_again_with_the_same_one(asked: Callable[..., list[httpx.Request]]) -> None:
    requests = asked(AWAY, httpx.ReadError("gone"), MADE)
    assert api().post("contracts", {}, key="k-1").id == "1"
    assert [request.headers["idempotency-key"] for request in requests] == ["k-1"] * 3


@pytest.mark.parametrize("answer", [AWAY, httpx.ReadError("gone")], ids=repr)
def test_what_stays_away_is_told_in_a_sentence(
    asked: Callable[..., list[httpx.Request]], answer: httpx.Response | Exception
) -> None:
    requests = asked(*[answer] * 3)
    with pytest.raises(ApiError, match="Cannot reach the API|does not answer"):
        api().post("contracts", {}, key="k-1")
    assert len(requests) == 3


def test_what_has_no_key_is_asked_once(asked: Callable[..., list[httpx.Request]]) -> None:
    requests = asked(AWAY, MADE)
    with pytest.raises(ApiError):
        api().post("contracts", {})
    assert len(requests) == 1


def test_a_token_that_is_refused_is_told_with_why_and_a_remedy(asked: Callable[..., list[httpx.Request]]) -> None:
    why = "It was revoked on 2026-11-22."
    asked(httpx.Response(401, json={"title": "The token is refused", "detail": why}))
    with pytest.raises(ApiError, match=r"It was revoked on 2026-11-22\..*tidemark token create"):
        api().get("contracts")
