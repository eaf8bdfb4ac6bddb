"""Exactly what the model says is told, each once: whatever comes, in whatever order, to whichever instance."""

import asyncio
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from notices import HOUR, batch, contract_event, figures, organization, terms, uid
from notices import rule as rule_body
from telling import START, Model, last_day, months

from tidemark_notifier.evaluate import (
    Changed,
    Known,
    Organization,
    Terms,
    applying,
    evaluate,
    next_day,
    skipped,
)
from tidemark_notifier.judge import Judge, change_frame
from tidemark_notifier.rules import Rule, StoredRule
from tidemark_shared.database import connect_pool
from tidemark_shared.domain.bodies import Balance
from tidemark_shared.messaging.events import CONTRACT_BALANCE, ORGANIZATION_CHANGED
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE

CONTRACT, ACME = uid("contract"), uid("Acme")
BERLIN = ZoneInfo("Europe/Berlin")
SCOPES = {
    "global": {"kind": "global"},
    "organization": {"kind": "organization", "id": ACME},
    "contract": {"kind": "contract", "id": CONTRACT},
}
ENDS = [date(2026, 4, 30), date(2026, 5, 31), date(2026, 6, 30)]

percentages = st.lists(st.sampled_from(["25", "50", "80", "99.9999", "100", "120"]), min_size=1, unique=True)
hours = st.lists(st.sampled_from(["0", "1", "2.5", "8", "20"]), min_size=1, unique=True)
where = {"of": st.sampled_from(["contract", "account"]), "over": st.sampled_from(["period", "whole"])}
triggers = st.one_of(
    st.fixed_dictionaries({"kind": st.just("consumed_percent"), **where, "at": percentages}),
    st.fixed_dictionaries({"kind": st.just("remaining_hours"), **where, "at": hours}),
    st.fixed_dictionaries({"kind": st.just("overrun"), **where}),
    st.fixed_dictionaries(
        {
            "kind": st.just("expires_in_days"),
            "at": st.lists(st.sampled_from([0, 7, 30, 60]), min_size=1, unique=True),
        }
    ),
    st.just({"kind": "expired"}),
    st.fixed_dictionaries(
        {"kind": st.just("status_changed"), "to": st.sampled_from(["ACTIVE", "INACTIVE", "EXPIRED"])}
    ),
    st.fixed_dictionaries({"kind": st.just("unaccounted_work"), "at": hours}),
    st.just({"kind": "forecast_exhausts", "before_end": True}),
    st.fixed_dictionaries({"kind": st.just("forecast_exhausts"), "within_days": st.sampled_from([0, 5, 20])}),
)
options = {
    "remind": st.sampled_from([None, 1, 3]),
    "resolved": st.booleans(),
    "existing": st.sampled_from(["tell", "tell", "skip"]),
    "enabled": st.sampled_from([True, True, True, False]),
}
mostly = st.sampled_from([True, True, True, False])
# Around the thresholds of 40 h and 50 h, to the second.
seconds = st.sampled_from(
    [0, 10 * HOUR, 32 * HOUR - 1, 32 * HOUR, 40 * HOUR, 40 * HOUR + 1, 48 * HOUR, 50 * HOUR, 50 * HOUR + 1, 90 * HOUR]
)
figures_of_work = {
    "used": seconds,
    "month": st.sampled_from([0, 0, 1]),
    "carried": st.sampled_from([0, 0, 10, -40]),
    "unaccounted": st.sampled_from([0, 0, 1, HOUR, 8 * HOUR]),
    "exhausts": st.sampled_from([None, 0, 5, 6, 30]),
    "at_once": mostly,
}


