"""Lifecycle and directory events to the rows that placement joins. Pure."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from tidemark_shared.domain.bodies import Account, Contract, minor_digits
from tidemark_shared.domain.calendar import split_into_periods
from tidemark_shared.domain.quantities import SECONDS_PER_HOUR, hours_to_seconds
from tidemark_shared.messaging.events import (
    ContractChanged,
    OrganizationChanged,
    RateCardChanged,
    TeamChanged,
    format_timestamp,
)

# An id is never given up to a name: no version of a contract is later than this.
_FOR_GOOD = 2**62

Row = dict[str, Any]


class ContractRows(NamedTuple):
    """The rows of a contract's version, by table. Amounts are in units: seconds, or seconds x minor units an hour."""

    contract: Row
    accounts: list[Row]
    account_teams: list[Row]
    periods: list[Row]
    adjustments: list[Row]


def refs(event: ContractChanged) -> list[str]:
    """All that a link may call this contract."""
    return [str(event.contract_id), event.terms.code]


def contract_rows(event: ContractChanged) -> ContractRows:
    """What a contract is from this version on."""
    terms, contract_id = event.terms, str(event.contract_id)
    fixed = terms.type == "fixed_price"
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
        "currency": terms.currency if fixed else None,
        "currency_digits": minor_digits(terms.currency) if fixed and terms.currency else None,
        "per_shown": SECONDS_PER_HOUR if fixed else 1,
        "contracted": _units(terms, terms.contracted_hours, terms.contracted_value_minor),
        "unused": rollover.unused,
        "cap": _units(terms, rollover.cap_hours, rollover.cap_value_minor),
        "lapse_after": rollover.lapse_after_periods,
        "overrun": rollover.overrun,
        "settle_days": terms.settle_days,
        "changed_at": format_timestamp(event.occurred_at),
    }
    accounts = [
        {
            "contract_id": contract_id,
            "account_id": str(account.id),
            "position": position,
            "name": account.name,
            "billable": account.billable,
            "planned": _units(terms, account.planned_hours, account.planned_value_minor),
        }
        for position, account in enumerate(terms.accounts)
    ]
    tiles = [
        {"contract_id": contract_id, "period_start": str(period.start), "period_end": str(period.end)}
        for period in split_into_periods(terms.recurrence, terms.start_date, terms.end_date)
    ]
    adjustments = [
        {
            "contract_id": contract_id,
            "account_id": str(one.account_id),
            "period_start": str(one.period_start),
            "planned": _units(terms, one.hours, one.value_minor) or 0,
        }
        for one in terms.adjustments
    ]
    teams = [row for account in terms.accounts for row in _teams(contract_id, terms, account)]
    return ContractRows(contract, accounts, teams, tiles, adjustments)


def activations(events: Iterable[ContractChanged]) -> list[Row]:
    """When contracts left DRAFT: SPEC 9 closes no period sooner."""
    return [
        {"contract_id": str(event.contract_id), "activated_at": format_timestamp(event.occurred_at)}
        for event in events
        if event.previous_status == "DRAFT" and event.status == "ACTIVE"
    ]


def account_refs(event: ContractChanged) -> list[Row]:
    """What this version calls its accounts: their ids, and their names."""
    return [
        {
            "contract_id": str(event.contract_id),
            "ref": ref,
            "account_id": str(account.id),
            "stream_version": stream_version,
        }
        for account in event.terms.accounts
        for ref, stream_version in ((str(account.id), _FOR_GOOD), (account.name, event.stream_version))
    ]


def organization_row(event: OrganizationChanged) -> Row:
    """What an organization is from this version on."""
    return {"organization_id": str(event.id), "version": event.version, "name": event.name}


def team_row(event: TeamChanged) -> Row:
    """What a team is from this version on."""
    return {"team_id": str(event.id), "version": event.version, "name": event.name}


def membership_rows(event: TeamChanged) -> list[Row]:
    """Who is in a team, and from when to when; a deleted team has nobody."""
    if event.deleted:
        return []
    return [
        {
            "person_id": member.person_id,
            "team_id": str(event.id),
            "first_day": str(member.from_),
            "last_day": str(member.until) if member.until else "infinity",
        }
        for member in event.members
    ]


def rate_card_row(event: RateCardChanged) -> Row:
    """What a rate card is from this version on."""
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


def _teams(contract_id: str, terms: Contract, account: Account) -> list[Row]:
    slices = [(one.team_id, True, _units(terms, one.planned_hours, None)) for one in account.slices]
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


def _units(terms: Contract, hours: Decimal | None, minor: int | None) -> int | None:
    if terms.type == "fixed_price":
        return None if minor is None else minor * SECONDS_PER_HOUR
    return None if hours is None else hours_to_seconds(hours)
