"""What to tell of a contract: pure, with no clock, database or broker. SPEC 5, N1, N2, N4.

:func:`look` says what a rule looks at and how far each of its thresholds is reached; :func:`evaluate` adds what was
told before and says what to tell now. All comparisons are of integers, so the very second at which a threshold is
reached fires it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from tidemark_notifier.rules import StoredRule, Trigger
from tidemark_shared.domain.bodies import Balance, Body, ContractPeriodFigures, Figures, PeriodFigures, Status, Team
from tidemark_shared.domain.calendar import Period, current, periods
from tidemark_shared.domain.quantities import seconds

LATE_DAYS = 30
_WHOLE = 1_000_000
_NARROWEST_FIRST = ("contract", "organization", "global")
CALENDAR = ("expires_in_days", "expired", "status_changed")
"""The triggers that need no balance."""
_LIMITS = ("consumed_percent", "remaining_hours", "remaining_amount", "overrun")

Occasion = Literal["crossing", "reminder", "resolved"]


class Person(Body):
    """The owner of a contract, or a contact of an organization."""

    name: str
    email: str
    roles: tuple[str, ...] = ()


class Organization(Body):
    """What is needed of an organization. It was checked when it came; this only reads it again."""

    name: str
    contacts: tuple[Person, ...]


class Share(Body):
    """A team's slice of an account."""

    team_id: UUID


class Account(Body):
    """What is needed of an account."""

    id: UUID
    name: str
    billable: bool
    slices: tuple[Share, ...]


class Terms(Body):
    """What is needed of a contract's terms. They were checked when they came; this only reads them again."""

    code: str
    name: str
    owner: Person
    organization_id: UUID
    type: Literal["time_and_materials", "fixed_price"]
    recurrence: Literal["none", "monthly"]
    start_date: date
    end_date: date
    timezone: str
    currency: str | None
    accounts: tuple[Account, ...]

    @property
    def zone(self) -> ZoneInfo:
        """The contract's own time zone: its days begin and end there."""
        return ZoneInfo(self.timezone)


class Changed(NamedTuple):
    """The status that a contract got with a version of its stream."""

    stream_version: int
    status: Status


class Known(NamedTuple):
    """A contract with all that is needed to judge it."""

    id: UUID
    changes: tuple[Changed, ...]
    """The changes of status that were not judged yet, after the last that was; the last is how it stands."""
    terms: Terms
    organization: Organization
    teams: Mapping[UUID, Team]
    balance: Balance | None
    waits: str | None
    """What the balance waits for, as the end of "waits for …"; it is not judged then."""
    skipped: Mapping[UUID, int] | None
    """The version of each rule with ``existing: skip`` whose earlier crossings count as told here.

    None at the first judgement: the rules were there before the contract, and nothing is older than they are.
    """

    @property
    def status(self) -> Status | None:
        """How the contract stands."""
        return self.changes[-1].status if self.changes else None


class Spot(NamedTuple):
    """A threshold of a rule at one subject, in whatever episode: the beginning of its keys."""

    rule_name: str
    trigger: str
    subject: str
    subject_id: str
    period_start: date | None
    threshold: str | None


class Key(NamedTuple):
    """What is told once (N2).

    ``episode`` is the planned amount, the end date or the stream version judged; ``again`` counts the resolutions
    that were told before; ``occasion`` is ``crossing``, ``resolved``, or ``reminder`` with its day.
    """

    rule_name: str
    trigger: str
    subject: str
    subject_id: str
    period_start: date | None
    threshold: str | None
    episode: str
    again: int
    occasion: str

    @property
    def spot(self) -> Spot:
        """What it has in common with the keys of other episodes and occasions."""
        return Spot(*self[:6])


class Telling(NamedTuple):
    """A key that counts as told since a day (in the contract's zone); ``told`` is false where a rule skipped it."""

    key: Key
    on: date
    told: bool
    notification_id: UUID | None = None


class Subject(NamedTuple):
    """What is judged: a contract, an account or a slice, in a period or as a whole, with the figures that it has."""

    kind: Literal["contract", "account", "slice"]
    id: str
    period: Period | None = None
    figures: Figures | None = None
    account: UUID | None = None
    team: UUID | None = None

    @property
    def planned(self) -> int | None:
        """The plan; None where there is none."""
        return self.figures.planned if self.figures else None

    @property
    def available(self) -> int | None:
        """Only a contract's period has more or less than its plan: what is carried into it (SPEC 9, rollover)."""
        if isinstance(self.figures, ContractPeriodFigures) and self.figures.available is not None:
            return self.figures.available
        return self.planned


class Level(NamedTuple):
    """One threshold of a rule, as text (None where its trigger has none), and whether it is reached."""

    threshold: str | None
    reached: bool


