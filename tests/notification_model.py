"""A model of when notifications are raised: SPEC 5 implemented a second time, independently of the product.

It has one contract, and evaluates everything at every step. Terms and balances are the public bodies; a day is a
:class:`~datetime.date`.
"""

from datetime import date, timedelta
from fractions import Fraction

from reference.rules import periods

HOUR = 3600
BALANCE_WAIT = timedelta(seconds=15)
# Another value of these changes no figure.
UNPLANNED_TERMS = ("name", "description", "owner", "organization_id", "settle_days")
CALENDAR_TRIGGERS = ("expires_in_days", "expired", "status_changed")
LIMIT_TRIGGERS = ("consumed_percent", "remaining_hours", "overrun")


def planned_terms(terms):
    """The terms on which figures depend."""
    return {name: value for name, value in terms.items() if name not in UNPLANNED_TERMS}


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
        self.version, self.plan_version, self.terms, self.status = 0, 0, None, None
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
        for event in sorted(events, key=lambda event: event["stream_version"]):
            if event["stream_version"] > self.version:
                self.statuses.append((event["stream_version"], event["status"]))
        newest = max(events, key=lambda event: event["stream_version"])
        if newest["stream_version"] > self.version:
            if self.version and planned_terms(newest["terms"]) != planned_terms(self.terms):
                self.plan_version = newest["stream_version"]
            self.version, self.terms = newest["stream_version"], newest["terms"]
            self.awaited_until = now + BALANCE_WAIT

    def store_balances(self, balances):
        newest = max(balances, key=lambda balance: balance["revision"])
        if newest["revision"] > self.revision:
            self.revision, self.balance = newest["revision"], newest

    # Evaluation

    def evaluate(self, now, today):
        is_behind = not self.balance or self.balance["stream_version"] < self.version
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

    @property
    def end(self):
        return date.fromisoformat(self.terms["end_date"])

    def _current_balance(self):
        matches = self.balance and self.plan_version <= self.balance["stream_version"] <= self.version
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
            seconds = balance["unaccounted_seconds"]
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
        first, last = self._last_periods(today)[-1]
        for part in balance["periods"]:
            if part["start"] == str(first) and part["planned"]:
                text, within = (balance["forecast"] or {}).get("exhausts_on"), trigger.get("within_days")
                day = text and date.fromisoformat(text)
                reached = bool(day) and (day < last if within is None else (day - today).days <= within)
                yield "contract", first, part["planned"], [(None if within is None else str(within), reached)], last

    def _limit_states(self, trigger, balance, today):
        parts = [balance] if trigger["of"] == "contract" else balance["accounts"]
        for part in parts:
            if trigger["over"] == "whole" and (part["whole"]["planned"] or 0) > 0:
                figures = part["whole"]
                states = self._compare(trigger, figures["planned"], figures["consumed"])
                yield trigger["of"], None, figures["planned"], states, None
        for part in parts if trigger["over"] == "period" else ():
            for figures in part["periods"]:
                for first, last in self._last_periods(today):
                    if figures["start"] == str(first) and (figures["planned"] or 0) > 0:
                        states = self._compare(
                            trigger, figures.get("available", figures["planned"]), figures["consumed"]
                        )
                        yield trigger["of"], first, figures["planned"], states, last

    def _last_periods(self, today):
        """The previous and the current period; before the start the first, after the end the last."""
        spans = periods(self.terms)
        index = min(sum(last < today for _, last in spans), len(spans) - 1)
        return spans[max(index - 1, 0) : index + 1]

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
