"""The bodies of reports. Pure.

Integers are exact: seconds, and ``consumed`` in the unit of the contract (seconds, or minor units of its currency).
``hours`` and ``amount`` are the same as decimals.
"""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from tidemark_shared.domain.balances import ContractPeriodFigures, Figures, Forecast, PeriodFigures
from tidemark_shared.domain.bodies import Body, Day, Owner, Status
from tidemark_shared.domain.reasons import Reason

_TEAM_ID = "The team's id; null for unassigned work."
_TEAM_NAME = "The team's name; null for unassigned work."


class Work(Body):
    """Work of a range of days, by the day of the work."""

    seconds: Annotated[int, Field(description="Time worked, whole seconds.")]
    hours: Annotated[str, Field(description="The same in hours, four decimals.")]
    consumed: Annotated[int, Field(description="What it consumes, in the unit of the contract.")]
    amount: Annotated[str | None, Field(description="Fixed price: the same in the currency; otherwise null.")]
    unrated_seconds: Annotated[int | None, Field(description="Fixed price: time of people without a rate.")]
    worklogs: Annotated[int, Field(description="How many worklogs.")]


class AccountTeamWork(Body):
    """The work of a team in an account."""

    team_id: Annotated[UUID | None, Field(description=_TEAM_ID)]
    team_name: Annotated[str | None, Field(description=_TEAM_NAME)]
    work: Annotated[Work, Field(description="Its work in the range.")]


class TeamWork(Body):
    """The work of a team for a contract."""

    team_id: Annotated[UUID | None, Field(description=_TEAM_ID)]
    team_name: Annotated[str | None, Field(description=_TEAM_NAME)]
    billable: Annotated[Work, Field(description="Its work on billable accounts.")]
    non_billable: Annotated[Work, Field(description="Its work on other accounts.")]


class PersonWork(Body):
    """The work of a person for a contract. For internal use."""

    person_id: Annotated[str, Field(description="The person, as the source of the worklogs identifies them.")]
    person_name: Annotated[str | None, Field(description="Their latest name in a team; null where none has one.")]
    billable: Annotated[Work, Field(description="Their work on billable accounts.")]
    non_billable: Annotated[Work, Field(description="Their work on other accounts.")]


class DeliverySlice(Body):
    """Planned and executed of a team in an account."""

    team_id: Annotated[UUID | None, Field(description=_TEAM_ID)]
    team_name: Annotated[str | None, Field(description=_TEAM_NAME)]
    whole: Annotated[Figures, Field(description="Over all periods of the contract.")]
    periods: Annotated[tuple[PeriodFigures, ...], Field(description="The periods that overlap the range.")]


class DeliveryAccount(Body):
    """Planned and executed of an account, and its work in the range."""

    account_id: Annotated[UUID, Field(description="The account's id.")]
    name: Annotated[str, Field(description="The account's name.")]
    billable: Annotated[bool, Field(description="Whether its work counts towards the contract.")]
    whole: Annotated[Figures, Field(description="Over all periods of the contract.")]
    periods: Annotated[tuple[PeriodFigures, ...], Field(description="The periods that overlap the range.")]
    slices: Annotated[tuple[DeliverySlice, ...], Field(description="Its shares by team.")]
    work: Annotated[Work, Field(description="Its work in the range.")]
    teams: Annotated[tuple[AccountTeamWork, ...], Field(description="The same by team, the most work first.")]


class DeliveryPeriod(ContractPeriodFigures):
    """The figures of a contract's period: whole, also where the range begins or ends within it."""

    planned_to_date: Annotated[
        int | None,
        Field(description="Planned of all periods up to this one, of the accounts in `days`: the contracted line."),
    ]


class DeliveryDay(Body):
    """A day with work: a point of the cumulative curve."""

    day: Annotated[date, Field(description="The day of the work, in the contract's time zone.")]
    seconds: Annotated[int, Field(description="Time worked that day.")]
    consumed: Annotated[int, Field(description="What that day consumed.")]
    cumulative: Annotated[int, Field(description="What was consumed since the contract began, that day included.")]


class UnaccountedWork(Body):
    """Work whose issue names the contract and that does not count."""

    reason: Annotated[Reason, Field(description="Why it does not count.")]
    seconds: Annotated[int, Field(description="Time worked, whole seconds.")]
    hours: Annotated[str, Field(description="The same in hours, four decimals.")]
    worklogs: Annotated[int, Field(description="How many worklogs.")]


class DeliveryRestatement(Body):
    """A change of a closed period that was learned in the range."""

    account_id: Annotated[UUID, Field(description="The account's id.")]
    account_name: Annotated[str | None, Field(description="The account's name; null once it is removed.")]
    period_start: Annotated[date, Field(description="The period's first day.")]
    period_end: Annotated[date, Field(description="The period's last day.")]
    before_seconds: Annotated[int, Field(description="Time that counted before.")]
    after_seconds: Annotated[int, Field(description="Time that counts since.")]
    before_amount_minor: Annotated[int | None, Field(description="Fixed price: consumed before, in minor units.")]
    after_amount_minor: Annotated[int | None, Field(description="Fixed price: consumed since, in minor units.")]
    cause: Annotated[str, Field(description="The worklog, issue, contract version, membership or rate card behind it.")]
    restated_at: Annotated[datetime, Field(description="When it was learned.")]


