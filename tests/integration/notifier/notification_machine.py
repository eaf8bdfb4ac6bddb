"""Random histories of one contract, and the model that says which notifications they raise."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from notification_model import NotificationModel
from notifier_bodies import HOUR, figures, terms, uid
from notifier_bodies import rule as rule_body

CONTRACT, ACME = uid("contract"), uid("Acme")
BERLIN = ZoneInfo("Europe/Berlin")
SCOPES = {
    "global": {"kind": "global"},
    "organization": {"kind": "organization", "id": ACME},
    "contract": {"kind": "contract", "id": CONTRACT},
}
START = date(2026, 1, 1)
END_DATES = [date(2026, 4, 30), date(2026, 5, 31), date(2026, 6, 30)]

percentages = st.lists(st.sampled_from(["25", "50", "80", "99.9999", "100", "120"]), min_size=1, unique=True)
hours = st.lists(st.sampled_from(["0", "1", "2.5", "8", "20"]), min_size=1, unique=True)
subjects = {"of": st.sampled_from(["contract", "account"]), "over": st.sampled_from(["period", "whole"])}
triggers = st.one_of(
    st.fixed_dictionaries({"kind": st.just("consumed_percent"), **subjects, "at": percentages}),
    st.fixed_dictionaries({"kind": st.just("remaining_hours"), **subjects, "at": hours}),
    st.fixed_dictionaries({"kind": st.just("overrun"), **subjects}),
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
    "remind_every_days": st.sampled_from([None, 1, 3]),
    "notify_resolved": st.booleans(),
    "existing": st.sampled_from(["notify", "notify", "skip"]),
    "enabled": st.sampled_from([True, True, True, False]),
}
usually = st.sampled_from([True, True, True, False])
# Around the thresholds of 40 h and 50 h, to the second.
seconds = st.sampled_from(
    [0, 10 * HOUR, 32 * HOUR - 1, 32 * HOUR, 40 * HOUR, 40 * HOUR + 1, 48 * HOUR, 50 * HOUR, 50 * HOUR + 1, 90 * HOUR]
)
balance_changes = {
    "used": seconds,
    "months_back": st.sampled_from([0, 0, 1]),
    "carried": st.sampled_from([0, 0, 10, -40]),
    "unaccounted": st.sampled_from([0, 0, 1, HOUR, 8 * HOUR]),
    "exhausts_in_days": st.sampled_from([None, 0, 5, 6, 30]),
    "at_once": usually,
}


def month_starts(end):
    """The first days of the months of the contract."""
    return [date(2026, month, 1) for month in range(1, end.month + 1)]


def last_day(start, end):
    return min(end, date(2026, start.month + 1, 1) - timedelta(days=1))


class NotificationMachine(RuleBasedStateMachine):
    """The history of one contract. A subclass applies each step to the product and returns what it raised."""

    def __init__(self):
        super().__init__()
        self.model = NotificationModel()
        self.now = datetime(2026, 2, 20, 11, tzinfo=UTC)
        self.contract = {"version": 1, "status": "ACTIVE", "plan": 40 * HOUR, "end": END_DATES[0]}
        self.events, self.stored_count = [self.contract], 0
        self.balances, self.revision = [], 0
        self.used = dict.fromkeys(month_starts(END_DATES[-1]), 0)

    # Implemented by subclasses

    def apply_rule(self, scope, body):
        raise NotImplementedError

    def apply_delete(self, scope, name):
        raise NotImplementedError

    def apply_lifecycle(self, events):
        raise NotImplementedError

    def apply_balances(self, balances):
        raise NotImplementedError

    def apply_time(self):
        raise NotImplementedError

    def raised(self):
        raise NotImplementedError

    def prepare(self):
        """Prepare the product before the first step."""

    @property
    def today(self):
        return self.now.astimezone(BERLIN).date()

    # Steps

    @initialize(first=triggers, second=triggers, more=st.fixed_dictionaries(options))
    def start_with_two_rules(self, first, second, more):
        self.prepare()
        self.store_events([self.contract])
        for name, trigger in (("A", first), ("B", second)):
            self.set_rule("global", name, trigger, **{**more, "existing": "notify", "enabled": True})

    def store_events(self, events):
        self.stored_count = max(self.stored_count, self.events.index(events[-1]) + 1)
        self.model.store_lifecycle(list(map(lifecycle_of, events)), self.now)
        self.apply_lifecycle(events)

    @rule(scope=st.sampled_from(list(SCOPES)), name=st.sampled_from("AB"), trigger=triggers, **options)
    def set_rule(self, scope, name, trigger, **more):
        body = rule_body(name, scope=SCOPES[scope], trigger=trigger, **more)
        previous = self.model.rules.get((scope, name))
        if previous is None or previous.body != body:  # an equal body changes nothing
            self.model.set_rule(scope, body)
            self.apply_rule(scope, body)

    @rule(scope=st.sampled_from(list(SCOPES)), name=st.sampled_from("AB"))
    def delete_rule(self, scope, name):
        if self.model.rules.pop((scope, name), None):
            self.apply_delete(scope, name)

    @rule(
        status=st.sampled_from([*["ACTIVE"] * 4, "INACTIVE", "EXPIRED", "CLOSED"]),
        plan=st.sampled_from([40, 40, 50]), end=st.sampled_from(END_DATES), at_once=usually,
    )  # fmt: skip
    def change_contract(self, status, plan, end, at_once):
        self.contract = {
            "version": self.contract["version"] + 1, "status": status, "plan": plan * HOUR, "end": end,
        }  # fmt: skip
        self.events.append(self.contract)
        if at_once:
            self.store_events(self.events[self.stored_count :])

    @rule(data=st.data())
    def store_events_out_of_order(self, data):
        stop = data.draw(st.integers(1, len(self.events)))
        self.store_events(self.events[data.draw(st.integers(0, stop - 1)) : stop])

    @rule(**balance_changes)
    def change_balance(self, used, months_back, carried, unaccounted, exhausts_in_days, at_once):
        months = month_starts(self.contract["end"])
        index = months.index(max(month for month in months if month <= self.today))
        self.used[months[index - months_back]] = used
        self.revision += 1
        exhausts_on = None if exhausts_in_days is None else self.today + timedelta(days=exhausts_in_days)
        self.balances.append(
            {
                "revision": self.revision, "version": self.contract["version"], "plan": self.contract["plan"],
                "end": self.contract["end"], "months": months[index - 1 : index + 1],
                "used": {month: used for month, used in self.used.items() if month in months},
                "carried": carried * HOUR, "unaccounted": unaccounted, "exhausts_on": exhausts_on,
            }
        )  # fmt: skip
        if at_once:
            self.store_balances([self.balances[-1]])

    @rule(**balance_changes)
    def change_balance_again(self, **changes):
        # The same step under a second name, so that it happens more often.
        self.change_balance(**changes)

    def store_balances(self, balances):
        self.model.store_balances(list(map(balance_of, balances)))
        self.apply_balances(balances)

    @rule(data=st.data())
    def store_balances_out_of_order(self, data):
        if self.balances:
            self.store_balances(data.draw(st.lists(st.sampled_from(self.balances), min_size=1, max_size=4)))

    @rule(hours=st.one_of(st.integers(1, 48), st.integers(1, 24 * 20)))
    def let_time_pass(self, hours):
        self.now += timedelta(hours=hours)
        self.apply_time()

    @rule(seconds=st.sampled_from([5, 10, 15]))
    def let_a_moment_pass(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.apply_time()

    @invariant()
    def notifications_match_the_model(self):
        self.model.evaluate(self.now, self.today)
        assert Counter(self.raised()) == Counter(self.model.notifications)


# Bodies of the product


def terms_of(event):
    return terms(hours=str(event["plan"] // HOUR), end=event["end"].isoformat())


def lifecycle_of(event):
    return {"stream_version": event["version"], "status": event["status"], "terms": terms_of(event)}


def balance_of(balance):
    def figures_of(planned, used, first=None):
        period = {"start": first.isoformat(), "end": last_day(first, balance["end"]).isoformat()} if first else {}
        return figures(planned, used) | period

    plan, day = balance["plan"], balance["exhausts_on"] and balance["exhausts_on"].isoformat()
    carried = {"carried": balance["carried"], "available": plan + balance["carried"]}
    whole = figures_of(plan * len(month_starts(balance["end"])), sum(balance["used"].values()))
    periods = [figures_of(plan, balance["used"][first], first) for first in balance["months"]]
    return {
        "contract_id": CONTRACT, "contract_code": "ACME-SUP", "status": "ACTIVE", "stream_version": balance["version"],
        "revision": balance["revision"], "unit": "seconds", "currency": None,
        "unaccounted_seconds": balance["unaccounted"],
        "forecast": {"exhausts_on": day, "low": day, "high": day}, "whole": whole,
        "periods": [{**period, **carried} for period in periods],
        "accounts": [
            {"account_id": uid("Help desk"), "name": "Help desk", "billable": True, "whole": whole,
             "periods": periods, "slices": []}
        ],
    }  # fmt: skip
