"""Every adapter of a tracker: whatever happens to webhooks and requests, the events equal the tracker's own figures."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from timer_fakes import ClockifyFake
from tracker_fakes import JiraFake, TempoFake
from tracker_site import Site, add, expected, open_site
from tracker_state import SECRET, Fake

from tidemark_intake.client import TrackerError
from tidemark_intake.reader import Reader
from tidemark_intake.trackers import DeliveryError
from tidemark_intake.trackers.registry import open_tracker
from tidemark_shared.database import Pool

ENTRIES = ("clockify", "toggl", "harvest", "kimai")


async def skipped(site: Site) -> Any:
    """The number of worklogs that are skipped, by reason."""
    async with site.pool.acquire() as connection:
        return json.loads(await connection.fetchval("SELECT coalesce(skipped, '{}')::text FROM reporting.intake"))


async def test_first_load_reads_everything_in_pages(site: Site) -> None:
    for number in range(1, 9):
        add(site.fake, number, seconds=60 * number)
    await site.settle()
    assert await site.published() == expected(site.fake)
    # When nothing has changed, nothing is published again
    count = len(await site.events())
    await site.settle()
    assert len(await site.events()) == count


async def test_change_move_and_deletion_without_a_webhook_are_found(site: Site) -> None:
    works = [add(site.fake, number) for number in (1, 2, 3)]
    await site.settle()
    site.fake.now += timedelta(hours=1)
    works[0].seconds, works[0].updated = 60, site.fake.now
    works[1].project, works[1].updated = "8", site.fake.now
    works[2].deleted = site.fake.now
    await site.settle()
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
    # And a deletion, of work of any age
    work.deleted = site.fake.now = site.fake.now + timedelta(days=200)
    deletion = site.fake.deliver(work)
    assert deletion is not None
    await site.receive(deletion)
    assert await site.reader.process_deliveries()
    assert await site.published() == {}


async def test_old_work_that_was_changed_is_found_where_the_product_can_list_it(site: Site) -> None:
    if site.fake.kind in ("clockify", "toggl"):
        pytest.skip("the product lists no changes of old entries")
    work = add(site.fake, 1, started=datetime(2026, 2, 2, 9, tzinfo=UTC))
    await site.settle()
    site.fake.now += timedelta(days=200)
    await site.settle()
    work.seconds, work.updated = 60, site.fake.now
    await site.settle()
    assert await site.published() == expected(site.fake)


async def test_running_timer_waits_for_its_end(site: Site) -> None:
    if site.fake.kind not in ENTRIES:
        pytest.skip("the product has no timers")
    work = add(site.fake, 1, running=True)
    await site.settle()
    assert await site.published() == {}
    work.running, work.updated = False, site.fake.now
    await site.settle()
    assert await site.published() == expected(site.fake) != {}


@pytest.mark.parametrize("status", [429, 503])
async def test_rate_limit_and_outage_are_waited_for(site: Site, status: int) -> None:
    add(site.fake, 1)
    site.fake.failures = [status, status]
    await site.settle()
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
    # A token does not cover the body, of which only the ids are used.
    if site.fake.kind not in ("clockify", "jira_data_center"):
        with pytest.raises(DeliveryError):
            site.tracker.check_delivery(headers, body + b" ")
    with pytest.raises(DeliveryError):
        site.tracker.check_delivery(dict.fromkeys(headers, "sha256=00"), body)
    with pytest.raises(DeliveryError):
        site.tracker.check_delivery({}, body)


async def test_hidden_work_of_jira_is_named_and_counts_once_it_can_be_seen(intake_pool: Pool) -> None:
    fake = JiraFake()
    async with open_site(fake, intake_pool) as site:
        work = add(fake, 1, hidden=True)
        await site.settle()
        assert await site.published() == {}
        assert await skipped(site) == {"invisible": 1}
        # When a permission is given later, the feeds do not list the work again
        fake.now += timedelta(days=30)
        await site.settle()
        work.hidden = False
        fake.now += timedelta(hours=2)
        await site.settle()
        assert await site.published() == expected(fake) != {}
        assert await skipped(site) == {}


async def test_replayed_deletion_deletes_nothing_that_the_tracker_has(site: Site) -> None:
    """Given a webhook of a deletion that somebody sends, with a valid signature, for work that the tracker shows,
    when it is processed, then the work still counts."""
    if site.fake.kind in ("clockify", "harvest", "kimai"):
        pytest.skip("its webhooks say nothing of deletions")
    work = add(site.fake, 1)
    await site.settle()
    work.deleted = site.fake.now
    delivery = site.fake.deliver(work)
    assert delivery is not None
    work.deleted = None
    await site.receive(delivery)
    await site.reader.process_deliveries()
    assert await site.published() == expected(site.fake) != {}


async def test_workspace_that_is_gone_deletes_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given published work, when the tracker answers 404 to everything, then reading fails and the work counts."""
    add(site.fake, 1)
    await site.settle()
    before = await site.published()

    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404, json={}, request=request)

    monkeypatch.setenv("SITE_TOKEN", "token")
    monkeypatch.setenv("SITE_WEBHOOK", SECRET)
    async with open_tracker(site.source, transport=httpx.MockTransport(refuse)) as tracker:
        with pytest.raises(TrackerError):
            await Reader(site.pool, site.source, tracker, now=lambda: site.fake.now).reconcile()
    assert await site.published() == before != {}


