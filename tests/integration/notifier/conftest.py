import pytest
from mail_server import MailServer

from tidemark_shared.database import connect_pool


@pytest.fixture
async def pool(database):
    pool = await connect_pool(database, "notifier")
    yield pool
    pool.terminate()


@pytest.fixture
async def mail_server():
    server = MailServer()
    await server.start()
    yield server
    await server.stop()
