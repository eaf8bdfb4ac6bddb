"""The service as a process that is killed between commit and publication."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import httpx
from contracts_api import SECRET, create_active_contract, expect_status, post_action
from effort import repeat
from polling import wait_until

from tidemark.stack import ports
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.messaging.topics import LIFECYCLE


@asynccontextmanager
async def process(settings):
    """Run the service as a process. Yields a client and a function that kills the process with SIGKILL."""
    port = ports.find_free()
    settings_by_name = {
        "database_url": settings.database_url, "kafka_bootstrap_servers": settings.kafka_bootstrap_servers,
        "topic_prefix": settings.topic_prefix, "secret": SECRET, "port": str(port),
    }  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMARK_")}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tidemark_contracts",
        env=environment | {f"TIDEMARK_{name.upper()}": value for name, value in settings_by_name.items()},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    token = issue_token(SECRET, "olga", "manager", now=datetime.now(UTC))
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/v1", headers={"authorization": f"Bearer {token}"}
        ) as client:

            async def is_ready():
                with suppress(httpx.TransportError):
                    return (await client.get("/contracts")).status_code == 200

            await wait_until(is_ready, timeout_seconds=60)
            yield client, running.kill
    finally:
        with suppress(ProcessLookupError):
            running.kill()
        await running.wait()


async def load_version(api, contract):
    return (await expect_status(api.get(f"/contracts/{contract['id']}"), 200)).json()["version"]


def in_order(events, contract, versions):
    """Whether the events of a contract have each version once, in order."""
    return [event.data.stream_version for key, event in events if key == contract] == list(range(1, versions + 1))


@asynccontextmanager
async def outbox_relay_blocked(pool):
    """Hold the outbox lock, so that nothing is published."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE outbox_lock IN EXCLUSIVE MODE")
        yield


async def test_unpublished_events_are_published_in_order_after_kill(settings, pool, published):
    async with outbox_relay_blocked(pool), process(settings) as (api, _):
        active = await create_active_contract(api)
        for version in range(2, 8):
            amended = active | {"name": f"Version {version + 1}", "reason": "r"}
            await expect_status(post_action(api, "ACME-SUP", "amend", version, amended), 200)
    assert await pool.fetchval("SELECT count(*) FROM outbox WHERE topic = $1", LIFECYCLE.name) == 8
    async with process(settings):
        assert in_order(await published(LIFECYCLE, 8), active["id"], 8)


async def test_events_stay_in_order_after_repeated_kills(settings, pool, published):
    contracts = []
    for rounds in range(1, 1 + repeat(1, long=4)):
        async with process(settings) as (api, kill):
            contracts = contracts or [await create_active_contract(api, code=f"C{number}") for number in range(3)]

            async def amend(contract, api=api):
                with suppress(httpx.TransportError):
                    for version in range(await load_version(api, contract), 1000):
                        body = contract | {"name": f"Version {version + 1}", "reason": "r"}
                        await expect_status(post_action(api, contract["id"], "amend", version, body), 200)

            async with asyncio.TaskGroup() as amending:  # noqa: TID251 - each ends by itself
                for contract in contracts:
                    amending.create_task(amend(contract))
                # Kill it while some committed events wait to be published.
                await wait_until(lambda min_count=30 * rounds: waiting(pool, min_count), pause_seconds=0)
                kill()
    async with process(settings) as (api, _):
        reached = {contract["id"]: await load_version(api, contract) for contract in contracts}
        events = await published(LIFECYCLE, sum(reached.values()))
    assert all(in_order(events, contract, version) for contract, version in reached.items())


async def waiting(pool, min_count):
    return await pool.fetchval(
        "SELECT (SELECT count(*) FROM events) > $1 AND EXISTS (SELECT FROM outbox WHERE topic = $2)",
        min_count,
        LIFECYCLE.name,
    )
