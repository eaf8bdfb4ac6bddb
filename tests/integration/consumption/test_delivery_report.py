"""``GET /v1/reports/delivery``: its figures are those of the tables, to the second and the minor unit."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from unittest.mock import AsyncMock

import httpx
import pytest
from api_tokens import SECRET, bearer
from applications import build_app
from comparison import learn
from delivery_comparison import compare_periods, compare_reasons_and_restatements, compare_work, same, table
from effort import repeat
from event_builders import (
    account,
    contract_event,
    link,
    member,
    organization_event,
    take,
    team_event,
    uid,
    worklog,
)
from histories import History, seeded

from tidemark_consumption import replay
from tidemark_consumption.app import create_app
from tidemark_shared.settings import Settings

ACME = uid("Acme")
RANGE = {"organization": ACME, "from": "2026-03-15", "to": "2026-04-20"}
# Seeds of histories, and days in the middle of their work, or until after their restatements.
HISTORIES = [
    (7, date(2026, 5, 21), date(2027, 6, 1)),
    (5, date(2025, 12, 30), date(2026, 1, 31)),
    (0, date(2018, 10, 6), date(2019, 2, 10)),
    (2, date(2026, 5, 2), date(2026, 5, 23)),
    (6, date(2025, 12, 1), date(2027, 6, 1)),
]


@pytest.fixture
async def client(database, pool):
    app = build_app(create_app, Settings(secret=SECRET))
    async with replay.open_pool(database) as replaying:
        app.state.pool, app.state.replay_pool = pool, replaying
        app.state.has_all_contracts = AsyncMock(return_value=True)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=bearer()) as client:
            yield client


async def get_report(client, **parameters):
    answer = await client.get("/v1/reports/delivery", params={**RANGE, **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_report_without_details_has_the_same_figures(client, pool):
    seed, first, last = HISTORIES[0]
    days = {"from": str(first), "to": str(last)}
    async with pool.acquire() as connection:
        await learn(connection, seeded(seed))
    full, short = await get_report(client, **days), await get_report(client, details=False, **days)
    assert any(delivery["days"] and delivery["accounts"] for delivery in full["contracts"])
    left_out = {"accounts": [], "days": [], "outlook": [], "restatements": [], "consumed_before": 0}
    assert short["contracts"] == [delivery | left_out for delivery in full["contracts"]]
    assert short["teams"] == full["teams"]


@pytest.mark.parametrize(("seed", "first", "last"), HISTORIES[: repeat(2, long=len(HISTORIES))])
async def test_report_equals_the_tables(client, pool, seed, first, last):
    async with pool.acquire() as connection:
        await learn(connection, seeded(seed))
        report = await get_report(client, people=True, **{"from": str(first), "to": str(last)})
        contracts = await table(connection, "SELECT * FROM reporting.contracts WHERE organization_id = $1", ACME)
        overlapping = {
            str(row["contract_id"])
            for row in contracts
            if row["status"] != "DRAFT" and row["start_date"] <= last and row["end_date"] >= first
        }
        assert overlapping <= {delivery["contract_id"] for delivery in report["contracts"]}
        assert sum(len(delivery["days"]) for delivery in report["contracts"])
        by_id = {str(row["contract_id"]): row for row in contracts}
        for delivery in report["contracts"]:
            assert same(delivery["whole"], by_id[delivery["contract_id"]], delivery["unit"])
            await compare_periods(connection, delivery, first, last)
            await compare_work(connection, delivery, first, last)
            await compare_reasons_and_restatements(connection, delivery, first, last)


async def test_report_as_of_is_the_report_of_that_moment(client, pool):
    # As learned two years earlier: nothing of it is in the future.
    batches = [(moment - timedelta(days=700), records) for moment, records in seeded(5).batches]
    days = {"from": "2025-12-30", "to": "2026-01-31", "people": True}
    async with pool.acquire() as connection:
        await learn(connection, History(batches[:60]))
        before = await get_report(client, **days)
        await learn(connection, History(batches[60:]))
    replayed = await get_report(client, **days, as_of=batches[59][0].isoformat())
    assert any(delivery["days"] for delivery in before["contracts"])
    assert await get_report(client, **days) != before
    for report in (before, replayed):
        report.pop("moment")
        # These depend on today.
        for contract in report["contracts"]:
            contract.update(forecast=None, outlook=None)
    assert replayed == before
    early = (batches[0][0] - timedelta(microseconds=1)).isoformat()
    answer = await client.get("/v1/reports/delivery", params={**RANGE, "as_of": early})
    assert answer.status_code == 422


NORTH, SOUTH = uid("team North"), uid("team South")


@pytest.fixture
async def acme(connection):
    """A contract of 40 h a month with 2 h on each of nine Mondays, internal work, and work that does not count."""
    today = datetime.now(UTC).date()
    start = (today - timedelta(days=120)).replace(day=1)
    accounts = [account("Support", "40", slices=[(NORTH, "30"), (SOUTH, "10")]),
                account("Internal", "5", teams=[NORTH], billable=False)]  # fmt: skip
    body = {"accounts": accounts, "start": str(start), "end": str(start + timedelta(days=700)), "timezone": "UTC"}
    await take(connection, [organization_event(), organization_event("Other", id_=uid("Other"))])
    members = [team_event("North", [member("ann", name="Ann")]), team_event("South", [member("bo")])]
    await take(connection, members, first_offset=10)
    contracts = [
        contract_event(2, previous="DRAFT", **body),
        contract_event(1, "DRAFT", code="C2"),
        contract_event(2, code="C3", organization_id=uid("Other")),
    ]
    await take(connection, contracts, first_offset=20)
    # The last one before today.
    monday = today - timedelta(days=1 + (today.weekday() - 1) % 7)
    records = [link("I1"), link("I2", account="Internal"), link("I3", account="nobody")]
    for week in range(9):
        day = monday - timedelta(weeks=week)
        started = f"{day}T09:00:00Z"
        records += [
            worklog(f"a{week}", started=started, seconds=5400, author="ann"),
            worklog(f"b{week}", started=started, seconds=1800, author="bo"),
        ]
    records += [
        worklog("i", issue="I2", started=f"{monday}T12:00:00Z", author="ann", seconds=900),
        worklog("u", issue="I3", started=f"{monday}T12:00:00Z"),
    ]
    await take(connection, records, first_offset=30)
    return today, start, monday


async def get_recent(client, today, **parameters):
    return await get_report(client, **{"from": str(today - timedelta(days=27)), "to": str(today), **parameters})


async def test_report_shows_who_worked_and_what_is_to_come(client, acme):
    today, start, monday = acme
    report = await get_recent(client, today, people=True)
    (delivery,) = report["contracts"]
    weeks = sum(day >= today - timedelta(days=27) for day in (monday - timedelta(weeks=week) for week in range(9)))
    assert delivery["billable"] == {
        "seconds": weeks * 7200, "hours": f"{weeks * 2}.0000", "consumed": weeks * 7200, "amount": None,
        "unrated_seconds": None, "worklogs": 2 * weeks,
    }  # fmt: skip
    assert delivery["non_billable"]["seconds"] == 900
    assert delivery["consumed_before"] + delivery["billable"]["consumed"] == 9 * 7200
    assert delivery["days"][-1] == {
        "day": str(monday), "seconds": 7200, "consumed": 7200, "cumulative": 9 * 7200,
    }  # fmt: skip
    teams = {team["team_name"]: (team["billable_seconds"], team["non_billable_seconds"]) for team in report["teams"]}
    assert teams == {"North": (weeks * 5400, 900), "South": (weeks * 1800, 0)}
    names = {person["person_id"]: person["person_name"] for person in delivery["people"]}
    assert names == {"ann": "Ann", "bo": None}
    assert [(row["reason"], row["seconds"], row["hours"]) for row in delivery["unaccounted"]] == [
        ("account_unknown", 3600, "1.0000")
    ]
    assert [slice_["team_name"] for slice_ in delivery["accounts"][0]["slices"]] == ["North", "South"]
    for period in delivery["periods"]:
        months = 1 + sum(date.fromisoformat(period["start"]) >= first for first in months_after(start))
        assert period["planned_to_date"] == months * 40 * 3600
    # 2 h a week lasts; a month has four or five Mondays.
    assert delivery["forecast"] == {"exhausts_on": None, "low": None, "high": None}
    assert len(delivery["outlook"]) == 12
    for month in delivery["outlook"][1:]:
        first, last = date.fromisoformat(month["start"]), date.fromisoformat(month["end"])
        mondays = sum((first + timedelta(days=day)).weekday() == 0 for day in range((last - first).days + 1))
        assert (month["expected"], month["low"], month["high"]) == (mondays * 7200,) * 3
        assert month["contracted"] == 40 * 3600
    totals = [month["cumulative"] for month in delivery["outlook"]]
    added = [later - earlier for earlier, later in pairwise(totals)]
    assert added == [month["expected"] for month in delivery["outlook"][1:]]


def months_after(start):
    first = start
    for _ in range(30):
        first = (first + timedelta(days=32)).replace(day=1)
        yield first


async def test_report_of_an_account_has_only_its_work(client, acme):
    today, _, _ = acme
    internal = uid("account Internal")
    report = await get_recent(client, today, contract="C1", account=internal)
    (delivery,) = report["contracts"]
    assert [part["account_id"] for part in delivery["accounts"]] == [internal]
    assert (delivery["billable"]["seconds"], delivery["non_billable"]["seconds"]) == (0, 900)
    assert [day["seconds"] for day in delivery["days"]] == [900]
    assert delivery["periods"][0]["planned_to_date"] % (5 * 3600) == 0
    assert delivery["people"] is None


@pytest.mark.parametrize(
    ("parameters", "status", "text"),
    [
        ({"organization": uid("nobody")}, 404, "No organization with id"),
        ({"contract": "nowhere"}, 404, "no contract with id or code 'nowhere'"),
        ({"contract": "C3"}, 404, "no contract with id or code 'C3'"),
        ({"account": uid("nothing")}, 404, "no account"),
        ({"from": "2026-04-21"}, 422, "/from"),
        ({"from": "2020-04-21"}, 422, "at most 1,096 days"),
        ({"from": "yesterday"}, 422, "/from"),
        ({"organization": "Acme"}, 422, "/organization"),
        ({"as_of": "2999-01-01T00:00:00Z"}, 422, "/as_of"),
    ],
)
async def test_what_cannot_be_shown_is_said(client, acme, parameters, status, text):
    del acme  # it is there
    answer = await client.get("/v1/reports/delivery", params={**RANGE, **parameters})
    assert answer.status_code == status, answer.text
    assert text in answer.text


async def test_a_draft_is_shown_only_where_it_is_named(client, acme):
    del acme  # it is there
    assert "C2" not in {delivery["contract_code"] for delivery in (await get_report(client))["contracts"]}
    (draft,) = (await get_report(client, contract="C2"))["contracts"]
    assert (draft["status"], draft["forecast"], draft["outlook"]) == ("DRAFT", None, [])


async def test_organization_without_contracts_has_an_empty_report(client, connection):
    await take(connection, [organization_event()])
    report = await get_report(client)
    assert (report["organization_name"], report["contracts"], report["teams"]) == ("Acme", [], [])