class OutlookMonth(Body):
    """What a coming month is expected to consume at the current pace, against what is contracted."""

    start: Annotated[date, Field(description="The month's first day; months count from the contract's start.")]
    end: Annotated[date, Field(description="The month's last day.")]
    contracted: Annotated[
        int | None,
        Field(description="What the period has available or, where it is to come, planned; null where nothing recurs."),
    ]
    expected: Annotated[int, Field(description="What it will have consumed at the average pace.")]
    low: Annotated[int, Field(description="The same if every week is like the quietest of the last eight.")]
    high: Annotated[int, Field(description="The same if every week is like the busiest of the last eight.")]
    cumulative: Annotated[int, Field(description="What the contract will have consumed by then, at the average pace.")]
    contracted_to_date: Annotated[int | None, Field(description="What is planned from the contract's start to then.")]


class ContractDelivery(Body):
    """A contract in the range: planned and executed, who did the work, and what comes."""

    contract_id: Annotated[UUID, Field(description="The contract's id.")]
    contract_code: Annotated[str, Field(description="The contract's code.")]
    contract_name: Annotated[str, Field(description="The contract's name.")]
    owner: Annotated[Owner, Field(description="Who is responsible for the contract at the provider.")]
    type: Annotated[Literal["time_and_materials", "fixed_price"], Field(description="Hours, or a fixed price.")]
    recurrence: Annotated[Literal["none", "monthly"], Field(description="One period, or one a month.")]
    start_date: Annotated[date, Field(description="The contract's first day.")]
    end_date: Annotated[date, Field(description="The contract's last day.")]
    timezone: Annotated[str, Field(description="The time zone of its days.")]
    status: Annotated[Status, Field(description="The contract's status.")]
    unit: Annotated[Literal["seconds", "minor"], Field(description="What planned and consumed figures are in.")]
    currency: Annotated[str | None, Field(description="An ISO 4217 code; null where hours are counted.")]
    whole: Annotated[Figures, Field(description="Billable accounts, over all periods.")]
    periods: Annotated[
        tuple[DeliveryPeriod, ...], Field(description="Billable accounts, in the periods that overlap the range.")
    ]
    accounts: Annotated[tuple[DeliveryAccount, ...], Field(description="The accounts of the report.")]
    billable: Annotated[Work, Field(description="Work on billable accounts of the report in the range.")]
    non_billable: Annotated[Work, Field(description="Work on its other accounts in the range.")]
    consumed_before: Annotated[
        int, Field(description="What `days` begins with: consumed before the range; 0 without days.")
    ]
    days: Annotated[
        tuple[DeliveryDay, ...],
        Field(description="Days with work, of the accounts that were asked for or else of the billable ones."),
    ]
    teams: Annotated[tuple[TeamWork, ...], Field(description="Work in the range by team, the most work first.")]
    people: Annotated[
        tuple[PersonWork, ...] | None, Field(description="The same by person; null unless it was asked for.")
    ]
    unaccounted: Annotated[
        tuple[UnaccountedWork, ...],
        Field(description="Work that does not count, by reason: all of the contract's, whenever it was done."),
    ]
    restatements: Annotated[
        tuple[DeliveryRestatement, ...],
        Field(description="Changes of closed periods learned in the range, at most the newest 1,000."),
    ]
    forecast: Annotated[
        Forecast | None, Field(description="When the current period is used up; null where nobody can tell.")
    ]
    outlook: Annotated[
        tuple[OutlookMonth, ...],
        Field(description="This month and the ones to come, at most twelve; empty where there is no forecast."),
    ]


class TeamDelivery(Body):
    """The work of a team for all contracts of the report."""

    team_id: Annotated[UUID | None, Field(description=_TEAM_ID)]
    team_name: Annotated[str | None, Field(description=_TEAM_NAME)]
    billable_seconds: Annotated[int, Field(description="Its time on billable accounts.")]
    non_billable_seconds: Annotated[int, Field(description="Its time on other accounts.")]
    billable_percent: Annotated[str, Field(description="The billable share of its time, two decimals.")]


class DeliveryReport(Body):
    """What was delivered to a customer in a range of days, and what is to come."""

    model_config = ConfigDict(frozen=True, validate_by_name=True, serialize_by_alias=True)

    organization_id: Annotated[UUID, Field(description="The customer's id.")]
    organization_name: Annotated[str | None, Field(description="The customer's name; null until it is received.")]
    first_day: Annotated[Day, Field(alias="from", description="The first day of the range.")]
    last_day: Annotated[Day, Field(alias="to", description="The last day of the range, inclusive.")]
    moment: Annotated[datetime, Field(description="The time of these figures: now, or `as_of`.")]
    contracts: Annotated[tuple[ContractDelivery, ...], Field(description="By code.")]
    teams: Annotated[tuple[TeamDelivery, ...], Field(description="Work by team, the most first.")]
