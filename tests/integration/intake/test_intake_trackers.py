"""Every adapter of a tracker: whatever happens to webhooks and requests, the events equal the tracker's own figures."""

import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from databases import drop_database
from tracker_fakes import FAKES, SECRET, Fake, HarvestFake, JiraFake, Work

from tidemark_intake.app import register
from tidemark_intake.client import TrackerError
from tidemark_intake.configuration import LinkRule, Secret, Source
from tidemark_intake.database.query_types import IntakeQueries
from tidemark_intake.reader import Reader
from tidemark_intake.trackers import DeliveryError, Tracker
from tidemark_intake.trackers.registry import open_tracker
from tidemark_shared.database import Pool, connect_pool, migrate, queries
from tidemark_shared.messaging.events import WorklogDeleted, WorklogRecorded
from tidemark_shared.messaging.outbox import RECORD_OUTBOX

_sql: IntakeQueries = queries("tidemark_intake")


@pytest.fixture(scope="module")
async def intake_database(postgres_url: str) -> AsyncIterator[str]:
    """A database for all tests here: migrating one for each takes longer than the tests."""
    name = f"intake_{os.getpid()}"
    server = await asyncpg.connect(postgres_url)
    await server.execute(f"CREATE DATABASE {name}")
    url = f"{postgres_url.rpartition('/')[0]}/{name}"
    await migrate(url, "intake")
    yield url
    await drop_database(server, name)
    await server.close()


@pytest.fixture
async def intake_pool(intake_database: str) -> AsyncIterator[Pool]:
    async with await connect_pool(intake_database, "intake") as pool:
        await pool.execute("TRUNCATE sources, deliveries, issues, worklogs, skipped, outbox")
        yield pool


class Site:
    """A tracker, the reader of it, and the webhooks between them."""

    def __init__(self, fake: Fake, pool: Pool, tracker: Tracker, source: Source) -> None:
        self.fake, self.pool, self.tracker, self.source = fake, pool, tracker, source
        self.reader = Reader(pool, source, tracker, now=lambda: fake.now)

    async def receive(self, delivery: tuple[dict[str, str], bytes]) -> None:
        """What the webhook's route does."""
        headers, body = delivery
        identifier = self.tracker.check_delivery(headers, body)
        self.tracker.read_delivery(body)
        async with self.pool.acquire() as connection:
            await _sql.store_delivery(
                connection, source_id=self.source.id, id=identifier, body=body, received_at=self.fake.now
            )

    async def published(self) -> dict[str, tuple[str, str, int, datetime]]:
        """The worklogs that consumption counts: the latest event of each, unless that is a deletion."""
        async with self.pool.acquire() as connection:
            records = [row.record for row in await RECORD_OUTBOX.load_rows(connection)]
        latest: dict[str, tuple[Any, ...]] = {}
        for record in records:
            type_ = dict(record.headers)["ce_type"].decode()
            if "worklog" not in type_:
                continue
            data: Any = (WorklogDeleted if "deleted" in type_ else WorklogRecorded).model_validate_json(
                record.value or b""
            )
            is_deletion = isinstance(data, WorklogDeleted)
            time = data.deleted_at if is_deletion else data.updated_at
            if data.worklog_id not in latest or (time, is_deletion) > latest[data.worklog_id][:2]:
                latest[data.worklog_id] = time, is_deletion, data
        return {
            worklog: (data.issue_id, data.author_id, data.seconds, data.started_at)
            for worklog, (_, is_deletion, data) in latest.items()
            if not is_deletion
        }


def expected(fake: Fake) -> dict[str, tuple[str, str, int, datetime]]:
    """The figures of the tracker, with issues as the adapter names them."""
    has_issues = fake.kind in ("jira", "tempo")
    return {
        worklog: (
            project if has_issues else f"{project}/-",
            person,
            seconds,
            started.replace(hour=0, minute=0, second=0) if isinstance(fake, HarvestFake) else started,
        )
        for worklog, (project, person, seconds, started) in fake.figures().items()
    }


@pytest.fixture(params=FAKES, ids=lambda fake: fake.kind)
def fake(request: pytest.FixtureRequest) -> Fake:
    built: Fake = request.param()
    return built