class Machine(RuleBasedStateMachine):
    """The history of one contract; ``told`` (of those who are tested) holds what was raised."""

    def __init__(self):
        super().__init__()
        self.model = Model()
        self.now = datetime(2026, 2, 20, 11, tzinfo=UTC)
        self.contract = {"version": 1, "status": "ACTIVE", "plan": 40 * HOUR, "end": ENDS[0]}
        self.events, self.taken = [self.contract], 0
        self.made, self.revision = [], 0
        self.used = dict.fromkeys(months(ENDS[-1]), 0)

    # What a driver does

    def do_rule(self, scope, body):
        raise NotImplementedError

    def do_delete(self, scope, name):
        raise NotImplementedError

    def do_lifecycle(self, events):
        raise NotImplementedError

    def do_balances(self, found):
        raise NotImplementedError

    def do_pass(self):
        raise NotImplementedError

    def raised(self):
        raise NotImplementedError

    @property
    def today(self):
        return self.now.astimezone(BERLIN).date()

    # What may happen

    @initialize(first=triggers, second=triggers, more=st.fixed_dictionaries(options))
    def begin_with_two_rules(self, first, second, more):
        self.prepare()
        self.hear([self.contract])
        for name, trigger in (("A", first), ("B", second)):
            self.set_a_rule("global", name, trigger, **{**more, "existing": "tell", "enabled": True})

    def prepare(self):
        """Make what the driver needs before anything comes."""

    def hear(self, events):
        self.taken = max(self.taken, self.events.index(events[-1]) + 1)
        self.model.lifecycle(events)
        self.do_lifecycle(events)

    @rule(scope=st.sampled_from(list(SCOPES)), name=st.sampled_from("AB"), trigger=triggers, **options)
    def set_a_rule(self, scope, name, trigger, remind, resolved, existing, enabled):
        body = rule_body(
            name, scope=SCOPES[scope], trigger=trigger, remind_every_days=remind, tell_resolved=resolved,
            existing=existing, enabled=enabled,
        )  # fmt: skip
        before = self.model.rules.get((scope, name))
        if before is None or before.body != body:  # the same again changes nothing
            self.model.set_rule(scope, body)
            self.do_rule(scope, body)

    @rule(scope=st.sampled_from(list(SCOPES)), name=st.sampled_from("AB"))
    def delete_a_rule(self, scope, name):
        if self.model.rules.pop((scope, name), None):
            self.do_delete(scope, name)

    @rule(
        status=st.sampled_from([*["ACTIVE"] * 4, "INACTIVE", "EXPIRED", "CLOSED"]),
        plan=st.sampled_from([40, 40, 50]), end=st.sampled_from(ENDS), at_once=mostly,
    )  # fmt: skip
    def change_the_contract(self, status, plan, end, at_once):
        self.contract = {
            "version": self.contract["version"] + 1, "status": status, "plan": plan * HOUR, "end": end,
        }  # fmt: skip
        self.events.append(self.contract)
        if at_once:
            self.hear(self.events[self.taken :])

    @rule(data=st.data())
    def hear_of_the_contract_out_of_turn(self, data):
        until = data.draw(st.integers(1, len(self.events)))
        self.hear(self.events[data.draw(st.integers(0, until - 1)) : until])

    @rule(**figures_of_work)
    def work(self, used, month, carried, unaccounted, exhausts, at_once):
        found = months(self.contract["end"])
        index = found.index(max(one for one in found if one <= self.today))
        self.used[found[index - month]] = used
        self.revision += 1
        self.made.append(
            {
                "revision": self.revision, "version": self.contract["version"], "plan": self.contract["plan"],
                "end": self.contract["end"], "months": found[index - 1 : index + 1],
                "used": {first: used for first, used in self.used.items() if first in found},
                "carried": carried * HOUR, "unaccounted": unaccounted,
                "exhausts_on": None if exhausts is None else self.today + timedelta(days=exhausts),
            }
        )  # fmt: skip
        if at_once:
            self.hear_of_work([self.made[-1]])

    @rule(**figures_of_work)
    def work_more(self, **figures):
        # Again under another name, so that it happens more often.
        self.work(**figures)

    def hear_of_work(self, some):
        self.model.balances(some)
        self.do_balances(some)

    @rule(data=st.data())
    def hear_of_work_out_of_turn(self, data):
        if self.made:
            self.hear_of_work(data.draw(st.lists(st.sampled_from(self.made), min_size=1, max_size=4)))

    @rule(hours=st.one_of(st.integers(1, 48), st.integers(1, 24 * 20)))
    def time_passes(self, hours):
        self.now += timedelta(hours=hours)
        self.do_pass()

    @invariant()
    def what_the_model_tells_is_told_once(self):
        self.model.judge(self.today)
        assert Counter(self.raised()) == Counter(self.model.told)


