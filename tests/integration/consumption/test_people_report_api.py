"""``GET /v1/reports/people``: the hours are those of the tables, to the second; the capacity is that of the days."""

from collections import Counter
from datetime import date

import httpx
import pytest
from api_tokens import SECRET, bearer
from applications import build_app
from comparison import learn
from event_builders import account, contract_event, link, member, rate_card, take, team_event, uid, worklog
from histories import seeded

from tidemark_consumption.app import create_app
from tidemark_shared.settings import Settings

NORTH, SOUTH = uid("team North"), uid("team South")
RANGE = {"from": "2026-03-04", "to": "2026-03-15"}
HOUR = 3600


@pytest.fixture
async def client(pool):
    app = build_app(create_app, Settings(secret=SECRET))
    app.state.pool = pool
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=bearer()) as client:
        yield client


async def get_people(client, **parameters):
    answer = await client.get("/v1/reports/people", params={**RANGE, **parameters})
    assert answer.status_code == 200, answer.text
    return {person["person_id"]: person for person in answer.json()["people"]}


async def test_hours_equal_the_tables(client, pool):
    first, last = date(2026, 3, 4), date(2026, 12, 1)
    async with pool.acquire() as connection:
        await learn(connection, seeded(7))
        people = await get_people(client, **{"from": str(first), "to": str(last)})
        rows = await connection.fetch(
            "SELECT author_id, date_trunc('week', day)::date::text AS week, billable, sum(seconds)::int AS seconds"
            " FROM reporting.worklogs WHERE day BETWEEN $1 AND $2 GROUP BY 1, 2, 3",
            first, last,
        )  # fmt: skip
    expected = Counter({(row["author_id"], row["week"], row["billable"]): row["seconds"] for row in rows})
    assert expected
    assert expected == +Counter({
        (id_, week["start"], billable): week[f"{kind}_seconds"]
        for id_, person in people.items() for week in person["weeks"]
        for kind, billable in (("billable", True), ("non_billable", False))
    })  # fmt: skip


async def test_capacity_is_of_working_days_as_a_member(client, connection):
    members = [
        team_event("North", [member("ann", name="Ann"), member("bo", "2026-03-12")]),
        team_event("South", [member("cy", "2026-01-01", "2026-03-05")]),
        rate_card("ann", workload="6", first="2026-03-09"),
    ]
    await take(connection, members)
    accounts = [account("Support", "40", teams=[NORTH]), account("Internal", "5", billable=False)]
    await take(connection, [contract_event(2, accounts=accounts)], first_offset=20)
    work = [
        link("I1"), link("I2", account="Internal"), link("I3", account="Nowhere"),
        worklog("w1", seconds=HOUR, started="2026-03-05T09:00:00+01:00"),
        worklog("w2", issue="I2", seconds=2 * HOUR, started="2026-03-10T09:00:00+01:00"),
        worklog("w3", issue="I3", seconds=3 * HOUR, started="2026-03-15T09:00:00+01:00"),
        worklog("w4", issue="I9", seconds=4 * HOUR, started="2026-03-10T09:00:00+01:00", author="guest"),
        worklog("w5", seconds=HOUR, started="2026-03-16T09:00:00+01:00"),
    ]  # fmt: skip
    await take(connection, work, first_offset=30)

    people = await get_people(client)

    ann, bo, cy, guest = (people[id_] for id_ in ("ann", "bo", "cy", "guest"))
    names = ("capacity_seconds", "billable_seconds", "non_billable_seconds", "unaccounted_seconds")
    assert [[week[name] // HOUR for name in names] for week in ann["weeks"]] == [[24, 1, 0, 0], [30, 0, 2, 3]]
    assert [week["start"] for week in ann["weeks"]] == ["2026-03-02", "2026-03-09"]
    assert [week["capacity_seconds"] // HOUR for week in bo["weeks"]] == [0, 16]
    assert [week["capacity_seconds"] // HOUR for week in cy["weeks"]] == [16, 0]
    assert guest["capacity_seconds"] is None
    assert guest["unaccounted_seconds"] == 4 * HOUR
    assert guest["contracts"] == []
    assert [contract["contract_code"] for contract in ann["contracts"]] == ["C1"]
    assert set(await get_people(client, team=NORTH)) == {"ann", "bo"}


@pytest.mark.parametrize(
    ("parameters", "status"),
    [({"team": uid("nobody")}, 404), ({"from": "2026-03-16"}, 422), ({"from": "2024-01-01"}, 422), ({"to": ""}, 422)],
)
async def test_bad_questions_are_rejected(client, parameters, status):
    answer = await client.get("/v1/reports/people", params={**RANGE, **parameters})
    assert answer.status_code == status
