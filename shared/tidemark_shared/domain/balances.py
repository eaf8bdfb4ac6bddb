"""The figures of a contract: what is planned, consumed and left, as the balance event and the HTTP API show them."""

from datetime import date
from typing import Literal
from uuid import UUID

from tidemark_shared.domain.bodies import Body, Day, Status


class Figures(Body):
    """Planned against consumed, in the unit of the balance (seconds, or minor units of a currency)."""

    planned: int | None
    consumed: int
    remaining: int | None
    percent: str | None
    worklogs: int
    unrated_seconds: int | None


class PeriodFigures(Figures):
    """The figures of one period; both days are inclusive."""

    start: Day
    end: Day


class ContractPeriodFigures(PeriodFigures):
    """The figures of a contract's period, with the amount carried into it."""

    carried: int
    available: int | None


class SliceBalance(Body):
    """A team's share of an account; ``team_id`` is null for the unassigned share."""

    team_id: UUID | None
    whole: Figures
    periods: tuple[PeriodFigures, ...]


class AccountBalance(Body):
    """An account's figures."""

    account_id: UUID
    name: str
    billable: bool
    whole: Figures
    periods: tuple[PeriodFigures, ...]
    slices: tuple[SliceBalance, ...]


class Forecast(Body):
    """The day on which the contract is used up at the current pace, with a low and a high estimate."""

    exhausts_on: date | None
    low: date | None
    high: date | None


class Balance(Body):
    """A contract's full state: the event ``tidemark.contract.balance.v1`` and the HTTP response have this body."""

    contract_id: UUID
    contract_code: str
    status: Status
    stream_version: int
    revision: int
    unit: Literal["seconds", "minor"]
    currency: str | None
    unaccounted_seconds: int
    forecast: Forecast | None
    whole: Figures
    periods: tuple[ContractPeriodFigures, ...]
    accounts: tuple[AccountBalance, ...]
