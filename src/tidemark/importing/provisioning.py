"""Provision what a plan needs over the HTTP API: organizations, teams with their members, contracts.

An import changes nothing that it did not create, except that teams get their missing members.
"""

from collections.abc import Collection
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tidemark.importing.import_state import ImportState
from tidemark.importing.mapping import Mapping
from tidemark.importing.plan import Link, Plan, PlannedContract
from tidemark_client import Client, Entity, Json, TidemarkError, contract_path
from tidemark_shared.domain.quantities import format_hours


class ProvisioningResult(NamedTuple):
    """The ids of teams by name, the statuses of contracts by code, the links to publish, and what was done."""

    team_ids: dict[str, str]
    statuses: dict[str, str]
    links: list[Link]
    created: list[str]
    """What the import created or changed, such as ``contract ACME-SUP``."""
    problems: list[str]


def fetch_zones(api: Client) -> dict[str, ZoneInfo]:
    """The time zones of all contracts, by code."""
    return {contract["code"]: ZoneInfo(contract["timezone"]) for contract in api.list("contracts")}


def provision(
    api: Client, plan: Plan, mapping: Mapping, state: ImportState, activate: Collection[str] = ()
) -> ProvisioningResult:
    """Create what is missing. Drafts that no import created are activated only if ``activate`` names their code."""
    created: list[str] = []
    organization_ids = {name: _provision_organization(api, name, mapping, created) for name in plan.organizations}
    team_ids = {name: _provision_team(api, name, first_days, created) for name, first_days in plan.teams.items()}
    result = ProvisioningResult(team_ids, {}, plan.links, created, [])
    own = state.load_contracts()
    for contract in plan.contracts:
        try:
            body = _contract_body(contract, organization_ids, team_ids, mapping)
            entity = api.get(contract_path(contract.code))
            if entity is None:
                entity = api.post("contracts", body)
                state.save_contract(entity.id)
                own.add(entity.id)
                created.append(f"contract {contract.code}")
            entity = _update_contract(
                api, entity, contract, is_own=entity.id in own, activate=activate, created=created
            )
        except TidemarkError as error:
            # Its rows are published anyway: they count once the contract exists.
            result.problems.append(f"{contract.code} could not be created: {error}")
        else:
            result.statuses[contract.code] = entity.body["status"]
    return result if plan.contracts else _use_existing(api, result, plan, activate)


def _use_existing(api: Client, result: ProvisioningResult, plan: Plan, activate: Collection[str]) -> ProvisioningResult:
    """The result for a mapping that creates no contracts: what is missing is a problem.

    A contract with a single account takes all of its work, whatever the file calls it.
    """
    only_accounts: dict[str, str] = {}
    for code in sorted({link.contract for link in plan.links if link.contract}):
        entity = api.get(contract_path(code))
        if entity is None:
            result.problems.append(
                f"No contract has the code {code!r}, so its work does not count yet. Create it; or choose one with "
                "--contract; or set contract.owner and contract.planned_hours in a mapping, to create contracts."
            )
            continue
        if entity.body["status"] == "DRAFT" and code in activate:
            entity = _activate(api, entity, result.created)
        result.statuses[code] = entity.body["status"]
        if len(entity.body["accounts"]) == 1:
            only_accounts[code] = entity.body["accounts"][0]["name"]
    links = [link._replace(account=only_accounts.get(link.contract or "", link.account)) for link in plan.links]
    return result._replace(links=links)


def _provision_organization(api: Client, name: str, mapping: Mapping, created: list[str]) -> str:
    organization = api.find("organizations", name)
    if organization is None:
        zone = mapping.organization.timezone or mapping.zone.key
        organization = api.post("organizations", {"name": name, "timezone": zone, "contacts": []})
        created.append(f"organization {name}")
    return organization.id


def _provision_team(api: Client, name: str, first_days: dict[str, date], created: list[str]) -> str:
    members = [{"person_id": person, "from": day.isoformat()} for person, day in sorted(first_days.items())]
    team = api.find("teams", name)
    if team is None:
        created.append(f"team {name} with {len(members)} members")
        return api.post("teams", {"name": name, "members": members}).id
    existing = {member["person_id"] for member in team.body["members"]}
    if missing := [member for member in members if member["person_id"] not in existing]:
        api.put(f"teams/{team.id}", {**team.body, "members": [*team.body["members"], *missing]}, team.etag)
        created.append(f"{len(missing)} members of team {name}")
    return team.id


def _update_contract(
    api: Client,
    entity: Entity[Json],
    contract: PlannedContract,
    *,
    is_own: bool,
    activate: Collection[str],
    created: list[str],
) -> Entity[Json]:
    """Bring a contract that an import created to the start and status of the plan."""
    if entity.body["status"] == "DRAFT" and (contract.code in activate or (is_own and contract.status != "draft")):
        entity = _activate(api, entity, created)
    if not is_own:
        return entity
    path = contract_path(entity.id)
    start = contract.start.isoformat()
    if entity.body["status"] != "DRAFT" and start < entity.body["start_date"]:
        body = {**entity.body, "start_date": start, "reason": "A file with earlier work was imported."}
        entity = api.post(f"{path}/amend", body, etag=entity.etag)
        created.append(f"earlier start of contract {contract.code}: {start}")
    if entity.body["status"] == "ACTIVE" and contract.status == "inactive":
        entity = api.post(f"{path}/suspend", {"reason": "Imported as inactive."}, etag=entity.etag)
    return entity


def _activate(api: Client, entity: Entity[Json], created: list[str]) -> Entity[Json]:
    created.append(f"activation of contract {entity.body['code']}")
    return api.post(f"{contract_path(entity.id)}/activate", {}, etag=entity.etag)


def _contract_body(
    contract: PlannedContract, organization_ids: dict[str, str], team_ids: dict[str, str], mapping: Mapping
) -> Json:
    return {
        "code": contract.code,
        "name": contract.name,
        "description": mapping.contract.description,
        "owner": mapping.contract.owner.model_dump() if mapping.contract.owner else None,
        "organization_id": organization_ids[contract.organization],
        "type": "time_and_materials",
        "recurrence": "none",
        "start_date": contract.start.isoformat(),
        "end_date": contract.end.isoformat(),
        "timezone": mapping.zone.key,
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
