"""``tidemark up``: start, kill, restart, stop. The tests use one stack, in their order."""

import asyncio
import signal
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from mailbox import Maildir

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from kafka_client import create_topic
from local_stack import Stack, running_stack
from polling import wait_until

from tidemark.stack import kafka, ports, postgres
from tidemark.stack.processes import wait_for_exit

_TOPIC = "kept"


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    folder.chmod(0o711)
    # A path that needs quoting and encoding.
    async with running_stack(Stack(folder / "dáta dir")) as stack:
        yield stack


async def store_row_and_record(env: dict[str, str]) -> None:
    """Store a row in Postgres and a record in Kafka."""
    connection = await asyncpg.connect(env["TIDEMARK_DATABASE_URL"])
    await connection.execute("CREATE TABLE public.kept AS SELECT 42 AS n")
    await connection.close()
    servers = env["TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"]
    await create_topic(servers, _TOPIC)
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


async def test_env_prints_the_running_stack(stack: Stack) -> None:
    env = await stack.env()
    assert list(env) == [
        "TIDEMARK_DATABASE_URL",
        "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS",
        "TIDEMARK_SMTP_URL",
        "TIDEMARK_API_URL",
        "TIDEMARK_API_TOKEN",
        "TIDEMARK_MAILDIR",
    ]
    assert await postgres.is_ready(env["TIDEMARK_DATABASE_URL"])
    assert await kafka.is_ready(env["TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"])
    async with httpx.AsyncClient(base_url=env["TIDEMARK_API_URL"]) as client:
        token = {"authorization": f"Bearer {env['TIDEMARK_API_TOKEN']}"}
        assert (await client.get("/v1/contracts", headers=token)).status_code == 200
        assert (await client.get("/v1/contracts")).status_code == 401


async def test_mail_is_in_the_maildir_and_on_the_page(stack: Stack) -> None:
    env = await stack.env()
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "80 % reached", "t@localhost", "olga@provider.example"
    host, port = env["TIDEMARK_SMTP_URL"].removeprefix("smtp://").split(":")
    with smtplib.SMTP(host, int(port)) as client:
        client.send_message(mail)
    assert [mail["subject"] for mail in Maildir(env["TIDEMARK_MAILDIR"], create=False)] == ["80 % reached"]
    async with httpx.AsyncClient(base_url=env["TIDEMARK_API_URL"]) as client:
        assert "80 % reached" in (await client.get("/inbox")).text


async def test_other_users_can_read_nothing_in_the_data_directory(stack: Stack) -> None:
    """The same after a mail, facts and logs; the parent stays as it was."""
    assert stack.data_dir.stat().st_mode & 0o067 == 0
    assert stack.data_dir.parent.stat().st_mode & 0o777 == 0o711
    readable = [path for path in stack.data_dir.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o077]
    assert readable == []


async def test_each_service_is_a_user_of_its_own_in_the_database(stack: Stack) -> None:
    """A process that is broken into reads no other service's tables; see test_service_roles.py."""
    connection = await asyncpg.connect((await stack.env())["TIDEMARK_DATABASE_URL"])
    rows = await connection.fetch(
        "SELECT DISTINCT application_name AS name, usename AS user FROM pg_stat_activity WHERE application_name <> ''"
    )
    await connection.close()
    assert {row["user"] for row in rows} == {"tidemark_contracts", "tidemark_consumption", "tidemark_notifier"}
    assert all(row["user"] == f"tidemark_{row['name'].partition(' ')[0]}" for row in rows)


async def test_second_stack_exits_with_a_message(stack: Stack) -> None:
    second = await stack.run("up", "--port", str(ports.find_free()))
    _, errors = await second.communicate()
    assert second.returncode == 1
    assert errors.decode().startswith("Tidemark already runs on ")
    assert errors.count(b"\n") == 1


async def test_killed_component_restarts_on_its_port(stack: Stack) -> None:
    """test_kills.py kills the others."""
    env = await stack.env()
    killed = stack.components()["web"]
    killed.kill()
    await wait_until(lambda: stack.components().get("web", killed).pid != killed.pid)
    async with httpx.AsyncClient(base_url=env["TIDEMARK_API_URL"], timeout=30) as client:

        async def ready() -> bool:
            try:
                return (await client.get("/readyz")).is_success
            except httpx.HTTPError:
                return False

        await wait_until(ready, pause_seconds=0.1)


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


async def test_stack_stops_within_ten_seconds_without_leftovers(stack: Stack) -> None:
    components = stack.components().values()
    children = [child for component in components for child in component.children(recursive=True)]
    stack.process.send_signal(signal.SIGINT)
    async with asyncio.timeout(10):
        await stack.process.communicate()
    assert stack.process.returncode == 0
    assert not wait_for_exit(0, [*components, *children])
    assert stack.components() == {}
