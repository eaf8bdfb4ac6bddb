"""The story of the demo: a support contract of 40 hours a month that reaches 60, and the mails it causes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import date, datetime, time, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from tidemark.cli.figures import build_status, load_figures
from tidemark.cli.output import SafeConsole
from tidemark.database.query_types import CommandLineQueries
from tidemark_client import Client, Entity, Json, contract_path
from tidemark_shared.database import Connection, open_connection, queries
from tidemark_shared.domain.quantities import SECONDS_PER_HOUR
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.cloudevents import outbox_record
from tidemark_shared.messaging.events import ISSUE_LINKED, WORKLOG_RECORDED, EventData, IssueLinked, WorklogRecorded
from tidemark_shared.messaging.topics import WORKLOGS
from tidemark_shared.settings import Settings, require_setting

CODE = "ACME-SUP"
CUSTOMER_EMAIL = "ann@acme.example"
TIME_ZONE = "Europe/Berlin"
SOURCE = "https://tracker.provider.example"
# The contract started this long ago, so that all the work is in its first period and in the past.
DAYS = 20
# Any 20 consecutive days have at least this many working days.
WORKING_DAYS = 14
_SATURDAY = 5
_DAY_TIMEOUT_SECONDS = 3.0
_MAIL_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.1
_sql: CommandLineQueries = queries("tidemark")

TEAMS = {"Support": ("Sam", "Sue"), "Engineering": ("Eve", "Eli")}
ACCOUNTS: dict[str, dict[str, Any]] = {
    "Help desk": {"billable": True, "hours": 25, "slices": {"Support": 18, "Engineering": 7}},
    "Changes": {"billable": True, "hours": 15, "slices": {"Support": 3, "Engineering": 12}},
    "Coordination": {"billable": False, "hours": 5, "slices": {"Support": 5}},
}
# Additional work by number of the working day.
_ADDITIONAL_WORK = {3: ("Help desk", "Eve", 90), 6: ("Changes", "Sue", 60), 9: ("Help desk", "Eve", 90)}


async def tell(api: Client, settings: Settings, console: SafeConsole, *, maildir: Path | None, now: datetime) -> None:
    """Create the contract, log its work day by day, and print the hours and the last mail."""
    console.print("Demo: Acme has bought 40 hours of support a month. Work is logged day by day:")
    contract = seed(api, now).body
    await _log_work(settings, contract, console, now)
    await _print_result(api, settings, contract, console, maildir=maildir, now=now)


def seed(api: Client, now: datetime) -> Entity[Json]:
    """Create the customer, the teams, the contract and its rules, unless they exist. Returns the contract."""
    organization = api.find("organizations", "Acme") or api.post(
        "organizations",
        {
            "name": "Acme",
            "timezone": TIME_ZONE,
            "contacts": [{"name": "Ann Ardent", "email": CUSTOMER_EMAIL, "roles": ["billing"]}],
        },
    )
    start = now.astimezone(ZoneInfo(TIME_ZONE)).date() - timedelta(days=DAYS)
    team_ids = {name: (api.find("teams", name) or api.post("teams", _team(name, start))).id for name in TEAMS}
    path = contract_path(CODE)
    contract = api.get(path) or api.post("contracts", _contract(organization.id, team_ids, start))
    if contract.body["status"] == "DRAFT":
        contract = api.post(f"{path}/activate", {}, etag=contract.etag)
    existing = {rule["name"] for rule in api.list("rules") if rule["scope"].get("id") == contract.id}
    for rule in _rules(contract.id):
        if rule["name"] not in existing:
            api.post("rules", rule)
    return contract


def _team(name: str, start: date) -> Json:
    members = [
        {"person_id": person, "name": person, "email": f"{person.lower()}@provider.example", "from": start.isoformat()}
        for person in TEAMS[name]
    ]
    return {"name": name, "members": members}


def _contract(organization_id: str, team_ids: dict[str, str], start: date) -> Json:
    return {
        "code": CODE,
        "name": f"Support {start.year}",
        "owner": {"name": "Olga Owner", "email": "olga@provider.example"},
        "organization_id": organization_id,
        "type": "time_and_materials",
        "recurrence": "monthly",
        "start_date": start.isoformat(),
        "end_date": (start + relativedelta(years=1, days=-1)).isoformat(),
        "timezone": TIME_ZONE,
        "contracted_hours": "40",
        "accounts": [
            {
                "name": name,
                "billable": account["billable"],
                "planned_hours": str(account["hours"]),
                "slices": [
                    {"team_id": team_ids[team], "planned_hours": str(hours)}
                    for team, hours in account["slices"].items()
                ],
            }
            for name, account in ACCOUNTS.items()
        ],
    }


def _rules(contract_id: str) -> Iterator[Json]:
    common = {"scope": {"kind": "contract", "id": contract_id}, "channels": ["email"]}
    yield {
        **common,
        "name": "The month's hours run out",
        "trigger": {"kind": "consumed_percent", "of": "contract", "over": "period", "at": ["80", "100"]},
        "receivers": [{"kind": "owner"}, {"kind": "contacts", "role": "billing"}],
    }
    yield {
        **common,
        "name": "An account's hours are used up",
        "trigger": {"kind": "consumed_percent", "of": "account", "over": "period", "at": ["100"]},
        "receivers": [{"kind": "owner"}],
    }


def work(start: date) -> Iterator[tuple[date, list[tuple[str, str, int]]]]:
    """The work of the period's first working days: account, person, minutes. 60 hours are billable."""
    days = [day for day in (start + timedelta(days=number) for number in range(DAYS)) if day.weekday() < _SATURDAY]
    for number, day in enumerate(days[:WORKING_DAYS]):
        logs = [
            ("Help desk", TEAMS["Support"][number % 2], 150),
            ("Changes", TEAMS["Engineering"][number % 2], 90),
        ]
        if number in _ADDITIONAL_WORK:
            logs.append(_ADDITIONAL_WORK[number])
        if number % 4 == 0:
            logs.append(("Coordination", "Sam", 60))
        yield day, logs


