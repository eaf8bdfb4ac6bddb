"""Mail saved reports on their days, each once, by the database's clock (SPEC 7).

A report remembers the last day that is done with. Its mails, that day and the next one commit together. A day that
passed while nothing ran is made up for; of several only the last.
"""

import json
from collections.abc import Iterator
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from tidemark_notifier.database.query_types import NotifierQueries
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.evaluation.digest_schedule import find_digest_day, find_next_digest_day
from tidemark_notifier.rules.saved_report import ReportReceiver, StoredReport, parse_report_row
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.bodies import Body, Organization
from tidemark_shared.domain.calendar import start_of_day, to_local_day
from tidemark_shared.log import get_logger

_log = get_logger()
_sql: NotifierQueries = queries("tidemark_notifier")


class ReportSnapshot(Body):
    """What a mail says of its report, frozen when it was raised. The figures are those known at ``raised_at``."""

    name: str
    organization_id: UUID
    organization_name: str
    locale: str
    timezone: str
    contracts: tuple[str, ...]
    accounts: tuple[UUID, ...]
    first_day: date
    last_day: date
    hours: str | None
    people: bool
    internal: bool
    xlsx: bool
    raised_at: datetime


class NextMail(NamedTuple):
    """The day of the next mail, and when it begins."""

    day: date | None
    at: datetime | None


async def load_organization(connection: Connection, id_: UUID) -> Organization | None:
    """A customer as the notifier has received it; None if it does not exist."""
    body = await _sql.report_organization(connection, id=id_)
    return None if body is None else Organization.model_validate_json(body)


def find_next_mail(report: StoredReport, zone: ZoneInfo, today: date) -> NextMail:
    """The next mail after ``today``."""
    if report.schedule is None:
        return NextMail(None, None)
    day = find_next_digest_day(report.schedule.trigger, today)
    return NextMail(day, start_of_day(day, zone))


async def mail_due_report(connection: Connection, now: datetime) -> bool:
    """Raise the mails of one report that is due, in the caller's transaction. Returns whether there was one."""
    row = await _sql.report_due(connection, now=now)
    if row is None:
        return False
    report = parse_report_row(row)
    organization = await load_organization(connection, report.organization_id)
    day: date | None = None
    next_mail = NextMail(None, None)
    if organization and report.schedule:
        zone = ZoneInfo(organization.timezone)
        today = to_local_day(now, zone)
        day, next_mail = find_digest_day(report.schedule.trigger, today), find_next_mail(report, zone, today)
        # The time zone of the customer may have changed, so that the day has not begun.
        if day > row["mailed_on"]:
            await raise_report_mails(connection, report, organization, day, now)
    await _sql.schedule_report(
        connection, id=report.id, mailed_on=day, next_mail_on=next_mail.day, next_mail_at=next_mail.at
    )
    return True


async def raise_report_mails(
    connection: Connection, report: StoredReport, organization: Organization, today: date, now: datetime
) -> list[UUID]:
    """Raise a mail to each receiver of a report: of its days ``today``, with the figures that are known ``now``."""
    addressees = resolve_report_addressees(report, organization)
    first_day, last_day = report.find_days(today)
    snapshot = ReportSnapshot(
        name=report.name,
        organization_id=report.organization_id,
        organization_name=organization.name,
        locale=organization.locale,
        timezone=organization.timezone,
        contracts=report.contracts,
        accounts=report.accounts,
        first_day=first_day,
        last_day=last_day,
        hours=report.hours,
        people=report.people,
        internal=report.internal,
        xlsx=report.schedule is not None and report.schedule.xlsx,
        raised_at=now,
    )
    rows = _sql.insert_report_mails(
        connection,
        report_id=report.id,
        addressees=[json.dumps(addressee.model_dump(mode="json", exclude_none=True)) for addressee in addressees],
        snapshot=snapshot.model_dump_json(),
        raised_at=now,
    )
    ids: list[UUID] = [row["id"] async for row in rows]
    _log.info("report_mails_raised", report=str(report.id), count=len(ids))
    return ids


def resolve_report_addressees(report: StoredReport, organization: Organization) -> list[Addressee]:
    """The people that the receivers resolve to, each address once. The first receiver that names an address wins."""
    addressees: dict[str, Addressee] = {}
    for receiver in report.schedule.receivers if report.schedule else ():
        for addressee in _resolve(receiver, organization):
            addressees.setdefault(addressee.receiver.casefold(), addressee)
    return list(addressees.values())


def _resolve(receiver: ReportReceiver, organization: Organization) -> Iterator[Addressee]:
    if receiver.kind == "address":
        yield Addressee(email=receiver.email, name=None, kind="address")
        return
    for contact in organization.contacts:
        if receiver.role in contact.roles:
            yield Addressee(email=contact.email, name=contact.name, kind="contacts", role=receiver.role)
