"""What a plan needs to exist: organizations, teams with their members, contracts, by the HTTP API."""

from datetime import date
from typing import NamedTuple

from tidemark.importing.api import Api, ApiError, Entity, Json, contract_path
from tidemark.importing.mapping import Mapping
from tidemark.importing.plan import Plan, PlannedContract
from tidemark_shared.domain.quantities import format_hours


class Established(NamedTuple):
    """Tidemark's team ids by name, the contracts' statuses by code, and what could not be created and why."""

    teams: dict[str, str]
    statuses: dict[str, str]
    problems: list[str]


def establish(api: Api, plan: Plan, mapping: Mapping) -> Established:
    """Create what is missing. What is there is used as it stands, but for members that a team lacks."""
    organizations = {name: _organization(api, name, mapping) for name in plan.organizations}
    teams = {name: _team(api, name, first_days) for name, first_days in plan.teams.items()}
    established = Established(teams, {}, [])
    for contract in plan.contracts:
        try:
            entity = _contract(api, _body(contract, organizations, teams, mapping), contract)
        except ApiError as error:
            # Its rows are published all the same: they count as soon as somebody creates the contract.
            established.problems.append(f"{contract.code} could not be created: {error}")
        else:
            established.statuses[contract.code] = entity.body["status"]
    return established


def _organization(api: Api, name: str, mapping: Mapping) -> str:
    zone = mapping.organization.timezone or mapping.timezone
    body = {"name": name, "timezone": zone, "contacts": []}
    return (api.find("organizations", name) or api.post("organizations", body)).id


def _team(api: Api, name: str, first_days: dict[str, date]) -> str:
    members = [{"person_id": person, "from": day.isoformat()} for person, day in sorted(first_days.items())]
    team = api.find("teams", name)
    if team is None:
        return api.post("teams", {"name": name, "members": members}).id
    there = {member["person_id"] for member in team.body["members"]}
    if missing := [member for member in members if member["person_id"] not in there]:
        api.put(f"teams/{team.id}", {**team.body, "members": [*team.body["members"], *missing]}, team.etag)
    return team.id


def _contract(api: Api, body: Json, contract: PlannedContract) -> Entity:
    path = contract_path(contract.code)
    entity = api.get(path) or api.post("contracts", body)
    if entity.body["status"] == "DRAFT" and contract.status != "draft":
        entity = api.post(f"{path}/activate", {}, etag=entity.etag)
    if entity.body["status"] == "ACTIVE" and contract.status == "inactive":
        entity = api.post(f"{path}/suspend", {"reason": "Imported as inactive."}, etag=entity.etag)
    return entity


def _body(contract: PlannedContract, organizations: dict[str, str], teams: dict[str, str], mapping: Mapping) -> Json:
    return {
        "code": contract.code,
        "name": contract.name,
        "description": mapping.contract.description,
        "owner": mapping.contract.owner.model_dump(),
        "organization_id": organizations[contract.organization],
        "type": "time_and_materials",
        "recurrence": "none",
        "start_date": contract.start.isoformat(),
        "end_date": contract.end.isoformat(),
        "timezone": mapping.timezone,
        "contracted_hours": format_hours(contract.hours),
        "accounts": [
            {
                "name": account.name,
                "billable": account.billable,
                "planned_hours": format_hours(account.hours),
                "slices": [
                    {"team_id": teams[one.team], "planned_hours": format_hours(one.hours)} for one in account.slices
                ],
            }
            for account in contract.accounts
        ],
    }
