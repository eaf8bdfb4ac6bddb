"""``/v1/reports/delivery``: one customer, its contracts and accounts, a range of days (SPEC 7)."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from tidemark_consumption.api.day_range import require_day_range
from tidemark_consumption.api.moments import AsOf, connection_at
from tidemark_consumption.api.report_bodies import DeliveryReport
from tidemark_consumption.balance_outbox import query_paces
from tidemark_consumption.database.query_types import ConsumptionQueries
from tidemark_consumption.delivery import ReportRange, ReportRows, Row, deliver_contract, deliver_teams
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.bodies import Day, Text
from tidemark_shared.http.auth import require_role
from tidemark_shared.http.problems import Problem

_sql: ConsumptionQueries = queries("tidemark_consumption")

router = APIRouter(prefix="/v1/reports", tags=["figures"], dependencies=[require_role("viewer")])

# Three years.
_MAX_DAYS = 1_096
_MAX_RESTATEMENTS = 1000
_MAX_NAMES = 200


class DeliveryFilter(BaseModel):
    """Which customer, days, contracts and accounts."""

    organization: Annotated[UUID, Field(description="The customer's id.")]
    first_day: Annotated[Day, Field(alias="from", description="The first day of the range.")]
    last_day: Annotated[Day, Field(alias="to", description="The last day of the range, inclusive.")]
    contract: Annotated[
        list[Text] | None,
        Field(max_length=_MAX_NAMES, description="Ids or codes of contracts; else all that the range concerns."),
    ] = None
    account: Annotated[
        list[UUID] | None, Field(max_length=_MAX_NAMES, description="Ids of accounts; else all accounts.")
    ] = None
    people: Annotated[bool, Field(description="Whether to list people, for internal use.")] = False
    details: Annotated[
        bool,
        Field(
            description="Whether to list accounts, days, people, restatements and the outlook of each contract. Without"
            " them a report of many contracts is small."
        ),
    ] = True


@router.get("/delivery")
async def get_delivery_report(
    request: Request, selection: Annotated[DeliveryFilter, Query()], as_of: AsOf = None
) -> DeliveryReport:
    """What was delivered to a customer: planned and executed, who did the work, what does not count, what comes."""
    require_day_range(selection.first_day, selection.last_day, max_days=_MAX_DAYS, report="A report")
    async with (
        connection_at(request, as_of, organization=selection.organization) as (connection, moment),
        _snapshot(connection),
    ):
        organization = await _sql.report_organization(connection, organization=selection.organization)
        if organization is None:
            raise Problem(404, "No such organization", f"No organization with id {str(selection.organization)!r}.")
        contracts = [
            row
            async for row in _sql.report_contracts(
                connection,
                organization=selection.organization,
                refs=selection.contract,
                first_day=selection.first_day,
                last_day=selection.last_day,
                moment=moment,
                with_accounts=selection.details or selection.account is not None,
            )
        ]
        _require_selected(selection, contracts)
        contract_ids = [contract["contract_id"] for contract in contracts]
        rows = await _load_rows(connection, contract_ids, selection, moment)
        team_names = {
            row["team_id"]: row["name"] async for row in _sql.report_teams(connection, contracts=contract_ids)
        }
        paces = await query_paces(connection, contract_ids, moment)
    shown = ReportRange(selection.first_day, selection.last_day, selection.account, selection.details)
    deliveries = [
        deliver_contract(contract, rows[contract["contract_id"]], paces.get(contract["contract_id"]), shown, team_names)
        for contract in contracts
    ]
    return DeliveryReport.model_validate(
        {
            "organization_id": selection.organization,
            "organization_name": organization["name"],
            "from": selection.first_day,
            "to": selection.last_day,
            "moment": moment,
            "contracts": deliveries,
            "teams": deliver_teams(deliveries),
        }
    )


def _require_selected(selection: DeliveryFilter, contracts: Sequence[Row]) -> None:
    """Raise a 404 for a contract or an account that is not the organization's. Ids and codes match exactly."""
    refs = {ref for contract in contracts for ref in (str(contract["contract_id"]), contract["code"])}
    for ref in selection.contract or ():
        if ref not in refs:
            raise Problem(404, "No such contract", f"This organization has no contract with id or code {ref!r}.")
    account_ids = {account["account_id"] for row in contracts for account in json.loads(row["body"])["accounts"]}
    for account in selection.account or ():
        if str(account) not in account_ids:
            raise Problem(404, "No such account", f"The contracts of this report have no account {str(account)!r}.")


async def _load_rows(
    connection: Connection, contracts: Sequence[UUID], selection: DeliveryFilter, moment: datetime
) -> dict[UUID, ReportRows]:
    """The rows behind each contract."""
    days = {"first_day": selection.first_day, "last_day": selection.last_day}
    scope: dict[str, Any] = {"contracts": contracts, "accounts": selection.account, **days}
    work = await _by_contract(_sql.report_work(connection, **scope))
    unaccounted = await _by_contract(_sql.report_unaccounted(connection, contracts=contracts))
    if not selection.details:
        return {id_: ReportRows(work[id_], [], None, unaccounted[id_], []) for id_ in contracts}
    daily = await _by_contract(_sql.report_days(connection, **scope))
    people = await _by_contract(_sql.report_people(connection, **scope)) if selection.people else None
    restatements = await _by_contract(
        _sql.report_restatements(connection, **scope, moment=moment, max_rows=_MAX_RESTATEMENTS)
    )
    return {
        id_: ReportRows(
            work[id_], daily[id_], None if people is None else people[id_], unaccounted[id_], restatements[id_]
        )
        for id_ in contracts
    }


async def _by_contract(rows: AsyncIterator[Row]) -> defaultdict[UUID, list[Row]]:
    groups: defaultdict[UUID, list[Row]] = defaultdict(list)
    async for row in rows:
        groups[row["contract_id"]].append(row)
    return groups


@asynccontextmanager
async def _snapshot(connection: Connection) -> AsyncIterator[None]:
    """All figures of one moment. A replay has its own transaction already."""
    if connection.is_in_transaction():
        yield
        return
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        yield
