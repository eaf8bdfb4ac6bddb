"""Web in front of real HTTP servers that replace the services."""

from asyncio import gather

import pytest
from api_tokens import bearer
from web_server import running_upstreams, web_client

from tidemark_web.documents import merge_documents

PROXY = {"x-forwarded-for": "192.0.2.1"}


@pytest.fixture(scope="module")
async def services():
    async with running_upstreams() as services:
        yield services


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/v1/organizations", "contracts"),
        ("/v1/teams/7", "contracts"),
        ("/v1/rate-cards", "contracts"),
        ("/v1/offers/exchange", "contracts"),
        ("/v1/contracts", "contracts"),
        ("/v1/contracts/C-1", "contracts"),
        ("/v1/contracts/C-1/amend", "contracts"),
        ("/v1/contracts/balance", "contracts"),
        ("/v1/contracts/batch", "contracts"),
        ("/v1/forgotten-people", "contracts"),
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
    async with web_client(**services[1]) as client:
        received = (await client.get(path)).json()
    assert (received["service"], received["path"]) == (service, path)


async def test_only_the_two_requests_with_the_link_of_an_offer_need_no_token(services):
    needs_token = {"exchange": False, "answer": False, "%65xchange": False, "answer/": True, "answer/x": True,
                   "7/accept": True}  # fmt: skip
    async with web_client(**services[1]) as client:
        for path, expected in needs_token.items():
            response = await client.post(f"/v1/offers/{path}", json={}, headers={"authorization": "none"})
            assert (response.status_code == 401) == expected, path
        response = await client.get("/v1/offers/exchange", headers={"authorization": "none"})
        assert response.status_code == 401


async def test_request_and_response_are_forwarded_completely(services):
    async with web_client(**services[1]) as client:
        response = await client.put(
            "/v1/contracts/C-1?a=1&a=%2F",
            content=b'{"x":1}',
            headers={
                "if-match": '"2"',
                "x-request-id": "r-1",
                "connection": "x-hop",
                "x-hop": "1",
                "te": "trailers",
                "content-type": "application/json",
            },
        )
        received = response.json()
        without_body = (await client.delete("/v1/contracts/C-1")).json()
    assert response.status_code == 203
    assert (response.headers["etag"], response.headers["x-public"], response.headers["x-request-id"]) == (
        '"3"',
        "2",
        "r-1",
    )
    assert "x-private" not in response.headers
    assert (received["method"], received["query"], received["body"]) == ("PUT", "a=1&a=%2F", '{"x":1}')
    assert (received["headers"]["if-match"], received["headers"]["x-request-id"]) == ('"2"', "r-1")
    assert received["headers"]["content-length"] == "7"
    assert not {"x-hop", "te"} & set(received["headers"])
    assert (without_body["method"], without_body["body"]) == ("DELETE", "")
    assert "transfer-encoding" not in without_body["headers"]


async def test_response_is_streamed_without_decoding(services):
    apps, urls = services
    async with web_client(**urls) as client, client.stream("GET", "/v1/reports/slow") as response:
        chunks = response.aiter_bytes()
        assert await anext(chunks) == b"first"
        apps["consumption"].state.service["is_released"].set()
        assert b"".join([chunk async for chunk in chunks]) == b"second"
    async with web_client(**urls) as client:
        assert (await client.get("/v1/reports/compressed")).text == "compressed text"


