import pytest
from endpoint import Endpoint
from mail_server import MailServer
from notifier_service import Publisher, running_service

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


@pytest.fixture
async def endpoint():
    endpoint = Endpoint()
    await endpoint.start()
    yield endpoint
    await endpoint.stop()


@pytest.fixture
def publisher(kafka_bootstrap_servers, topic_prefix):
    return Publisher(kafka_bootstrap_servers, topic_prefix)


@pytest.fixture
async def client(database, kafka_bootstrap_servers, topic_prefix, mail_server):
    async with running_service(database, kafka_bootstrap_servers, topic_prefix, mail_server.port) as client:
        yield client
