"""Attacks on the public address: each gets a refusal, and other requests do not notice it."""

import pytest
from api_tokens import bearer
from web_server import raw_status, running_server, running_upstreams, upstream, web_client

from tidemark_shared.http.tokens import ROLES
from tidemark_shared.settings import InvalidSettingError, Settings

CLOSED = {"open": False}
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
async def services():
    async with running_upstreams() as services:
        yield services


# Open mode and tokens.


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "tidemark.example"])  # noqa: S104 - rejected
def test_open_mode_is_rejected_beyond_loopback(host):
    with pytest.raises(InvalidSettingError, match="TIDEMARK_OPEN"):
        Settings(open=True, host=host)


HOSTILE_CREDENTIALS = [
    {"authorization": "Basic YTpi"},
    {"authorization": ""},
    {"authorization": "Bearer"},
    {"authorization": "Bearer x"},
    {"authorization": "Basic YTpi", "connection": "authorization"},
    {"x-forwarded-for": "192.0.2.1"},
    {"forwarded": "for=192.0.2.1"},
    {"via": "1.1 proxy"},
    {"x-real-ip": "192.0.2.1"},
    {"x-forwarded-proto": "https"},
    {"x-forwarded-host": "tidemark.example"},
    {"cf-connecting-ip": "192.0.2.1"},
    {"true-client-ip": "192.0.2.1"},
]


@pytest.mark.parametrize("headers", HOSTILE_CREDENTIALS, ids=str)
@pytest.mark.parametrize("settings", [{"open": True}, CLOSED, {**CLOSED, "host": "0.0.0.0"}], ids=str)  # noqa: S104
async def test_without_valid_token_nobody_is_admin(services, headers, settings):
    async with web_client(**services[1] | settings) as client:
        response = await client.get("/v1/contracts", headers=headers)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert response.headers["content-type"] == "application/problem+json"


async def test_open_mode_is_not_for_a_proxy_that_adds_no_header(services):
    """Given nginx with its defaults, which asks with HTTP/1.0 and adds nothing, then its clients are not admin."""
    async with web_client(**services[1]) as client:
        for path in ("/v1/contracts", "/inbox"):
            assert await raw_status(client, f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n") == 401
        assert await raw_status(client, "GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n") == 303


async def test_open_mode_adds_a_token_that_the_services_check(services):
    async with web_client(**services[1]) as client:
        received = (await client.get("/v1/contracts")).json()
    assert received["headers"]["authorization"].startswith("Bearer ey")


@pytest.mark.parametrize("settings", [{}, CLOSED], ids=["open", "closed"])
async def test_token_of_a_webhook_goes_to_intake_alone(services, settings):
    """Given a tracker that sends a token instead of a signature, then intake gets it, as it came, to check it."""
    headers = {"authorization": "Bearer of-the-tracker", **JSON}
    async with (
        running_server(upstream("intake")) as intake_url,
        web_client(**services[1] | {"intake_url": intake_url} | settings) as client,
    ):
        received = (await client.post("/v1/intake/acme/webhook", content=b"{}", headers=headers)).json()
        assert received["headers"]["authorization"] == "Bearer of-the-tracker"
        assert (await client.get("/v1/contracts", headers=headers)).status_code == 401
        assert (await client.get("/v1/services/intake/status", headers=headers)).status_code == 401


async def test_connection_header_removes_no_credentials(services):
    headers = {**bearer(), "connection": "authorization, content-length, x-request-id", **JSON}
    async with web_client(**services[1] | CLOSED) as client:
        received = (await client.put("/v1/contracts/C-1", content=b"{}", headers=headers)).json()
    assert received["headers"]["authorization"] == headers["authorization"]
    assert (received["headers"]["content-length"], received["body"]) == ("2", "{}")


@pytest.mark.parametrize("path", ["/v1/nothing", "/v2", "/inboxes", "/metrics"])
async def test_path_that_nobody_classified_needs_a_token(services, path):
    async with web_client(**services[1] | CLOSED) as client:
        assert (await client.get(path)).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"authorization": "Basic YTpi"}, 401), ({"authorization": "Bearer x"}, 401)]
    + [(bearer(role), 200 if role == "admin" else 403) for role in ROLES],
)
async def test_metrics_of_web_are_for_administrators(services, headers, status):
    async with web_client(**services[1] | CLOSED) as client:
        # As Prometheus addresses a pod: by its number.
        response = await client.get("/metrics", headers={"host": "10.1.2.3:8000", **headers} if headers else {})
    assert (response.status_code, b"tidemark_http_requests_total" in response.content) == (status, status == 200)


async def test_metrics_of_open_mode_are_read_on_this_machine_only(services):
    async with web_client(**services[1]) as client:
        response = await client.get("/metrics")
        assert (response.status_code, response.headers.get("access-control-allow-origin")) == (200, None)
        assert (await client.get("/metrics", headers={"x-forwarded-for": "192.0.2.1"})).status_code == 401
        assert (await client.get("/metrics", headers={"host": "evil.example"})).status_code == 421


