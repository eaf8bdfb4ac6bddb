"""Runs a schedule on a system, pure or on Postgres, and compares it with the reference after every step."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from event_builders import account, data_of, organization_event, rollover, terms, uid
from notification_model import NotificationModel
from reference.facts import ORGANIZATION, Fact
from reference.reports import Model
from reference.rules import day_of, periods

from simulator.life import ExpectedLife
from simulator.steps import TOPICS

BALANCES, LIFECYCLE, WORKLOGS = "consumption.balances", "contracts.lifecycle", "worklog.events"
CONTRACT = uid("contract C1")
SCOPES = {"global": {"kind": "global"}, "contract": {"kind": "contract", "id": CONTRACT}}
SOURCE, ISSUE = "/tracker", "I1"
LATE_OFFSET = 100_000


class Record(NamedTuple):
    """A record of a topic."""

    topic: str
    type: str
    source: str
    data: dict


ORGANIZATION_RECORD = Record("contracts.directory", ORGANIZATION, "/contracts", data_of(organization_event()))


class Difference(Exception):  # noqa: N818 - it is what the simulator looks for
    """The system and the reference differ."""


def draft_terms(schedule):
    """The terms of the contract at the start of a schedule."""
    policy = schedule.rollover
    return terms(
        "C1", hours=schedule.hours, start=schedule.span[0], end=schedule.span[1], timezone=schedule.zone,
        rollover=rollover() if policy is None else {**rollover(), **policy},
        accounts=[account("Support", schedule.hours)],
    )  # fmt: skip


class World:
    """One contract, its tracker, the topics between the services, and the time."""

    def __init__(self, system, schedule):
        self.system, self.terms = system, draft_terms(schedule)
        self.now = datetime.combine(date.fromisoformat(schedule.span[0]), time(10), self.zone).astimezone(UTC)
        self.topics, self.positions = defaultdict(list), Counter()
        self.life, self.model = ExpectedLife(self.terms), NotificationModel()
        self.evaluated_at, self.is_reevaluation_due = self.now, False
        self.described, self.again_count = set(), 0
        # Versions of the contract that consumption could not read at first, by position.
        self.rejected, self.is_rejecting = [], False

    @property
    def zone(self):
        return ZoneInfo(self.terms["timezone"])

    @property
    def today(self):
        return day_of(self.now, self.life.terms)

    async def play(self, steps, report=lambda _: None):
        """Run all steps and let the system settle. Raises :class:`Difference`."""
        await self.system.start(CONTRACT, self.terms, self.now)
        for step in steps:
            await getattr(self, f"_do_{step.kind}")(**step.values)
            await self._compare()
            report(f"{self._time()}  {step}{self._describe()}")
        await self._do_replay()
        await self._do_run()
        await self._compare()
        await self.system.compare_figures(self._reference(), self.now)
        report(f"{self._time()}  the end{self._describe()}")

    def _time(self):
        return f"{self.now.astimezone(ZoneInfo(self.life.terms['timezone'])):%Y-%m-%d %H:%M:%S}"

    def _describe(self):
        """What differs after this step, each on a line of its own."""
        life, raised = self.life, self.model.notifications
        facts = [
            f"the contract is {life.status}, version {life.version}, until {life.terms['end_date']}",
            *(f"offer {number} is {offer.status}" for number, offer in enumerate(life.offers)),
            *(f"notification {number}: {_describe(raised[number])}" for number in range(len(raised))),
        ]
        new = [fact for fact in facts if fact not in self.described]
        self.described |= set(new)
        return "".join(f"\n{'':23}-> {fact}" for fact in new)

    def _reference(self):
        records = [ORGANIZATION_RECORD]
        records += [
            record
            for topic in TOPICS["consumption"]
            for position, record in enumerate(self.topics[topic][: self.positions["consumption", topic]])
            if topic != LIFECYCLE or position not in self.rejected
        ]
        return Model([Fact(self.now, record.type, record.source, record.data) for record in records])

    async def _compare(self):
        expected = self.life.version, self.life.status, self.life.terms
        actual = await self.system.state()
        if actual != expected:
            raise Difference(f"the contract is {actual}\n  not {expected}")
        offers = [offer.status for offer in self.life.offers]
        if await self.system.offers() != offers:
            raise Difference(f"the offers are {await self.system.offers()}\n  not {offers}")
        raised, notifications = Counter(await self.system.raised()), Counter(self.model.notifications)
        if raised != notifications:
            more, less = raised - notifications, notifications - raised
            raise Difference(f"raised and not expected: {sorted(more, key=str)}\n  expected: {sorted(less, key=str)}")

    # People

    async def _do_command(self, type, fate="", **change):  # noqa: A002 - the name in schedules
        body = self._changed(**change)
        for lost in {"lost": [True], "repeated": [False, False]}.get(fate, [False]):
            await self.system.command(type, body, self.now, is_lost=lost, is_raced=fate == "raced")
            if not lost:
                self.life.command(type, body, self.now)

    def _changed(self, end=None, hours=None, zone=None, name=None, accounts=None):
        body = self.life.terms
        if end is not None:
            # About today, so that it expires soon, or is active again.
            body = {**body, "end_date": str(self.today + timedelta(days=end))}
        if hours is not None:
            account_body = {**body["accounts"][0], "planned_hours": hours}
            body = {**body, "contracted_hours": hours, "accounts": [account_body]}
        if accounts is not None:
            body = {**body, "accounts": [{**body["accounts"][0], "planned_hours": accounts}]}
        return {**body, **({"timezone": zone} if zone else {}), **({"name": name} if name else {})}

    async def _do_offer(self, hours, period, days):
        spans = periods(self.life.terms)
        start = spans[min(period, len(spans) - 1)][0]
        until = days and self.now.replace(microsecond=0) + timedelta(days=days)
        adjustment = {
            "account_id": self.life.terms["accounts"][0]["id"], "period_start": str(start), "hours": hours,
            "value_minor": None, "reason": "more",
        }  # fmt: skip
        # What is over is no longer in the way of another offer.
        await self.system.make(adjustment, until, self.now)
        self.life.expire_offers(self.now)
        self.life.make(adjustment, until, self.now)

    async def _do_answer(self, offer, answer, times):
        for _ in range(times):
            await self.system.answer(offer, answer, self.now)
            self.life.answer(offer, answer, self.now)

    async def _do_rule(self, scope, name, **body):
        rule = {
            "name": name, "scope": SCOPES[scope], "receivers": [{"kind": "owner"}], "channels": ["email"],
            "enabled": True, **body,
        }  # fmt: skip
        previous = self.model.rules.get((scope, name))
        if previous is None or previous.body != rule:
            self.model.set_rule(scope, rule)
            self.is_reevaluation_due = True
            await self.system.save_rule(scope, rule)

    # The tracker

    async def _do_work(self, id, seconds, days_ago, updated, at):  # noqa: A002 - the name in schedules
        started = datetime.combine(self.today - timedelta(days=days_ago), time.fromisoformat(at), self.zone)
        data = {
            "worklog_id": id, "issue_id": ISSUE, "author_id": "ann", "started_at": started.isoformat(),
            "seconds": seconds, "team_id": None, "description": None, "updated_at": f"2018-01-0{updated + 1}T00:00:00Z",
        }  # fmt: skip
        self.topics[WORKLOGS].append(Record(WORKLOGS, "tidemark.worklog.recorded.v1", SOURCE, data))

    async def _do_delete(self, id, updated):  # noqa: A002 - the name in schedules
        data = {"worklog_id": id, "issue_id": ISSUE, "deleted_at": f"2018-01-0{updated + 1}T00:00:00Z"}
        self.topics[WORKLOGS].append(Record(WORKLOGS, "tidemark.worklog.deleted.v1", SOURCE, data))

    async def _do_link(self, to, updated):
        data = {
            "issue_id": ISSUE, "issue_key": "SUP-1", "summary": None, "contract_id": to, "account_id": "Support",
            "created_at": None, "updated_at": f"2018-01-0{updated + 1}T00:00:00Z",
        }  # fmt: skip
        self.topics[WORKLOGS].append(Record(WORKLOGS, "tidemark.issue.linked.v1", SOURCE, data))

    # Time

    async def _do_wait(self, hours=0, seconds=0, days=None, after_midnight=0, to_end=None):
        if to_end is not None:
            day, after_midnight = date.fromisoformat(self.life.terms["end_date"]) + timedelta(days=1), to_end
        elif days is not None:
            day = self.today + timedelta(days=days + 1)
        else:
            self.now += timedelta(hours=hours, seconds=seconds)
            return
        self.now = max(self.now, first_moment(day, self.life.terms) + timedelta(seconds=after_midnight))

    async def _do_clock(self, seconds):
        self.now += timedelta(seconds=seconds)

    # Processes and faults

    async def _do_tick(self, process):
        if process == "contracts":
            await self.system.expire(self.now)
            self.life.expire(self.now)
            self.life.expire_offers(self.now)
        elif process == "consumption":
            await self.system.begin_day(self.now)
        else:
            await self.system.evaluate_due(self.now)
            if self.now >= self.evaluated_at or self.is_reevaluation_due:
                self._evaluate()
            self.is_reevaluation_due = False

    def _evaluate(self):
        if self.model.version:
            self.model.evaluate(self.now, day_of(self.now, self.model.terms))
            self.evaluated_at = self.now

    async def _do_crash(self, process):
        await self.system.restart(process)
        self.is_reevaluation_due |= process == "notifier"

    async def _do_publish(self, process, *, is_crashing=False):
        """Publish the outbox of a process. Returns whether there was something."""
        records = await self.system.unpublished(process, self.now)
        for record in records:
            self.topics[record.topic].append(record)
            if process == "consumption" and self.system.has_fold:
                self._compare_balance(record.data)
        if not is_crashing:
            await self.system.mark_published(process)
        return bool(records)

    def _compare_balance(self, body):
        """What is published is what the reference counts, whatever came before."""
        actual = {name: value for name, value in body.items() if name not in ("forecast", "revision")}
        expected = self._reference().balance(CONTRACT, self.now)
        if actual != expected:
            raise Difference(f"the balance is {actual}\n  not {expected}")

    async def _do_again(self, to, topic, number):
        """An old record is delivered a second time, after all newer ones: as a dead letter that is replayed."""
        if position := self.positions[to, topic]:
            if (to, topic) == ("consumption", LIFECYCLE) and number % position in self.rejected:
                self.rejected.remove(number % position)
            await self._deliver_late(to, topic, self.topics[topic][number % position])

    async def _do_reject(self):
        """Consumption cannot read the next version of the contract: it becomes a dead letter."""
        self.is_rejecting = True

    async def _do_replay(self):
        """The dead letters are replayed, after newer versions."""
        while self.rejected:
            await self._deliver_late("consumption", LIFECYCLE, self.topics[LIFECYCLE][self.rejected.pop()])

    async def _deliver_late(self, to, topic, record):
        self.again_count += 1
        await self.system.deliver(to, topic, LATE_OFFSET + self.again_count, [record], self.now, is_crashing=False)
        self._notice(to, topic, [record])

    async def _do_deliver(self, to, topic, count, *, is_crashing=False):
        """Deliver the next records. A crash before the commit leaves them to the next delivery."""
        position = self.positions[to, topic]
        records = self.topics[topic][position : position + count]
        if not records:
            return False
        if self.is_rejecting and (to, topic) == ("consumption", LIFECYCLE):
            self.is_rejecting = False
            self.rejected.append(position)
            self.positions[to, topic] += 1
            return True
        await self.system.deliver(to, topic, position, records, self.now, is_crashing=is_crashing)
        if is_crashing:
            return True
        self.positions[to, topic] += len(records)
        self._notice(to, topic, records)
        return True

    def _notice(self, to, topic, records):
        if to == "notifier":
            bodies = [record.data for record in records]
            if topic == LIFECYCLE:
                self.model.store_lifecycle(bodies, self.now)
            else:
                self.model.store_balances(bodies)
            self._evaluate()

    async def _do_run(self):
        """All processes work until nothing is left to do."""
        is_busy = True
        while is_busy:
            is_busy = False
            await self._do_tick("contracts")
            await self._do_tick("consumption")
            for process, topics in TOPICS.items():
                for publisher in ("contracts", "consumption"):
                    is_busy |= await self._do_publish(publisher)
                for topic in topics:
                    while await self._do_deliver(process, topic, 100):
                        is_busy = True
            await self._do_tick("notifier")


def _describe(notification):
    kind, rule, trigger, subject, period, threshold = notification
    more = [str(value) for value in (threshold, period and f"in the period from {period}") if value]
    return " ".join([f"{kind} of rule {rule}, {trigger} of the {subject}", *more])


def first_moment(day, body):
    """The first quarter of an hour of a day in the zone of a contract."""
    moment = datetime.combine(day, time(), ZoneInfo("UTC")) - timedelta(days=1)
    while day_of(moment, body) < day:
        moment += timedelta(minutes=15)
    return moment
