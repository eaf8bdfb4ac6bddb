"""The story that `make run` tells: a support contract of 40 hours a month that reaches 60, and who is told when.

Told once a state directory. Everything is looked up before it is made, so a story that was cut short goes on.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from aiokafka.errors import KafkaError
from dateutil.relativedelta import relativedelta
from rich.console import Console

from tidemark.importing import figures
from tidemark.importing.api import Api, ApiError, Entity, Json, contract_path
from tidemark_shared.database import queries
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.cloudevents import outbox_record
from tidemark_shared.messaging.events import ISSUE_LINKED, WORKLOG_RECORDED, EventData, IssueLinked, WorklogRecorded
from tidemark_shared.messaging.topics import WORKLOGS
from tidemark_shared.settings import Settings, require_setting

CODE = "ACME-SUP"
CUSTOMER = "ann@acme.example"
ZONE = "Europe/Berlin"
SOURCE = "https://tracker.provider.example"
# The period that the story fills began so long ago: all its days lie in one period and in the past.
DAYS = 20
# There are so many in any 20 days in a row.
WORKING_DAYS = 14
_SATURDAY = 5
_DAY_SECONDS = 3.0
_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.1
_sql = queries("tidemark")

TEAMS = {"Support": ("Sam", "Sue"), "Engineering": ("Eve", "Eli")}
ACCOUNTS: dict[str, dict[str, Any]] = {
    "Help desk": {"billable": True, "hours": 25, "slices": {"Support": 18, "Engineering": 7}},
    "Changes": {"billable": True, "hours": 15, "slices": {"Support": 3, "Engineering": 12}},
    "Coordination": {"billable": False, "hours": 5, "slices": {"Support": 5}},
}
# On which working day who helped out.
_BESIDES = {3: ("Help desk", "Eve", 90), 6: ("Changes", "Sue", 60), 9: ("Help desk", "Eve", 90)}


def tell(settings: Settings, state_dir: Path, *, maildir: Path | None = None, now: datetime | None = None) -> None:
    """Tell the story, unless it has been told in ``state_dir``. The mail is read from ``maildir``, if there is one."""
    told = state_dir / "demonstration-told"
    if told.exists():
        return
    now = now or datetime.now(UTC)
    if maildir is None and (named := os.environ.get("TIDEMARK_MAILDIR")):
        maildir = Path(named)
    console = Console(soft_wrap=True, highlight=False)
    console.print("Acme has bought 40 hours of support a month. Work is logged, day by day …")
    try:
        with Api(settings) as api:
            contract = prepare(api, now)
        asyncio.run(_work(settings, contract.body, now))
        asyncio.run(_show(settings, console, maildir, now))
    except (ApiError, KafkaError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        console.print(f"The story stopped: {error}. It goes on when it is told again.", markup=False)
        return
    state_dir.mkdir(parents=True, exist_ok=True)
    told.touch()


def prepare(api: Api, now: datetime) -> Entity:
    """The customer, the teams, the contract, and the rules that watch it; what is there is used."""
    organization = api.find("organizations", "Acme") or api.post(
        "organizations",
        {
            "name": "Acme",
            "timezone": ZONE,
            "contacts": [{"name": "Ann Ardent", "email": CUSTOMER, "roles": ["billing"]}],
        },
    )
    start = now.astimezone(ZoneInfo(ZONE)).date() - timedelta(days=DAYS)
    teams = {name: (api.find("teams", name) or api.post("teams", _team(name, start))).id for name in TEAMS}
    path = contract_path(CODE)
    contract = api.get(path) or api.post("contracts", _contract(organization.id, teams, start))
    if contract.body["status"] == "DRAFT":
        contract = api.post(f"{path}/activate", {}, etag=contract.etag)
    known = {rule["name"] for rule in api.list("rules") if rule["scope"].get("id") == contract.id}
    for rule in _rules(contract.id):
        if rule["name"] not in known:
            api.post("rules", rule)
    return contract


def _team(name: str, start: date) -> Json:
    members = [
        {"person_id": person, "name": person, "email": f"{person.lower()}@provider.example", "from": start.isoformat()}
        for person in TEAMS[name]
    ]
    return {"name": name, "members": members}


def _contract(organization_id: str, teams: dict[str, str], start: date) -> Json:
    return {
        "code": CODE,
        "name": f"Support {start.year}",
        "owner": {"name": "Olga Owner", "email": "olga@provider.example"},
        "organization_id": organization_id,
        "type": "time_and_materials",
        "recurrence": "monthly",
        "start_date": start.isoformat(),
        "end_date": (start + relativedelta(years=1, days=-1)).isoformat(),
        "timezone": ZONE,
        "contracted_hours": "40",
        "accounts": [
            {
                "name": name,
                "billable": account["billable"],
                "planned_hours": str(account["hours"]),
                "slices": [
                    {"team_id": teams[team], "planned_hours": str(hours)} for team, hours in account["slices"].items()
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
    """The work of each of the period's first working days: account, person, minutes; 60 hours are billed."""
    days = [day for day in (start + timedelta(days=number) for number in range(DAYS)) if day.weekday() < _SATURDAY]
    for number, day in enumerate(days[:WORKING_DAYS]):
        done = [
            ("Help desk", TEAMS["Support"][number % 2], 150),
            ("Changes", TEAMS["Engineering"][number % 2], 90),
        ]
        if number in _BESIDES:
            done.append(_BESIDES[number])
        if number % 4 == 0:
            done.append(("Coordination", "Sam", 60))
        yield day, done


