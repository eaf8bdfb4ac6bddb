"""The Python client: requests, retries, ETags, pages and errors, synchronous and asynchronous."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from tidemark_client import AsyncClient, Client, Entity, TidemarkError

ORGANIZATION = {"id": "5b0f2c4e-3d1a-4f5e-8c22-1f0f6b1f3a01", "version": 3, "name": "Acme", "timezone": "UTC"}
Answer = Callable[[httpx.Request], httpx.Response]


class Server:
    """Answers from a list; an exception in it is raised. Records the requests."""

    def __init__(self, *answers: httpx.Response | httpx.TransportError) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", seconds.append)
    return seconds


@contextmanager
def client_of(server: Server) -> Iterator[Client]:
    with Client("http://tidemark.test", "secret", transport=httpx.MockTransport(server)) as client:
        yield client


@asynccontextmanager
async def async_client_of(server: Server) -> AsyncIterator[AsyncClient]:
    async with AsyncClient("http://tidemark.test", "secret", transport=httpx.MockTransport(server)) as client:
        yield client


def respond(status: int = 200, body: Any = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers=headers)


def key_of(request: httpx.Request) -> str:
    return request.headers["idempotency-key"]


def test_places_of_a_path_are_filled_in_its_order() -> None:
    server = Server(respond(200, {"id": 17}))
    with client_of(server) as client:
        client.get_dead_letter("notifier", 17)
    assert server.requests[0].url.path == "/v1/services/notifier/dead-letters/17"


def test_body_and_etag_of_what_was_read_are_sent_with_the_next_change() -> None:
    server = Server(respond(body=ORGANIZATION, etag='"3"'), respond(body=ORGANIZATION | {"version": 4}, etag='"4"'))
    with client_of(server) as client:
        organization = client.get_organization(ORGANIZATION["id"])
        changed = client.update_organization(organization, {"name": "Acme", "timezone": "UTC"})
    assert (changed.id, changed.etag, changed.body["version"]) == (ORGANIZATION["id"], '"4"', 4)
    read, change = server.requests
    assert read.url == change.url == f"http://tidemark.test/v1/organizations/{ORGANIZATION['id']}"
    assert (change.method, change.headers["if-match"]) == ("PUT", '"3"')
    assert json.loads(change.content) == {"name": "Acme", "timezone": "UTC"}
    assert read.headers["authorization"] == "Bearer secret"


def test_change_without_an_etag_is_not_sent() -> None:
    server = Server()
    with client_of(server) as client, pytest.raises(ValueError, match="Pass the entity that you read"):
        client.close_contract("ACME-SUP", {"reason": "over"})
    assert not server.requests


def test_codes_are_quoted_in_paths() -> None:
    server = Server(respond(body={}))
    with client_of(server) as client:
        client.get_contract_balance("ACME/SUP 1")
    assert server.requests[0].url.raw_path == b"/v1/contracts/ACME%2FSUP%201/balance"


def test_change_is_sent_again_with_the_same_idempotency_key(pauses: list[float]) -> None:
    server = Server(
        httpx.ConnectError("refused"), respond(503, **{"retry-after": "7"}), respond(201, ORGANIZATION, etag='"1"')
    )
    with client_of(server) as client:
        client.create_organization({"name": "Acme", "timezone": "UTC"})
    keys = {key_of(request) for request in server.requests}
    assert len(server.requests) == 3
    assert len(keys) == 1
    assert UUID(keys.pop())
    assert pauses[0] < 1
    assert pauses[1] == 7


def test_own_idempotency_key_is_sent() -> None:
    server = Server(respond(201, ORGANIZATION))
    with client_of(server) as client:
        client.create_organization({"name": "Acme", "timezone": "UTC"}, key="import-1")
    assert key_of(server.requests[0]) == "import-1"


@pytest.mark.parametrize("status", [409, 412, 422, 500])
def test_request_that_was_rejected_is_not_sent_again(status: int) -> None:
    server = Server(respond(status, {"title": "No", "detail": "Because.", "violations": []}))
    with client_of(server) as client, pytest.raises(TidemarkError, match=r"No\. Because\.") as error:
        client.create_organization({"name": "Acme", "timezone": "UTC"})
    assert error.value.status == status
    assert len(server.requests) == 1


def test_error_has_every_violation() -> None:
    violations = [{"code": "invalid", "path": "/name", "message": "Too long."}]
    server = Server(respond(422, {"title": "Invalid request", "detail": "", "violations": violations}))
    with client_of(server) as client, pytest.raises(TidemarkError) as error:
        client.create_team({"name": "x" * 300})
    assert str(error.value) == "POST /v1/teams: /name: Too long. (invalid)"
    assert error.value.violations == violations


def test_api_that_stays_unreachable_is_an_error_without_a_status(pauses: list[float]) -> None:
    server = Server(*[httpx.ConnectError("refused")] * 4)
    with client_of(server) as client, pytest.raises(TidemarkError, match="Cannot reach the API") as error:
        client.get_organization("x")
    assert error.value.status is None
    assert len(pauses) == 3


def test_answer_of_a_proxy_is_an_error() -> None:
    server = Server(*[httpx.Response(502, text="<html>Bad gateway")] * 4)
    with client_of(server) as client, pytest.raises(TidemarkError, match="status 502: <html>Bad gateway"):
        client.get_organization("x")


def test_lists_are_iterators_over_all_pages() -> None:
    server = Server(respond(body={"items": [1, 2], "next": "abc"}), respond(body={"items": [3], "next": None}))
    with client_of(server) as client:
        assert list(client.list_contracts(status=["DRAFT", "ACTIVE"], from_="2026-01-01")) == [1, 2, 3]
    first, second = (request.url.params for request in server.requests)
    assert first.multi_items() == [("limit", "200"), ("status", "DRAFT"), ("status", "ACTIVE"), ("from", "2026-01-01")]
    assert second["cursor"] == "abc"


async def test_asynchronous_client_does_the_same() -> None:
    server = Server(
        respond(503), respond(201, ORGANIZATION, etag='"1"'), httpx.Response(204),
        respond(body={"items": [1], "next": "abc"}), respond(body={"items": [2], "next": None}),
    )  # fmt: skip
    async with async_client_of(server) as client:
        organization = await client.create_organization({"name": "Acme", "timezone": "UTC"})
        await client.delete_organization(organization)
        assert [item async for item in client.list_teams()] == [1, 2]
    first, second, deletion, *_ = server.requests
    assert key_of(first) == key_of(second) != key_of(deletion)
    assert deletion.headers["if-match"] == '"1"'


async def test_both_clients_have_the_same_methods() -> None:
    methods = [{name for name in dir(class_) if not name.startswith("_")} for class_ in (Client, AsyncClient)]
    assert methods[0] - {"close"} == methods[1] - {"aclose"}
    assert {"create_contract", "list_contract_worklogs", "find"} <= methods[0]


@pytest.mark.parametrize("name", ["get", "find"])
def test_what_is_not_there_is_none(name: str) -> None:
    server = Server(respond(404, {"title": "Not found"}), respond(body={"items": [], "next": None}))
    with client_of(server) as client:
        if name == "get":
            assert client.get("contracts/X") is None
        else:
            server.answers.pop(0)
            assert client.find("teams", "X") is None


def test_entity_has_the_id_of_its_body() -> None:
    assert Entity({"id": 7}, "").id == "7"
