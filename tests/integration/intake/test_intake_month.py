"""A month of a tracker, of each kind: webhooks are lost, doubled, late and out of order, the tracker and Tidemark are
down for hours, and Tidemark is killed at any step. Afterwards the events equal the tracker's own figures.

A run has few changes and 12 seeds; ``TIDEMARK_TEST_LONG=1`` has one seed with 20,000 changes.
``TIDEMARK_TRACKER_SEEDS`` is the number of seeds, and ``TIDEMARK_TRACKER_FIRST_SEED`` the first of them.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from effort import LONG, repeat
from tracker_fakes import FAKES
from tracker_site import Site, add, expected, open_site
from tracker_state import Fake, Work

from tidemark_intake import reader, store
from tidemark_intake.client import TrackerError
from tidemark_intake.trackers import DeliveryError
from tidemark_shared.database import Pool

SEEDS = int(os.environ.get("TIDEMARK_TRACKER_SEEDS", repeat(12, long=1)))
FIRST_SEED = int(os.environ.get("TIDEMARK_TRACKER_FIRST_SEED", "0"))
CHANGES = repeat(12, long=20_000)
pytestmark = pytest.mark.timeout(240 + SEEDS * (20 + CHANGES // 5))
_DAYS = 30
_PEOPLE, _PROJECTS = "abc", "789"
_TIMERS = ("clockify", "toggl", "harvest", "kimai")


class Killed(BaseException):
    """The process ends at once: what it had not committed is lost."""


class Month:
    """Random changes of a tracker, and everything that can go wrong between it and Tidemark."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site, self.chance = site, random.Random(seed)
        self.late: list[tuple[dict[str, str], bytes]] = []
        self.begins_at = site.fake.now
        self.steps_to_kill = -1
        self.tracker_up_at = self.tidemark_up_at = site.fake.now
        self.kills = 0
        self.numbers: list[str] = []
        site.fake.before_answer = self.step

    def step(self) -> None:
        """Count a step of the process, such as a request or a statement; it may be the last one."""
        if self.steps_to_kill > 0:
            self.steps_to_kill -= 1
            if self.steps_to_kill == 0:
                self.kills += 1
                raise Killed

    async def run(self) -> None:
        """Live through the month."""
        for number in range(1, CHANGES + 1):
            self.site.fake.now = self.begins_at + number * timedelta(days=_DAYS) / CHANGES
            self.send(self.change(number))
            await self.deliver()
            if self.chance.random() < min(0.3, 300 / CHANGES):
                await self.work()
        self.steps_to_kill, self.tidemark_up_at, self.tracker_up_at = -1, self.begins_at, self.begins_at
        self.site.fake.failures = []
        for delivery in self.late:
            await self.receive(delivery)
        await self.site.settle()

    def send(self, work: Work) -> None:
        """The webhook of a change: lost (30 %), doubled, and on its way for up to a few hours."""
        delivery = self.site.fake.deliver(work)
        if delivery and self.chance.random() > 0.3:
            self.late += [delivery] * self.chance.choice((1, 1, 1, 2))

    async def deliver(self) -> None:
        """Some of the webhooks that are on their way come in, in any order, unless Tidemark is down."""
        if self.late and self.chance.random() < 0.5 and self.site.fake.now >= self.tidemark_up_at:
            self.chance.shuffle(self.late)
            count = self.chance.randrange(len(self.late) + 1)
            arrived, self.late = self.late[:count], self.late[count:]
            for delivery in arrived:
                await self.receive(delivery)

    async def receive(self, delivery: tuple[dict[str, str], bytes]) -> None:
        """A webhook comes in; one that was on its way for a week is refused."""
        with contextlib.suppress(DeliveryError):
            await self.site.receive(delivery)

    async def work(self) -> None:
        """What the process does once in a while, unless it is down: it may fail, or be killed."""
        site, chance = self.site, self.chance
        if site.fake.now < self.tidemark_up_at:
            return
        if chance.random() < 0.05:
            self.tidemark_up_at = site.fake.now + timedelta(hours=chance.randrange(1, 48))
        if chance.random() < 0.05:
            self.tracker_up_at = site.fake.now + timedelta(hours=chance.randrange(1, 24))
        is_down = site.fake.now < self.tracker_up_at
        site.fake.failures = [503] * 1_000 if is_down else [429] * chance.choice((0, 0, 1, 2))
        self.steps_to_kill = chance.randrange(1, 60) if chance.random() < 0.4 else -1
        try:
            if chance.random() < 0.5:
                await site.reader.process_deliveries()
            else:
                await site.reader.reconcile()
        except (TrackerError, Killed):
            site.restart()
        self.steps_to_kill = -1

    def change(self, number: int) -> Work:
        """A change in the tracker; most log work of the last days."""
        fake, chance = self.site.fake, self.chance
        action = chance.random()
        if action < 0.5 or not self.numbers:
            started = (fake.now - timedelta(days=chance.randrange(20), minutes=chance.randrange(600))).replace(
                second=0, microsecond=0
            )
            values = {"person": chance.choice(_PEOPLE), "project": chance.choice(_PROJECTS)}
            running = fake.kind in _TIMERS and chance.random() < 0.1
            work = add(fake, number, seconds=chance.randrange(1, 9000), started=started, running=running, **values)
            self.numbers.append(work.id)
            return work
        position = chance.randrange(len(self.numbers))
        work = fake.works[self.numbers[position]]
        work.updated, work.running = fake.now, False
        if action < 0.7:
            work.seconds = chance.randrange(1, 9000)
        elif action < 0.8:
            work.project = chance.choice(_PROJECTS)
        elif action < 0.88:
            work.started -= timedelta(days=chance.randrange(10))
        else:
            work.deleted = fake.now
            self.numbers[position] = self.numbers[-1]
            self.numbers.pop()
        return work


class KilledQueries:
    """Named queries, each of which is a step before and after which the process can be killed."""

    def __init__(self, sql: Any, step: Callable[[], None]) -> None:
        self._sql, self._step = sql, step

    def __getattr__(self, name: str) -> Any:
        query = getattr(self._sql, name)

        def run(*arguments: Any, **values: Any) -> Any:
            self._step()
            result = query(*arguments, **values)
            return self._finish(result) if asyncio.iscoroutine(result) else result

        return run

    async def _finish(self, result: Any) -> Any:
        value = await result
        self._step()
        return value


@pytest.mark.parametrize("fake_type", FAKES, ids=lambda fake: fake.kind)
async def test_a_month_of_failures_ends_in_the_figures_of_the_tracker(
    fake_type: type[Fake], intake_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql, kills = store._sql, 0
    for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
        fake = fake_type()
        fake.page_size = 1_000 if LONG else random.Random(seed).choice((2, 3, 50))
        # Their clock and ours differ.
        skew = timedelta(seconds=random.Random(seed).randrange(-240, 240))
        async with open_site(fake, intake_pool, skew) as site:
            month = Month(site, seed)
            for module in (reader, store):
                monkeypatch.setattr(module, "_sql", KilledQueries(sql, month.step))
            await month.run()
            assert await site.published() == expected(fake), f"seed {seed}"
            kills += month.kills
    assert kills or SEEDS < 5