async def _work(settings: Settings, contract: Json, now: datetime) -> None:
    """Log the work day by day, and give each day the time to be counted and told of."""
    start, billed = date.fromisoformat(contract["start_date"]), 0
    issues = {name: f"SUP-{number}" for number, name in enumerate(ACCOUNTS, 1)}
    async with _connected(settings.service_database_url("consumption")) as connection, _sending(settings, now) as send:
        for account, issue in issues.items():
            link = {
                "issue_id": issue,
                "issue_key": issue,
                "summary": account,
                "contract_id": CODE,
                "account_id": account,
            }
            await send(ISSUE_LINKED, issue, IssueLinked.model_validate({**link, "updated_at": now}))
        for day, done in work(start):
            for number, (account, person, minutes) in enumerate(done):
                log: Json = {"worklog_id": f"{day}/{number}", "issue_id": issues[account], "author_id": person}
                log |= {"started_at": datetime.combine(day, time(9), ZoneInfo(ZONE)), "seconds": minutes * 60}
                await send(
                    WORKLOG_RECORDED, issues[account], WorklogRecorded.model_validate({**log, "updated_at": now})
                )
                billed += minutes * 60 if ACCOUNTS[account]["billable"] else 0
            await _until(partial(_counted, connection, start, billed), _DAY_SECONDS)


async def _counted(connection: Any, period_start: date, seconds: int) -> bool:
    consumed = await _sql.consumed(connection, contract_code=CODE, period_start=period_start)
    return (consumed or 0) >= seconds


async def _show(settings: Settings, console: Console, maildir: Path | None, now: datetime) -> None:
    """The hours, the mail that the customer has got, and where to look further."""
    found: list[Any] = []

    async def warned() -> bool:
        found[:] = [row async for row in _sql.mails(connection, contract_code=CODE, receiver=CUSTOMER)]
        return any(row["threshold"] == "100" and row["status"] == "delivered" for row in found)

    async with _connected(settings.service_database_url("notifier")) as connection:
        in_time = await _until(warned, _PATIENCE_SECONDS)
    console.print(await figures.table(settings, CODE, now))
    console.print(f"The customer, {CUSTOMER}, was told {len(found)} times:")
    for row in found:
        console.print(f"  at {row['threshold']} %, {row['raised_at']:%H:%M:%S} UTC: {row['status']}")
    if not in_time:
        console.print("The warning at 100 % is still on its way; `tidemark up` says where its log is.")
    if maildir and found and (mail := read_mail(maildir, str(found[-1]["delivery_id"]))):
        console.rule("The last mail, as the customer reads it")
        for header in ("From", "To", "Subject"):
            console.print(f"{header}: {' '.join(mail[header].split())}", markup=False)
        body = mail.get_body(("plain",))
        console.print(f"\n{body.get_content() if body else ''}", markup=False)
        console.rule()
    console.print(f"Look further: {settings.public_url}, or `tidemark status {CODE}`")


def read_mail(maildir: Path, delivery_id: str) -> EmailMessage | None:
    """The mail of a delivery: its Message-ID begins with the delivery's id."""
    for path in sorted([*maildir.glob("new/*"), *maildir.glob("cur/*")], reverse=True):
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        if isinstance(mail, EmailMessage) and delivery_id in mail.get("Message-ID", ""):
            return mail
    return None


async def _until(done: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Wait, so long at most, until it is done; whether it is."""
    for _ in range(int(seconds / _POLL_SECONDS)):
        if await done():
            return True
        await asyncio.sleep(_POLL_SECONDS)
    return False


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _sending(
    settings: Settings, now: datetime
) -> AsyncIterator[Callable[[str, str, EventData], Awaitable[None]]]:
    producer = kafka.create_producer(require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers"))

    async def send(type_: str, issue: str, data: EventData) -> None:
        record = outbox_record(WORKLOGS, issue, type_, data, source=SOURCE, time=now, correlation_id="demonstration")
        topic = settings.topic_prefix + record.topic
        await producer.send_and_wait(topic, record.value, key=record.key, headers=record.headers)

    await producer.start()
    try:
        yield send
    finally:
        await producer.stop()