class Sight(NamedTuple):
    """What a rule sees of one subject: its thresholds, the furthest last, and the episode."""

    rule: StoredRule
    subject: Subject
    episode: str
    levels: tuple[Level, ...]

    def spot(self, level: Level) -> Spot:
        """What its keys have in common."""
        period = self.subject.period
        name, kind = self.rule.name, self.rule.trigger.kind
        return Spot(name, kind, self.subject.kind, self.subject.id, period and period.start, level.threshold)


class Notice(NamedTuple):
    """A notification to raise: of the thresholds that it is about the furthest, and all that count as told with it.

    With ``tell`` false nothing is raised: what it is about is older than the rule, and the rule skips that.
    """

    occasion: Occasion
    sight: Sight
    keys: tuple[Key, ...]
    tell: bool

    @property
    def rule(self) -> StoredRule:
        """The rule that tells."""
        return self.sight.rule

    @property
    def threshold(self) -> str | None:
        """The furthest."""
        return self.keys[-1].threshold

    def tellings(self, today: date) -> Iterator[Telling]:
        """What counts as told with it."""
        return (Telling(key, today, self.tell) for key in self.keys)


def applying(rules: Iterable[StoredRule], contract_id: UUID, organization_id: UUID) -> list[StoredRule]:
    """The rules that hold for a contract: of each name the narrowest alone, and that only where it is on."""
    narrowest: dict[str, StoredRule] = {}
    for rule in in_reach(rules, contract_id, organization_id):
        narrowest.setdefault(rule.name, rule)
    return [rule for rule in narrowest.values() if rule.enabled]


def in_reach(rules: Iterable[StoredRule], contract_id: UUID, organization_id: UUID) -> list[StoredRule]:
    """The rules whose scope holds the contract, the narrowest first, those that others replace included."""
    ids = {"global": None, "organization": organization_id, "contract": contract_id}
    found = [rule for rule in rules if rule.scope.id == ids[rule.scope.kind]]
    return sorted(found, key=lambda rule: _NARROWEST_FIRST.index(rule.scope.kind))


def fits(trigger: Trigger, terms: Terms) -> bool:
    """Whether contracts of this type, and in this currency, can have what the trigger looks at."""
    if trigger.kind == "remaining_hours":
        return terms.type == "time_and_materials"
    if trigger.kind == "remaining_amount":
        return terms.type == "fixed_price" and trigger.currency in (None, terms.currency)
    # A slice of a fixed price has no plan (C3).
    return not (trigger.of == "slice" and terms.type == "fixed_price")


def tells(trigger: Trigger, status: Status | None, end_date: date, today: date) -> bool:
    """N4: limits are told while ACTIVE and, for hours logged late, for 30 days after the end."""
    if status is None:
        return False
    if trigger.kind in _LIMITS:
        return status in ("ACTIVE", "EXPIRED") and today <= end_date + timedelta(days=LATE_DAYS)
    if trigger.kind in ("expires_in_days", "forecast_exhausts"):
        # Past its end it expires by itself: nothing is left, and nothing is resolved.
        return status == "ACTIVE" and today <= end_date
    return trigger.kind != "unaccounted_work" or status != "DRAFT"


def evaluate(rules: Sequence[StoredRule], known: Known, told: Iterable[Telling], today: date) -> list[Notice]:
    """What to tell, of the ``rules`` that hold for a contract (see :func:`applying`), today in its time zone."""
    found: list[Notice] = []
    past = Past(told)
    for rule in rules:
        skip = rule.existing == "skip" and known.skipped is not None and known.skipped.get(rule.id) != rule.version
        awake = tells(rule.trigger, known.status, known.terms.end_date, today)
        for sight in look(rule, known, today) if awake or skip else ():
            steps = [_crossing(sight, past, tell=not skip)]
            if awake:
                steps += [_resolved(sight, past), _reminder(sight, past, known.status, today)]
            for notice in chain.from_iterable(steps):  # each step sees what the one before it has told
                past.add(notice.tellings(today))
                found.append(notice)
    return found


def skipped(rules: Iterable[StoredRule], known: Known) -> dict[UUID, int]:
    """The rules that have skipped here what was older than they are; one whose balance waits has not looked yet."""
    before = known.skipped or {}
    looked = {
        rule.id: rule.version
        for rule in rules
        if known.skipped is None or known.balance is not None or rule.trigger.kind in CALENDAR
    }
    versions = {rule.id: looked.get(rule.id, before.get(rule.id)) for rule in rules if rule.existing == "skip"}
    return {id_: version for id_, version in versions.items() if version is not None}


