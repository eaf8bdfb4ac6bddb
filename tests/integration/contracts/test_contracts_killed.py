"""The service as a process that is killed with -9 between what it commits and what it publishes."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import httpx
from contracting import SECRET, act, activated, answered
from waiting import until

from tidemark.stack import ports
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.messaging.topics import LIFECYCLE


@asynccontextmanager
async def process(settings):
    """A client of a process of the service, and how to kill it with -9, as is done at the end."""
    port = ports.free()
    told = {
        "database_url": settings.database_url, "kafka_bootstrap_servers": settings.kafka_bootstrap_servers,
        "topic_prefix": settings.topic_prefix, "secret": SECRET, "port": str(port),
    }  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMARK_")}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tidemark_contracts",
        env=environment | {f"TIDEMARK_{name.upper()}": value for name, value in told.items()},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    token = issue_token(SECRET, "olga", "manager", now=datetime.now(UTC))
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/v1", headers={"authorization": f"Bearer {token}"}
        ) as client:

            async def answers():
                with suppress(httpx.TransportError):
                    return (await client.get("/contracts")).status_code == 200

            await until(answers, within=60)
            yield client, running.kill
    finally:
        with suppress(ProcessLookupError):
            running.kill()
        await running.wait()


async def set_etag(api, contract):
    return (await answered(api.get(f"/contracts/{contract['id']}"), 200)).json()["version"]


def in_order(events, contract, versions):
    """Events that came again, as they may after a crash, are left out of ``events``."""
    return [one.data.stream_version for key, one in events if key == contract] == list(range(1, versions + 1))


@asynccontextmanager
async def nobody_publishes(pool):
    """The leader's place is taken."""
    lock = "hashtextextended('tidemark.contracts.outbox', 0)"
    async with pool.acquire() as connection:
        await connection.execute(f"SELECT pg_advisory_lock({lock})")
        yield
        await connection.execute(f"SELECT pg_advisory_unlock({lock})")


async def test_what_was_committed_and_not_published_goes_out_in_order_after_kill_9(settings, pool, published):
    async with nobody_publishes(pool), process(settings) as (api, _):
        active = await activated(api)
        for version in range(2, 8):
            amended = active | {"name": f"Version {version + 1}", "reason": "r"}
            await answered(act(api, "ACME-SUP", "amend", version, amended), 200)
    assert await pool.fetchval("SELECT count(*) FROM outbox WHERE topic = $1", LIFECYCLE.name) == 8
    async with process(settings):
        assert in_order(await published(LIFECYCLE, 8), active["id"], 8)


async def test_streams_stay_in_order_however_often_who_writes_and_publishes_is_killed(settings, pool, published):
    async with process(settings) as (api, _):
        contracts = [await activated(api, code=f"C{number}") for number in range(3)]
    for rounds in range(1, 4):
        async with process(settings) as (api, kill):

            async def amend(contract, api=api):
                with suppress(httpx.TransportError):
                    for version in range(await set_etag(api, contract), 1000):
                        body = contract | {"name": f"Version {version + 1}", "reason": "r"}
                        await answered(act(api, contract["id"], "amend", version, body), 200)

            async with asyncio.TaskGroup() as amending:
                for contract in contracts:
                    amending.create_task(amend(contract))
                # In the middle of it: much is committed, and something of it waits to be published.
                await until(lambda least=30 * rounds: waiting(pool, least), pause=0)
                kill()
    async with process(settings) as (api, _):
        reached = {contract["id"]: await set_etag(api, contract) for contract in contracts}
        events = await published(LIFECYCLE, sum(reached.values()))
    assert all(in_order(events, contract, version) for contract, version in reached.items())


async def waiting(pool, least):
    return await pool.fetchval(
        "SELECT (SELECT count(*) FROM events) > $1 AND EXISTS (SELECT FROM outbox WHERE topic = $2)",
        least,
        LIFECYCLE.name,
    )
