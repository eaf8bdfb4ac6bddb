"""The figures over HTTP equal the reference: now, and as known at a moment (SPEC W8)."""

from datetime import UTC, datetime, timedelta
from unittest.mock import AsyncMock

import httpx
import pytest
from api_tokens import SECRET, bearer
from applications import build_app
from comparison import bare, contracts_of, learn
from effort import repeat
from event_builders import contract_event, take
from histories import seeded
from reference.reports import Model

from tidemark_consumption import replay
from tidemark_consumption.app import create_app
from tidemark_shared.settings import Settings


@pytest.fixture
async def client(database, pool):
    app = build_app(create_app, Settings(secret=SECRET))
    async with replay.open_pool(database, size=2) as replaying:
        app.state.pool, app.state.replay_pool = pool, replaying
        app.state.has_all_contracts = AsyncMock(return_value=True)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=bearer()) as client:
            yield client


async def all_pages(client, link):
    items, cursor = [], None
    while True:
        parameters = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        answer = await client.get(httpx.URL(link).copy_merge_params(parameters))
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        if (cursor := answer.json()["next"]) is None:
            return items


def figures_of(balance):
    accounts = balance["accounts"]
    parts = [balance, *accounts, *(slice_ for account in accounts for slice_ in account["slices"])]
    return [figure for part in parts for figure in (part["whole"], *part["periods"])]


def half_even(amount):
    quotient, rest = divmod(amount, 3600)
    return quotient + (2 * rest > 3600 or (2 * rest == 3600 and quotient % 2 == 1))


@pytest.mark.parametrize("seed", range(repeat(2, long=6)))
async def test_figure_equals_sum_of_linked_worklogs(client, pool, seed):
    history = seeded(seed)
    async with pool.acquire() as connection:
        await learn(connection, history)
    model = Model(history.facts)
    for contract_id in contracts_of(history):
        answer = await client.get(f"/v1/contracts/{contract_id}/balance")
        expected = model.balance(contract_id)
        if expected is None:
            assert answer.status_code == 404
            continue
        balance = answer.json()
        assert bare(balance) == expected
        for figure in figures_of(balance):
            listed = await all_pages(client, figure["links"]["worklogs"])
            assert len(listed) == figure["worklogs"]
            if balance["unit"] == "seconds":
                assert sum(worklog["seconds"] for worklog in listed) == figure["consumed"]
            else:
                assert half_even(sum(worklog["amount_exact"] for worklog in listed)) == figure["consumed"]
                assert sum(worklog["unrated_seconds"] for worklog in listed) == figure["unrated_seconds"]


@pytest.mark.parametrize("seed", range(repeat(2, long=6)))
async def test_balance_as_of_moment_uses_facts_known_then(client, pool, seed):
    history = seeded(seed)
    async with pool.acquire() as connection:
        await learn(connection, history)
    # Moments in the future are rejected.
    moments = sorted({moment for moment, _ in history.batches if moment <= datetime.now(UTC)})
    for moment in moments[seed % (step := repeat(4, long=1)) :: step]:
        model = Model(history.facts, moment)
        for contract_id in contracts_of(history):
            answer = await client.get(f"/v1/contracts/{contract_id}/balance", params={"as_of": moment.isoformat()})
            expected = model.balance(contract_id)
            assert (bare(answer.json()) if answer.status_code == 200 else None) == expected, moment
    early = await client.get(
        "/v1/contracts/C1/balance", params={"as_of": (moments[0] - timedelta(microseconds=1)).isoformat()}
    )
    assert early.status_code == 422


async def test_curve_rises_to_the_balance(client, pool):
    history = seeded(3)
    async with pool.acquire() as connection:
        await learn(connection, history)
    for contract_id in contracts_of(history):
        answer = await client.get(f"/v1/contracts/{contract_id}/balance")
        if answer.status_code == 404:
            continue
        balance = bare(answer.json())
        for figure, query in [
            (balance["whole"], {}),
            *((account["whole"], {"account": account["account_id"]}) for account in balance["accounts"]),
        ]:
            days = (await client.get(f"/v1/contracts/{contract_id}/curve", params=query)).json()["items"]
            consumed = [bare(day["whole"])["consumed"] for day in days]
            assert consumed == sorted(consumed)
            assert not days or bare(days[-1]["whole"]) == figure


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"as_of": "2026-03-01"}, "/as_of"),
        ({"as_of": "2999-03-01T00:00:00Z"}, "/as_of"),
        ({"cursor": "nonsense"}, "/cursor"),
        ({"team": "nobody"}, "/team"),
        ({"reason": "bored"}, "/reason"),
    ],
)
async def test_invalid_parameter_is_a_violation_with_its_path(client, pool, query, path):
    async with pool.acquire() as connection:
        await take(connection, [contract_event()])
    answer = await client.get("/v1/contracts/C1/worklogs", params=query)
    assert answer.status_code == 422
    assert any(violation["path"].startswith(path) for violation in answer.json()["violations"]), answer.text