def next_day(rules: Sequence[StoredRule], known: Known, told: Iterable[Telling], today: date) -> date | None:
    """The first day after ``today`` on which :func:`evaluate` may find something that no event brings."""
    found: list[date] = []
    by_name = {rule.name: rule for rule in rules}
    for rule in rules:
        trigger, forecast = rule.trigger, known.balance and known.balance.forecast
        if trigger.kind == "expires_in_days":
            found += [known.terms.end_date - timedelta(days=int(days)) for days in trigger.at or ()]
        if trigger.over == "period" or trigger.kind == "forecast_exhausts":
            found += [period.start for period in _periods(known.terms)]
        if trigger.within_days is not None and forecast and forecast.exhausts_on:
            found.append(forecast.exhausts_on - timedelta(days=trigger.within_days))
    for one in told:
        every = one.key.rule_name in by_name and by_name[one.key.rule_name].remind_every_days
        if every and one.told and one.key.occasion == "crossing" and known.status == "ACTIVE":
            found.append(one.on + timedelta(days=every * ((today - one.on).days // every + 1)))
    return min((day for day in found if day > today), default=None)


class Past:
    """What was told of a contract, by its spot."""

    def __init__(self, told: Iterable[Telling]) -> None:
        self._spots: defaultdict[Spot, list[Telling]] = defaultdict(list)
        self.add(told)

    def add(self, told: Iterable[Telling]) -> None:
        """What counts as told from now on."""
        for one in told:
            self._spots[one.key.spot].append(one)

    def at(self, sight: Sight, level: Level) -> list[Telling]:
        """All that was told of a threshold, in every episode."""
        return self._spots[sight.spot(level)]

    def key(self, sight: Sight, level: Level, occasion: str) -> Key:
        """What follows a resolution that was told is a new episode (N2)."""
        again = sum(one.told and one.key.occasion == "resolved" for one in self.at(sight, level))
        return Key(*sight.spot(level), sight.episode, again, occasion)

    def of(self, sight: Sight, level: Level, occasion: str) -> Telling | None:
        """What was told of this episode."""
        key = self.key(sight, level, occasion)
        return next((one for one in self.at(sight, level) if one.key == key), None)


def _crossing(sight: Sight, past: Past, *, tell: bool) -> Iterator[Notice]:
    """Of the thresholds newly reached the furthest; those passed with it count as told."""
    fresh = [level for level in sight.levels if level.reached and not past.of(sight, level, "crossing")]
    if fresh:
        yield Notice("crossing", sight, tuple(past.key(sight, level, "crossing") for level in fresh), tell)


def _resolved(sight: Sight, past: Past) -> Iterator[Notice]:
    """Of the thresholds no longer reached, and told, the nearest: it says most."""
    gone = [level for level in reversed(sight.levels) if not level.reached and _open(sight, level, past)]
    if gone and sight.rule.tell_resolved:
        yield Notice("resolved", sight, tuple(past.key(sight, level, "resolved") for level in gone), tell=True)


def _open(sight: Sight, level: Level, past: Past) -> bool:
    """Whether a crossing was told since the last resolution, be it of another plan, another end or another version."""
    again = past.key(sight, level, "resolved").again
    return any(one.told and one.key.again == again and one.key.occasion == "crossing" for one in past.at(sight, level))


def _reminder(sight: Sight, past: Past, status: Status | None, today: date) -> Iterator[Notice]:
    """Every so many days after it was told, of the furthest threshold that is reached, late where nobody was there."""
    every, period = sight.rule.remind_every_days, sight.subject.period
    reached = [level for level in sight.levels if level.reached]
    if not every or not reached or status != "ACTIVE" or (period and today > period.end):
        return
    level = reached[-1]
    first = past.of(sight, level, "crossing")
    if first and first.told:
        key = past.key(sight, level, f"reminder {today}")
        last = max(one.on for one in past.at(sight, level) if one.key[:8] == key[:8])
        if (today - first.on).days // every > (last - first.on).days // every:
            yield Notice("reminder", sight, (key,), tell=True)


def look(rule: StoredRule, known: Known, today: date) -> Iterator[Sight]:
    """All that a rule looks at in a contract, reached or not; nothing where there is nothing to judge yet."""
    trigger, terms, balance = rule.trigger, known.terms, known.balance
    contract = Subject("contract", str(known.id), figures=balance.whole if balance else None)
    if trigger.kind == "expires_in_days":
        left = (terms.end_date - today).days
        levels = tuple(Level(str(days), left <= days) for days in sorted(map(int, trigger.at or ()), reverse=True))
        yield Sight(rule, contract, str(terms.end_date), levels)
    elif trigger.kind == "expired":
        yield Sight(rule, contract, str(terms.end_date), (Level(None, known.status == "EXPIRED"),))
    elif trigger.kind == "status_changed":
        # Of what was judged before, the first is the last that was.
        passed = known.changes[known.skipped is not None : -1]
        passed = tuple(change for change in passed if change.status == trigger.to)
        for change in (*passed, *known.changes[-1:]):
            level = Level(trigger.to, change.status == trigger.to)
            yield Sight(rule, contract, str(change.stream_version), (level,))
    elif balance is None or not fits(trigger, terms):
        return
    elif trigger.kind == "unaccounted_work":
        done = balance.unaccounted_seconds
        levels = tuple(Level(text, done >= max(least, 1)) for least, text in ascending(trigger))
        yield Sight(rule, contract, "", levels)
    elif trigger.kind == "forecast_exhausts":
        yield from _foreseen(rule, balance, _periods(terms)[current(_periods(terms), today)], today)
    else:
        for subject in _subjects(rule, known, balance, today):
            yield Sight(rule, subject, str(subject.planned), tuple(_levels(trigger, subject)))


def _foreseen(rule: StoredRule, balance: Balance, period: Period, today: date) -> Iterator[Sight]:
    """The forecast is about what the current period has available."""
    figures = next((one for one in balance.periods if one.start == period.start), None)
    if figures is None or not figures.planned:
        return
    within, day = rule.trigger.within_days, balance.forecast.exhausts_on if balance.forecast else None
    latest = period.end - timedelta(days=1) if within is None else today + timedelta(days=within)
    level = Level(None if within is None else str(within), day is not None and day <= latest)
    yield Sight(rule, Subject("contract", str(balance.contract_id), period, figures), str(figures.planned), (level,))


@lru_cache(maxsize=4096)
def _cut(recurrence: Literal["none", "monthly"], start: date, end: date) -> tuple[Period, ...]:
    return tuple(periods(recurrence, start, end))


def _periods(terms: Terms) -> list[Period]:
    return list(_cut(terms.recurrence, terms.start_date, terms.end_date))


def _subjects(rule: StoredRule, known: Known, balance: Balance, today: date) -> Iterator[Subject]:
    """What a limit judges: only what has a plan, and by periods the previous and the current one (N1)."""
    found = _periods(known.terms)
    index = current(found, today)
    judged = {period.start for period in found[max(index - 1, 0) : index + 1]}
    for subject, by_period in _parts(rule.trigger, balance):
        over: list[tuple[Period | None, Figures | None]] = (
            [(None, subject.figures)]
            if rule.trigger.over == "whole"
            else [(Period(one.start, one.end), one) for one in by_period if one.start in judged]
        )
        for period, figures in over:
            if figures and figures.planned is not None and figures.planned > 0:
                yield subject._replace(period=period, figures=figures)


def _parts(trigger: Trigger, balance: Balance) -> Iterator[tuple[Subject, Sequence[PeriodFigures]]]:
    if trigger.of == "contract":
        yield Subject("contract", str(balance.contract_id), figures=balance.whole), balance.periods
        return
    for account in balance.accounts:
        id_ = account.account_id
        if trigger.of == "account":
            yield Subject("account", str(id_), figures=account.whole, account=id_), account.periods
        else:
            for one in account.slices:
                yield Subject("slice", f"{id_}/{one.team_id}", None, one.whole, id_, one.team_id), one.periods


def _levels(trigger: Trigger, subject: Subject) -> Iterator[Level]:
    """The thresholds of a limit, the furthest last."""
    figures, available = subject.figures, subject.available
    if figures is None or available is None:
        return
    consumed = figures.consumed
    if trigger.kind == "overrun":
        yield Level(None, consumed > max(available, 0))
    elif trigger.kind == "consumed_percent":
        for share, text in ascending(trigger):
            # Where nothing is available of a plan, any consumption is beyond every percentage (SPEC 1).
            yield Level(text, consumed > 0 and (available <= 0 or consumed * _WHOLE >= share * available))
    else:
        for left, text in reversed(ascending(trigger)):
            yield Level(text, available - consumed <= left)


def ascending(trigger: Trigger) -> Sequence[tuple[int, str]]:
    """The thresholds as whole numbers, least first, each with its text.

    Percentages are parts of a million, which their four decimals at most allow; hours are seconds.
    """
    return _ascending(trigger.kind, trigger.at or ())


@lru_cache(maxsize=4096)
def _ascending(kind: str, at: tuple[str | int, ...]) -> list[tuple[int, str]]:
    if kind == "consumed_percent":
        return sorted((int(Decimal(text) * _WHOLE / 100), str(text)) for text in at)
    if kind in ("remaining_hours", "unaccounted_work"):
        return sorted((seconds(Decimal(text)), str(text)) for text in at)
    return sorted((int(one), str(one)) for one in at)
