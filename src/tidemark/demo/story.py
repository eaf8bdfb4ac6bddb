"""The story that Tidemark is for: more hours are agreed before they are worked, and both sides hold one statement.

Each step looks at what is there, so a story that was interrupted continues.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import date, datetime, time
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from tidemark.cli.figures import build_status, load_figures
from tidemark.cli.output import SafeConsole
from tidemark.database.query_types import CommandLineQueries, ListDeliveriesRow
from tidemark.demo import acme
from tidemark_client import Client, Json, contract_path
from tidemark_shared.database import Connection, open_connection, queries
from tidemark_shared.domain.quantities import SECONDS_PER_HOUR
from tidemark_shared.http.links import OfferLink, issue_offer_link
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.cloudevents import outbox_record
from tidemark_shared.messaging.events import ISSUE_LINKED, WORKLOG_RECORDED, EventData, IssueLinked, WorklogRecorded
from tidemark_shared.messaging.topics import WORKLOGS
from tidemark_shared.settings import Settings, require_setting

SOURCE = "https://tracker.provider.example"
_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.1
_CONTRACT = contract_path(acme.CODE)
_sql: CommandLineQueries = queries("tidemark")

Send = Callable[[str, str, EventData], Awaitable[None]]


class StoryError(Exception):
    """Something did not happen in time; the text says what."""


class _Story(NamedTuple):
    """What the steps need. ``counted`` reads figures, ``mailed`` deliveries."""

    api: Client
    settings: Settings
    console: SafeConsole
    counted: Connection
    mailed: Connection
    send: Send
    maildir: Path | None
    now: datetime
    start: date


async def tell(api: Client, settings: Settings, console: SafeConsole, *, maildir: Path | None, now: datetime) -> None:
    """Tell the story, and print the hours and two mails to the customer. Raises :class:`StoryError`."""
    console.print("Demo: Acme has bought 40 hours of support for a month. Work is logged day by day:")
    contract = acme.seed(api, now).body
    async with (
        open_connection(settings.service_database_url("consumption")) as counted,
        open_connection(settings.service_database_url("notifier")) as mailed,
        _open_sender(settings, now) as send,
    ):
        start = date.fromisoformat(contract["start_date"])
        story = _Story(api, settings, console, counted, mailed, send, maildir, now, start)
        days = list(acme.work(story.start))
        await _link_issues(story)
        await _log_days(story, days[: acme.DAYS_BEFORE_OFFER], 0, available_hours=40)
        await _agree(story)
        logged = sum(log.minutes for _, logs in days[: acme.DAYS_BEFORE_OFFER] for log in _billable(logs))
        await _log_days(story, days[acme.DAYS_BEFORE_OFFER :], logged, available_hours=60)
        await _decline_more(story)
        await _settle(story)
        await _restate(story, days[-1][0])


async def _link_issues(story: _Story) -> None:
    for account, issue in acme.ISSUES.items():
        link = {"issue_id": issue, "issue_key": issue, "summary": account}
        link |= {"contract_id": acme.CODE, "account_id": account}
        await story.send(ISSUE_LINKED, issue, IssueLinked.model_validate({**link, "updated_at": story.now}))


async def _log_days(
    story: _Story, days: Iterable[tuple[date, list[acme.Work]]], minutes: int, *, available_hours: int
) -> None:
    """Log the work day by day after billable ``minutes``, and wait each day until it is counted."""
    for day, logs in days:
        for number, log in enumerate(logs):
            await _log(story, day, f"{day}/{number}", log)
        minutes += sum(log.minutes for log in _billable(logs))
        await _wait_until(f"{minutes / 60:g} h are counted", partial(_has_seconds, story, consumed=minutes * 60))
        story.console.print(f"  {day:%a} {day.day:>2} {day:%B}: {minutes / 60:4.1f} of {available_hours} h")


async def _agree(story: _Story) -> None:
    """The rule warns at 80 % and offers 20 hours; the customer accepts with the link of the mail."""
    story.console.print(f'80 % are used. The rule "{acme.OFFER_RULE}" warns both sides, and offers 20 hours more:')
    offer = await _wait_for_offer(story, 0)
    mail = await _wait_for_mail(
        story, acme.CUSTOMER_EMAIL, lambda row: row["offer_id"] == UUID(offer["id"]), "mail of the offer"
    )
    _print_mail(story, mail)
    _answer(story, offer, "accept", "Agreed, for the migration")
    await _wait_until("20 h more count", partial(_has_seconds, story, available=60 * SECONDS_PER_HOUR))
    story.console.print(
        f"{acme.CUSTOMER} accepts with the link of the mail: 60 hours are agreed, before they are worked."
    )


async def _decline_more(story: _Story) -> None:
    """At 80 % of 60 hours the rule offers again; the customer has enough."""
    _answer(story, await _wait_for_offer(story, 1), "decline", "60 hours will do")
    story.console.print(f"At 48 hours the rule offered 20 more; {acme.CUSTOMER} declined. 60 of 60 hours are worked.")


async def _settle(story: _Story) -> None:
    """The owner closes the contract, which settles its month: its statement is mailed to both sides."""
    contract = story.api.get(_CONTRACT)
    if contract and contract.body["status"] != "CLOSED":
        story.api.post(f"{_CONTRACT}/close", {"reason": "The month is over"}, etag=contract.etag)
    await _wait_until("the month is settled", partial(_has_restatements, story, 0))
    await _wait_for_statement_mails(story, 1, "mail of the statement")
    statement = _statement(story)["statement"]
    number, used = statement["number"], statement["figures"]["consumed"] / SECONDS_PER_HOUR
    story.console.print(
        f"{acme.OWNER} closes the contract. The month is settled: both sides have statement {number} by mail, "
        f"{used:g} of 60 h, SHA-256 {statement['sha256'][:12]}…"
    )


async def _restate(story: _Story, day: date) -> None:
    """Somebody logs work late: it counts, and both sides are told what it corrects."""
    late = acme.LATE_WORK
    await _log(story, day, "late", late)
    await _wait_until("late work is restated", partial(_has_restatements, story, 1))
    story.console.print(
        f"{late.person} logs {late.minutes / 60:g} hours late. They count, the statement stays as it is, and a "
        "restatement corrects it. Waiting for its mails …"
    )
    mail = await _wait_for_statement_mails(story, 2, "mail of the restatement")
    body = _statement(story)
    story.console.print(build_status(body["contract"], load_figures(story.api, body["contract"]), story.now))
    _print_mail(story, mail)
    page = f"{story.settings.public_url.rstrip('/')}/contracts/{acme.CODE}"
    story.console.print(f"The history of all this: {page}, its statement: {page}/statements/{story.start}")


async def _log(story: _Story, day: date, worklog_id: str, log: acme.Work) -> None:
    issue = acme.ISSUES[log.account]
    worklog: Json = {"worklog_id": worklog_id, "issue_id": issue, "author_id": log.person}
    worklog |= {"started_at": datetime.combine(day, time(9), ZoneInfo(acme.TIME_ZONE)), "seconds": log.minutes * 60}
    await story.send(WORKLOG_RECORDED, issue, WorklogRecorded.model_validate({**worklog, "updated_at": story.now}))


def _billable(logs: Iterable[acme.Work]) -> list[acme.Work]:
    return [log for log in logs if acme.ACCOUNTS[log.account]["billable"]]


async def _has_seconds(story: _Story, *, consumed: int = 0, available: int = 0) -> bool:
    row = await _sql.load_seconds(story.counted, contract_code=acme.CODE, period_start=story.start)
    return row is not None and row["consumed_seconds"] >= consumed and row["available_seconds"] >= available


async def _has_restatements(story: _Story, count: int) -> bool:
    answer = story.api.get(f"{_CONTRACT}/statements/{story.start}")
    return answer is not None and answer.body["restatement_count"] >= count


def _statement(story: _Story) -> Json:
    """The contract, and its statement with what corrects it."""
    contract, answer = story.api.get(_CONTRACT), story.api.get(f"{_CONTRACT}/statements/{story.start}")
    if contract is None or answer is None:
        raise StoryError(f"Contract {acme.CODE} has no statement.")
    return {**answer.body, "contract": contract.body}


async def _wait_for_offer(story: _Story, number: int) -> Json:
    """The offers of the contract's rule, counted from 0."""
    offers: list[Json] = []

    async def is_made() -> bool:
        offers[:] = reversed(list(story.api.list("offers", contract=acme.CODE)))
        return len(offers) > number

    await _wait_until(f"offer {number + 1} is made", is_made)
    return offers[number]


