"""A model of digests: SPEC 10 implemented a second time, independently of the product.

It looks at contracts through their :class:`~notification_model.NotificationModel`. The first receiver is the owner, who
may read everything; the second is a contact of the customer.
"""

from calendar import day_name
from datetime import date, timedelta

from reference.rules import day_of

MONTH = timedelta(days=30)


class DigestRule:
    """A rule for digests; ``looked_at`` is the last moment at which it was looked at, None before the first."""

    def __init__(self, body):
        self.body, self.looked_at = body, None


class DigestModel:
    """Which digests are sent. ``receivers`` are mail addresses, the owner's first."""

    def __init__(self, receivers):
        self.receivers, self.rules = receivers, {}
        self.sent, self.shown = set(), {}

    def set_rule(self, scope, body):
        self.rules[scope, body["name"]] = DigestRule(body)

    def look(self, now, contracts):
        """The digests that are sent now: (receiver, one notification for each contract).

        ``contracts`` are pairs of a contract's id and its notification model; ids of the scope ``contract`` are in
        the body of the rule.
        """
        digests = []
        for (scope, name), rule in self.rules.items():
            previous_look = rule.looked_at
            if previous_look is None or now > previous_look:
                rule.looked_at = now
            if previous_look is None or now <= previous_look:
                continue
            group = [(id_, model) for id_, model in contracts if model.version and self._applies(scope, name, id_)]
            day = _last_day_begun(rule.body["trigger"], previous_look, now, [model for _, model in group])
            for receiver in self.receivers if day else ():
                keys = {(name, id_, receiver, day) for id_, _ in group}
                if self.sent.isdisjoint(keys):
                    self.sent |= keys
                    if notifications := self._build((scope, name), receiver, day, now, group):
                        digests.append((receiver, notifications))
        return digests

    def _applies(self, scope, name, id_):
        """The narrowest rule of a name holds alone."""
        own = self.rules.get(("contract", name))
        is_own = bool(own) and own.body["scope"]["id"] == id_
        return is_own if scope == "contract" else not is_own

    def _build(self, key, receiver, day, now, group):
        lines, is_worth_a_mail = [], False
        for id_, model in group:
            previous = self.shown.get((key, id_, receiver))
            today, status = day_of(now, model.terms), model.statuses[-1][1]
            balance = model._current_balance()
            planned, consumed = previous[2:4] if previous else (None, None)
            if balance:
                planned, consumed = balance["whole"]["planned"], balance["whole"]["consumed"]
            figures = status, model.terms["end_date"], planned, consumed
            has_changed = previous is None or figures != previous[:4]
            words = attention(model, balance, status, today)
            if receiver != self.receivers[0]:
                words.discard("not_counted")
            is_shown = status != "DRAFT" and (
                status in ("ACTIVE", "INACTIVE") or words or (previous is not None and has_changed)
            )
            if is_shown:
                is_worth_a_mail |= has_changed or bool(words)
                line = (*figures, previous and previous[4], tuple(sorted(words)))
                lines.append((id_, (*figures, str(day)), (model.terms["code"], "digest", key[1], str(day), *line)))
        if not is_worth_a_mail:
            return []
        for id_, figures, _ in lines:
            self.shown[key, id_, receiver] = figures
        return [line for _, _, line in lines]


def attention(model, balance, status, today):
    """Why a contract needs attention."""
    end = date.fromisoformat(model.terms["end_date"])
    has_ended_lately = status == "EXPIRED" and today <= end + MONTH
    words = set()
    if has_ended_lately:
        words.add("ended")
    if status == "ACTIVE" and today <= end <= today + MONTH:
        words.add("ends_soon")
    if balance is None:
        return words
    if balance["unaccounted_seconds"]:
        words.add("not_counted")
    first, last = model._last_periods(today)[-1]
    current = _of_period(balance["periods"], first)
    if current and (status == "ACTIVE" or has_ended_lately):
        accounts = [_of_period(account["periods"], first) for account in balance["accounts"] if account["billable"]]
        if any(account and account["planned"] and account["consumed"] > account["planned"] for account in accounts):
            words.add("account_over")
        if current["available"] is not None and current["consumed"] > current["available"]:
            words.add("over")
    if current and status == "ACTIVE" and balance["forecast"] and current["consumed"] < current["available"]:
        exhausts_on = balance["forecast"]["exhausts_on"]
        if exhausts_on and today < date.fromisoformat(exhausts_on) < last:
            words.add("runs_out")
    return words


def _of_period(periods, first):
    return next((period for period in periods if period["start"] == str(first)), None)


def _last_day_begun(trigger, previous_look, now, models):
    """The last digest day, if it began in the zones of all contracts since the previous look."""
    if not models:
        return None
    day, before = (min(day_of(moment, model.terms) for model in models) for moment in (now, previous_look))
    while day > before:
        if day_name[day.weekday()].lower() == trigger["on"] and (trigger["every"] == "week" or day.day <= 7):
            return day
        day -= timedelta(days=1)
    return None
