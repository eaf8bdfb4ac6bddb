"""Provision what a plan needs over the HTTP API: organizations, teams with their members, contracts."""

from datetime import date
from typing import NamedTuple

from tidemark.api_client import ApiClient, ApiError, Entity, Json, contract_path
from tidemark.importing.mapping import Mapping
from tidemark.importing.plan import Plan, PlannedContract
from tidemark_shared.domain.quantities import format_hours


class ProvisioningResult(NamedTuple):
    """The ids of teams by name, the statuses of contracts by code, and a message for each failure."""

    team_ids: dict[str, str]
    statuses: dict[str, str]
    problems: list[str]


def provision(api: ApiClient, plan: Plan, mapping: Mapping) -> ProvisioningResult:
    """Create what is missing. Existing entities stay the same, except that teams get their missing members."""
    organization_ids = {name: _provision_organization(api, name, mapping) for name in plan.organizations}
    team_ids = {name: _provision_team(api, name, first_days) for name, first_days in plan.teams.items()}
    result = ProvisioningResult(team_ids, {}, [])
    for contract in plan.contracts:
        try:
            body = _contract_body(contract, organization_ids, team_ids, mapping)
            entity = _provision_contract(api, body, contract)
        except ApiError as error:
            # Its rows are published anyway: they count once the contract exists.
            result.problems.append(f"{contract.code} could not be created: {error}")
        else:
            result.statuses[contract.code] = entity.body["status"]
    return result


def _provision_organization(api: ApiClient, name: str, mapping: Mapping) -> str:
    zone = mapping.organization.timezone or mapping.timezone
    body = {"name": name, "timezone": zone, "contacts": []}
    return (api.find("organizations", name) or api.post("organizations", body)).id


def _provision_team(api: ApiClient, name: str, first_days: dict[str, date]) -> str:
    members = [{"person_id": person, "from": day.isoformat()} for person, day in sorted(first_days.items())]
    team = api.find("teams", name)
    if team is None:
        return api.post("teams", {"name": name, "members": members}).id
    existing = {member["person_id"] for member in team.body["members"]}
    if missing := [member for member in members if member["person_id"] not in existing]:
        api.put(f"teams/{team.id}", {**team.body, "members": [*team.body["members"], *missing]}, team.etag)
    return team.id


def _provision_contract(api: ApiClient, body: Json, contract: PlannedContract) -> Entity:
    path = contract_path(contract.code)
    entity = api.get(path) or api.post("contracts", body)
    if entity.body["status"] == "DRAFT" and contract.status != "draft":
        entity = api.post(f"{path}/activate", {}, etag=entity.etag)
    if entity.body["status"] == "ACTIVE" and contract.status == "inactive":
        entity = api.post(f"{path}/suspend", {"reason": "Imported as inactive."}, etag=entity.etag)
    return entity


def _contract_body(
    contract: PlannedContract, organization_ids: dict[str, str], team_ids: dict[str, str], mapping: Mapping
) -> Json:
    return {
        "code": contract.code,
        "name": contract.name,
        "description": mapping.contract.description,
        "owner": mapping.contract.owner.model_dump(),
        "organization_id": organization_ids[contract.organization],
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
                    {"team_id": team_ids[slice_.team], "planned_hours": format_hours(slice_.hours)}
                    for slice_ in account.slices
                ],
            }
            for account in contract.accounts
        ],
    }
