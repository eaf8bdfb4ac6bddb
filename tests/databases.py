"""Databases of tests."""

import asyncpg
from polling import wait_until


async def drop_database(server, name):
    """Drop a database and end its connections.

    Its owner may not end an autovacuum worker, which is there for a moment: Postgres then refuses, and is asked again.
    """

    async def is_dropped():
        try:
            await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        except asyncpg.InsufficientPrivilegeError:
            return False
        return True

    await wait_until(is_dropped, timeout_seconds=60, pause_seconds=0.1)
