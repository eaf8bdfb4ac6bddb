"""The expiry scheduler on a real database and a real broker (SPEC C7)."""

from asyncio import gather
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from contracts_api import (
    create_active_contract,
    run_service,
)
from polling import wait_until

from tidemark_contracts.contract import expiry
from tidemark_shared.messaging.topics import LIFECYCLE


async def test_several_instances_expire_a_contract_once(api, pool, published):
    contracts = [await create_active_contract(api, code=f"C{number}", end_date="2099-06-30") for number in range(3)]
    await create_active_contract(api, code="LATER", end_date="2099-07-01")
    last_moment = datetime(2099, 6, 30, 21, 59, 59, tzinfo=UTC)
    assert sum(await gather(*(expiry.expire_contracts(pool, last_moment) for _ in range(5)))) == 0
    midnight = last_moment + timedelta(seconds=1)
    assert sum(await gather(*(expiry.expire_contracts(pool, midnight) for _ in range(5)))) == 3
    assert await expiry.expire_contracts(pool, midnight) == 0
    events = await published(LIFECYCLE, 11)
    expired = [event.data for _, event in events if event.type == "tidemark.contract.expired.v1"]
    assert {str(data.contract_id) for data in expired} == {contract["id"] for contract in contracts}
    assert {(data.stream_version, data.previous_status, data.actor) for data in expired} == {(3, "ACTIVE", "tidemark")}
    assert len(events) == 11


@pytest.mark.parametrize(
    ("zone", "end", "midnight"),
    [
        ("Europe/Berlin", "2099-03-28", datetime(2099, 3, 28, 23, tzinfo=UTC)),
        ("Europe/Berlin", "2099-03-29", datetime(2099, 3, 29, 22, tzinfo=UTC)),
        ("America/Havana", "2099-03-07", datetime(2099, 3, 8, 5, tzinfo=UTC)),  # the next day begins at 01:00
        ("Pacific/Auckland", "2099-09-27", datetime(2099, 9, 27, 11, tzinfo=UTC)),
    ],
)
async def test_scheduler_expires_contracts_at_midnight_in_their_time_zone(api, pool, zone, end, midnight):
    await create_active_contract(api, timezone=zone, end_date=end)
    assert await expiry.expire_contracts(pool, midnight - timedelta(microseconds=1)) == 0
    assert await expiry.expire_contracts(pool, midnight) == 1


async def test_contract_that_fails_to_expire_does_not_block_others(api, pool):
    broken, sound = [await create_active_contract(api, code=code, end_date="2099-06-30") for code in "AB"]
    await pool.execute(
        "INSERT INTO events VALUES ($1, 3, 'amended', $2, 'a', NULL, now(), '')",
        UUID(broken["id"]),
        '{"status": "ACTIVE", "terms": {"code": "A"}}',
    )
    midnight, failures = datetime(2099, 6, 30, 22, tzinfo=UTC), {}
    assert await expiry.expire_contracts(pool, midnight, failures) == 1
    assert (await api.get(f"/contracts/{sound['id']}")).json()["status"] == "EXPIRED"
    async with pool.acquire() as connection:
        assert await expiry.find_problems(connection, midnight, failures) == []
        [problem] = await expiry.find_problems(connection, midnight + timedelta(minutes=1), failures)
    assert problem.startswith(f"Ended contracts that are still ACTIVE: 1. The first is {broken['id']}. ")
    assert "ValidationError" in problem


async def test_contract_that_ended_during_downtime_expires_at_startup(settings, monkeypatch):
    async with run_service(settings) as api:
        await create_active_contract(api, end_date="2099-06-30")

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2099, 12, 1, tzinfo=tz)

    monkeypatch.setattr(expiry, "datetime", Later)
    async with run_service(settings) as api:

        async def expired():
            return (await api.get("/contracts/ACME-SUP")).json()["status"] == "EXPIRED"

        await wait_until(expired)
