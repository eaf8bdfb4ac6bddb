"""What a customer's token may read of statements: its own, billable, and with what has corrected them (SPEC 7, 10)."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from api_tokens import SECRET, bearer
from event_builders import (
    account,
    adjustment,
    contract_event,
    link,
    member,
    organization_event,
    rate_card,
    take,
    team_event,
    terms,
    uid,
    worklog,
)
from fastapi import FastAPI
from statement_checks import settle_all

from tidemark_consumption.api import customer_statements, customers
from tidemark_shared.http.app import create_api
from tidemark_shared.settings import Settings

OTHER, HOUR = uid("Nordwind"), 3600
FIGURES = {"planned", "consumed", "remaining", "percent"}
MARCH, LEARNED, SETTLED = "2026-03-03T09:00:00Z", datetime(2026, 3, 20, tzinfo=UTC), datetime(2026, 4, 7, tzinfo=UTC)
INTERNAL = ("Coordination", "North", "ann-id", "Ann A", "ticket of Sue", "worklog", "cause", "Secret plan",
            "Goodwill", "team")  # fmt: skip


@pytest.fixture
async def client(pool):
    app: FastAPI = create_api("consumption", Settings(secret=SECRET), None)
    app.include_router(customer_statements.router)
    app.include_router(customers.router)
    app.state.pool = pool
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", headers=bearer("customer", uid("Acme"))
    ) as client:
        yield client


async def get(client, code="A1", path="", status=200, **query):
    response = await client.get(f"/v1/customer/contracts/{code}/statements{path}", params=query)
    assert response.status_code == status, response.text
    return response.json()


def begun(code="A1", **changes):
    """A contract of two months, from its draft to its activation."""
    accounts = [
        account("Help desk", "40", slices=[(uid("team North"), "40")]), account("Coordination", "5", billable=False),
    ]  # fmt: skip
    adjustments = [
        {**adjustment(item["id"], "2026-03-01", hours), "reason": "Goodwill"}
        for item, hours in zip(accounts, ("20", "2"), strict=True)
    ]
    body = terms(
        code=code,
        start="2026-02-01",
        end="2026-04-30",
        description="Secret plan",
        **{"accounts": accounts, "adjustments": adjustments, **changes},
    )
    return body, [contract_event(1, "DRAFT", terms=body), contract_event(2, previous="DRAFT", terms=body)]


async def learn(connection, *steps, moment=LEARNED):
    for number, records in enumerate(steps):
        offset = int((moment - LEARNED).total_seconds()) + 1000 * number
        await take(connection, records, first_offset=offset, learned_at=moment + timedelta(seconds=number))


@pytest.fixture
async def contract(connection):
    """A contract whose March is settled with 10 billable hours, and then corrected by one; February has no work."""
    body, events = begun()
    work = [
        link("I1", contract="A1", account="Help desk"), link("I2", contract="A1", account="Coordination"),
        *(worklog(issue, issue=issue, author="ann-id", started=MARCH, seconds=10 * HOUR, description="ticket of Sue")
          for issue in ("I1", "I2")),
    ]  # fmt: skip
    directory = [
        organization_event("Acme"), organization_event("Nordwind", id_=OTHER),
        team_event("North", [member("ann-id", name="Ann A")]),
    ]  # fmt: skip
    await learn(connection, directory, events, work)
    await settle_all(connection, SETTLED)
    late = [worklog(f"{issue}b", issue=issue, author="ann-id", started=MARCH, seconds=HOUR) for issue in ("I1", "I2")]
    await learn(connection, late, moment=SETTLED + timedelta(hours=1))
    return body


@pytest.mark.usefixtures("contract")
async def test_customer_reads_what_was_frozen_and_what_has_changed_since(client, connection):
    listed = (await get(client))["items"]
    assert [(item["number"], item["figures"]["start"], item["figures"]["consumed"]) for item in listed] == [
        (1, "2026-02-01", 0), (2, "2026-03-01", 10 * HOUR),
    ]  # fmt: skip
    answer = await get(client, path="/2026-03-01")
    march = answer["statement"]
    assert march == listed[1]
    assert march["sha256"] == await connection.fetchval("SELECT sha256 FROM statements WHERE number = 2")
    assert march["figures"].keys() == {*FIGURES, "start", "end", "carried", "available"}
    assert (march["figures"]["planned"], march["figures"]["remaining"]) == (60 * HOUR, 50 * HOUR)
    [help_desk] = march["accounts"]
    assert help_desk.keys() == {*FIGURES, "account_id", "name"}
    assert march["adjustments"] == [{"account_id": help_desk["account_id"], "amount": 20 * HOUR}]
    [restated] = answer["restatements"]
    assert (restated["account_name"], restated["before"], restated["after"]) == ("Help desk", 10 * HOUR, 11 * HOUR)
    assert answer["today"]["figures"]["consumed"] == 11 * HOUR
    assert [item["consumed"] for item in answer["today"]["accounts"]] == [11 * HOUR]
    # The next statement tells of it, as the page of this one does.
    await settle_all(connection, datetime(2026, 6, 1, tzinfo=UTC))
    april = (await get(client, path="/2026-04-01"))["statement"]
    [correction] = april["corrections"]
    assert (correction["period_start"], correction["after"]) == ("2026-03-01", 11 * HOUR)
    # What is corrected back is no correction.
    corrected = worklog("I1b", issue="I1", author="ann-id", started=MARCH, seconds=1, updated="2026-05-01T00:00:00Z")
    await learn(connection, [corrected], moment=datetime(2026, 6, 2, tzinfo=UTC))
    [restated] = (await get(client, path="/2026-03-01"))["restatements"]
    assert (restated["before"], restated["after"]) == (10 * HOUR, 10 * HOUR + 1)


@pytest.mark.usefixtures("contract")
async def test_nothing_internal_is_in_any_answer(client):
    for path in ("", "/2026-03-01", "/2026-02-01"):
        text = json.dumps(await get(client, path=path))
        assert [internal for internal in INTERNAL if internal in text] == []


@pytest.mark.usefixtures("contract")
async def test_statements_of_others_and_of_open_periods_are_not_found(client, connection):
    await learn(
        connection, begun("N1", organization_id=OTHER)[1], begun("A3")[1][:1], moment=SETTLED + timedelta(hours=2)
    )
    await settle_all(connection, datetime(2026, 6, 1, tzinfo=UTC))
    for code in ("N1", "A3", "A9", uid("contract N1")):
        for path in ("", "/2026-03-01"):
            assert (await get(client, code, path, 404))["detail"].startswith("There is no such contract.")
    assert "sha256" not in json.dumps(await get(client, path="/2026-05-01", status=404))
    for query in ({"organization": OTHER}, {"organization": uid("nobody")}):
        await get(client, status=404, **query)
    page = await get(client, limit=1)
    assert [item["number"] for item in (await get(client, limit=1, cursor=page["next"]))["items"]] == [2]


async def test_statement_of_a_former_customer_is_not_shown_to_the_next(client, contract, connection):
    body = {**contract, "organization_id": OTHER}
    await learn(connection, [contract_event(3, terms=body)], moment=SETTLED + timedelta(hours=3))
    await settle_all(connection, datetime(2026, 6, 1, tzinfo=UTC))
    await get(client, status=404)
    client.headers.update(bearer("customer", OTHER))
    assert [item["number"] for item in (await get(client))["items"]] == [3]
    for start in ("2026-02-01", "2026-03-01"):
        await get(client, path=f"/{start}", status=404)


async def test_amounts_are_in_minor_units_of_the_currency(client, connection):
    accounts = [account("Build", value=500_000)]
    body = terms("A1", currency="JPY", value=500_000, start="2026-03-01", end="2026-03-31", accounts=accounts)
    events = [contract_event(1, "DRAFT", terms=body), contract_event(2, previous="DRAFT", terms=body)]
    work = [link("I1", contract="A1", account="Build", created=MARCH),
            worklog("1", issue="I1", author="ann", started=MARCH, seconds=HOUR)]  # fmt: skip
    await learn(connection, [organization_event("Acme"), rate_card("ann", (9000,) * 4, currency="JPY")], events, work)
    await settle_all(connection, SETTLED)
    await learn(connection, [worklog("2", issue="I1", author="ann", started=MARCH, seconds=60)],
                moment=SETTLED + timedelta(hours=1))  # fmt: skip
    answer = await get(client, path="/2026-03-01")
    assert (answer["statement"]["unit"], answer["statement"]["currency"]) == ("minor", "JPY")
    [restated] = answer["restatements"]
    assert (restated["before"], restated["after"]) == (9000, 9150)
    assert answer["today"]["figures"]["consumed"] == 9150
