"""What to tell of a contract: pure, with no clock, database or broker. SPEC 5, N1, N2, N4.

Percentages are compared as integers, so the very second at which a threshold is reached fires it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from tidemark_notifier.rules import StoredRule
from tidemark_shared.bodies import Balance, Body, ContractPeriodFigures, Figures, PeriodFigures, Status
from tidemark_shared.calendar import Period, current, periods

LATE_DAYS = 30
_WHOLE = 1_000_000
_NARROWEST_FIRST = ("contract", "organization", "global")


class Person(Body):
    """The owner of a contract, or a contact of an organization."""

    name: str
    email: str
    roles: tuple[str, ...] = ()


class Organization(Body):
    """What is needed of an organization. It was checked when it came; this only reads it again."""

    name: str
    contacts: tuple[Person, ...]


class Terms(Body):
    """What is needed of a contract's terms. They were checked when they came; this only reads them again."""

    code: str
    name: str
    owner: Person
    organization_id: UUID
    recurrence: Literal["none", "monthly"]
    start_date: date
    end_date: date
    timezone: str

    @property
    def zone(self) -> ZoneInfo:
        """The contract's own time zone: its days begin and end there."""
        return ZoneInfo(self.timezone)


class Known(NamedTuple):
    """A contract with all that is needed to judge it."""

    id: UUID
    status: Status | None
    terms: Terms
    organization: Organization
    balance: Balance | None
    skipped: Mapping[UUID, int] | None
    """The version of each rule with ``existing: skip`` whose earlier crossings count as told here.

    None at the first judgement: the rules were there before the contract, and nothing is older than they are.
    """


class Key(NamedTuple):
    """What is told once (N2). ``episode`` is the planned amount judged: another plan is another episode."""

    rule_name: str
    trigger: str
    subject: Literal["contract", "account"]
    subject_id: str
    period_start: date | None
    threshold: str
    episode: str


class Subject(NamedTuple):
    """Something with a plan: a contract or an account, in a period or over all of them."""

    kind: Literal["contract", "account"]
    id: UUID
    period: Period | None
    figures: Figures
    planned: int
    available: int


class Notice(NamedTuple):
    """A notification to raise: of the thresholds newly reached the furthest, and those that count as told with it.

    With ``tell`` false nothing is raised: the crossing is older than the rule, and the rule skips those.
    """

    rule: StoredRule
    balance: Balance
    subject: Subject
    keys: tuple[Key, ...]
    tell: bool

    @property
    def threshold(self) -> str:
        """The furthest."""
        return self.keys[-1].threshold


def applying(rules: Iterable[StoredRule], contract_id: UUID, organization_id: UUID) -> list[StoredRule]:
    """The rules that hold for a contract: of each name the narrowest alone, and that only where it is on."""
    ids = {"global": None, "organization": organization_id, "contract": contract_id}
    narrowest: dict[str, StoredRule] = {}
    for rule in sorted(rules, key=lambda rule: _NARROWEST_FIRST.index(rule.scope.kind)):
        if rule.scope.id == ids[rule.scope.kind]:
            narrowest.setdefault(rule.name, rule)
    return [rule for rule in narrowest.values() if rule.enabled]


def tells(status: Status | None, end_date: date, today: date) -> bool:
    """N4: limits are told while ACTIVE and, for hours logged late, for 30 days after the end."""
    return status in ("ACTIVE", "EXPIRED") and today <= end_date + timedelta(days=LATE_DAYS)


def evaluate(rules: Sequence[StoredRule], known: Known, told: AbstractSet[Key], today: date) -> list[Notice]:
    """What to tell, of the ``rules`` that hold for a contract (see :func:`applying`), today in its time zone."""
    found: list[Notice] = []
    if known.balance is None:
        return found
    judged = _previous_and_current(known.terms, today)
    for rule in rules:
        skip = rule.existing == "skip" and known.skipped is not None and known.skipped.get(rule.id) != rule.version
        if not skip and not tells(known.status, known.terms.end_date, today):
            continue
        for subject in _subjects(rule, known.balance, judged):
            keys = tuple(key for key in _reached(rule, subject) if key not in told)
            if keys:
                found.append(Notice(rule, known.balance, subject, keys, tell=not skip))
    return found


def _previous_and_current(terms: Terms, today: date) -> Collection[date]:
    """The first days of the periods that rules over a period judge (N1)."""
    found = periods(terms.recurrence, terms.start_date, terms.end_date)
    index = current(found, today)
    return [period.start for period in found[max(index - 1, 0) : index + 1]]


def _subjects(rule: StoredRule, balance: Balance, judged: Collection[date]) -> Iterator[Subject]:
    """What the rule judges: only what has a plan."""
    parts: list[tuple[Literal["contract", "account"], UUID, Figures, Sequence[PeriodFigures]]] = (
        [("contract", balance.contract_id, balance.whole, balance.periods)]
        if rule.trigger.of == "contract"
        else [("account", account.account_id, account.whole, account.periods) for account in balance.accounts]
    )
    for kind, id_, whole, by_period in parts:
        found: list[tuple[Period | None, Figures]] = (
            [(None, whole)]
            if rule.trigger.over == "whole"
            else [(Period(one.start, one.end), one) for one in by_period if one.start in judged]
        )
        for period, figures in found:
            if figures.planned is not None and figures.planned > 0:
                yield Subject(kind, id_, period, figures, figures.planned, _available(figures, figures.planned))


def _available(figures: Figures, planned: int) -> int:
    """Only a contract's period has more or less than its plan: what is carried into it (SPEC 9, rollover)."""
    if isinstance(figures, ContractPeriodFigures) and figures.available is not None:
        return figures.available
    return planned


def _reached(rule: StoredRule, subject: Subject) -> list[Key]:
    """The thresholds reached, the furthest last."""
    consumed, available = subject.figures.consumed, subject.available
    if consumed <= 0:
        return []
    return [
        Key(
            rule.name,
            rule.trigger.kind,
            subject.kind,
            str(subject.id),
            subject.period and subject.period.start,
            threshold,
            str(subject.planned),
        )
        for share, threshold in _ascending(rule.trigger.at)
        if available <= 0 or consumed * _WHOLE >= share * available
    ]


@lru_cache
def _ascending(at: tuple[str, ...]) -> list[tuple[int, str]]:
    """Percentages as whole parts of :data:`_WHOLE`, which their four decimals at most allow, each with its text."""
    return sorted((int(Decimal(text) * _WHOLE / 100), text) for text in at)
