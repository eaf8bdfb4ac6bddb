"""What an evaluation reads about one contract."""

from collections.abc import Mapping
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

    @property
    def status(self) -> Status | None:
        """The current status."""
        return self.status_changes[-1].status if self.status_changes else None
