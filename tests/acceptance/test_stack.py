"""``tidemark up``: start, kill, restart, stop."""

import asyncio
import signal
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from mailbox import Maildir
from pathlib import Path

import asyncpg
import httpx
import pytest
from local_stack import Stack, create_stack, running_stack
from polling import wait_until

from tidemark.stack import kafka, ports, postgres
from tidemark.stack.processes import wait_for_exit

_SERVICES = {"contracts", "consumption", "notifier", "web"}


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with running_stack(create_stack(tmp_path_factory)) as stack:
        yield stack


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
    """tests/faults kills the others, and the whole stack."""
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


async def test_stack_stops_within_ten_seconds_without_leftovers(stack: Stack) -> None:
    components = stack.components().values()
    children = [child for component in components for child in component.children(recursive=True)]
    stack.process.send_signal(signal.SIGINT)
    async with asyncio.timeout(10):
        await stack.process.communicate()
    assert stack.process.returncode == 0
    assert not wait_for_exit(0, [*components, *children])
    assert stack.components() == {}


async def test_external_components_replace_the_embedded_ones(
    tmp_path: Path, database: str, kafka_bootstrap_servers: str, topic_prefix: str
) -> None:
    settings = {
        "TIDEMARK_DATABASE_URL": database,
        "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
        "TIDEMARK_TOPIC_PREFIX": topic_prefix,
        "TIDEMARK_SMTP_URL": "smtp://127.0.0.1:1",
    }
    async with running_stack(Stack(tmp_path, **settings)) as stack:
        assert set(stack.components()) == _SERVICES
        env = await stack.env()
        assert env.items() >= settings.items()
        assert "TIDEMARK_MAILDIR" not in env
