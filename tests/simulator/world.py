"""Runs a schedule on a system, pure or on Postgres, and compares it with the reference after every step."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from event_builders import account, rollover, terms, uid
from reference.rules import day_of, periods

from simulator.expected import ExpectedContract
from simulator.life import ExpectedLife
from simulator.processes import WORKLOGS, Difference, Processes, Record

CONTRACT = uid("contract C1")
SCOPES = {"global": {"kind": "global"}, "contract": {"kind": "contract", "id": CONTRACT}}
OWNER_ALONE = [{"kind": "owner"}]
OWNER_AND_CONTACT = [{"kind": "contacts", "role": "billing"}, *OWNER_ALONE]
SOURCE, ISSUE = "/tracker", "I1"


def draft_terms(schedule):
    """The terms of the contract at the start of a schedule."""
    policy = schedule.rollover
    return terms(
        "C1", hours=schedule.hours, start=schedule.span[0], end=schedule.span[1], timezone=schedule.zone,
        rollover=rollover() if policy is None else {**rollover(), **policy},
        accounts=[account("Support", schedule.hours)],
    )  # fmt: skip


class World(Processes):
    """A contract and its renewals, the people and the tracker, and the time."""

    def __init__(self, system, schedule):
        super().__init__(system)
        self.terms = draft_terms(schedule)
        self.now = datetime.combine(date.fromisoformat(schedule.span[0]), time(10), self.zone).astimezone(UTC)
        self.contracts = [ExpectedContract(CONTRACT, ExpectedLife(self.terms), self.now)]
        self.rules, self.described = {}, set()

    @property
    def zone(self):
        return ZoneInfo(self.terms["timezone"])

    @property
    def today(self):
        """In the zone of the first contract."""
        return day_of(self.now, self.contracts[0].life.terms)

    async def play(self, steps, report=lambda _: None):
        """Run all steps and let the system settle. Raises :class:`Difference`."""
        await self.system.start(self.terms, self.now)
        for step in steps:
            await getattr(self, f"_do_{step.kind}")(**step.values)
            await self._compare()
            report(f"{self._time()}  {step}{self._describe()}")
        await self._do_replay()
        await self._do_run()
        await self._compare()
        await self.system.compare_figures(self.reference(), self.now)
        # In the end each mail is delivered, or was given up.
        await self._do_server("accepts")
        await self._do_send(rounds=3, seconds=86_400)
        report(f"{self._time()}  the end{self._describe()}")

    def _time(self):
        return f"{self.now.astimezone(ZoneInfo(self.contracts[0].life.terms['timezone'])):%Y-%m-%d %H:%M:%S}"

    def _describe(self):
        """What differs after this step, each on a line of its own."""
        facts = []
        for contract in self.contracts:
            life, code = contract.life, contract.code
            facts.append(f"{code} is {life.status}, version {life.version}, until {life.terms['end_date']}")
            facts += [f"offer {number} of {code} is {offer.status}" for number, offer in enumerate(life.offers)]
        for number, mail in enumerate(self.mails):
            facts += [f"mail {number}: {_describe(notification)}" for notification in mail.notifications]
            facts += [f"mail {number} is {mail.status} after {mail.attempts} attempts"] if mail.attempts else []
        new = [fact for fact in facts if fact not in self.described]
        self.described |= set(new)
        return "".join(f"\n{'':23}-> {fact}" for fact in new)

    async def _compare(self):
        for number, contract in enumerate(self.contracts):
            actual, expected = await self.system.state(number), contract.life.state()
            if actual != expected:
                raise Difference(f"{contract.code} is {actual}\n  not {expected}")
            actual, expected = await self.system.offers(number), [offer.status for offer in contract.life.offers]
            if actual != expected:
                raise Difference(f"the offers of {contract.code} are {actual}\n  not {expected}")
        await self._compare_mails()

    # People

    def _select(self, contract):
        """The first contract, or the newest."""
        number = contract % len(self.contracts)
        return number, self.contracts[number].life

    async def _do_command(self, type, contract=0, fate="", **change):  # noqa: A002 - the name in schedules
        number, life = self._select(contract)
        body = self._changed(life, **change)
        for lost in {"lost": [True], "repeated": [False, False]}.get(fate, [False]):
            await self.system.command(number, type, body, self.now, is_lost=lost, is_raced=fate == "raced")
            if not lost:
                life.command(type, body, self.now)

    def _changed(self, life, end=None, hours=None, zone=None, name=None, accounts=None):
        body = life.terms
        if end is not None:
            # About today, so that it expires soon, or is active again.
            body = {**body, "end_date": str(self.today + timedelta(days=end))}
        if hours is not None:
            account_body = {**body["accounts"][0], "planned_hours": hours}
            body = {**body, "contracted_hours": hours, "accounts": [account_body]}
        if accounts is not None:
            body = {**body, "accounts": [{**body["accounts"][0], "planned_hours": accounts}]}
        return {**body, **({"timezone": zone} if zone else {}), **({"name": name} if name else {})}

    async def _do_renew(self, contract, code, *, is_activated):
        number, life = self._select(contract)
        id_ = uid(f"contract {code}")
        await self.system.renew(number, code, self.now)
        is_free = code not in [other.code for other in self.contracts]
        renewal = life.renew(self.contracts[number].id, code, id_, self.now) if is_free else None
        if renewal is None:
            return
        _, _, actual, *_ = await self.system.state(len(self.contracts))
        account_ids = [body["id"] for body in actual["accounts"]]
        if None in account_ids or not {other.account_id for other in self.contracts}.isdisjoint(account_ids):
            raise Difference(f"the accounts of {code} have the ids {account_ids}, which must be new")
        [renewal.terms["accounts"][0]["id"]] = account_ids
        self.contracts.append(ExpectedContract(id_, renewal, self.now))
        for (scope, _), rule in self.rules.items():
            if scope == "global":
                self.contracts[-1].set_rule(scope, rule)
        if is_activated:
            await self._do_command("activated", -1)

    async def _do_offer(self, contract, hours, period, days):
        number, life = self._select(contract)
        spans = periods(life.terms)
        start = spans[min(period, len(spans) - 1)][0]
        until = days and self.now.replace(microsecond=0) + timedelta(days=days)
        adjustment = {
            "account_id": life.terms["accounts"][0]["id"], "period_start": str(start), "hours": hours,
            "value_minor": None, "reason": "more",
        }  # fmt: skip
        # What is over is no longer in the way of another offer.
        await self.system.make(number, adjustment, until, self.now)
        life.expire_offers(self.now)
        life.make(adjustment, until, self.now)

    async def _do_answer(self, contract, offer, answer, times):
        number, life = self._select(contract)
        for _ in range(times):
            await self.system.answer(number, offer, answer, self.now)
            life.answer(offer, answer, self.now)

    async def _do_rule(self, scope, name, receivers=OWNER_ALONE, **body):
        rule = {
            "name": name, "scope": SCOPES[scope], "receivers": receivers, "channels": ["email"], "enabled": True,
            **body,
        }  # fmt: skip
        if rule == self.rules.get((scope, name)):
            return
        self.rules[scope, name] = rule
        if rule["trigger"]["kind"] == "digest":
            self.digests.set_rule(scope, rule)
        for contract in self.contracts if scope == "global" else self.contracts[:1]:
            contract.set_rule(scope, rule)
        await self.system.save_rule(scope, rule)

    async def _do_digest(self, scope, **trigger):
        """Rule D: a digest for the owner and for the customer."""
        options = {"remind_every_days": None, "notify_resolved": False, "existing": "notify"}
        await self._do_rule(scope, "D", OWNER_AND_CONTACT, trigger={"kind": "digest", **trigger}, **options)

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

    async def _do_wait(self, hours=0, seconds=0, days=None, after_midnight=0, to_end=None, contract=0):
        _, life = self._select(contract)
        if to_end is not None:
            day, after_midnight = date.fromisoformat(life.terms["end_date"]) + timedelta(days=1), to_end
        elif days is not None:
            day = self.today + timedelta(days=days + 1)
        else:
            self.now += timedelta(hours=hours, seconds=seconds)
            return
        self.now = max(self.now, first_moment(day, life.terms) + timedelta(seconds=after_midnight))

    async def _do_clock(self, seconds):
        self.now += timedelta(seconds=seconds)


def _describe(notification):
    code, kind, rule, *values = notification
    if kind == "digest":
        day, status, end, planned, consumed, _, words = values
        return " ".join([f"digest of {day}: {code} is {status} until {end}, {consumed} s of {planned} s", *words])
    trigger, subject, period, threshold = values
    more = [str(value) for value in (threshold, period and f"in the period from {period}") if value]
    return " ".join([f"{kind} of rule {rule}, {trigger} of the {subject} of {code}", *more])


def first_moment(day, body):
    """The first quarter of an hour of a day in the zone of a contract."""
    moment = datetime.combine(day, time(), ZoneInfo("UTC")) - timedelta(days=1)
    while day_of(moment, body) < day:
        moment += timedelta(minutes=15)
    return moment
