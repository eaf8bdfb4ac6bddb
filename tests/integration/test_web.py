"""The one address, in front of real HTTP servers that stand for the services."""

import asyncio
import gzip
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tidemark_shared.settings import Settings
from tidemark_web.app import create_app
from tidemark_web.documents import merge_documents


def upstream(name):
    """A service that tells what reached it."""
    state = {"problems": [], "released": asyncio.Event()}

    async def readyz(_):
        return JSONResponse({"ready": not state["problems"], "problems": state["problems"]})

    async def openapi(_):
        common = {"title": "Same", "type": "object"}
        schemas = {"Same": common, "Known": {"title": f"Known to {name}"}}
        answer = {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Known"}}}}}
        return JSONResponse(
            {"paths": {f"/v1/{name}": {"get": {"responses": answer}}}, "components": {"schemas": schemas}}
        )

    async def slow(_):
        async def parts():
            yield b"first"
            await state["released"].wait()
            yield b"second"

        return StreamingResponse(parts())

    async def compressed(_):
        return Response(gzip.compress(b"long ago"), headers={"content-encoding": "gzip"})

    async def echo(request: Request):
        told = {
            "service": name,
            "method": request.method,
            "path": request.scope["raw_path"].decode(),
            "query": request.url.query,
            "headers": dict(request.headers),
            "body": (await request.body()).decode(),
        }
        headers = {"etag": '"3"', "connection": "x-private", "x-private": "1", "x-public": "2"}
        return JSONResponse(told, 203, headers=headers)

    routes = [
        Route("/readyz", readyz),
        Route("/openapi.json", openapi),
        Route("/v1/reports/slow", slow),
        Route("/v1/reports/compressed", compressed),
        Route("/{path:path}", echo, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    ]
    app = Starlette(routes=routes)
    app.state.told = state
    return app


@asynccontextmanager
async def serving(app):
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws="none"))
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def web(**settings):
    """The web process on a port of its own."""
    app = create_app(Settings(**{"open": True, **settings}))
    async with (
        app.router.lifespan_context(app),
        serving(app) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
async def services():
    apps = {name: upstream(name) for name in ("contracts", "consumption", "notifier", "inbox")}
    async with (
        serving(apps["contracts"]) as contracts,
        serving(apps["consumption"]) as consumption,
        serving(apps["notifier"]) as notifier,
        serving(apps["inbox"]) as inbox,
    ):
        urls = {"contracts_url": contracts, "consumption_url": consumption, "notifier_url": notifier}
        yield apps, urls | {"inbox_url": inbox}


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/v1/organizations", "contracts"),
        ("/v1/teams/7", "contracts"),
        ("/v1/rate-cards", "contracts"),
        ("/v1/contracts", "contracts"),
        ("/v1/contracts/C-1", "contracts"),
        ("/v1/contracts/C-1/amend", "contracts"),
        ("/v1/contracts/balance", "contracts"),
        ("/v1/contracts/C-1/balance", "consumption"),
        ("/v1/contracts/C%2F1/balance", "consumption"),
        ("/v1/contracts/C-1/periods", "consumption"),
        ("/v1/contracts/C-1/curve", "consumption"),
        ("/v1/contracts/C-1/worklogs", "consumption"),
        ("/v1/reports/delivery", "consumption"),
        ("/v1/worklogs", "consumption"),
        ("/v1/rules/7", "notifier"),
        ("/v1/notifications", "notifier"),
        ("/v1/notifications/7/resend", "notifier"),
        ("/v1/contracts/C-1/notifications/explain", "notifier"),
        ("/inbox", "inbox"),
        ("/inbox/mail/1", "inbox"),
    ],
)
async def test_path_is_routed_to_its_service(services, path, service):
    async with web(**services[1]) as client:
        told = (await client.get(path)).json()
    assert (told["service"], told["path"]) == (service, path)


