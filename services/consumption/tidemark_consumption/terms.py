"""Lifecycle and directory events to the rows that placement joins. Pure."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from tidemark_shared.bodies import Account
from tidemark_shared.calendar import periods
from tidemark_shared.events import ContractChanged, OrganizationChanged, TeamChanged, timestamp
from tidemark_shared.quantities import seconds

# An id is never given up to a name: no version of a contract is later than this.
_FOR_GOOD = 2**62

Row = dict[str, Any]


class ContractRows(NamedTuple):
    """The rows of a contract's version, by table."""

    contract: Row
    accounts: list[Row]
    account_teams: list[Row]
    periods: list[Row]


def refs(events: Iterable[ContractChanged]) -> list[str]:
    """All that a link may call these contracts."""
    return sorted({ref for event in events for ref in (str(event.contract_id), event.terms.code)})


def contract_rows(event: ContractChanged) -> ContractRows:
    """What a contract is from this version on."""
    terms, contract_id = event.terms, str(event.contract_id)
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
        "contracted_seconds": _seconds(terms.contracted_hours),
        "changed_at": timestamp(event.occurred_at),
    }
    accounts = [
        {
            "contract_id": contract_id,
            "account_id": str(account.id),
            "position": position,
            "name": account.name,
            "billable": account.billable,
            "planned_seconds": _seconds(account.planned_hours),
        }
        for position, account in enumerate(terms.accounts)
    ]
    teams = [row for account in terms.accounts for row in _teams(contract_id, account)]
    tiles = [
        {"contract_id": contract_id, "period_start": str(period.start), "period_end": str(period.end)}
        for period in periods(terms.recurrence, terms.start_date, terms.end_date)
    ]
    return ContractRows(contract, accounts, teams, tiles)


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


def _teams(contract_id: str, account: Account) -> list[Row]:
    slices = [(one.team_id, True, _seconds(one.planned_hours)) for one in account.slices]
    return [
        {
            "contract_id": contract_id,
            "account_id": str(account.id),
            "team_id": str(team_id),
            "position": position,
            "is_slice": is_slice,
            "planned_seconds": planned,
        }
        for position, (team_id, is_slice, planned) in enumerate(
            slices or [(team_id, False, None) for team_id in dict.fromkeys(account.teams)]
        )
    ]


def _seconds(hours: Any) -> int | None:
    return None if hours is None else seconds(hours)