async def test_check_of_a_worklog_is_answered_by_consumption_and_notifier(services):
    apps, urls = services
    answers = {name: apps[name].state.service["answers"] for name in ("consumption", "notifier")}
    answers["consumption"]["/v1/worklogs/check"] = {"counts": True, "balances": [{"after": 1}], "crossings": None}
    answers["notifier"]["/v1/rules/check"] = {"items": [{"threshold": "80"}], "next": None}
    async with web_client(**urls) as client:
        checked = await client.post("/v1/worklogs/check", json={})
        assert checked.json() == {"counts": True, "balances": [{"after": 1}], "crossings": [{"threshold": "80"}]}
        # A problem is forwarded as it is.
        del answers["consumption"]["/v1/worklogs/check"]
        assert (await client.post("/v1/worklogs/check?a=1", json={})).json()["query"] == "a=1"
        answers["consumption"]["/v1/worklogs/check"] = {"counts": True, "balances": [{"after": 1}], "crossings": None}
        # A notifier that refuses, or is down, leaves the crossings unknown.
        del answers["notifier"]["/v1/rules/check"]
        apps["notifier"].state.service["status"] = 409
        assert (await client.post("/v1/worklogs/check", json={})).json()["crossings"] is None
        del apps["notifier"].state.service["status"]
    async with web_client(**urls | {"notifier_url": "http://127.0.0.1:9"}) as client:
        checked = await client.post("/v1/worklogs/check", json={})
    assert (checked.status_code, checked.json()["crossings"]) == (200, None)
    answers["consumption"].clear()


async def test_unreachable_service_is_a_503_with_retry_after(services):
    async with web_client(**services[1] | {"contracts_url": "http://127.0.0.1:9"}) as client:
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
    async with web_client(**urls) as client:
        assert (await client.get("/readyz")).json() == {"ready": True, "problems": []}
        apps["notifier"].state.service["problems"] = ["Still reading."]
        assert (await client.get("/readyz")).json() == {"ready": False, "problems": ["notifier: Still reading."]}
        apps["notifier"].state.service["problems"] = []


@pytest.mark.parametrize(
    ("headers", "sees_problems"),
    [({}, True), (bearer("viewer"), True)]
    + [(PROXY | headers, False) for headers in ({}, {"authorization": "Bearer x"}, bearer("customer"))]
    + [(PROXY | bearer("viewer"), True)],
)
async def test_readyz_tells_strangers_no_reasons(services, headers, sees_problems):
    apps, urls = services
    apps["notifier"].state.service["problems"] = ["Delivery 7 of contract ACME-SUP waits."]
    async with web_client(**urls, open=False) as client:
        response = await client.get("/readyz", headers=headers)
    apps["notifier"].state.service["problems"] = []
    assert (response.status_code, response.json()["ready"]) == (503, False)
    assert ("ACME-SUP" in response.text, len(response.json()["problems"])) == (sees_problems, 1)


async def test_services_are_asked_once_for_the_document_that_many_strangers_read(services):
    apps, urls = services
    asked = apps["contracts"].state.service["asked"]
    before = asked["/openapi.json"]
    async with web_client(**urls, open=False) as client:
        responses = await gather(*(client.get("/openapi.json") for _ in range(50)))
    assert {response.status_code for response in responses} == {200}
    assert len({response.content for response in responses}) == 1
    assert asked["/openapi.json"] - before == 1


async def test_unknown_path_is_not_found(services):
    async with web_client(**services[1]) as client:
        assert (await client.get("/v1/nothing")).status_code == 404
        assert (await client.get("/v1/contractsx")).status_code == 404
    async with web_client(**services[1] | {"inbox_url": None}) as client:
        assert (await client.get("/inbox")).status_code == 404
        assert "/inbox" not in (await client.get("/sign-in")).text


async def test_page_has_no_external_links(services):
    async with web_client(**services[1]) as client:
        page = await client.get("/sign-in")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert 'href="/inbox"' in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text


async def test_openapi_documents_are_merged(services):
    async with web_client(**services[1]) as client:
        document = (await client.get("/openapi.json")).json()
    assert set(document["paths"]) == {"/v1/contracts", "/v1/consumption", "/v1/notifier"}
    assert set(document["components"]["schemas"]) == {"Same", "Own", "consumption_Own", "notifier_Own"}
    assert "#/components/schemas/notifier_Own" in str(document["paths"]["/v1/notifier"])


def test_merging_keeps_equal_schemas_once():
    document = {"paths": {}, "components": {"schemas": {"A": {"type": "object"}}}}
    assert merge_documents({"x": document, "y": document})["components"]["schemas"] == {"A": {"type": "object"}}
