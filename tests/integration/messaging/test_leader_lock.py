"""The lock of a leader: one holder, and in the way of nothing else."""

import asyncio

import pytest
from polling import wait_until

from tidemark_shared.database import hold_leader_lock, migrate, open_connection

LOCKS = [
    ("contracts", "outbox_lock"),
    ("consumption", "outbox_lock"),
    ("consumption", "balances_lock"),
    ("notifier", "outbox_lock"),
    ("intake", "outbox_lock"),
    ("intake", "sources_lock"),
]


@pytest.mark.parametrize(("service", "lock"), LOCKS)
async def test_cleaning_up_goes_on_while_a_leader_holds_its_lock(database: str, service: str, lock: str) -> None:
    """VACUUM waits for no leader, and no leader keeps it from removing what was deleted."""
    await migrate(database, service)
    async with hold_leader_lock(database, service, lock) as leader, open_connection(database) as connection:
        await leader.execute("SELECT 1")
        transaction = await connection.fetchrow(
            "SELECT state, backend_xid, backend_xmin FROM pg_stat_activity WHERE pid = $1", leader.get_server_pid()
        )
        assert transaction
        assert tuple(transaction) == ("idle in transaction", None, None)
        await connection.execute("SET lock_timeout = '5s'")
        await connection.execute("VACUUM")
        await leader.execute("ROLLBACK")


async def test_one_process_leads_at_a_time(database: str) -> None:
    holders: list[int] = []

    async def lead(process: int) -> None:
        async with hold_leader_lock(database, "contracts", "outbox_lock") as leader:
            holders.append(process)
            while True:
                await leader.execute("SELECT 1")
                await asyncio.sleep(0.01)

    async def is_waiting() -> bool:
        return bool(await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    async def is_leading(process: int) -> bool:
        return holders[-1:] == [process]

    async with open_connection(database) as connection:
        first = asyncio.create_task(lead(1))
        await wait_until(lambda: is_leading(1))
        second = asyncio.create_task(lead(2))
        await wait_until(is_waiting)
        assert holders == [1]
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks"
            " WHERE relation = 'contracts.outbox_lock'::regclass AND granted"
        )
        # asyncpg raises one of several errors, as the connection ends between two queries or within one.
        [ended] = await asyncio.gather(first, return_exceptions=True)
        assert isinstance(ended, Exception)
        await wait_until(lambda: is_leading(2))
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
