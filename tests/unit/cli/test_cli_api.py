"""`tidemark api`: the token goes to the API alone, and a version is sent only when it is asked for."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from tidemark.cli import app

requests: list[httpx.Request] = []


def _answer(request: httpx.Request) -> httpx.Response:
    requests.append(request)
    if request.method == "GET":
        return httpx.Response(200, json={"path": request.url.path}, headers={"etag": '"4"'})
    if request.method == "DELETE":
        return httpx.Response(204)
    return httpx.Response(409, json={"title": "Conflict", "violations": [{"message": "taken\x1b"}]})


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    requests.clear()
    monkeypatch.setenv("TIDEMARK_API_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("TIDEMARK_API_TOKEN", "token")
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda _, request: _answer(request))
    return lambda *words, **options: CliRunner().invoke(app, ["api", *words, "--data-dir", str(tmp_path)], **options)


def test_answer_is_printed_and_the_token_is_sent(run: Callable[..., Result]) -> None:
    result = run("get", "/v1/contracts/ACME%2F1/worklogs?limit=3", "--header", "X-A: b")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"path": "/v1/contracts/ACME/1/worklogs"})
    (request,) = requests
    assert request.url.raw_path == b"/v1/contracts/ACME%2F1/worklogs?limit=3"
    assert (request.headers["authorization"], request.headers["x-a"]) == ("Bearer token", "b")
    assert "if-match" not in request.headers


def test_refused_request_prints_the_reasons_and_exits_with_status_1(run: Callable[..., Result]) -> None:
    result = run("POST", "/v1/teams", "--data", '{"name": "A"}')
    assert result.exit_code == 1
    assert json.loads(result.stdout)["violations"] == [{"message": "taken\x1b"}]
    assert result.stderr == "POST /v1/teams: 409 Conflict\n"
    assert "\x1b" not in result.output
    assert requests[0].content == b'{"name": "A"}'
    assert requests[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "version_path"),
    [
        ("PUT", "/v1/teams/1", "/v1/teams/1"),
        ("POST", "/v1/contracts/A/suspend", "/v1/contracts/A"),
        ("DELETE", "/v1/rules/1", "/v1/rules/1"),
    ],
)
def test_current_version_is_that_of_what_changes(
    run: Callable[..., Result], method: str, path: str, version_path: str
) -> None:
    run(method, path, "--data", "{}", "--if-match", "current")
    assert [(request.method, request.url.path) for request in requests] == [("GET", version_path), (method, path)]
    assert requests[-1].headers["if-match"] == '"4"'


def test_answer_without_a_body_prints_nothing(run: Callable[..., Result]) -> None:
    result = run("DELETE", "/v1/rules/1", "--if-match", '"3"')
    assert (result.exit_code, result.output) == (0, "")
    assert requests[0].headers["if-match"] == '"3"'


def test_data_comes_from_a_file_or_standard_input(run: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_text('["ü"]')
    run("POST", "/v1/teams", "--data", f"@{file}")
    run("POST", "/v1/teams", "--data", "@-", input="[2]")
    assert [request.content for request in requests] == ['["ü"]'.encode(), b"[2]"]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("GET", "http://evil.example/v1/"), 2, "does not start with /v1/"),
        (("GET", "//evil.example/v1/"), 2, "does not start with /v1/"),
        (("TRACE", "/v1/teams"), 2, "is not one of GET, POST, PUT, DELETE"),
        (("GET", "/v1/teams", "--header", "no"), 2, "is not NAME:VALUE"),
        (("POST", "/v1/teams", "--data", "body.json"), 1, "write @ before its name"),
        (("POST", "/v1/teams", "--data", "@missing.json"), 1, "missing.json cannot be read"),
    ],
)
def test_wrong_request_is_not_sent(
    run: Callable[..., Result], words: tuple[str, ...], status: int, message: str
) -> None:
    result = run(*words)
    assert (result.exit_code, requests) == (status, [])
    assert message in result.stderr
