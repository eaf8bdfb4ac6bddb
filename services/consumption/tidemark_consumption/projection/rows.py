"""From lifecycle and directory events to the rows that attribution joins. Pure."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from tidemark_shared.domain.bodies import Account, Contract, minor_digits
from tidemark_shared.domain.calendar import split_into_periods
from tidemark_shared.domain.quantities import SECONDS_PER_HOUR, ExactUnits, MinorUnits, hours_to_seconds
from tidemark_shared.messaging.events import (
    ContractChanged,
    OrganizationChanged,
    RateCardChanged,
    TeamChanged,
    format_timestamp,
)

# A name never takes over an id: no version of a contract is greater than this.
_MAX_VERSION = 2**62

Row = dict[str, Any]


class ContractRows(NamedTuple):
    """The rows of a contract version, by table. Amounts are exact units: seconds, or seconds x minor units an hour."""

    contract: Row
    accounts: list[Row]
    account_teams: list[Row]
    periods: list[Row]
    adjustments: list[Row]


def contract_refs(event: ContractChanged) -> list[str]:
    """The references by which a link may name this contract."""
    return [str(event.contract_id), event.terms.code]


def contract_rows(event: ContractChanged) -> ContractRows:
    """The rows of a version of a contract."""
    terms, contract_id = event.terms, str(event.contract_id)
    is_fixed_price = terms.type == "fixed_price"
    rollover = terms.rollover
    contract = {
        "contract_id": contract_id,
        "stream_version": event.stream_version,
        "status": event.status,
        "code": terms.code,
        "name": terms.name,
        "organization_id": str(terms.organization_id),
        "owner_name": terms.owner.name,
        "owner_email": terms.owner.email,
        "type": terms.type,
        "recurrence": terms.recurrence,
        "start_date": str(terms.start_date),
        "end_date": str(terms.end_date),
        "timezone": terms.timezone,
        "holidays": terms.holidays,
        "currency": terms.currency if is_fixed_price else None,
        "currency_digits": minor_digits(terms.currency) if is_fixed_price and terms.currency else None,
        "scale_divisor": SECONDS_PER_HOUR if is_fixed_price else 1,
        "contracted": _exact_units(terms, terms.contracted_hours, terms.contracted_value_minor),
        "unused": rollover.unused,
        "cap": _exact_units(terms, rollover.cap_hours, rollover.cap_value_minor),
        "lapse_after": rollover.lapse_after_periods,
        "overrun": rollover.overrun,
        "settle_days": terms.settle_days,
        "changed_at": format_timestamp(event.occurred_at),
        "renewed_from": event.renewed_from and str(event.renewed_from),
        "renewed_as": event.renewed_as and str(event.renewed_as),
    }
    accounts = [
        {
            "contract_id": contract_id,
            "account_id": str(account.id),
            "position": position,
            "name": account.name,
            "billable": account.billable,
            "planned": _exact_units(terms, account.planned_hours, account.planned_value_minor),
        }
        for position, account in enumerate(terms.accounts)
    ]
    period_rows = [
        {"contract_id": contract_id, "period_start": str(period.start), "period_end": str(period.end)}
        for period in split_into_periods(terms.recurrence, terms.start_date, terms.end_date)
    ]
    adjustments = [
        {
            "contract_id": contract_id,
            "account_id": str(adjustment.account_id),
            "period_start": str(adjustment.period_start),
            "planned": _exact_units(terms, adjustment.hours, adjustment.value_minor) or 0,
        }
        for adjustment in terms.adjustments
    ]
    account_teams = [row for account in terms.accounts for row in _account_team_rows(contract_id, terms, account)]
    return ContractRows(contract, accounts, account_teams, period_rows, adjustments)


def activation_rows(events: Iterable[ContractChanged]) -> list[Row]:
    """When contracts left DRAFT: no period closes before that (SPEC 9)."""
    return [
        {"contract_id": str(event.contract_id), "activated_at": format_timestamp(event.occurred_at)}
        for event in events
        if event.previous_status == "DRAFT" and event.status == "ACTIVE"
    ]


def account_ref_rows(event: ContractChanged) -> list[Row]:
    """The references to the accounts of this version: their ids, and their names."""
    return [
        {
            "contract_id": str(event.contract_id),
            "ref": ref,
            "account_id": str(account.id),
            "stream_version": stream_version,
        }
        for account in event.terms.accounts
        for ref, stream_version in ((str(account.id), _MAX_VERSION), (account.name, event.stream_version))
    ]


def organization_row(event: OrganizationChanged) -> Row:
    """The row of a version of an organization."""
    return {"organization_id": str(event.id), "version": event.version, "name": event.name}


def team_row(event: TeamChanged) -> Row:
    """The row of a version of a team."""
    return {"team_id": str(event.id), "version": event.version, "name": event.name}


def membership_rows(event: TeamChanged) -> list[Row]:
    """The members of a team with their first and last day; a deleted team has none."""
    if event.deleted:
        return []
    return [
        {
            "person_id": member.person_id,
            "team_id": str(event.id),
            "first_day": str(member.from_),
            "last_day": str(member.until) if member.until else "infinity",
            "name": member.name,
        }
        for member in event.members
    ]


def rate_card_row(event: RateCardChanged) -> Row:
    """The row of a version of a rate card."""
    return {
        "rate_card_id": str(event.id),
        "version": event.version,
        "deleted": event.deleted,
        "person_id": event.person_id,
        "team_id": event.team_id and str(event.team_id),
        "first_day": str(event.from_),
        "currency": event.currency,
        "workload_seconds": hours_to_seconds(event.daily_workload_hours),
        **event.per_hour_minor.model_dump(),
    }


def _account_team_rows(contract_id: str, terms: Contract, account: Account) -> list[Row]:
    slices = [(slice_.team_id, True, _exact_units(terms, slice_.planned_hours, None)) for slice_ in account.slices]
    return [
        {
            "contract_id": contract_id,
            "account_id": str(account.id),
            "team_id": str(team_id),
            "position": position,
            "is_slice": is_slice,
            "planned": planned,
        }
        for position, (team_id, is_slice, planned) in enumerate(
            slices or [(team_id, False, None) for team_id in dict.fromkeys(account.teams)]
        )
    ]


def _exact_units(terms: Contract, hours: Decimal | None, minor: MinorUnits | None) -> ExactUnits | None:
    if terms.type == "fixed_price":
        return None if minor is None else ExactUnits(minor * SECONDS_PER_HOUR)
    return None if hours is None else ExactUnits(hours_to_seconds(hours))
