"""A stack whose supervisor is killed: the next one ends what is left of it, and finds what it stored."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from local_stack import Stack, create_stack, running_stack

from tidemark.stack.processes import wait_for_exit

_TOPIC = "kept"


async def store_row_and_record(env: dict[str, str]) -> None:
    """Store a row in Postgres and a record in Kafka."""
    connection = await asyncpg.connect(env["TIDEMARK_DATABASE_URL"])
    await connection.execute("CREATE TABLE public.kept AS SELECT 42 AS n")
    await connection.close()
    servers = env["TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"]
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic(_TOPIC, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True) as producer:
        await producer.send_and_wait(_TOPIC, b"kept")


async def check_row_and_record(env: dict[str, str]) -> None:
    connection = await asyncpg.connect(env["TIDEMARK_DATABASE_URL"])
    assert await connection.fetchval("SELECT n FROM public.kept") == 42
    await connection.close()
    servers = env["TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"]
    async with AIOKafkaConsumer(_TOPIC, bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        async with asyncio.timeout(30):
            record = await consumer.getone()
    assert record.value == b"kept"


@pytest.fixture
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with running_stack(create_stack(tmp_path_factory)) as stack:
        yield stack


async def test_next_stack_recovers_after_kill_of_supervisor_and_components(stack: Stack) -> None:
    env, before = await stack.env(), stack.components()
    await store_row_and_record(env)
    # Kill the supervisor and some components; the others become orphans.
    for process in (stack.process, before["kafka"], before["postgres"], before["contracts"]):
        process.kill()
    await stack.process.communicate()
    env_process = await stack.run("env")
    assert (await env_process.communicate())[1].startswith(b"Tidemark is not running on ")
    assert before["notifier"].is_running()

    await stack.up()
    after = stack.components()
    assert set(after) == set(before)
    assert not {process.pid for process in before.values()} & {process.pid for process in after.values()}
    assert not wait_for_exit(0, list(before.values()))
    again = await stack.env()
    assert again.pop("TIDEMARK_API_TOKEN") != env.pop("TIDEMARK_API_TOKEN")
    assert again == env
    await check_row_and_record(env)
