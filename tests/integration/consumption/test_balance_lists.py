"""`/v1/balances`: what is published is listed, those that need attention first."""

import httpx
import pytest
from api_tokens import SECRET, bearer
from event_builders import contract_event, link, organization_event, take, uid, worklog
from fastapi import FastAPI

from tidemark_consumption.api import balances
from tidemark_consumption.balance_outbox import open_balance_outbox
from tidemark_shared.http.app import create_api
from tidemark_shared.settings import Settings

pytestmark = pytest.mark.usefixtures("three_contracts")

START, END, WORKED = "2026-01-01", "2099-12-31", "2026-03-02T09:00:00+01:00"


@pytest.fixture
async def client(pool):
    app: FastAPI = create_api("consumption", Settings(secret=SECRET), None)
    app.include_router(balances.router)
    app.state.pool = pool
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", headers=bearer("viewer")
    ) as client:
        yield client


async def publish(database, connection):
    async with open_balance_outbox(database) as outbox:
        while await connection.fetchval("SELECT exists(SELECT FROM balances WHERE revision > published_revision)"):
            await outbox.mark_published(connection, [row.id for row in await outbox.load_rows(connection)])


@pytest.fixture
async def three_contracts(database, connection):
    """B2 is over its 2 hours, A1 is on track, and C3 is a draft."""
    common = {"start": START, "end": END, "hours": "2", "recurrence": "none"}
    await take(connection, [organization_event("Acme"), organization_event("Nordwind", id_=uid("Nordwind"))])
    events = [
        contract_event(code="A1", **common),
        contract_event(code="B2", organization_id=uid("Nordwind"), **common),
        contract_event(code="C3", status="DRAFT", change="drafted", **common),
    ]
    await take(connection, events, partition=1)
    work = [link("I1", contract="A1"), link("I2", contract="B2")]
    work += [worklog("1", issue="I1", started=WORKED), worklog("2", issue="I2", started=WORKED, seconds=7201)]
    await take(connection, work, partition=2)
    await publish(database, connection)


async def list_codes(client, **query):
    response = await client.get("/v1/balances", params=query)
    assert response.status_code == 200, response.text
    return [item["contract_code"] for item in response.json()["items"]]


async def test_contracts_that_need_attention_come_first(client):
    response = (await client.get("/v1/balances")).json()
    assert [item["contract_code"] for item in response["items"]] == ["B2", "A1", "C3"]
    over = response["items"][0]
    assert over["attention"] == ["over", "account_over"]
    assert (over["period"]["remaining"], over["organization_name"]) == (-1, "Nordwind")
    assert response["statuses"] == {"ACTIVE": 2, "DRAFT": 1}
    assert response["attention"] == {"over": 1, "account_over": 1}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "DRAFT"}, ["C3"]),
        ({"status": ["DRAFT", "ACTIVE"]}, ["B2", "A1", "C3"]),
        ({"attention": "over"}, ["B2"]),
        ({"attention": "ended"}, []),
        ({"organization": uid("Nordwind")}, ["B2"]),
        ({"text": "nordw"}, ["B2"]),
        ({"text": "contract a"}, ["A1"]),
        ({"text": "%"}, []),
        ({"owner": "PROVIDER.EXAMPLE"}, ["B2", "A1", "C3"]),
        ({"from": END}, ["B2", "A1", "C3"]),
        ({"to": "2020-01-01"}, []),
    ],
)
async def test_filters(client, query, expected):
    assert await list_codes(client, **query) == expected


async def test_counts_are_of_all_contracts_that_match(client):
    response = (await client.get("/v1/balances", params={"status": "CLOSED", "text": "Acme"})).json()
    assert response["items"] == []
    assert response["statuses"] == {"ACTIVE": 1, "DRAFT": 1}


async def test_pages_have_each_contract_once(client):
    codes, cursor = [], None
    while True:
        query = {"limit": 1, **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/v1/balances", params=query)).json()
        codes += [item["contract_code"] for item in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert codes == ["B2", "A1", "C3"]


async def test_a_change_is_listed_when_it_is_published(client, database, connection):
    before = (await client.get("/v1/balances/revisions", params={"contract": uid("contract A1")})).json()["items"]
    more = worklog("3", issue="I1", started=WORKED, seconds=7200)
    await take(connection, [more], partition=2, first_offset=10)
    after = (await client.get("/v1/balances/revisions", params={"contract": uid("contract A1")})).json()["items"]
    assert after[0]["revision"] > before[0]["revision"]
    assert await list_codes(client, attention="over") == ["B2"]
    await publish(database, connection)
    assert await list_codes(client, attention="over") == ["A1", "B2"]
