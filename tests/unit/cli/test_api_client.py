"""A client of the HTTP API."""

from collections.abc import Callable

import httpx
import pytest

from tidemark.api_client import ApiClient, ApiError
from tidemark_shared.settings import Settings

UNAVAILABLE = httpx.Response(503, json={"title": "contracts does not answer", "detail": "Try again."})
CREATED = httpx.Response(201, json={"id": "1"}, headers={"etag": '"1"'})


@pytest.fixture
def mock_api(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[httpx.Request]]:
    """A function that makes the server send these responses (or errors). Returns the requests it received."""

    def respond_with(*responses: httpx.Response | Exception) -> list[httpx.Request]:
        requests: list[httpx.Request] = []

        def respond(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            if isinstance(response := responses[len(requests) - 1], Exception):
                raise response
            return response

        monkeypatch.setattr(httpx, "HTTPTransport", lambda **_: httpx.MockTransport(respond))
        return requests

    return respond_with


def api() -> ApiClient:
    return ApiClient(Settings(api_url="http://test"))


def test_request_with_idempotency_key_is_retried_with_the_same_key(
    mock_api: Callable[..., list[httpx.Request]],
) -> None:
    requests = mock_api(UNAVAILABLE, httpx.ReadError("gone"), CREATED)
    assert api().post("contracts", {}, key="k-1").id == "1"
    assert [request.headers["idempotency-key"] for request in requests] == ["k-1"] * 3


@pytest.mark.parametrize("response", [UNAVAILABLE, httpx.ReadError("gone")], ids=repr)
def test_unreachable_api_raises_a_message(
    mock_api: Callable[..., list[httpx.Request]], response: httpx.Response | Exception
) -> None:
    requests = mock_api(*[response] * 3)
    with pytest.raises(ApiError, match=r"Cannot reach the API|does not answer"):
        api().post("contracts", {}, key="k-1")
    assert len(requests) == 3


def test_request_without_idempotency_key_is_sent_once(mock_api: Callable[..., list[httpx.Request]]) -> None:
    requests = mock_api(UNAVAILABLE, CREATED)
    with pytest.raises(ApiError):
        api().post("contracts", {})
    assert len(requests) == 1


def test_list_reads_all_pages_and_sends_only_parameters_with_a_value(
    mock_api: Callable[..., list[httpx.Request]],
) -> None:
    pages = [httpx.Response(200, json={"items": [item], "next": next_}) for item, next_ in ((1, "c"), (2, None))]
    requests = mock_api(*pages, *pages[1:])
    assert list(api().list("contracts", text="A", owner=None)) == [1, 2]
    assert list(api().list("contracts/A/history", limit=None)) == [2]
    assert [dict(request.url.params) for request in requests] == [
        {"limit": "200", "text": "A"},
        {"limit": "200", "text": "A", "cursor": "c"},
        {},
    ]


def test_rejected_token_raises_the_reason_and_the_remedy(mock_api: Callable[..., list[httpx.Request]]) -> None:
    why = "It was revoked on 2026-11-22."
    mock_api(httpx.Response(401, json={"title": "The token is refused", "detail": why}))
    with pytest.raises(ApiError, match=r"It was revoked on 2026-11-22\..*tidemark token create"):
        api().get("contracts")