async def test_request_and_response_are_forwarded_completely(services):
    async with web(**services[1]) as client:
        answer = await client.put(
            "/v1/contracts/C-1?a=1&a=%2F",
            content=b'{"x":1}',
            headers={"if-match": '"2"', "x-request-id": "r-1", "connection": "x-hop", "x-hop": "1", "te": "trailers"},
        )
        told = answer.json()
        empty = (await client.delete("/v1/contracts/C-1")).json()
    assert answer.status_code == 203
    assert (answer.headers["etag"], answer.headers["x-public"], answer.headers["x-request-id"]) == ('"3"', "2", "r-1")
    assert "x-private" not in answer.headers
    assert (told["method"], told["query"], told["body"]) == ("PUT", "a=1&a=%2F", '{"x":1}')
    assert (told["headers"]["if-match"], told["headers"]["x-request-id"]) == ('"2"', "r-1")
    assert told["headers"]["content-length"] == "7"
    assert not {"x-hop", "te"} & set(told["headers"])
    assert (empty["method"], empty["body"]) == ("DELETE", "")
    assert "transfer-encoding" not in empty["headers"]


async def test_response_is_streamed_without_decoding(services):
    apps, urls = services
    async with web(**urls) as client, client.stream("GET", "/v1/reports/slow") as answer:
        parts = answer.aiter_bytes()
        assert await anext(parts) == b"first"
        apps["consumption"].state.told["released"].set()
        assert b"".join([part async for part in parts]) == b"second"
    async with web(**urls) as client:
        assert (await client.get("/v1/reports/compressed")).text == "long ago"


async def test_unreachable_service_is_a_503_with_retry_after(services):
    async with web(**services[1] | {"contracts_url": "http://127.0.0.1:9"}) as client:
        down = await client.get("/v1/contracts")
        up = await client.get("/v1/rules")
        ready = await client.get("/readyz")
        alive = await client.get("/healthz")
    assert (down.status_code, up.status_code, ready.status_code, alive.status_code) == (503, 203, 503, 200)
    assert down.headers["content-type"] == "application/problem+json"
    assert int(down.headers["retry-after"]) > 0
    assert down.json()["title"] == "contracts unavailable"
    [problem] = ready.json()["problems"]
    assert problem.startswith("Cannot reach contracts: ")


async def test_readyz_is_ready_if_all_services_are(services):
    apps, urls = services
    async with web(**urls) as client:
        assert (await client.get("/readyz")).json() == {"ready": True, "problems": []}
        apps["notifier"].state.told["problems"] = ["Still reading."]
        assert (await client.get("/readyz")).json() == {"ready": False, "problems": ["notifier: Still reading."]}
        apps["notifier"].state.told["problems"] = []


async def test_unknown_path_is_not_found(services):
    async with web(**services[1]) as client:
        assert (await client.get("/v1/nothing")).status_code == 404
        assert (await client.get("/v1/contractsx")).status_code == 404
    async with web(**services[1] | {"inbox_url": None}) as client:
        assert (await client.get("/inbox")).status_code == 404
        assert "/inbox" not in (await client.get("/")).text


async def test_request_without_token_needs_open_setting_on_loopback(services):
    for settings in ({"open": False}, {"host": "0.0.0.0"}):  # noqa: S104 - what is to be refused
        async with web(**services[1] | settings) as client:
            refused = await client.get("/v1/contracts")
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            passed = await client.get("/v1/contracts", headers={"authorization": "Bearer x"})
            assert passed.json()["headers"]["authorization"] == "Bearer x"


async def test_start_page_has_no_external_links(services):
    async with web(**services[1]) as client:
        page = await client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert 'href="/inbox"' in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text


async def test_openapi_documents_are_merged(services):
    async with web(**services[1]) as client:
        whole = (await client.get("/openapi.json")).json()
    assert set(whole["paths"]) == {"/v1/contracts", "/v1/consumption", "/v1/notifier"}
    assert set(whole["components"]["schemas"]) == {"Same", "Known", "consumption_Known", "notifier_Known"}
    assert "#/components/schemas/notifier_Known" in str(whole["paths"]["/v1/notifier"])


def test_merging_keeps_equal_schemas_once():
    document = {"paths": {}, "components": {"schemas": {"A": {"type": "object"}}}}
    assert merge_documents({"x": document, "y": document})["components"]["schemas"] == {"A": {"type": "object"}}