@pytest.fixture
async def site(fake: Fake, intake_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setenv("SITE_TOKEN", "token")
    monkeypatch.setenv("SITE_WEBHOOK", SECRET)
    source = Source(
        id="site", kind=fake.kind, url="https://tracker.example", user="bot", token=Secret(env="SITE_TOKEN"),  # type: ignore[arg-type]
        webhook_secret=Secret(env="SITE_WEBHOOK"), workspace="w", first_day="2026-02-01", reread_days=90,
        rule=(LinkRule(contract="ACME", account="Help", match={"project": "*"}),),
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        tracker = await stack.enter_async_context(open_tracker(source, transport=fake.transport()))
        await register(intake_pool, source)
        yield Site(fake, intake_pool, tracker, source)


def add(fake: Fake, number: int, **values: Any) -> Work:
    start = datetime(2026, 3, 1, 9, tzinfo=UTC)
    work = Work(
        **{
            "id": str(number),
            "project": "7",
            "person": "p",
            "started": start,
            "seconds": 3600,
            "updated": fake.now,
            **values,
        }
    )
    fake.works[work.id] = work
    return work


async def settle(site: Site) -> None:
    """Let the tracker's delays pass, and read it to the end."""
    site.fake.now += timedelta(minutes=2)
    await site.reader.process_deliveries()
    await site.reader.reconcile()


async def test_first_load_reads_everything_in_pages(site: Site) -> None:
    for number in range(1, 9):
        add(site.fake, number, seconds=60 * number)
    await settle(site)
    assert await site.published() == expected(site.fake)
    # When nothing has changed, nothing is published again
    async with site.pool.acquire() as connection:
        count = len(await RECORD_OUTBOX.load_rows(connection))
        await settle(site)
        assert len(await RECORD_OUTBOX.load_rows(connection)) == count


async def test_change_move_and_deletion_without_a_webhook_are_found(site: Site) -> None:
    works = [add(site.fake, number) for number in (1, 2, 3)]
    await settle(site)
    site.fake.now += timedelta(hours=1)
    works[0].seconds, works[0].updated = 60, site.fake.now
    works[1].project, works[1].updated = "8", site.fake.now
    works[2].deleted = site.fake.now
    await settle(site)
    assert await site.published() == expected(site.fake)
    assert set(await site.published()) == {"1", "2"}


async def test_webhook_is_published_before_the_tracker_is_read_again(site: Site) -> None:
    work = add(site.fake, 1)
    delivery = site.fake.deliver(work)
    if delivery is None:
        pytest.skip("the product sends no webhooks")
    await site.receive(delivery)
    await site.receive(delivery)
    assert await site.reader.process_deliveries()
    assert await site.published() == expected(site.fake)
    assert not await site.reader.process_deliveries()


async def test_old_work_that_was_changed_is_found_where_the_product_can_list_it(site: Site) -> None:
    if site.fake.kind in ("clockify", "toggl"):
        pytest.skip("the product lists no changes of old entries")
    work = add(site.fake, 1, started=datetime(2026, 2, 2, 9, tzinfo=UTC))
    await settle(site)
    site.fake.now += timedelta(days=200)
    await settle(site)
    work.seconds, work.updated = 60, site.fake.now
    await settle(site)
    assert await site.published() == expected(site.fake)


async def test_running_timer_waits_for_its_end(site: Site) -> None:
    if site.fake.kind in ("jira", "tempo"):
        pytest.skip("the product has no timers")
    work = add(site.fake, 1, running=True)
    await settle(site)
    assert await site.published() == {}
    work.running, work.updated = False, site.fake.now
    await settle(site)
    assert await site.published() == expected(site.fake) != {}


@pytest.mark.parametrize("status", [429, 503])
async def test_rate_limit_and_outage_are_waited_for(site: Site, status: int) -> None:
    add(site.fake, 1)
    site.fake.failures = [status, status]
    await settle(site)
    assert await site.published() == expected(site.fake)


async def test_wrong_token_is_reported(site: Site) -> None:
    site.fake.failures = [401]
    with pytest.raises(TrackerError, match="Check the user and the token"):
        await site.reader.reconcile()


async def test_delivery_of_a_stranger_is_refused(site: Site) -> None:
    delivery = site.fake.deliver(add(site.fake, 1))
    if delivery is None:
        with pytest.raises(DeliveryError):
            site.tracker.check_delivery({}, b"{}")
        return
    headers, body = delivery
    if site.fake.kind != "clockify":  # its token does not cover the body, of which only the id is used
        with pytest.raises(DeliveryError):
            site.tracker.check_delivery(headers, body + b" ")
    with pytest.raises(DeliveryError):
        site.tracker.check_delivery(dict.fromkeys(headers, "sha256=00"), body)
    with pytest.raises(DeliveryError):
        site.tracker.check_delivery({}, body)


class Month:
    """Random changes of a tracker, whose webhooks are lost, doubled, late and out of order, and whose requests fail."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site, self.chance = site, random.Random(seed)
        self.late: list[tuple[dict[str, str], bytes]] = []

    async def step(self, number: int) -> None:
        site, chance = self.site, self.chance
        site.fake.now += timedelta(minutes=chance.randrange(1, 600))
        delivery = site.fake.deliver(self.change(number))
        if delivery and chance.random() > 0.3:
            self.late += [delivery] * chance.choice((1, 1, 2))
        if chance.random() < 0.4:
            chance.shuffle(self.late)
            for late in self.late[: chance.randrange(len(self.late) + 1)]:
                await site.receive(late)
                self.late.remove(late)
        if chance.random() < 0.2:
            site.fake.failures = [chance.choice((429, 500, 503))] * chance.randrange(3)
            await site.reader.process_deliveries()
        if chance.random() < 0.1:
            await site.reader.reconcile()
        if chance.random() < 0.1:
            # A restart: what is not in the database is lost
            site.reader = Reader(site.pool, site.source, site.tracker, now=lambda: site.fake.now)

    def change(self, number: int) -> Work:
        fake, chance = self.site.fake, self.chance
        works, action = fake.current(), chance.random()
        if action < 0.5 or not works:
            started = fake.now - timedelta(days=chance.randrange(20), minutes=chance.randrange(600))
            values = {"person": chance.choice("ab"), "project": chance.choice("789")}
            return add(fake, number + 1, seconds=chance.randrange(1, 9000), started=started, **values)
        work = chance.choice(works)
        work.updated = fake.now
        if action < 0.75:
            work.seconds = chance.randrange(1, 9000)
        elif action < 0.85:
            work.project = chance.choice("789")
        else:
            work.deleted = fake.now
        return work


@pytest.mark.parametrize("seed", range(int(os.environ.get("TIDEMARK_TRACKER_SEEDS", "1"))))
async def test_a_month_of_changes_with_bad_webhooks_ends_in_the_figures_of_the_tracker(site: Site, seed: int) -> None:
    month = Month(site, seed)
    for number in range(120):
        await month.step(number)
    for delivery in month.late:
        await site.receive(delivery)
    await settle(site)
    assert await site.published() == expected(site.fake)


async def test_hidden_work_of_jira_is_named(intake_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_TOKEN", "token")
    fake = JiraFake()
    source = Source(
        id="jira",
        kind="jira",
        url="https://jira.example",
        token=Secret(env="SITE_TOKEN"),
        contract_field="customfield_1",
    )
    async with open_tracker(source, transport=fake.transport()) as tracker:
        await register(intake_pool, source)
        site = Site(fake, intake_pool, tracker, source)
        add(fake, 1, hidden=True)
        await settle(site)
        assert await site.published() == {}
        async with intake_pool.acquire() as connection:
            skipped = await connection.fetchval("SELECT skipped::text FROM reporting.intake")
        assert skipped == '{"invisible": 1}'


async def test_replayed_deletion_deletes_nothing_that_the_tracker_has(site: Site) -> None:
    """Given a webhook of a deletion that somebody sends, with a valid signature, for work that the tracker shows,
    when it is processed, then the work still counts."""
    if site.fake.kind not in ("jira", "tempo"):
        pytest.skip("deletions are not taken from its webhooks")
    work = add(site.fake, 1)
    await settle(site)
    work.deleted = site.fake.now
    delivery = site.fake.deliver(work)
    assert delivery is not None
    work.deleted = None
    await site.receive(delivery)
    await site.reader.process_deliveries()
    assert await site.published() == expected(site.fake) != {}


async def test_workspace_that_is_gone_deletes_nothing(site: Site) -> None:
    """Given published work, when the tracker answers 404 to everything, then reading fails and the work counts."""
    add(site.fake, 1)
    await settle(site)
    before = await site.published()

    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404, json={}, request=request)

    async with open_tracker(site.source, transport=httpx.MockTransport(refuse)) as tracker:
        with pytest.raises(TrackerError):
            await Reader(site.pool, site.source, tracker, now=lambda: site.fake.now).reconcile()
    assert await site.published() == before != {}