# Other hosts and other sites.


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "[", "", "a@127.0.0.1.x"]
)
@pytest.mark.parametrize("path", ["/", "/sign-in", "/inbox", "/v1/contracts", "/openapi.json", "/readyz"])
async def test_host_that_is_not_configured_is_rejected(services, host, path):
    async with web_client(**services[1]) as client:
        assert await raw_status(client, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n") == 421


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "LOCALHOST:1", "[::1]:8000", "tidemark.example", "a.example:80", "b.example."]
)
async def test_configured_hosts_are_answered(services, host):
    settings = {"public_url": "https://tidemark.example", "allowed_hosts": "a.example, B.example"}
    async with web_client(**services[1] | settings) as client:
        assert await raw_status(client, f"GET /sign-in HTTP/1.1\r\nHost: {host}\r\n\r\n") == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_change_from_another_site_is_rejected(services, headers, method):
    async with web_client(**services[1]) as client:
        response = await client.request(method, "/v1/worklogs", content=b"{}", headers=headers | JSON)
        assert response.status_code == 403
        with_token = await client.request(method, "/v1/worklogs", content=b"{}", headers=headers | JSON | bearer())
        assert with_token.status_code == 203
        assert (await client.get("/v1/worklogs", headers=headers)).status_code == 203


async def test_change_from_this_site_or_no_browser_is_accepted(services):
    async with web_client(**services[1]) as client:
        origin = str(client.base_url).rstrip("/")
        for headers in ({}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": origin}):
            assert (await client.post("/v1/worklogs", json={}, headers=headers)).status_code == 203


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "text/json"],
)
async def test_body_that_is_not_declared_as_json_is_rejected(services, content_type):
    async with web_client(**services[1]) as client:
        headers = {"content-type": content_type} if content_type else {}
        assert (await client.post("/v1/worklogs", content=b"{}", headers=headers)).status_code == 415


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
    ],
)
async def test_json_and_cloudevents_are_accepted(services, content_type):
    async with web_client(**services[1]) as client:
        response = await client.post("/v1/worklogs", content=b"{}", headers={"content-type": content_type})
        assert response.status_code == 203


async def test_mailbox_needs_loopback_or_a_token(services):
    async with web_client(**services[1] | CLOSED) as client:
        assert (await client.get("/inbox")).status_code == 203
        assert (await client.get("/inbox", headers={"x-forwarded-for": "192.0.2.1"})).status_code == 401
    async with web_client(**services[1] | CLOSED | {"host": "0.0.0.0"}) as client:  # noqa: S104 - the test expects a 401
        assert (await client.get("/inbox")).status_code == 401
        assert (await client.get("/inbox", headers=bearer("viewer"))).status_code == 203


# Requests that a proxy and a service understand differently.


@pytest.mark.parametrize(
    "path",
    [
        "/v1/contracts/../../readyz",
        "/v1/contracts/..",
        "/v1/contracts/.",
        "/v1/contracts/./C-1",
        "/v1/contracts/%2e%2e/%2E%2E/readyz",
        "/v1/contracts/.%2e/balance",
        "/v1/contracts/C-1#/balance",
        "//evil.example/v1/contracts",
        "http://evil.example/v1/contracts",
    ],
)
async def test_path_that_the_service_would_read_differently_is_not_found(services, path):
    async with web_client(**services[1]) as client:
        assert await raw_status(client, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") == 404


async def test_dots_in_a_code_are_forwarded(services):
    async with web_client(**services[1]) as client:
        response = await client.get("/v1/contracts/a..b%2F...")
    assert response.json()["path"] == "/v1/contracts/a..b%2F..."


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("Content-Length: 2\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 2", 400),
        ("Content-Length: 2\r\nContent-Length: 3", 400),
        ("Content-Length: -1", 400),
        ("Content-Length: 2, 3", 400),
        ("Transfer-Encoding: gzip, chunked", 501),
        ("Transfer-Encoding: identity", 501),
    ],
)
async def test_ambiguous_length_is_rejected(services, lines, status):
    head = f"POST /v1/worklogs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{lines}\r\n\r\n"
    async with web_client(**services[1]) as client:
        assert await raw_status(client, head + "2\r\n{}\r\n0\r\n\r\n") in {status, 400}


async def test_target_that_is_no_path_is_not_found(services):
    async with web_client(**services[1]) as client:
        for host in ("127.0.0.1", "localhost"):
            assert await raw_status(client, f"OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n") in {400, 404, 405}


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/v1/contracts/" + "x" * 9_000, {}, 414),
        ("/v1/contracts/" + "x" * 70_000, {}, 414),
        ("/v1/contracts?text=" + "x" * 70_000, {}, 414),
        ("/v1/contracts", {"x-long": "x" * 20_000}, 431),
        ("/v1/contracts", {f"x-{number}": "x" * 100 for number in range(200)}, 431),
        ("/v1/contracts", {"authorization": "Bearer " + "x" * 15_000}, 401),
        ("/v1/contracts", {"x-request-id": "x" * 10_000}, 203),
    ],
    ids=range(7),
)
async def test_long_address_and_headers_are_rejected(services, target, headers, status):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    async with web_client(**services[1]) as client:
        # uvicorn answers 400 if the headers arrive in several parts.
        assert await raw_status(client, f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n") in {
            status,
            400 if status in {414, 431} else status,
        }