def _answer(story: _Story, offer: Json, answer: str, remark: str) -> None:
    """Answer as the page of the link does, with the link that the customer's mail has."""
    if offer["status"] != "open":
        return
    link = OfferLink(UUID(offer["id"]), acme.CUSTOMER_EMAIL, datetime.fromisoformat(offer["valid_until"]))
    token = issue_offer_link(require_setting(story.settings.secret, "secret"), link)
    story.api.post("offers/answer", {"token": token, "answer": answer, "name": acme.CUSTOMER, "remark": remark})


async def _wait_for_statement_mails(story: _Story, count: int, what: str) -> Any:
    """The customer's last mail about the statement, once both sides have so many."""
    rows = [
        await _wait_for_mail(story, receiver, lambda row: row["rule_name"] == acme.STATEMENT_RULE, what, count)
        for receiver in (acme.OWNER_EMAIL, acme.CUSTOMER_EMAIL)
    ]
    return rows[-1]


async def _wait_for_mail(
    story: _Story, receiver: str, is_wanted: Callable[[ListDeliveriesRow], bool], what: str, count: int = 1
) -> ListDeliveriesRow:
    """The delivery of the last of ``count`` mails that are wanted."""
    rows: list[ListDeliveriesRow] = []

    async def is_delivered() -> bool:
        rows[:] = [
            row
            async for row in _sql.list_deliveries(story.mailed, contract_code=acme.CODE, receiver=receiver)
            if row["status"] == "delivered" and is_wanted(row)
        ]
        return len(rows) >= count

    await _wait_until(f"the {what} is delivered to {receiver}", is_delivered)
    return rows[count - 1]