# Bodies of the product


def terms_of(event):
    return terms(hours=str(event["plan"] // HOUR), end=event["end"].isoformat())


def balance_of(one):
    def part(planned, used, first=None):
        period = {"start": first.isoformat(), "end": last_day(first, one["end"]).isoformat()} if first else {}
        return figures(planned, used) | period

    plan, day = one["plan"], one["exhausts_on"] and one["exhausts_on"].isoformat()
    whole = part(plan * len(months(one["end"])), sum(one["used"].values()))
    periods = [part(plan, one["used"][first], first) for first in one["months"]]
    return {
        "contract_id": CONTRACT, "contract_code": "ACME-SUP", "status": "ACTIVE", "stream_version": one["version"],
        "revision": one["revision"], "unit": "seconds", "currency": None, "unaccounted_seconds": one["unaccounted"],
        "forecast": {"exhausts_on": day, "low": day, "high": day}, "whole": whole,
        "periods": [{**one_, "carried": one["carried"], "available": plan + one["carried"]} for one_ in periods],
        "accounts": [
            {"account_id": uid("Help desk"), "name": "Help desk", "billable": True, "whole": whole,
             "periods": periods, "slices": []}
        ],
    }  # fmt: skip


class Pure(Machine):
    """Against :func:`evaluate`, with the least that a shell does. Between two wakings nothing is judged."""

    def __init__(self):
        super().__init__()
        self.rules, self.tellings, self.found = {}, [], []
        self.heard, self.changes, self.plan_version, self.balance = None, [], 0, None
        self.skips, self.wake = None, None

    def do_rule(self, scope, body):
        before = self.rules.get((scope, body["name"]))
        id_, version = (before.id, before.version + 1) if before else (uuid4(), 1)
        self.rules[scope, body["name"]] = StoredRule.model_validate({**body, "id": id_, "version": version})
        self.judge()

    def do_delete(self, scope, name):
        del self.rules[scope, name]
        self.judge()

    def do_lifecycle(self, events):
        version = self.heard["version"] if self.heard else 0
        self.changes += [Changed(one["version"], one["status"]) for one in events if one["version"] > version]
        newest = max(events, key=lambda one: one["version"])
        if newest["version"] > version:
            if self.heard and terms_of(newest) != terms_of(self.heard):
                self.plan_version = newest["version"]
            self.heard = newest
        self.judge()

    def do_balances(self, found):
        self.balance = max([*found, *([self.balance] if self.balance else [])], key=lambda one: one["revision"])
        self.judge()

    def do_pass(self):
        if self.wake and self.today >= self.wake:
            self.judge()

    def judge(self):
        if not self.heard:
            return
        fits = self.balance and self.plan_version <= self.balance["version"] <= self.heard["version"]
        changes = [one for n, one in enumerate(self.changes) if not n or self.changes[n - 1].status != one.status]
        known = Known(
            UUID(CONTRACT), tuple(changes), Terms.model_validate(terms_of(self.heard)),
            Organization.model_validate(organization()), {},
            Balance.model_validate_json(json.dumps(balance_of(self.balance))) if fits else None, None, self.skips,
        )  # fmt: skip
        holding = applying(self.rules.values(), UUID(CONTRACT), UUID(ACME))
        notices = evaluate(holding, known, self.tellings, self.today)
        for one in notices:
            self.tellings += one.tellings(self.today)
            if one.tell:
                key = one.keys[-1]
                self.found.append(
                    (one.occasion, key.rule_name, key.trigger, key.subject, key.period_start, key.threshold)
                )
        self.wake = next_day(holding, known, self.tellings, self.today)
        self.skips, self.changes = skipped(holding, known), changes[-1:]

    def raised(self):
        return self.found


def test_what_is_evaluated_is_what_the_model_says():
    run_state_machine_as_test(Pure, settings=settings(max_examples=300, stateful_step_count=40, deadline=None))


class Kept(Machine):
    """Against two judges on one database, that may both be at work, die within a transaction or start again."""

    url = ""

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.pool = self.runner.run(connect_pool(self.url, "notifier", size=3))
        self.judges = [Judge(judging=True), Judge(judging=True)]
        self.turn, self.ids = 0, {}

    def prepare(self):
        async def fresh():
            await self.pool.execute(
                "TRUNCATE rules, directory, contracts, sweeps, notifications, told, deliveries, outbox"
            )
            await self._take(Judge.directory, DIRECTORY, ORGANIZATION_CHANGED, [organization()])

        self.runner.run(fresh())

    def teardown(self):
        self.runner.run(self.pool.close())
        self.runner.close()

    @rule(which=st.integers(0, 1))
    def an_instance_starts_again(self, which):
        self.judges[which] = Judge()
        self.runner.run(self.judges[which].begin(self.pool))
        self.do_pass()

    @rule(which=st.integers(0, 1))
    def the_other_takes_over(self, which):
        self.turn = which

    async def _take(self, handler, topic, type_, data):
        """Twice, the first time to no end: the process dies, or commits and does not get to say so."""
        some = batch(topic, type_, *data)._replace(learned_at=self.now)
        for judge in (self.judges[self.turn], self.judges[1 - self.turn]):
            async with self.pool.acquire() as connection:
                transaction = connection.transaction()
                await transaction.start()
                await handler(judge, connection, some)
                dies = judge is self.judges[self.turn] and len(data) % 2
                await (transaction.rollback() if dies else transaction.commit())

    async def _change(self, sql, scope, *args):
        async with self.pool.acquire() as connection, connection.transaction():
            await change_frame(connection)
            found = await connection.fetchval(sql, *args)
            await self.judges[self.turn].rules_changed(connection, [Rule.model_fields["scope"].annotation(**scope)])
            return found

    def do_rule(self, scope, body):
        key, made = (scope, body["name"]), Rule.model_validate(body).model_dump_json()
        if key in self.ids:
            sql = "UPDATE rules SET body = $2, version = version + 1 WHERE id = $1"
            self.runner.run(self._change(sql, SCOPES[scope], self.ids[key], made))
        else:
            sql = "INSERT INTO rules (body) VALUES ($1) RETURNING id"
            self.ids[key] = self.runner.run(self._change(sql, SCOPES[scope], made))
        self.do_pass()

    def do_delete(self, scope, name):
        id_ = self.ids.pop((scope, name))
        self.runner.run(self._change("DELETE FROM rules WHERE id = $1", SCOPES[scope], id_))
        self.do_pass()

    def do_lifecycle(self, events):
        found = [contract_event(CONTRACT, one["version"], one["status"], terms=terms_of(one)) for one in events]
        type_ = "tidemark.contract.amended.v1"
        self.runner.run(self._take(Judge.lifecycle, LIFECYCLE, type_, found))

    def do_balances(self, found):
        self.runner.run(self._take(Judge.balances, BALANCES, CONTRACT_BALANCE, [balance_of(one) for one in found]))

    def do_pass(self):
        async def both():
            await asyncio.gather(*(one.catch_up(self.pool, self.now) for one in self.judges))

        self.runner.run(both())

    def raised(self):
        rows = self.runner.run(self.pool.fetch("SELECT * FROM notifications"))
        found = []
        for row in rows:
            seen = json.loads(row["snapshot"])
            found.append(
                (
                    seen["occasion"],
                    row["rule_name"],
                    seen["trigger"],
                    row["subject"],
                    row["period_start"],
                    row["threshold"],
                )
            )
        return found


def test_what_two_instances_tell_on_a_real_database_is_what_the_model_says(database):
    machine = type("OnDatabase", (Kept,), {"url": database})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_the_model_begins_where_its_contract_does():
    assert months(ENDS[0])[0] == START
