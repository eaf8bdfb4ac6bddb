"""A model of when notifications are raised: SPEC 5 implemented a second time, independently of the product.

It has one contract with one account, from January to the end of June 2026, and evaluates everything at every step. A
day is a :class:`~datetime.date`; figures are ``(planned, available, consumed)`` in seconds.
"""

from datetime import date, timedelta
from fractions import Fraction

HOUR = 3600
BALANCE_WAIT = timedelta(seconds=15)
START = date(2026, 1, 1)
CALENDAR_TRIGGERS = ("expires_in_days", "expired", "status_changed")
LIMIT_TRIGGERS = ("consumed_percent", "remaining_hours", "overrun")


def month_starts(end):
    """The first days of the months of the contract."""
    return [date(2026, month, 1) for month in range(1, end.month + 1)]


def last_day(start, end):
    return min(end, date(2026, start.month + 1, 1) - timedelta(days=1))


class ModelRule:
    """A rule as it was created or changed; ``token`` differs each time."""

    def __init__(self, token, body):
        self.token, self.body, self.trigger = token, body, body["trigger"]

    def __getattr__(self, name):
        return self.body.get(name)


class NotificationModel:
    """All notifications so far, in ``notifications``: (kind, rule, trigger, subject, period, threshold)."""

    def __init__(self):
        self.rules, self.token_count = {}, 0
        self.version, self.plan_version, self.plan, self.end, self.status = 0, 0, None, None, None
        self.statuses, self.was_evaluated = [], False
        self.revision, self.balance = 0, None
        self.awaited_until = None
        self.skipped_tokens = set()
        self.episodes = {}
        self.notifications = []

    # Input

    def set_rule(self, scope, body):
        self.token_count += 1
        self.rules[scope, body["name"]] = ModelRule(self.token_count, body)

    def store_lifecycle(self, events, now):
        for event in events:
            if event["version"] > self.version:
                self.statuses.append((event["version"], event["status"]))
        newest = max(events, key=lambda event: event["version"])
        if newest["version"] > self.version:
            if self.version and (newest["plan"], newest["end"]) != (self.plan, self.end):
                self.plan_version = newest["version"]
            self.version, self.plan, self.end = newest["version"], newest["plan"], newest["end"]
            self.awaited_until = now + BALANCE_WAIT

    def store_balances(self, balances):
        newest = max(balances, key=lambda balance: balance["revision"])
        if newest["revision"] > self.revision:
            self.revision, self.balance = newest["revision"], newest

    # Evaluation

    def evaluate(self, now, today):
        is_behind = not self.balance or self.balance["version"] < self.version
        if not self.version or (is_behind and now < self.awaited_until):
            return
        changes = [
            change
            for number, change in enumerate(self.statuses)
            if not number or self.statuses[number - 1][1] != change[1]
        ]
        passed_changes = changes[1:-1] if self.was_evaluated else changes[:-1]
        self.status = changes[-1][1]
        effective, skipped_tokens = {}, set()
        for scope in ("contract", "organization", "global"):
            for (rule_scope, name), rule in self.rules.items():
                if rule_scope == scope:
                    effective.setdefault(name, rule)
        for rule in effective.values():
            if rule.enabled:
                self._evaluate_rule(rule, passed_changes, changes[-1], today)
                if rule.existing == "skip":
                    is_evaluated = (
                        not self.was_evaluated or self._current_balance() or rule.trigger["kind"] in CALENDAR_TRIGGERS
                    )
                    if is_evaluated or rule.token in self.skipped_tokens:
                        skipped_tokens.add(rule.token)
        self.skipped_tokens, self.was_evaluated, self.statuses = skipped_tokens, True, changes[-1:]

    def _current_balance(self):
        matches = self.balance and self.plan_version <= self.balance["version"] <= self.version
        return self.balance if matches else None

    def _evaluate_rule(self, rule, passed_changes, last_change, today):
        skip = rule.existing == "skip" and self.was_evaluated and rule.token not in self.skipped_tokens
        is_active = self._is_active(rule.trigger, today)
        if is_active or skip:
            for subject, period, episode, states, end in self._states(rule.trigger, passed_changes, last_change, today):
                self._notify(rule, (subject, period), episode, states, end, today, skip=skip, is_active=is_active)

    def _is_active(self, trigger, today):
        if trigger["kind"] in LIMIT_TRIGGERS:
            return self.status in ("ACTIVE", "EXPIRED") and today <= self.end + timedelta(days=30)
        if trigger["kind"] in ("expires_in_days", "forecast_exhausts"):
            return self.status == "ACTIVE" and today <= self.end
        return trigger["kind"] != "unaccounted_work" or self.status != "DRAFT"

    def _states(self, trigger, passed_changes, last_change, today):
        """Each subject as (subject, period, episode, states, last day of reminders).

        States are (threshold, whether it is reached), the furthest last.
        """
        balance = self._current_balance()
        if trigger["kind"] in CALENDAR_TRIGGERS:
            yield from self._date_states(trigger, passed_changes, last_change, today)
        elif balance and trigger["kind"] == "unaccounted_work":
            seconds = balance["unaccounted"]
            states = [
                (at, seconds >= Fraction(at) * HOUR and seconds > 0) for at in sorted(trigger["at"], key=Fraction)
            ]
            yield "contract", None, None, states, None
        elif balance and trigger["kind"] == "forecast_exhausts":
            yield from self._forecast_states(trigger, balance, today)
        elif balance:
            yield from self._limit_states(trigger, balance, today)

    def _date_states(self, trigger, passed_changes, last_change, today):
        if trigger["kind"] == "expires_in_days":
            days_left = (self.end - today).days
            states = [(str(days), days_left <= days) for days in sorted(trigger["at"], reverse=True)]
            yield "contract", None, self.end, states, None
        elif trigger["kind"] == "expired":
            yield "contract", None, self.end, [(None, self.status == "EXPIRED")], None
        else:
            matching = [change for change in passed_changes if change[1] == trigger["to"]]
            for version, status in [*matching, last_change]:
                yield "contract", None, version, [(trigger["to"], status == trigger["to"])], None

    def _forecast_states(self, trigger, balance, today):
        first = self._current_month(today)
        if first in balance["months"]:
            last = last_day(first, self.end)
            day, within = balance["exhausts_on"], trigger.get("within_days")
            reached = day is not None and (day < last if within is None else (day - today).days <= within)
            yield "contract", first, balance["plan"], [(None if within is None else str(within), reached)], last

    def _limit_states(self, trigger, balance, today):
        months = month_starts(self.end)
        index = months.index(self._current_month(today))
        if trigger["over"] == "whole":
            planned = balance["plan"] * len(month_starts(balance["end"]))
            states = self._compare(trigger, planned, sum(balance["used"].values()))
            yield trigger["of"], None, planned, states, None
            return
        for first in months[max(index - 1, 0) : index + 1]:
            if first in balance["months"]:
                carried = balance["carried"] if trigger["of"] == "contract" else 0
                states = self._compare(trigger, balance["plan"] + carried, balance["used"].get(first, 0))
                yield trigger["of"], first, balance["plan"], states, last_day(first, self.end)

    def _current_month(self, today):
        return max(month for month in month_starts(self.end) if month <= max(today, START))

    @staticmethod
    def _compare(trigger, available, used):
        if trigger["kind"] == "overrun":
            return [(None, used > available if available > 0 else used > 0)]
        thresholds = sorted(trigger["at"], key=Fraction)
        if trigger["kind"] == "remaining_hours":
            return [(at, available - used <= Fraction(at) * HOUR) for at in reversed(thresholds)]
        return [
            (at, used > 0 and (available <= 0 or Fraction(used, available) * 100 >= Fraction(at))) for at in thresholds
        ]

    def _notify(self, rule, subject, episode, states, end, today, *, skip, is_active):
        def record(kind, threshold):
            self.notifications.append((kind, rule.name, rule.trigger["kind"], *subject, threshold))

        def episodes_of(threshold):
            """Since the last resolution, by episode: [first day, whether it notified, day of the last notification]."""
            return self.episodes.setdefault((rule.name, rule.trigger["kind"], *subject, threshold), {})

        crossed = [threshold for threshold, reached in states if reached and episode not in episodes_of(threshold)]
        for threshold in crossed:
            episodes_of(threshold)[episode] = [today, not skip, today]
        if crossed and not skip:
            record("crossing", crossed[-1])
        resolved = [
            threshold
            for threshold, reached in states
            if not reached and any(notified for _, notified, _ in episodes_of(threshold).values())
        ]
        if is_active and rule.notify_resolved and resolved:
            record("resolved", resolved[0])
            for threshold in resolved:
                episodes_of(threshold).clear()
        if is_active and rule.remind_every_days and self.status == "ACTIVE":
            reached = [threshold for threshold, reached in states if reached]
            if reached and (end is None or today <= end):
                first, notified, last = episodes_of(reached[-1])[episode]
                interval = timedelta(days=rule.remind_every_days)
                if notified and (today - first) // interval > (last - first) // interval:
                    episodes_of(reached[-1])[episode][2] = today
                    record("reminder", reached[-1])