def _print_mail(story: _Story, delivery: Any) -> None:
    if story.maildir is None or (mail := read_mail(story.maildir, str(delivery["message_id"]))) is None:
        return
    story.console.rule("The mail to the customer")
    for header in ("From", "To", "Subject"):
        story.console.print(f"{header}: {' '.join(mail[header].split())}")
    story.console.print(f"\n{read_text(mail)}")
    story.console.rule()


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


async def _wait_until(what: str, condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition is true. Raises :class:`StoryError` with ``what`` was expected after the timeout."""
    for _ in range(int(_TIMEOUT_SECONDS / _POLL_SECONDS)):
        if await condition():
            return
        await asyncio.sleep(_POLL_SECONDS)
    raise StoryError(
        f"Timed out after {_TIMEOUT_SECONDS:g} s, before {what}. `tidemark up` printed where the logs are."
    )


@asynccontextmanager
async def _open_sender(settings: Settings, now: datetime) -> AsyncIterator[Send]:
    servers = require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers")
    async with kafka.open_producer(servers) as producer:

        async def send(event_type: str, issue: str, data: EventData) -> None:
            record = outbox_record(WORKLOGS, issue, event_type, data, source=SOURCE, time=now, correlation_id="demo")
            topic = settings.topic_prefix + record.topic
            await producer.send_and_wait(topic, record.value, key=record.key, headers=record.headers)

        yield send
