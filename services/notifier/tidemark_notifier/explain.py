"""Why each rule has told of a contract, or what is missing until it does: pure (SPEC 4, explain)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from tidemark_notifier.evaluate import CALENDAR, Known, Level, Past, Sight, Telling, ascending, fits, look, tells
from tidemark_notifier.rules import Scope, StoredRule, Trigger
from tidemark_notifier.snapshot import currency, reason, said, subject_name, used
from tidemark_notifier.words import day, days, quantity
from tidemark_shared.domain.bodies import Balance, Body

State = Literal[
    "fired", "skipped", "due", "not_reached", "no_plan", "asleep", "waits", "not_applicable", "off", "replaced"
]
_MILLION = 1_000_000


class Receiver(Body):
    """Whom a notification went to, and how it went; the address is null where there was nobody."""

    receiver: str | None
    status: str


class Fired(Body):
    """The notification that told of a threshold."""

    notification_id: UUID
    raised_at: datetime
    receivers: tuple[Receiver, ...]


class Threshold(Body):
    """One threshold of a rule at one subject; ``name`` is that of the account, and of the slice's team."""

    subject: Literal["contract", "account", "slice"]
    subject_id: str
    name: str | None
    period_start: date | None
    period_end: date | None
    threshold: str | None
    state: State
    sentence: str
    fired: Fired | None


class Explained(Body):
    """A rule that could apply to a contract, and what became of it there."""

    rule_id: UUID
    rule_name: str
    version: int
    scope: Scope
    trigger: Trigger
    state: State
    sentence: str
    thresholds: tuple[Threshold, ...]


def explain(
    rules: Sequence[StoredRule], known: Known, told: Iterable[Telling], raised: Mapping[UUID, Fired], today: date
) -> list[Explained]:
    """What each of the ``rules`` does for a contract; the narrowest of a name come first (see ``in_reach``)."""
    past, holding, found = Past(told), dict[str, StoredRule](), []
    for rule in rules:
        instead = holding.setdefault(rule.name, rule)
        if instead is not rule:
            verb = "holds in its place" if instead.enabled else "switches it off here"
            outcome = ("replaced", f"The {instead.scope.kind} rule of this name ({instead.id}) {verb}.")
            thresholds: tuple[Threshold, ...] = ()
        else:
            thresholds = tuple(_thresholds(rule, known, past, raised, today)) if rule.enabled else ()
            outcome = _outcome(rule, known, thresholds, today)
        found.append(
            Explained(
                rule_id=rule.id,
                rule_name=rule.name,
                version=rule.version,
                scope=rule.scope,
                trigger=rule.trigger,
                state=outcome[0],
                sentence=outcome[1],
                thresholds=thresholds,
            )
        )
    return found


def _outcome(rule: StoredRule, known: Known, thresholds: Sequence[Threshold], today: date) -> tuple[State, str]:
    """Of the whole rule: why it judges nothing, else what became of the threshold that got furthest."""
    trigger = rule.trigger
    for state in ("fired", "due", "skipped"):
        for one in reversed(thresholds):
            if one.state == state:
                return one.state, one.sentence
    if not rule.enabled:
        return "off", "The rule is switched off."
    if not fits(trigger, known.terms):
        return "not_applicable", f"A {known.terms.type} contract in this currency has nothing of {trigger.kind}."
    if not tells(trigger, known.status, known.terms.end_date, today):
        return "asleep", f"The contract is {known.status}, and {_when(trigger)}."
    if known.waits and trigger.kind not in CALENDAR:
        return "waits", f"It waits for {known.waits}."
    first = next(((one.state, one.sentence) for one in thresholds), None)
    return first or ("no_plan", "Nothing that it looks at has a plan.")


def _when(trigger: Trigger) -> str:
    if trigger.kind in ("expires_in_days", "forecast_exhausts"):
        return "this is judged while it is ACTIVE"
    if trigger.kind == "unaccounted_work":
        return "a draft counts no work"
    return "limits are judged while it is ACTIVE, and for 30 days after its end"


