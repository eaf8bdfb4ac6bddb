"""A plain model of what is told, and when: SPEC 5 said once more, without anything of the product.

It knows one contract with one account, from January to the end of June 2026, and judges everything at every step. A
day is a :class:`~datetime.date`; figures are ``(planned, available, consumed)`` in seconds.
"""

from datetime import date, timedelta
from fractions import Fraction

HOUR = 3600
START = date(2026, 1, 1)
CALENDAR = ("expires_in_days", "expired", "status_changed")
LIMITS = ("consumed_percent", "remaining_hours", "overrun")


def months(end):
    """The first days of the months of the contract."""
    return [date(2026, month, 1) for month in range(1, end.month + 1)]


def last_day(start, end):
    return min(end, date(2026, start.month + 1, 1) - timedelta(days=1))


class Rule:
    """A rule as it was made or changed; ``token`` is another each time."""

    def __init__(self, token, body):
        self.token, self.body, self.trigger = token, body, body["trigger"]

    def __getattr__(self, name):
        return self.body.get(name)


class Model:
    """What was told so far, in ``told``: (occasion, rule, trigger, subject, period, threshold)."""

    def __init__(self):
        self.rules, self.tokens = {}, 0
        self.known = False
        self.version, self.plan_version, self.plan, self.end, self.status = 0, 0, None, None, None
        self.statuses, self.judged_before = [], False
        self.revision, self.balance = 0, None
        self.looked = set()
        self.places = {}
        self.told = []

    # What comes in

    def set_rule(self, scope, body):
        self.tokens += 1
        self.rules[scope, body["name"]] = Rule(self.tokens, body)

    def lifecycle(self, events):
        for event in events:
            if event["version"] > self.version:
                self.statuses.append((event["version"], event["status"]))
        newest = max(events, key=lambda event: event["version"])
        if newest["version"] > self.version:
            if self.version and (newest["plan"], newest["end"]) != (self.plan, self.end):
                self.plan_version = newest["version"]
            self.version, self.plan, self.end = newest["version"], newest["plan"], newest["end"]

    def balances(self, found):
        newest = max(found, key=lambda one: one["revision"])
        if newest["revision"] > self.revision:
            self.revision, self.balance = newest["revision"], newest

    # What is told

    def judge(self, today):
        if not self.version:
            return
        changes = [
            one for number, one in enumerate(self.statuses) if not number or self.statuses[number - 1][1] != one[1]
        ]
        passed = changes[:-1] if not self.judged_before else changes[1:-1]
        self.status = changes[-1][1]
        holding, looked = {}, set()
        for scope in ("contract", "organization", "global"):
            for (where, name), rule in self.rules.items():
                if where == scope:
                    holding.setdefault(name, rule)
        for rule in holding.values():
            if rule.enabled:
                self._judge(rule, passed, changes[-1], today)
                if rule.existing == "skip":
                    can_look = not self.judged_before or self._fitting() or rule.trigger["kind"] in CALENDAR
                    if can_look or rule.token in self.looked:
                        looked.add(rule.token)
        self.looked, self.judged_before, self.statuses = looked, True, changes[-1:]

    def _fitting(self):
        fits = self.balance and self.plan_version <= self.balance["version"] <= self.version
        return self.balance if fits else None

    def _judge(self, rule, passed, now, today):
        skip = rule.existing == "skip" and self.judged_before and rule.token not in self.looked
        awake = self._awake(rule.trigger, today)
        if awake or skip:
            for subject, period, episode, marks, ends in self._marks(rule.trigger, passed, now, today):
                self._one(rule, (subject, period), episode, marks, ends, today, skip=skip, awake=awake)

    def _awake(self, trigger, today):
        if trigger["kind"] in LIMITS:
            return self.status in ("ACTIVE", "EXPIRED") and today <= self.end + timedelta(days=30)
        if trigger["kind"] in ("expires_in_days", "forecast_exhausts"):
            return self.status == "ACTIVE" and today <= self.end
        return trigger["kind"] != "unaccounted_work" or self.status != "DRAFT"

    def _marks(self, trigger, passed, now, today):
        """What is looked at, each as (subject, period, episode, marks, the day after which nothing reminds).

        Marks are (threshold, whether it is reached), the furthest last.
        """
        if trigger["kind"] in CALENDAR:
            yield from self._dates(trigger, passed, now, today)
        elif self._fitting() and trigger["kind"] == "unaccounted_work":
            lost = self._fitting()["unaccounted"]
            marks = [(one, lost >= Fraction(one) * HOUR and lost > 0) for one in sorted(trigger["at"], key=Fraction)]
            yield "contract", None, None, marks, None
        elif self._fitting() and trigger["kind"] == "forecast_exhausts":
            yield from self._foreseen(trigger, self._fitting(), today)
        elif self._fitting():
            yield from self._limits(trigger, self._fitting(), today)

    def _dates(self, trigger, passed, now, today):
        if trigger["kind"] == "expires_in_days":
            left = (self.end - today).days
            at = sorted(trigger["at"], reverse=True)
            yield "contract", None, self.end, [(str(days), left <= days) for days in at], None
        elif trigger["kind"] == "expired":
            yield "contract", None, self.end, [(None, self.status == "EXPIRED")], None
        else:
            for version, status in [one for one in passed if one[1] == trigger["to"]] + [now]:
                yield "contract", None, version, [(trigger["to"], status == trigger["to"])], None

    def _foreseen(self, trigger, balance, today):
        first = self._current(today)
        if first in balance["months"]:
            before = last_day(first, self.end)
            day, within = balance["exhausts_on"], trigger.get("within_days")
            reached = day is not None and (day < before if within is None else (day - today).days <= within)
            yield "contract", first, balance["plan"], [(None if within is None else str(within), reached)], before

    def _limits(self, trigger, balance, today):
        found = months(self.end)
        index = found.index(self._current(today))
        if trigger["over"] == "whole":
            planned = balance["plan"] * len(months(balance["end"]))
            marks = self._limit(trigger, planned, sum(balance["used"].values()))
            yield trigger["of"], None, planned, marks, None
            return
        for first in found[max(index - 1, 0) : index + 1]:
            if first in balance["months"]:
                carried = balance["carried"] if trigger["of"] == "contract" else 0
                marks = self._limit(trigger, balance["plan"] + carried, balance["used"].get(first, 0))
                yield trigger["of"], first, balance["plan"], marks, last_day(first, self.end)

    def _current(self, today):
        return max(one for one in months(self.end) if one <= max(today, START))

    @staticmethod
    def _limit(trigger, available, used):
        if trigger["kind"] == "overrun":
            return [(None, used > available if available > 0 else used > 0)]
        at = sorted(trigger["at"], key=Fraction)
        if trigger["kind"] == "remaining_hours":
            return [(one, available - used <= Fraction(one) * HOUR) for one in reversed(at)]
        return [(one, used > 0 and (available <= 0 or Fraction(used, available) * 100 >= Fraction(one))) for one in at]

    def _one(self, rule, where, episode, marks, ends, today, *, skip, awake):
        def tell(occasion, threshold):
            self.told.append((occasion, rule.name, rule.trigger["kind"], *where, threshold))

        def place(threshold):
            """What was told here since the last resolution: by episode [since when, whether told, last told]."""
            return self.places.setdefault((rule.name, rule.trigger["kind"], *where, threshold), {})

        fresh = [threshold for threshold, reached in marks if reached and episode not in place(threshold)]
        for threshold in fresh:
            place(threshold)[episode] = [today, not skip, today]
        if fresh and not skip:
            tell("crossing", fresh[-1])
        gone = [
            threshold
            for threshold, reached in marks
            if not reached and any(told for _, told, _ in place(threshold).values())
        ]
        if awake and rule.tell_resolved and gone:
            tell("resolved", gone[0])
            for threshold in gone:
                place(threshold).clear()
        if awake and rule.remind_every_days and self.status == "ACTIVE":
            reached = [threshold for threshold, reached in marks if reached]
            if reached and (ends is None or today <= ends):
                since, told, last = place(reached[-1])[episode]
                every = timedelta(days=rule.remind_every_days)
                if told and (today - since) // every > (last - since) // every:
                    place(reached[-1])[episode][2] = today
                    tell("reminder", reached[-1])