async def test_window_without_a_worklog_deletes_nothing_that_the_tracker_shows(intake_pool: Pool) -> None:
    """Given a person who left the workspace, so that no list has their work, when days are read again,
    then it counts, because the tracker shows each entry."""
    fake = ClockifyFake()
    async with open_site(fake, intake_pool) as site:
        add(fake, 1)
        add(fake, 2, person="left")
        await site.settle()
        fake.former.add("left")
        await site.settle()
        assert await site.published() == expected(fake)
        assert set(await site.published()) == {"1", "2"}


async def test_worklog_that_becomes_a_running_timer_no_longer_counts(intake_pool: Pool) -> None:
    fake = ClockifyFake()
    async with open_site(fake, intake_pool, reread_days=10) as site:
        work = add(fake, 1)
        await site.settle()
        # When it is continued, and too old to be read again
        fake.now += timedelta(days=60)
        work.running = True
        delivery = fake.deliver(work)
        assert delivery
        await site.receive(delivery)
        await site.reader.process_deliveries()
        assert await site.published() == {}
        assert await skipped(site) == {"running": 1}


async def test_clockify_webhook_that_equals_an_earlier_one_is_another_event(intake_pool: Pool) -> None:
    """Given an entry that is changed and changed back, then the third webhook equals the first, and is processed."""
    fake = ClockifyFake()
    async with open_site(fake, intake_pool) as site:
        work = add(fake, 1)
        first = fake.deliver(work)
        assert first
        for seconds in (3600, 60, 3600):
            work.seconds = seconds
            await site.receive((first[0], json.dumps({"id": "1", "seconds": seconds}).encode()))
            assert await site.reader.process_deliveries()
            assert await site.published() == expected(fake)


@pytest.mark.parametrize("fake_type", [JiraFake, TempoFake])
async def test_delivery_that_was_sent_long_ago_is_refused(fake_type: type[Fake], intake_pool: Pool) -> None:
    fake = fake_type()
    async with open_site(fake, intake_pool) as site:
        delivery = fake.deliver(add(fake, 1))
        assert delivery
        fake.now += timedelta(days=8)
        with pytest.raises(DeliveryError, match="replay"):
            await site.receive(delivery)


async def test_header_that_is_not_signed_makes_no_other_delivery(intake_pool: Pool) -> None:
    """Given a signed delivery that somebody sends again, with other identifiers, then it is stored once."""
    fake = JiraFake()
    async with open_site(fake, intake_pool) as site:
        delivery = fake.deliver(add(fake, 1))
        assert delivery
        for number in range(3):
            await site.receive(({**delivery[0], "x-atlassian-webhook-identifier": f"other-{number}"}, delivery[1]))
        row = await intake_pool.fetchrow(
            "SELECT deliveries_received, deliveries_repeated, deliveries_waiting FROM reporting.intake"
        )
        assert tuple(row or ()) == (3, 2, 1)


async def test_first_load_of_tempo_goes_on_after_a_kill(intake_pool: Pool) -> None:
    """Given a first load that is killed in the midst, when it starts again, then it does not begin with the first day,
    and what was deleted meanwhile is found."""
    fake = TempoFake()
    async with open_site(fake, intake_pool, first_day="2025-01-01") as site:
        works = [add(fake, number, started=datetime(2025, number, 1, tzinfo=UTC)) for number in range(1, 9)]
        fake.fail_after(5)
        with pytest.raises(TrackerError):
            await site.reader.reconcile()
        assert await site.published()
        fake.before_answer = None
        fake.failures.clear()
        fake.paths.clear()
        works[0].deleted = fake.now
        site.restart()
        await site.settle()
        assert await site.published() == expected(fake)
        assert not any("2025-01" in path for path in fake.paths)


async def test_entries_that_leave_a_list_while_it_is_read_hide_no_other(intake_pool: Pool) -> None:
    """Given Tempo's list in pages, when an entry of a page that was read is deleted, the others move up by one,
    then none is missed."""
    fake = TempoFake()
    async with open_site(fake, intake_pool) as site:
        await site.settle()
        fake.now += timedelta(hours=1)
        works = [add(fake, number, updated=fake.now - timedelta(minutes=number)) for number in range(1, 11)]
        lists = 0

        def delete_one() -> None:
            nonlocal lists
            lists += fake.paths[-1].startswith("/4/worklogs?")
            if lists == 2:
                works[0].deleted = fake.now

        fake.before_answer = delete_one
        await site.settle()
        assert await site.published() == expected(fake)
        assert len(await site.published()) == 9
