"""What a rule would tell: of a contract along its real curve, or of contracts as they stand. Pure (SPEC 4, 5).

:func:`~tidemark_notifier.evaluate.evaluate` decides here as it does when it tells; this only makes the balances that
it would have seen at each day's end.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from tidemark_notifier.evaluate import Changed, Known, Notice, Telling, evaluate
from tidemark_notifier.rules import StoredRule
from tidemark_notifier.snapshot import addressees, freeze, subject_name
from tidemark_shared.domain.bodies import (
    AccountBalance,
    Balance,
    Body,
    ContractPeriodFigures,
    Figures,
    PeriodFigures,
    SliceBalance,
)


class CurveDay(Body):
    """What was consumed by the end of a day, of the whole and of the period that holds it; as consumption answers."""

    day: date
    whole: Figures
    period: ContractPeriodFigures | None


class Place(NamedTuple):
    """Whose curve: the contract's, an account's, or that of a team's share of it."""

    account: UUID | None = None
    team: UUID | None = None


Curves = Mapping[Place, Sequence[CurveDay]]


class Foretold(Body):
    """A notification that would be raised: on this day, in the contract's zone, to these."""

    day: date
    contract_id: UUID
    contract_code: str
    occasion: str
    subject: str
    subject_id: str
    name: str | None
    period_start: date | None
    threshold: str | None
    sentence: str
    receivers: tuple[str, ...]


def foretold(notice: Notice, known: Known, today: date) -> Foretold:
    """What a notice would tell, and to whom."""
    seen, subject = freeze(notice, known, today), notice.sight.subject
    return Foretold(
        day=today,
        contract_id=known.id,
        contract_code=seen.contract_code,
        occasion=seen.occasion,
        subject=subject.kind,
        subject_id=subject.id,
        name=subject_name(notice.sight, known),
        period_start=seen.period_start,
        threshold=seen.threshold,
        sentence=seen.reason,
        receivers=tuple(one.receiver for one in addressees(notice.rule, known, today, notice.sight.subject.account)),
    )


def places(rule: StoredRule, known: Known) -> list[Place]:
    """The curves that a preview of ``rule`` needs."""
    accounts = known.terms.accounts
    if rule.trigger.of == "account":
        return [Place(account.id) for account in accounts]
    if rule.trigger.of == "slice":
        return [Place(account.id, one.team_id) for account in accounts for one in account.slices]
    return [Place()] if rule.trigger.of == "contract" else []


def preview(rule: StoredRule, known: Known, curves: Curves) -> Iterator[Foretold]:
    """What ``rule`` would have told of a contract that was ACTIVE from its first day to its last, day by day.

    Limits are judged where the curves have days, dates to the end of the contract. Nothing is foretold of forecasts
    and of work that does not count: no curve tells of them.
    """
    told: list[Telling] = []
    begin, end = known.terms.start_date, known.terms.end_date
    seen = {place: _Seen(curve) for place, curve in curves.items()}
    last = max((curve[-1].day for curve in curves.values() if curve), default=begin)
    first = min((curve[0].day for curve in curves.values() if curve), default=begin)
    for number in range((max(last, end + timedelta(days=1)) - min(first, begin)).days + 1):
        today = min(first, begin) + timedelta(days=number)
        for one in seen.values():
            one.until(today)
        then = known._replace(
            changes=(Changed(1, "ACTIVE") if today <= end else Changed(2, "EXPIRED"),),
            balance=_balance(known, seen) if first <= today <= last and curves else None,
            skipped=None,
        )
        for notice in evaluate([rule], then, told, today):
            told += notice.tellings(today)
            yield foretold(notice, then, today)


class _Seen:
    """A curve up to a day."""

    def __init__(self, curve: Sequence[CurveDay]) -> None:
        self._left = list(reversed(curve))
        self.whole = Figures(planned=None, consumed=0, remaining=None, percent=None, worklogs=0, unrated_seconds=None)
        self.periods: dict[date, ContractPeriodFigures] = {}

    def until(self, today: date) -> None:
        while self._left and self._left[-1].day <= today:
            day = self._left.pop()
            self.whole = day.whole
            if day.period:
                self.periods[day.period.start] = day.period


def _balance(known: Known, seen: Mapping[Place, _Seen]) -> Balance:
    """The balance as it would have been; what the rule does not look at is left out."""
    nothing = _Seen([])
    contract, terms = seen.get(Place(), nothing), known.terms
    return Balance(
        contract_id=known.id,
        contract_code=terms.code,
        status="ACTIVE",
        stream_version=0,
        revision=0,
        unit="seconds" if terms.type == "time_and_materials" else "minor",
        currency=terms.currency,
        unaccounted_seconds=0,
        forecast=None,
        whole=contract.whole,
        periods=tuple(contract.periods.values()),
        accounts=tuple(
            AccountBalance(
                account_id=account.id,
                name=account.name,
                billable=account.billable,
                whole=seen.get(Place(account.id), nothing).whole,
                periods=_plain(seen.get(Place(account.id), nothing)),
                slices=tuple(
                    SliceBalance(team_id=one.team_id, whole=share.whole, periods=_plain(share))
                    for one in account.slices
                    if (share := seen.get(Place(account.id, one.team_id)))
                ),
            )
            for account in terms.accounts
        ),
    )


def _plain(seen: _Seen) -> tuple[PeriodFigures, ...]:
    """Without what is carried: only the contract has that."""
    return tuple(PeriodFigures.model_validate(one.model_dump()) for one in seen.periods.values())
