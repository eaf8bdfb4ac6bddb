"""What a customer's token may read: its own contracts, and nothing internal; and nothing of anybody else (SPEC 7)."""

import json

import httpx
import pytest
from api_operations import CUSTOMER, LINK, REQUIRED_ROLES, fill, operations
from api_services import CREATE_APP, running_app
from api_tokens import SECRET, bearer
from event_builders import account, contract_event, link, organization_event, rollover, take, team_event, uid, worklog
from event_builders import member as person
from fastapi import FastAPI

from tidemark_consumption.api import customers
from tidemark_shared.http.app import create_api
from tidemark_shared.settings import Settings

OTHER = uid("Nordwind")
FIGURES = {"planned", "consumed", "remaining", "percent"}
CONTRACT = {
    "contract_id", "contract_code", "contract_name", "type", "recurrence", "status", "start_date", "end_date",
    "timezone", "unit", "currency", "exhausts_on", "whole", "updated_at",
}  # fmt: skip
INTERNAL = ("Coordination", "Engineering", "Olga", "olga", "ann-id", "Ann A", "password reset", "worklog",
            "unaccounted", "restatement", "revision", "Secret plan")  # fmt: skip


@pytest.mark.parametrize("service", CREATE_APP)
async def test_token_of_another_customer_gets_no_figure_on_any_route(service, database):
    """A new route must be in the table of roles."""
    async with running_app(service, database) as (_, client, ids):
        for method, path, _ in operations(service):
            required = REQUIRED_ROLES[f"{method} {path}"]
            response = await client.request(method, fill(path, ids), json={"x": 1}, headers=bearer("customer", OTHER))
            if required in {CUSTOMER, LINK}:
                is_refused = response.status_code in {401, 403, 404, 422}
                assert is_refused or response.json() == {"items": [], "next": None}, (method, path, response.text)
            else:
                assert response.status_code == 403, (method, path)
            for text in ("C1", "Support", "Help desk", "Olga", "Acme", "ann", "144000", "40"):
                assert text not in response.text.replace("403", "").replace("404", ""), (method, path, text)


@pytest.fixture
async def client(pool):
    app: FastAPI = create_api("consumption", Settings(secret=SECRET), None)
    app.include_router(customers.router)
    app.state.pool = pool
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", headers=bearer("customer", uid("Acme"))
    ) as client:
        yield client


@pytest.fixture
async def contracts(connection):
    """Two of Acme, of which one is over; a draft of Acme; and one of another customer."""
    accounts = [
        account("Help desk", "30", slices=[(uid("team Engineering"), "30")]),
        account("Coordination", "5", billable=False),
        account("Changes", "10"),
    ]
    common = {"start": "2026-01-01", "end": "2026-12-31", "hours": "40", "description": "Secret plan"}
    await take(connection, [
        organization_event("Acme"), organization_event("Nordwind", id_=OTHER),
        team_event("Engineering", [person("ann-id", name="Ann A")]),
    ])  # fmt: skip
    events = [
        contract_event(code="A1", accounts=accounts, rollover=rollover("carry", "deduct"), **common),
        contract_event(code="A2", status="CLOSED", change="closed", recurrence="none", **common),
        contract_event(code="A3", status="DRAFT", change="drafted", **common),
        contract_event(code="N1", organization_id=OTHER, **common),
    ]
    await take(connection, events, partition=1)
    work = [
        link("I1", contract="A1", account="Help desk"), link("I2", contract="A1", account="Coordination"),
        link("I3", contract="A1", account="Nothing"), link("I4", contract="N1"),
    ]  # fmt: skip
    for number, issue in enumerate(("I1", "I2", "I3", "I4")):
        work.append(worklog(f"{number}", issue=issue, author="ann-id", seconds=36_000, description="password reset"))
    await take(connection, work, partition=2)


async def get(client, path="", **query):
    response = await client.get(f"/v1/customer/contracts{path}", params=query)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.usefixtures("contracts")
async def test_customer_sees_its_contracts_the_active_ones_first(client):
    listed = (await get(client))["items"]
    assert [item["contract_code"] for item in listed] == ["A1", "A2"]
    assert {frozenset(item) for item in listed} == {frozenset({*CONTRACT, "period"})}
    first = await get(client, limit=1)
    second = await get(client, limit=1, cursor=first["next"])
    assert [item["contract_code"] for item in (*first["items"], *second["items"])] == ["A1", "A2"]
    assert second["next"] is None


@pytest.mark.usefixtures("contracts")
async def test_contract_has_the_figures_of_billable_accounts_by_period(client):
    contract = await get(client, "/A1")
    assert contract.keys() == {*CONTRACT, "periods", "accounts"}
    assert [item["name"] for item in contract["accounts"]] == ["Help desk", "Changes"]
    march, april = contract["periods"][2:4]
    assert march.keys() == {*FIGURES, "start", "end", "carried", "available"}
    # 40 h of January and 40 h of February are carried, apart from what is planned; 10 h are used in March.
    assert [march[name] // 3600 for name in ("planned", "carried", "available", "consumed", "remaining")] == [
        40, 80, 120, 10, 110,
    ]  # fmt: skip
    assert april["consumed"] == 0
    assert contract["whole"]["consumed"] == 36_000
    help_desk = contract["accounts"][0]
    assert help_desk.keys() == {"account_id", "name", "whole", "periods"}
    assert (help_desk["periods"][2]["consumed"], help_desk["periods"][3]["consumed"]) == (36_000, 0)


@pytest.mark.usefixtures("contracts")
async def test_nothing_internal_is_in_any_answer(client):
    for path in ("", "/A1", f"/{uid('contract A1')}", "/A1/curve"):
        text = json.dumps(await get(client, path))
        assert [internal for internal in INTERNAL if internal in text] == []


@pytest.mark.usefixtures("contracts")
async def test_curve_counts_the_billable_work(client):
    days = (await get(client, "/A1/curve"))["items"]
    assert days[0].keys() == {"day", "consumed", "period_start", "period_consumed"}
    by_day = {day["day"]: (day["consumed"], day["period_consumed"]) for day in days}
    assert (by_day["2026-03-01"], by_day["2026-03-02"], by_day["2026-04-01"]) == ((0, 0), (36_000, 36_000), (36_000, 0))


@pytest.mark.parametrize("suffix", ["", "/curve"])
@pytest.mark.parametrize("reference", ["A3", "N1", "A9", uid("contract N1"), uid("contract A3")])
@pytest.mark.usefixtures("contracts")
async def test_other_contracts_and_drafts_are_not_found(client, reference, suffix):
    response = await client.get(f"/v1/customer/contracts/{reference}{suffix}")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no such contract. Open the list of your contracts."


@pytest.mark.usefixtures("contracts")
async def test_customer_cannot_name_another_organization_and_others_must_name_one(client):
    for path in ("", "/N1", "/N1/curve"):
        assert (await client.get(f"/v1/customer/contracts{path}?organization={OTHER}")).status_code == 404
        assert (await client.get(f"/v1/customer/contracts{path}", headers=bearer("viewer"))).status_code == 422
    viewed = await client.get(f"/v1/customer/contracts?organization={OTHER}", headers=bearer("viewer"))
    assert [item["contract_code"] for item in viewed.json()["items"]] == ["N1"]