async def _log_work(settings: Settings, contract: Json, console: SafeConsole, now: datetime) -> None:
    """Log the work day by day, and wait each day until it is counted."""
    start, billable_seconds = date.fromisoformat(contract["start_date"]), 0
    issues = {name: f"SUP-{number}" for number, name in enumerate(ACCOUNTS, 1)}
    async with (
        open_connection(settings.service_database_url("consumption")) as connection,
        _open_sender(settings, now) as send,
    ):
        for account, issue in issues.items():
            link = {"issue_id": issue, "issue_key": issue, "summary": account}
            link |= {"contract_id": CODE, "account_id": account}
            await send(ISSUE_LINKED, issue, IssueLinked.model_validate({**link, "updated_at": now}))
        for day, logs in work(start):
            for number, (account, person, minutes) in enumerate(logs):
                worklog: Json = {"worklog_id": f"{day}/{number}", "issue_id": issues[account], "author_id": person}
                worklog |= {"started_at": datetime.combine(day, time(9), ZoneInfo(TIME_ZONE)), "seconds": minutes * 60}
                data = WorklogRecorded.model_validate({**worklog, "updated_at": now})
                await send(WORKLOG_RECORDED, issues[account], data)
                billable_seconds += minutes * 60 if ACCOUNTS[account]["billable"] else 0
            await _wait_until(partial(_is_counted, connection, start, billable_seconds), _DAY_TIMEOUT_SECONDS)
            console.print(f"  {day:%a} {day.day:>2} {day:%B}: {billable_seconds / SECONDS_PER_HOUR:4.1f} of 40 h")


async def _is_counted(connection: Connection, period_start: date, seconds: int) -> bool:
    consumed = await _sql.load_consumed_seconds(connection, contract_code=CODE, period_start=period_start)
    return (consumed or 0) >= seconds


async def _print_result(
    api: Client, settings: Settings, contract: Json, console: SafeConsole, *, maildir: Path | None, now: datetime
) -> None:
    """Print the hours and the last mail to the customer."""
    deliveries: list[Any] = []

    async def is_warned() -> bool:
        deliveries[:] = [
            row async for row in _sql.list_deliveries(connection, contract_code=CODE, receiver=CUSTOMER_EMAIL)
        ]
        return any(row["threshold"] == "100" and row["status"] == "delivered" for row in deliveries)

    console.print("Waiting for the mails …")
    async with open_connection(settings.service_database_url("notifier")) as connection:
        in_time = await _wait_until(is_warned, _MAIL_TIMEOUT_SECONDS)
    console.print(build_status(contract, load_figures(api, contract), now))
    console.print(f"The customer, {CUSTOMER_EMAIL}, was notified {len(deliveries)} times:")
    for row in deliveries:
        console.print(f"  at {row['threshold']} %, {row['raised_at']:%H:%M:%S} UTC: {row['status']}")
    if not in_time:
        console.print("The warning at 100 % is not delivered yet. `tidemark up` printed where the logs are.")
    if maildir and deliveries and (mail := read_mail(maildir, str(deliveries[-1]["message_id"]))):
        console.rule("The last mail to the customer")
        for header in ("From", "To", "Subject"):
            console.print(f"{header}: {' '.join(mail[header].split())}")
        console.print(f"\n{read_text(mail)}")
        console.rule()


def read_text(mail: EmailMessage) -> str:
    """The plain text of a mail, with the line ends of a terminal."""
    body = mail.get_body(("plain",))
    return body.get_content().replace("\r\n", "\n") if body else ""


def read_mail(maildir: Path, message_id: str) -> EmailMessage | None:
    """A mail by its message id, with which its Message-ID begins."""
    for path in sorted([*maildir.glob("new/*"), *maildir.glob("cur/*")], reverse=True):
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        if isinstance(mail, EmailMessage) and mail.get("Message-ID", "").startswith(f"<{message_id}@"):
            return mail
    return None


async def _wait_until(condition: Callable[[], Awaitable[bool]], timeout_seconds: float) -> bool:
    """Wait until a condition is true. Returns False after the timeout."""
    for _ in range(int(timeout_seconds / _POLL_SECONDS)):
        if await condition():
            return True
        await asyncio.sleep(_POLL_SECONDS)
    return False


@asynccontextmanager
async def _open_sender(
    settings: Settings, now: datetime
) -> AsyncIterator[Callable[[str, str, EventData], Awaitable[None]]]:
    servers = require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers")
    async with kafka.open_producer(servers) as producer:

        async def send(event_type: str, issue: str, data: EventData) -> None:
            record = outbox_record(WORKLOGS, issue, event_type, data, source=SOURCE, time=now, correlation_id="demo")
            topic = settings.topic_prefix + record.topic
            await producer.send_and_wait(topic, record.value, key=record.key, headers=record.headers)

        yield send