def _thresholds(
    rule: StoredRule, known: Known, past: Past, raised: Mapping[UUID, Fired], today: date
) -> Iterator[Threshold]:
    """Each threshold at each subject, the nearest first."""
    awake = tells(rule.trigger, known.status, known.terms.end_date, today)
    for sight in look(rule, known, today):
        for level in sight.levels:
            telling = past.of(sight, level, "crossing")
            period, subject = sight.subject.period, sight.subject
            fired = raised.get(telling.notification_id) if telling and telling.notification_id else None
            state, sentence = _state(sight, level, known, telling, today, awake=awake)
            yield Threshold(
                subject=subject.kind,
                subject_id=subject.id,
                name=subject_name(sight, known),
                period_start=period and period.start,
                period_end=period and period.end,
                threshold=level.threshold,
                state=state,
                sentence=sentence,
                fired=fired,
            )


def _state(
    sight: Sight, level: Level, known: Known, telling: Telling | None, today: date, *, awake: bool
) -> tuple[State, str]:
    why = reason(sight, level, known, today) if level.reached else missing(sight, level, known, today)
    if telling and telling.told:
        return "fired", f"Told on {day(telling.on)}. {why}"
    if telling:
        return "skipped", f"It was reached before the rule was there, and the rule skips that. {why}"
    if not level.reached:
        return "not_reached", why
    return ("due", f"It is about to be told. {why}") if awake else ("asleep", why)


def missing(sight: Sight, level: Level, known: Known, today: date) -> str:
    """What a threshold that is not reached lacks.

    Such as ``31 h 30 min of 40 h are used in March 2026. 80 % is reached at 32 h: 30 min missing.``
    """
    trigger, terms, balance = sight.rule.trigger, known.terms, known.balance
    if trigger.kind in CALENDAR:
        return _to_come(trigger, level, known, today)
    if trigger.kind == "forecast_exhausts":
        return _foreseen(balance, today)
    threshold, unit = said(trigger, level.threshold, terms.currency), currency(known)
    if trigger.kind == "unaccounted_work":
        done = balance.unaccounted_seconds if balance else 0
        lacking = quantity(max(_value(trigger, level), 1) - done, None)
        return f"{quantity(done, None)} of work do not count. {threshold} are told: {lacking} missing."
    at = _reached_at(sight, level)
    consumed = sight.subject.figures.consumed if sight.subject.figures else 0
    names = {"consumed_percent": threshold, "overrun": "More than 100 %"}
    what = names.get(trigger.kind, f"{threshold} left")
    return f"{used(sight, known)}. {what} is reached at {quantity(at, unit)}: {quantity(at - consumed, unit)} missing."


def _to_come(trigger: Trigger, level: Level, known: Known, today: date) -> str:
    end = known.terms.end_date
    if trigger.kind == "expires_in_days" and today <= end:
        first = end - timedelta(days=int(level.threshold or 0))
        return f"It is reached on {day(first)}, in {days((first - today).days)}."
    verb = "ends" if today <= end else "ended"
    return f"The contract is {known.status} and {verb} on {day(end)}."


def _foreseen(balance: Balance | None, today: date) -> str:
    forecast = balance.forecast if balance else None
    if forecast is None:
        return "There is no forecast."
    if forecast.exhausts_on is None:
        return "At its present pace it does not run out."
    ahead = days((forecast.exhausts_on - today).days)
    return f"At its present pace it runs out on {day(forecast.exhausts_on)}, in {ahead}."


def _value(trigger: Trigger, level: Level) -> int:
    return next(value for value, text in ascending(trigger) if text == level.threshold)


def _reached_at(sight: Sight, level: Level) -> int:
    """What must be consumed for a limit to be reached, in seconds or minor units."""
    available, trigger = sight.subject.available or 0, sight.rule.trigger
    if trigger.kind == "overrun" or available <= 0:
        return max(available, 0) + 1
    value = _value(trigger, level)
    if trigger.kind == "consumed_percent":
        return -(-value * available // _MILLION)  # the first whole unit at or above it
    return available - value
