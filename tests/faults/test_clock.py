"""The clock of Postgres and of the services jumps; midnight, a change of daylight saving time and an end pass.

Kafka keeps its clock. It refuses records that are an hour ahead, and then what waits says so until the clock is right.
"""

import tempfile
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from polling import wait_until
from reference.rules import day_of
from story import Story
from system import RECOVERY_SECONDS

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
# Its clock skips midnight in spring.
BEIRUT = ZoneInfo("Asia/Beirut")
CLOCK = Path(tempfile.mkdtemp(prefix="tidemark-clock-")) / "clock"
SYSTEM = {
    "environment": {
        "LD_PRELOAD": str(LIBRARY), "FAKETIME_TIMESTAMP_FILE": str(CLOCK), "FAKETIME_CACHE_DURATION": "1",
        "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
}  # fmt: skip

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed (Debian: libfaketime)"),
]


def set_clock(seconds):
    """Let the clock of everything but Kafka differ from the one here."""
    CLOCK.parent.chmod(0o755)
    CLOCK.write_text(f"{seconds:+.0f}\n")


set_clock(0)


def find_skipped_midnight():
    """The next day in Beirut that has no midnight."""
    day = datetime.now(UTC).date() + timedelta(days=2)
    while datetime.combine(day, time(), BEIRUT).astimezone(UTC).astimezone(BEIRUT).hour == 0:
        day += timedelta(days=1)
    return day


async def test_clock_jumps(system, survive):
    async def inject(story):
        for seconds in (7200, -7200, 86_400, 0):
            set_clock(seconds)
            await story.work(15)
            await wait_until(lambda seconds=seconds: is_set(system, seconds), timeout_seconds=RECOVERY_SECONDS)

    await survive("the clock jumps by hours and by a day, forwards and back", inject)


async def is_set(system, seconds):
    [row] = await system.fetch("SELECT clock_timestamp() AS now")
    return abs((row["now"] - datetime.now(UTC)).total_seconds() - seconds) < 60


async def test_contract_ends_during_downtime(system, survive):
    story, first = Story(system), find_skipped_midnight()
    end = first - timedelta(days=1)
    await system.request("POST", "/rules", {
        "name": "Ended", "scope": {"kind": "global"}, "trigger": {"kind": "expired"},
        "receivers": [{"kind": "owner"}], "channels": ["email"],
    })  # fmt: skip
    await story.begin(end=end, timezone="Asia/Beirut")

    await system.accept_the_future()

    async def inject(story):
        # The last minute of the last day: there is no midnight after it.
        last = start_of(first) - timedelta(seconds=60)
        set_clock((last - datetime.now(UTC)).total_seconds())
        await wait_until(lambda: is_set(system, (last - datetime.now(UTC)).total_seconds()), timeout_seconds=60)
        assert await story.load_status() == "ACTIVE"
        await system.services.stop()
        await story.work(40)
        set_clock((start_of(first) + timedelta(hours=1) - datetime.now(UTC)).total_seconds())
        await system.start_services()

        async def has_expired():
            return await story.load_status() == "EXPIRED"

        await wait_until(has_expired, timeout_seconds=RECOVERY_SECONDS)
        assert story.version == 3

        async def is_notified():
            return [row for row in await story.notifications() if row["rule_name"] == "Ended"]

        assert len(await wait_until(is_notified, timeout_seconds=RECOVERY_SECONDS)) == 1

    try:
        await survive(
            "midnight, daylight saving time and the end of a contract pass during downtime", inject, story=story
        )
    finally:
        set_clock(0)


def start_of(day: date):
    moment = datetime.combine(day, time(), UTC) - timedelta(days=1)
    while day_of(moment, {"timezone": "Asia/Beirut"}) < day:
        moment += timedelta(minutes=15)
    return moment
