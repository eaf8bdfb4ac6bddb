"""What an evaluation reads about one contract."""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from tidemark_shared.domain.balances import Balance, ContractPeriodFigures, Figures
from tidemark_shared.domain.bodies import Adjustment, Body, Hours, MinorAmount, Status, Team
from tidemark_shared.domain.calendar import Period, split_into_periods


class PersonDetails(Body):
    """The owner of a contract, or a contact of an organization."""

    name: str
    email: str
    roles: tuple[str, ...] = ()


class OrganizationDetails(Body):
    """The members of an organization that notifications use. Contracts has already validated them."""

    name: str
    locale: str = "en"
    contacts: tuple[PersonDetails, ...]


class SliceTerms(Body):
    """A team's slice of an account."""

    team_id: UUID


class AccountTerms(Body):
    """The members of an account that notifications use."""

    id: UUID
    name: str
    billable: bool
    planned_hours: Hours | None = None
    planned_value_minor: MinorAmount | None = None
    slices: tuple[SliceTerms, ...]


class ContractTerms(Body):
    """The members of a contract's terms that notifications use. Contracts has already validated them."""

    code: str
    name: str
    owner: PersonDetails
    organization_id: UUID
    type: Literal["time_and_materials", "fixed_price"]
    recurrence: Literal["none", "monthly"]
    start_date: date
    end_date: date
    timezone: str
    currency: str | None
    accounts: tuple[AccountTerms, ...]
    adjustments: tuple[Adjustment, ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        """The contract's time zone, in which its days begin and end."""
        return ZoneInfo(self.timezone)

    @property
    def periods(self) -> list[Period]:
        """The periods of the contract, oldest first."""
        return list(_split_into_periods(self.recurrence, self.start_date, self.end_date))


@lru_cache(maxsize=4096)
def _split_into_periods(recurrence: Literal["none", "monthly"], start: date, end: date) -> tuple[Period, ...]:
    return tuple(split_into_periods(recurrence, start, end))


class StatusChange(NamedTuple):
    """The status that a contract took with a version of its stream."""

    stream_version: int
    status: Status


class ClosedAccount(Figures):
    """An account's figures in a settled period."""

    name: str
    billable: bool


class ClosedPeriod(Body):
    """The statement of a settled period, as far as notifications use it."""

    number: int
    figures: ContractPeriodFigures
    accounts: tuple[ClosedAccount, ...]


class Restatement(Body):
    """A change of an account in a settled period, as far as notifications use it."""

    restatement: int
    statement_number: int
    period_start: date
    period_end: date
    account_id: UUID
    account_name: str | None
    billable: bool | None
    before_seconds: int
    after_seconds: int
    before_amount_minor: int | None
    after_amount_minor: int | None

    @property
    def before(self) -> int:
        """What the account came to, in the contract's unit."""
        return self.before_seconds if self.before_amount_minor is None else self.before_amount_minor

    @property
    def after(self) -> int:
        """What the account comes to, in the contract's unit."""
        return self.after_seconds if self.after_amount_minor is None else self.after_amount_minor


def list_corrections(restatements: Iterable[Restatement]) -> list[tuple[Restatement, Restatement]]:
    """The first and the last restatement of each account that comes to something else after all of them."""
    pairs: dict[UUID, tuple[Restatement, Restatement]] = {}
    for item in restatements:
        first, _ = pairs.get(item.account_id, (item, item))
        pairs[item.account_id] = first, item
    return [(first, last) for first, last in pairs.values() if first.before != last.after]


class EvaluationInput(NamedTuple):
    """A contract with everything that its evaluation needs."""

    contract_id: UUID
    status_changes: tuple[StatusChange, ...]
    """The last status that was evaluated and all later ones, oldest first."""
    terms: ContractTerms
    organization: OrganizationDetails
    teams: Mapping[UUID, Team]
    balance: Balance | None
    awaited: str | None
    """What is missing before the balance can be evaluated, to complete "Waiting for …"."""
    skipped_rule_versions: Mapping[UUID, int] | None
    """The version of each rule with ``existing: skip`` that has already skipped earlier crossings here.

    None before the first evaluation: the rules then existed before the contract, and nothing is skipped.
    """
    closed_periods: tuple[ClosedPeriod, ...] = ()
    """The statement that was evaluated last, and all later ones, oldest first."""
    restatements: tuple[Restatement, ...] = ()
    """Those to notify of now, oldest first."""

    @property
    def status(self) -> Status | None:
        """The current status."""
        return self.status_changes[-1].status if self.status_changes else None
