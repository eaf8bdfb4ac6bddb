"""The consumer's parts with a real broker and database."""

import pytest
from kafka_client import create_topic

from tidemark_shared.database import connect_pool


@pytest.fixture
async def pool(database):
    """Connections to a database that also has the table of the :class:`ledger.Ledger`."""
    pool = await connect_pool(database, "consumption", size=20)
    await pool.execute("CREATE TABLE processed (value text NOT NULL CHECK (value <> 'poison'))")
    yield pool
    pool.terminate()


@pytest.fixture
async def topic(kafka_bootstrap_servers, topic_prefix):
    """A topic with one partition."""
    return await create_topic(kafka_bootstrap_servers, f"{topic_prefix}records")
