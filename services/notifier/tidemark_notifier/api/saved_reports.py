"""``/v1/saved-reports``: save, list, read, change and delete delivery reports; mail them; their mails (SPEC 7)."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from tidemark_notifier.api.dependencies import Started
from tidemark_notifier.database.query_types import NotifierQueries
from tidemark_notifier.engine.saved_reports import (
    find_next_mail,
    load_organization,
    raise_report_mails,
    resolve_report_addressees,
)
from tidemark_notifier.rules.saved_report import SavedReport, StoredReport, parse_report_row
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.bodies import Organization
from tidemark_shared.domain.calendar import to_local_day
from tidemark_shared.domain.strict_input import Strict
from tidemark_shared.http.pagination import Cursor, Limit, Page, build_page, decode_page_cursor
from tidemark_shared.http.problems import Problem, Violation
from tidemark_shared.http.requests import (
    DRY_RUN,
    Call,
    ChangeCall,
    CreateCall,
    ReadCall,
    TransactionRoute,
    wait_for_event,
)

_sql: NotifierQueries = queries("tidemark_notifier")

router = APIRouter(prefix="/v1", tags=["saved reports"], route_class=TransactionRoute)


class ReportMail(BaseModel):
    """One mail of a saved report."""

    id: UUID
    email: Annotated[str, Field(description="The receiver's address.")]
    first_day: Annotated[date, Field(description="The first day of its report.")]
    last_day: Annotated[date, Field(description="The last day of its report.")]
    status: Annotated[Literal["pending", "delivered", "failed"], Field(description="What became of it.")]
    attempts: int
    last_error: Annotated[str | None, Field(description="Why the last attempt failed; null if none did.")]
    raised_at: Annotated[datetime, Field(description="When it was raised: its figures are those of this moment.")]
    delivered_at: datetime | None


class SentReport(BaseModel):
    """How many mails were raised."""

    mails: Annotated[int, Field(description="One for each receiver.")]


@router.post("/saved-reports", status_code=201, dependencies=[DRY_RUN])
async def create_saved_report(
    report: Strict[SavedReport], call: CreateCall, _started: Started, request: Request
) -> StoredReport:
    """Save a report under a name. A schedule begins with its first day after today."""
    organization = await _require_organization(request, call.connection, report)
    today = await _find_today(call.connection, organization)
    row = await _sql.insert_report(call.connection, body=report.model_dump_json(), today=today)
    if row is None:
        raise await _build_duplicate_problem(call.connection, report)
    stored = await _schedule(call.connection, parse_report_row(row), organization, today)
    call.response.headers["location"] = f"/v1/saved-reports/{stored.id}"
    return _set_etag(call, stored)


@router.get("/saved-reports")
async def list_saved_reports(
    call: ReadCall,
    organization: Annotated[UUID | None, Query(description="The reports of this customer only.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[StoredReport]:
    """All saved reports, oldest first."""
    after = decode_page_cursor(cursor)
    rows = _sql.saved_reports(call.connection, organization=organization, after=after and after[1], max_count=limit + 1)
    return build_page([parse_report_row(row) async for row in rows], limit)


@router.get("/saved-reports/{report_id}")
async def get_saved_report(report_id: UUID, call: ReadCall) -> StoredReport:
    """One saved report."""
    return _set_etag(call, await _find_report(call.connection, report_id))


@router.put("/saved-reports/{report_id}", dependencies=[DRY_RUN])
async def update_saved_report(
    report_id: UUID, report: Strict[SavedReport], call: ChangeCall, _started: Started, request: Request
) -> StoredReport:
    """Replace the whole body of a saved report. A changed schedule begins after today; raised mails stay."""
    organization = await _require_organization(request, call.connection, report)
    previous = await _lock_report(call, report_id)
    if SavedReport.model_validate(previous.model_dump()) == report:
        return _set_etag(call, previous)
    if await _find_id(call.connection, report) not in (None, report_id):
        raise await _build_duplicate_problem(call.connection, report)
    today = await _find_today(call.connection, organization)
    await _sql.update_report(call.connection, id=report_id, body=report.model_dump_json(), today=today)
    stored = await _find_report(call.connection, report_id)
    if report.schedule != previous.schedule or report.organization_id != previous.organization_id:
        stored = await _schedule(call.connection, stored, organization, today)
    return _set_etag(call, stored)


@router.delete("/saved-reports/{report_id}", status_code=204, dependencies=[DRY_RUN])
async def delete_saved_report(report_id: UUID, call: ChangeCall) -> None:
    """Delete a saved report, with its mails that are not sent yet."""
    await _lock_report(call, report_id)
    await _sql.delete_report(call.connection, id=report_id)


@router.post("/saved-reports/{report_id}/send", status_code=202)
async def send_saved_report(report_id: UUID, call: CreateCall) -> SentReport:
    """Mail a report now to the receivers of its schedule, which goes on unchanged."""
    report = await _find_report(call.connection, report_id)
    organization = await load_organization(call.connection, report.organization_id)
    if organization is None or not resolve_report_addressees(report, organization):
        message = "Its schedule has no receiver with an address. Add one, or give a contact the role."
        raise Problem(409, "No receiver", message)
    now = await _sql.current_time(call.connection)
    today = to_local_day(now, ZoneInfo(organization.timezone))
    return SentReport(mails=len(await raise_report_mails(call.connection, report, organization, today, now)))


@router.get("/saved-reports/{report_id}/mails")
async def list_report_mails(
    report_id: UUID, call: ReadCall, cursor: Cursor = None, limit: Limit = 50
) -> Page[ReportMail]:
    """The mails of a report, newest first."""
    await _find_report(call.connection, report_id)
    before = decode_page_cursor(cursor)
    rows = _sql.report_mails(call.connection, report_id=report_id, before=before and before[1], max_count=limit + 1)
    return build_page([ReportMail.model_validate(dict(row)) async for row in rows], limit)


def _set_etag(call: Call, report: StoredReport) -> StoredReport:
    call.set_etag(report.version)
    return report


async def _find_report(connection: Connection, report_id: UUID) -> StoredReport:
    row = await _sql.saved_report(connection, id=report_id)
    if row is None:
        raise Problem(404, "Report not found", f"No saved report with id {report_id}.")
    return parse_report_row(row)


async def _lock_report(call: Call, report_id: UUID) -> StoredReport:
    """The report, which no schedule and no other change touches until this transaction ends."""
    row = await _sql.lock_report(call.connection, id=report_id)
    if row is None:
        raise Problem(404, "Report not found", f"No saved report with id {report_id}.")
    report = parse_report_row(row)
    call.require_version(report.version)
    return report


async def _find_today(connection: Connection, organization: Organization) -> date:
    return to_local_day(await _sql.current_time(connection), ZoneInfo(organization.timezone))


async def _schedule(
    connection: Connection, report: StoredReport, organization: Organization, today: date
) -> StoredReport:
    day, at = find_next_mail(report, ZoneInfo(organization.timezone), today)
    await _sql.schedule_report(connection, id=report.id, mailed_on=None, next_mail_on=day, next_mail_at=at)
    return report.model_copy(update={"next_mail_on": day})


async def _find_id(connection: Connection, report: SavedReport) -> UUID | None:
    id_: UUID | None = await _sql.report_id_by_name(
        connection, organization_id=report.organization_id, name=report.name
    )
    return id_


async def _build_duplicate_problem(connection: Connection, report: SavedReport) -> Problem:
    message = (
        f"This customer already has a report with this name: /v1/saved-reports/{await _find_id(connection, report)}."
    )
    return Problem(409, "Report already exists", message, [Violation(code="duplicate", path="/name", message=message)])


async def _require_organization(request: Request, connection: Connection, report: SavedReport) -> Organization:
    """The customer of a report, which may have been created a moment ago."""
    organization = await load_organization(connection, report.organization_id)
    if organization is None:
        message = f"No organization with id {report.organization_id}."
        violation = Violation(code="unknown_reference", path="/organization_id", message=message)
        wait_for_event(request, Problem(422, "Invalid report", message, [violation]))
    return organization
