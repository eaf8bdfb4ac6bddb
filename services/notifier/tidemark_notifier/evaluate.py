"""What to tell of a contract: pure, with no clock, database or broker. SPEC 5, N1, N2, N4.

Percentages are compared as exact fractions, so the very second at which a threshold is reached fires it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from fractions import Fraction
from typing import Literal, NamedTuple
from uuid import UUID

from tidemark_notifier.rules import StoredRule
from tidemark_shared.bodies import (
    Balance,
    Contract,
    ContractPeriodFigures,
    Figures,
    Organization,
    PeriodFigures,
    Status,
)
from tidemark_shared.calendar import Period, current, periods

LATE_DAYS = 30
_NARROWEST_FIRST = ("contract", "organization", "global")


class Known(NamedTuple):
    """A contract with all that is needed to judge it."""

    id: UUID
    status: Status | None
    terms: Contract
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
    for rule in rules:
        skip = rule.existing == "skip" and known.skipped is not None and known.skipped.get(rule.id) != rule.version
        if not skip and not tells(known.status, known.terms.end_date, today):
            continue
        for subject in _subjects(rule, known.terms, known.balance, today):
            keys = tuple(key for key in _reached(rule, subject) if key not in told)
            if keys:
                found.append(Notice(rule, known.balance, subject, keys, tell=not skip))
    return found


def _subjects(rule: StoredRule, contract: Contract, balance: Balance, today: date) -> Iterator[Subject]:
    """What the rule judges: only what has a plan."""
    parts: list[tuple[Literal["contract", "account"], UUID, Figures, Sequence[PeriodFigures]]] = (
        [("contract", balance.contract_id, balance.whole, balance.periods)]
        if rule.trigger.of == "contract"
        else [("account", account.account_id, account.whole, account.periods) for account in balance.accounts]
    )
    wanted = _previous_and_current(contract, today) if rule.trigger.over == "period" else ()
    for kind, id_, whole, parts_periods in parts:
        judged: list[tuple[Period | None, Figures]] = (
            [(None, whole)]
            if rule.trigger.over == "whole"
            else [(Period(one.start, one.end), one) for one in parts_periods if one.start in wanted]
        )
        for period, figures in judged:
            if figures.planned is not None and figures.planned > 0:
                yield Subject(kind, id_, period, figures, figures.planned, _available(figures, figures.planned))


def _previous_and_current(contract: Contract, today: date) -> Collection[date]:
    found = periods(contract.recurrence, contract.start_date, contract.end_date)
    index = current(found, today)
    return [period.start for period in found[max(index - 1, 0) : index + 1]]


def _available(figures: Figures, planned: int) -> int:
    """Only a contract's period has more or less than its plan: what is carried into it (SPEC 9, rollover)."""
    if isinstance(figures, ContractPeriodFigures) and figures.available is not None:
        return figures.available
    return planned


def _reached(rule: StoredRule, subject: Subject) -> list[Key]:
    """The thresholds reached, the furthest last."""
    consumed, available = subject.figures.consumed, subject.available
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
        for threshold in sorted(rule.trigger.at, key=Fraction)
        if consumed > 0 and (available <= 0 or consumed * 100 >= Fraction(threshold) * available)
    ]
