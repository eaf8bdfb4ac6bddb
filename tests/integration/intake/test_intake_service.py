"""The service, with Kafka and a tracker on sockets: a signed webhook becomes events; a stranger's is refused."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from api_server import running_application, running_server
from api_tokens import SECRET as TOKEN_SECRET
from event_builders import account, contract_event
from kafka_client import publish
from polling import wait_until
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from tracker_fakes import JiraFake
from tracker_state import SECRET, Work

from tidemark_consumption.app import create_app as create_consumption
from tidemark_intake.app import create_app
from tidemark_shared.database import migrate, open_connection
from tidemark_shared.messaging.kafka import create_topics
from tidemark_shared.messaging.topics import LIFECYCLE, WORKLOGS
from tidemark_shared.settings import Settings


def tracker_app(fake: JiraFake) -> Starlette:
    """The stand-in on a socket."""

    async def answer(request: Request) -> Response:
        respond = fake.transport().handler
        headers = {"content-type": request.headers.get("content-type", "")}
        forwarded = httpx.Request(request.method, str(request.url), headers=headers, content=await request.body())
        response: Any = respond(forwarded)
        return Response(response.content, response.status_code, media_type="application/json")

    ready = Route("/readyz", lambda _: PlainTextResponse("ready"))
    return Starlette(routes=[ready, Route("/{path:path}", answer, methods=["GET", "POST"])])


@pytest.fixture
async def jira() -> AsyncIterator[tuple[JiraFake, str]]:
    fake = JiraFake(now=datetime.now(UTC))
    async with running_server(tracker_app(fake)) as url:
        yield fake, url


@pytest.fixture
async def intake(
    jira: tuple[JiraFake, str], database: str, kafka_bootstrap_servers: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[str, str]]:  # fmt: skip
    """The address of the service, and the prefix of its topics."""
    monkeypatch.setenv("JIRA_TOKEN", "token")
    monkeypatch.setenv("JIRA_WEBHOOK", SECRET)
    (tmp_path / "intake.toml").write_text(f"""
        [[source]]
        id = "acme"
        kind = "jira"
        url = "{jira[1]}"
        token = {{ env = "JIRA_TOKEN" }}
        webhook_secret = {{ env = "JIRA_WEBHOOK" }}
        reconcile_seconds = 86400
        rule = [{{ contract = "ACME-SUP", account = "Help desk", match = {{ project = "K" }} }}]
    """)
    prefix = f"{tmp_path.name}."
    settings = Settings(
        database_url=database,
        kafka_bootstrap_servers=kafka_bootstrap_servers,
        topic_prefix=prefix,
        intake_file=str(tmp_path / "intake.toml"),
        secret=TOKEN_SECRET,
    )
    await migrate(database, "intake")
    await create_topics(kafka_bootstrap_servers, prefix=prefix)
    async with running_application(create_app(settings)) as url:
        yield url, prefix


async def test_signed_webhook_becomes_events_and_a_strangers_is_refused_and_counted(
    jira: tuple[JiraFake, str], intake: tuple[str, str], database: str, kafka_bootstrap_servers: str
) -> None:
    fake, (url, prefix) = jira[0], intake
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url))
        consumer = AIOKafkaConsumer(
            prefix + WORKLOGS.name, bootstrap_servers=kafka_bootstrap_servers, auto_offset_reset="earliest"
        )
        await consumer.start()
        stack.push_async_callback(consumer.stop)
        # Given a worklog that the tracker's feeds do not show yet
        now = datetime.now(UTC).replace(microsecond=0)
        work = fake.works["1"] = Work("1", "7", "p", now, 3600, now)
        delivery = fake.deliver(work)
        assert delivery
        headers = {**delivery[0], "content-type": "application/json"}
        # When a stranger sends its webhook, nothing is stored but a count
        stranger = await client.post(
            "/v1/intake/acme/webhook", content=delivery[1], headers={**headers, "x-hub-signature": "sha256=00"}
        )
        assert stranger.status_code == 401
        assert (await client.post("/v1/intake/nobody/webhook", content=b"{}", headers=headers)).status_code == 404
        # When the tracker sends it, twice, it becomes a link and a worklog
        for _ in range(2):
            # Jira adds who made the change
            query = {"user_id": "5b10", "user_key": "5b10"}
            answer = await client.post("/v1/intake/acme/webhook", params=query, content=delivery[1], headers=headers)
            assert answer.status_code == 204
        handshake = await client.get("/v1/intake/acme/webhook", params={"randomString": "a1b2"})
        assert (handshake.status_code, handshake.text) == (200, "a1b2")
        assert handshake.headers["x-content-type-options"] == "nosniff"
        records = [await consumer.getone(), await consumer.getone()]
        types = {dict(record.headers)["ce_type"] for record in records}
        assert types == {b"tidemark.issue.linked.v1", b"tidemark.worklog.recorded.v1"}
        assert b'"contract_id":"ACME-SUP","account_id":"Help desk"' in b"".join(record.value for record in records)
        async with open_connection(database) as connection:
            await wait_until(waiting_deliveries(connection, 0))
            row = await connection.fetchrow(
                "SELECT deliveries_received, deliveries_refused, deliveries_repeated, worklog_count, failure"
                " FROM reporting.intake"
            )
        assert tuple(row or ()) == (2, 1, 1, 1, None)
        # And how far the source is read can be asked for
        ready = (await client.get("/readyz")).json()
        [source] = ready["sources"]
        assert (source["id"], source["skipped"], source["found_by_reconciling"]) == ("acme", None, 0)
        assert source["cursor"].keys() == {"updated", "deleted", "issues"}
        assert source["lag_seconds"] >= 0
        assert source["last_delivery_at"]


async def test_webhook_changes_the_figure_of_its_account(
    jira: tuple[JiraFake, str], intake: tuple[str, str], database: str, kafka_bootstrap_servers: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Given a contract, when work is logged, corrected and deleted in Jira, then its account has each figure."""
    fake, (url, prefix) = jira[0], intake
    settings = Settings(
        database_url=database, kafka_bootstrap_servers=kafka_bootstrap_servers, topic_prefix=prefix,
        secret=TOKEN_SECRET,
    )  # fmt: skip
    contract = contract_event(code="ACME-SUP", accounts=[account("Help desk", "40")], end="2099-12-31")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running_application(create_consumption(settings)))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url))
        connection = await stack.enter_async_context(open_connection(database))
        await publish(
            kafka_bootstrap_servers, prefix + LIFECYCLE.name, [contract.value.decode()], headers=contract.headers
        )
        now = datetime.now(UTC).replace(microsecond=0)
        work = fake.works["1"] = Work("1", "7", "p", now, 0, now)
        for seconds in (3600, 5400, 0):
            work.seconds, work.deleted = seconds, None if seconds else datetime.now(UTC)
            fake.now = datetime.now(UTC)
            delivery = fake.deliver(work)
            assert delivery
            headers = {**delivery[0], "content-type": "application/json"}

            async def has_figure(expected: int = seconds) -> bool:
                return bool(
                    expected
                    == await connection.fetchval("SELECT coalesce(sum(consumed_seconds), 0) FROM reporting.contracts")
                )

            began = time.perf_counter()
            answer = await client.post("/v1/intake/acme/webhook", content=delivery[1], headers=headers)
            assert answer.status_code == 204
            await wait_until(has_figure)
            with capsys.disabled():
                print(f" {time.perf_counter() - began:.2f} s", end="")


def waiting_deliveries(connection: Any, count: int) -> Callable[[], Awaitable[bool]]:
    async def is_reached() -> bool:
        waiting = await connection.fetchval("SELECT deliveries_waiting FROM reporting.intake")
        return bool(waiting == count)

    return is_reached
