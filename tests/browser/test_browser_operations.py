"""The page of operations: a bad record arrives, is read, and is replayed."""

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from conftest import check_accessibility
from playwright.async_api import expect

pytestmark = pytest.mark.timeout(600)

_HEADERS = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/browser", "content-type": "application/json"}


@pytest.fixture
async def dead_letters(environment):
    """A connection to the dead letters of consumption, which are all deleted."""
    connection = await asyncpg.connect(
        environment["TIDEMARK_DATABASE_URL"], server_settings={"search_path": "consumption"}
    )
    await connection.execute("DELETE FROM dead_letters")
    yield connection
    await connection.execute("DELETE FROM dead_letters")
    await connection.close()


def worklog(seconds):
    now = datetime.now(UTC).isoformat()
    return {
        "worklog_id": f"browser-letter-{now}", "issue_id": "nobody-links", "author_id": "sam", "seconds": seconds,
        "started_at": now, "updated_at": now,
    }  # fmt: skip


def headers():
    return {**_HEADERS, "ce_type": "tidemark.worklog.recorded.v1"}


@asynccontextmanager
async def reading(open_page):
    """The page, with the list of what was refused by consumption."""
    async with open_page("/operations") as page:
        yield page, page.get_by_role("region", name="Consumption", exact=True).get_by_role("listitem")


async def test_bad_record_is_listed_by_itself_and_refused_again(open_page, environment, dead_letters):
    async with reading(open_page) as (page, letters):
        await expect(letters).to_have_count(0)
        producer = AIOKafkaProducer(bootstrap_servers=environment["TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"])
        await producer.start()
        try:
            sent = [(name, value.encode()) for name, value in headers().items()]
            value = json.dumps(worklog(0) | {"description": "<b>\x1b[31m"}).encode()
            await producer.send_and_wait("worklog.events", value, key=b"\xff", headers=sent)
        finally:
            await producer.stop()
        # Without a reload.
        await expect(letters).to_have_count(1)
        await expect(letters).to_contain_text("seconds: Input should be greater than or equal to 1")
        await expect(page.locator("#problems")).to_contain_text("1 dead letter waits")
        await letters.get_by_role("link").click()
        await expect(page.locator("pre")).to_contain_text("<b>\\u001b[31m")
        await expect(page.get_by_text("hex ff")).to_be_visible()
        await check_accessibility(page)
        await page.get_by_role("button", name="Replay").click()
        await expect(page.get_by_role("status")).to_contain_text("Refused again.")
        await page.get_by_role("link", name="Operations").first.click()
        await expect(letters).to_have_count(1)
    assert await dead_letters.fetchval("SELECT count(*) FROM dead_letters") == 1


async def test_record_that_is_taken_leaves_the_list(open_page, dead_letters):
    # As an older version left it.
    written = [[name, value.encode().hex()] for name, value in headers().items()]
    for offset, seconds in ((10**9, 60), (10**9 + 1, 0)):
        await dead_letters.execute(
            "INSERT INTO dead_letters"
            " (service, cluster, topic, partition, record_offset, reason, value, headers, record_timestamp)"
            " VALUES ('consumption', 'old', 'worklog.events', 0, $1, 'Left by an older version.', $2, $3, $4)",
            offset, json.dumps(worklog(seconds)).encode(), json.dumps(written),
            int(datetime.now(UTC).timestamp() * 1000),
        )  # fmt: skip
    async with reading(open_page) as (page, letters):
        await expect(letters).to_have_count(2)
        await page.get_by_placeholder("Part of the reason").fill("OLDER version")
        await page.get_by_role("button", name="Search").click()
        await page.get_by_role("link", name="Replay all that match").click()
        await expect(page.get_by_role("heading")).to_have_text("Replay 2 dead letters?")
        await page.get_by_role("button", name="Replay 2").click()
        await expect(page.get_by_role("status")).to_have_text("1 processed, 1 refused again.")
        await expect(letters).to_have_count(1)
        await expect(letters).to_contain_text("seconds")
    assert await dead_letters.fetchval("SELECT count(*) FROM dead_letters WHERE replayed_at IS NOT NULL") == 1
