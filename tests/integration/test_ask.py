"""What consumption answers over HTTP, held against the reference: now, and as it was known (SPEC W8)."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from histories import seeded
from reference import Model
from test_fold_reference import learn

from tidemark_consumption import replay
from tidemark_consumption.api import figures
from tidemark_shared.database import connect_pool
from tidemark_shared.http.app import create_api
from tidemark_shared.settings import Settings


@pytest.fixture
async def client(database, pool):
    app: FastAPI = create_api("consumption", Settings(open=True), None)
    app.include_router(figures.router)
    async with await connect_pool(database, "consumption", size=2, init=replay.prepare_connection) as replaying:
        app.state.pool, app.state.replay_pool = pool, replaying
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            yield client


def contracts_of(history):
    return sorted({one.data["contract_id"] for one in history.facts if one.type.startswith("tidemark.contract.")})


def bare(balance):
    """Without what the reference does not say."""
    if isinstance(balance, dict):
        return {name: bare(one) for name, one in balance.items() if name not in {"links", "forecast", "revision"}}
    return [bare(one) for one in balance] if isinstance(balance, list) else balance


async def all_pages(client, link):
    items, cursor = [], None
    while True:
        more = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        answer = await client.get(httpx.URL(link).copy_merge_params(more))
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        if (cursor := answer.json()["next"]) is None:
            return items


def figures_of(balance):
    parts = [balance, *balance["accounts"], *(one for account in balance["accounts"] for one in account["slices"])]
    return [figure for part in parts for figure in (part["whole"], *part["periods"])]


def half_even(amount):
    quotient, rest = divmod(amount, 3600)
    return quotient + (2 * rest > 3600 or (2 * rest == 3600 and quotient % 2 == 1))


@pytest.mark.parametrize("seed", range(6))
async def test_every_figure_is_the_sum_of_the_worklogs_that_its_link_lists(client, pool, seed):
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
                assert sum(one["seconds"] for one in listed) == figure["consumed"]
            else:
                assert half_even(sum(one["amount_exact"] for one in listed)) == figure["consumed"]
                assert sum(one["unrated_seconds"] for one in listed) == figure["unrated_seconds"]


@pytest.mark.parametrize("seed", range(6))
async def test_a_balance_as_of_any_moment_is_made_of_what_was_known_then(client, pool, seed):
    history = seeded(seed)
    async with pool.acquire() as connection:
        await learn(connection, history)
    # What lies ahead of the clock is refused.
    moments = sorted({moment for moment, _ in history.batches if moment <= datetime.now(UTC)})
    for moment in moments:
        model = Model(history.facts, moment)
        for contract_id in contracts_of(history):
            answer = await client.get(f"/v1/contracts/{contract_id}/balance", params={"as_of": moment.isoformat()})
            expected = model.balance(contract_id)
            assert (bare(answer.json()) if answer.status_code == 200 else None) == expected, moment
    early = await client.get(
        "/v1/contracts/C1/balance", params={"as_of": (moments[0] - timedelta(microseconds=1)).isoformat()}
    )
    assert early.status_code == 422


async def test_the_curve_ends_at_the_balance_and_begins_at_nothing(client, pool):
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
            *((one["whole"], {"account": one["account_id"]}) for one in balance["accounts"]),
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
async def test_what_cannot_be_asked_is_said(client, pool, query, path):
    async with pool.acquire() as connection:
        await learn(connection, seeded(3))
    answer = await client.get("/v1/contracts/C1/worklogs", params=query)
    assert answer.status_code == 422
    assert any(one["path"].startswith(path) for one in answer.json()["violations"]), answer.text
