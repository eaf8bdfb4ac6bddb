"""What ``/metrics`` of an application shows: routes, never paths; the status of its service."""

import asyncio

import pytest
from api_services import CREATE_APP, running_app
from api_tokens import bearer
from polling import wait_until
from prometheus_client.parser import text_string_to_metric_families

from tidemark_shared.http import operations


@pytest.fixture(params=CREATE_APP)
async def running(request, database):
    async with running_app(request.param, database) as running:
        yield running


async def read(client):
    # Without a token, as Prometheus asks a service.
    response = await client.get("/metrics", headers={"authorization": ""})
    assert response.status_code == 200
    families = text_string_to_metric_families(response.text)
    return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


async def test_requests_are_counted_by_route(running):
    _, client, ids = running
    before = await read(client)
    for path in ("status", "dead-letters", f"dead-letters/{ids['dead_letter_id']}", "dead-letters/4711"):
        await client.get(f"/v1/services/{ids['service']}/{path}", headers=bearer())
    await client.get("/v1/nothing/secret-name", headers=bearer())
    await client.get("/v1/refused/secret-name", headers={"authorization": "none"})
    await client.request("SECRET", "/v1/services/x/status", headers=bearer())
    after = await read(client)
    counts = {
        tuple(value for _, value in labels): int(count - before.get((name, *labels), 0))
        for (name, *labels), count in after.items()
        if name == "tidemark_http_requests_total" and count > before.get((name, *labels), 0)
    }
    prefix = "/v1/services/{service}"
    assert counts == {
        ("GET", f"{prefix}/status", "200"): 1,
        ("GET", f"{prefix}/dead-letters", "200"): 1,
        ("GET", f"{prefix}/dead-letters/{{dead_letter_id}}", "200"): 1,
        ("GET", f"{prefix}/dead-letters/{{dead_letter_id}}", "404"): 1,
        ("GET", "none", "404"): 1,
        ("GET", "none", "401"): 1,
        ("other", f"{prefix}/status", "405"): 1,
    }
    duration = ("tidemark_http_request_duration_seconds_count", ("method", "GET"), ("route", f"{prefix}/status"))
    assert after[duration] == before.get(duration, 0) + 1
    assert "secret" not in f"{after}".casefold()


async def test_status_is_shown_as_it_was_last_read(running, monkeypatch):
    app, client, _ = running
    problems = ["Something waits."]

    async def find_problems():
        return problems

    app.state.problems = find_problems
    monkeypatch.setattr(operations, "_MEASURE_INTERVAL_SECONDS", 0.05)
    task = asyncio.create_task(operations.measure_status(app))

    async def shows(name, value):
        return (await read(client)).get((name,)) == value

    try:
        await wait_until(lambda: shows("tidemark_problems", 1))
        await wait_until(lambda: shows("tidemark_dead_letters_waiting_records", 1))
        outbox = ("queue", "outbox")
        metrics = await read(client)
        assert metrics["tidemark_queue_items", outbox] >= 1
        assert 0 < metrics["tidemark_queue_age_seconds", outbox] < 600
        problems.clear()
        async with app.state.pool.acquire() as connection:
            await connection.execute("DELETE FROM outbox")
        await wait_until(lambda: shows("tidemark_problems", 0))

        async def is_empty():
            metrics = await read(client)
            return metrics["tidemark_queue_items", outbox] == metrics["tidemark_queue_age_seconds", outbox] == 0

        await wait_until(is_empty)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_metrics_are_read_without_the_database(running):
    app, client, _ = running
    app.state.pool.terminate()
    assert await read(client)
