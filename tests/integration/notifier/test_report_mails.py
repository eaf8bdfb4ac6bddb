"""Saved reports: over HTTP, and mailed on their days, once, with the figures of one moment."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import jwt
import pytest
from deliveries import FAST, PUBLIC_URL, SENDER
from notifier_service import SECRET, http_client
from polling import wait_until
from scenario import ScheduledScenario

from tidemark_notifier.api import saved_reports
from tidemark_notifier.delivery.report_mailer import ReportMailer
from tidemark_notifier.engine.evaluator import Evaluator
from tidemark_shared.http.app import create_api
from tidemark_shared.http.tokens import verify_token
from tidemark_shared.settings import Settings
from tidemark_shared.tasks import cancel_tasks

FIRST_OF_APRIL = datetime(2026, 3, 31, 22, tzinfo=UTC)  # in Berlin
ADDRESS, CONTACTS = {"kind": "address", "email": "olga@provider.example.com"}, {"kind": "contacts", "role": "billing"}
MONTHLY = {"every": "month", "on": 1, "receivers": [ADDRESS, CONTACTS], "xlsx": True}
WORK = {"seconds": 45_000, "consumed": 45_000}
CONTRACT = {
    "contract_code": "ACME-SUP", "contract_name": "Support 2026", "currency": None, "billable": WORK,
    "non_billable": {"seconds": 3600}, "whole": {"planned": 144_000, "consumed": 90_000},
}  # fmt: skip


class Web:
    """Stands for web: answers with figures and files, or as its script says."""

    def __init__(self):
        self.requests, self.script = [], []

    def __call__(self, request):
        self.requests.append(request)
        if self.script:
            return httpx.Response(self.script.pop(0))
        if request.url.path == "/v1/reports/delivery":
            return httpx.Response(200, json={"contracts": [CONTRACT]})
        return httpx.Response(200, content=f"{request.url.path} {request.url.params.get('internal')}".encode())


def body(scenario, **changes):
    return {
        "name": "Monthly report", "organization_id": scenario.organization, "contracts": ["ACME-SUP"],
        "range": "last-month", "schedule": MONTHLY, **changes,
    }  # fmt: skip


@pytest.fixture
async def scenario(pool):
    scenario = ScheduledScenario(pool)
    await scenario.start()
    return scenario


@pytest.fixture
def web():
    return Web()


@pytest.fixture
async def mailer(pool, mail_server, web):
    settings = Settings(
        secret=SECRET, smtp_url=f"smtp://127.0.0.1:{mail_server.port}", mail_from=SENDER, public_url=PUBLIC_URL,
        web_url="http://web:8000",
    )  # fmt: skip
    return ReportMailer(pool, settings, httpx.MockTransport(web), FAST)


@pytest.fixture
async def client(pool):
    """A client of the routes alone: nothing mails by the clock of today."""
    app = create_api("notifier", Settings(secret=SECRET), None)
    app.include_router(saved_reports.router)
    app.state.pool, app.state.evaluator = pool, Evaluator(is_started=True)
    async with http_client(app, "manager") as client:
        yield client


async def save(client, scenario, **changes):
    """Save a report whose last mail was on the first of March."""
    response = await client.post("/v1/saved-reports", json=body(scenario, **changes))
    assert response.status_code == 201, response.text
    await scenario.pool.execute("UPDATE saved_reports SET mailed_on = '2026-03-01', next_mail_at = '2026-03-31 22:00Z'")
    return response


async def mails_at(pool, now):
    """Let the time pass, and return the receivers and days of all mails so far."""
    await asyncio.gather(*(Evaluator(is_started=True).evaluate_due(pool, now) for _ in range(3)))
    rows = await pool.fetch("SELECT addressee ->> 'email' AS email, snapshot FROM report_mails ORDER BY id")
    return [row["email"].partition("@")[0] for row in rows]


async def send_all(mailer):
    while await mailer.send_next():
        pass


async def test_mail_has_the_figures_and_files_of_one_moment(client, pool, scenario, mail_server, mailer, web):
    created = await save(client, scenario)
    assert await mails_at(pool, FIRST_OF_APRIL - timedelta(seconds=1)) == []
    assert await mails_at(pool, FIRST_OF_APRIL) == ["olga", "ann"]
    await send_all(mailer)
    own, contact = mail_server.received
    assert own["Subject"] == "Monthly report: Acme, March 2026"
    text = own.get_body(("plain",)).get_content()
    assert "Support 2026 (ACME-SUP): 12 h 30 min in these days; 25 h of 40 h in all." in text
    assert "Time not billable: 1 h" in text
    assert "/reports?organization=" in text
    assert "as_of=2026-03-31T22%3A00%3A00" in text
    assert [part.get_filename() for part in own.iter_attachments()] == [
        "Acme 2026-03-01 2026-03-31.pdf", "Acme 2026-03-01 2026-03-31.xlsx",
    ]  # fmt: skip
    assert {request.url.params["as_of"] for request in web.requests} == {"2026-03-31T22:00:00+00:00"}
    assert {request.headers["host"] for request in web.requests} == {"127.0.0.1:8000"}
    token = web.requests[0].headers["authorization"].removeprefix("Bearer ")
    assert verify_token(SECRET, token).actor.role == "viewer"
    # A contact sees nothing internal, and gets the link of a customer.
    text = contact.get_body(("plain",)).get_content()
    assert "not billable" not in text
    assert "/reports" not in text
    [link] = [word for word in text.split() if "/customer#" in word]
    options = {"verify_exp": False}  # it is of a day long ago
    claims = jwt.decode(link.partition("#")[2], SECRET, ["HS256"], audience="tidemark:customer-link", options=options)
    assert claims["org"] == scenario.organization
    assert next(contact.iter_attachments()).get_content() == b"/reports/delivery.pdf no"
    mails = (await client.get(f"{created.headers['location']}/mails")).json()
    assert [(mail["email"], mail["status"], mail["attempts"]) for mail in mails["items"]] == [
        ("ann@acme.example.com", "delivered", 1), ("olga@provider.example.com", "delivered", 1),
    ]  # fmt: skip


async def test_each_day_is_mailed_once_and_a_missed_one_late(client, pool, scenario):
    await save(client, scenario, schedule={**MONTHLY, "receivers": [ADDRESS]})
    for minutes in (0, 0, 1, 60, 24 * 60):
        assert await mails_at(pool, FIRST_OF_APRIL + timedelta(minutes=minutes)) == ["olga"]
    # Nothing ran from April to the middle of June: of the two days the last is made up for.
    assert await mails_at(pool, datetime(2026, 6, 15, tzinfo=UTC)) == ["olga"] * 2
    days = await pool.fetchval("SELECT snapshot ->> 'first_day' FROM report_mails ORDER BY id DESC LIMIT 1")
    assert days == "2026-05-01"
    assert await pool.fetchval("SELECT next_mail_on::text FROM saved_reports") == "2026-07-01"


async def test_day_that_has_not_begun_in_another_time_zone_is_awaited(client, pool, scenario):
    await save(client, scenario, schedule={**MONTHLY, "receivers": [ADDRESS]})
    await scenario.store_organization(version=2, timezone="America/St_Johns")
    assert await mails_at(pool, FIRST_OF_APRIL) == []
    assert await mails_at(pool, datetime(2026, 4, 1, 2, 29, tzinfo=UTC)) == []
    assert await mails_at(pool, datetime(2026, 4, 1, 2, 30, tzinfo=UTC)) == ["olga"]


async def test_failed_attempt_is_repeated_with_the_same_moment_and_id(client, pool, scenario, mail_server, mailer, web):
    await save(client, scenario, schedule={**MONTHLY, "receivers": [ADDRESS], "xlsx": False})
    await mails_at(pool, FIRST_OF_APRIL)
    web.script, mail_server.script = [503], ["451 later", "drop"]
    for _ in range(4):
        await pool.execute("UPDATE report_mails SET due_at = now()")
        assert await mailer.send_next()
    assert not await mailer.send_next()
    first, second = mail_server.received
    assert first["Message-ID"] == second["Message-ID"]
    assert len({request.url.params["as_of"] for request in web.requests}) == 1
    row = await pool.fetchrow("SELECT status, attempts FROM report_mails")
    assert tuple(row) == ("delivered", 4)


async def test_report_mails_to_hanging_receivers_do_not_delay_others(client, pool, scenario, mail_server, mailer):
    """Given receivers of three domains that hang, the first of them in every place, then the others get theirs."""
    hanging = [f"{name}@hangs-{number}.example.com" for number in range(3) for name in "abcd"]
    healthy = [f"{name}@well-{name}.example.com" for name in "abcdef"]
    mail_server.hanging_receivers = set(hanging)
    receivers = [{"kind": "address", "email": email} for email in (*hanging, *healthy)]
    await save(client, scenario, schedule={**MONTHLY, "receivers": receivers, "xlsx": False})
    await mails_at(pool, FIRST_OF_APRIL)
    task = asyncio.create_task(mailer.run())
    try:
        await wait_until(lambda: {receiver for [receiver], _ in mail_server.mails} == set(healthy))
    finally:
        mail_server.released.set()
        await cancel_tasks([task])


async def test_report_of_what_is_gone_fails_with_the_reason(client, pool, scenario, mailer, web):
    report = await save(client, scenario, schedule={**MONTHLY, "receivers": [ADDRESS]})
    await mails_at(pool, FIRST_OF_APRIL)
    web.script = [404]
    await send_all(mailer)
    [mail] = (await client.get(f"{report.headers['location']}/mails")).json()["items"]
    assert mail["status"] == "failed"
    assert "Change the report." in mail["last_error"]


async def test_report_is_saved_changed_and_deleted(client, pool, scenario):
    created = await save(client, scenario)
    path, etag = created.headers["location"], created.headers["etag"]
    duplicate = await client.post("/v1/saved-reports", json=body(scenario))
    assert (duplicate.status_code, duplicate.json()["violations"][0]["path"]) == (409, "/name")
    changed = await client.put(path, json=body(scenario, schedule=None), headers={"if-match": etag})
    assert changed.json()["next_mail_on"] is None
    assert await mails_at(pool, FIRST_OF_APRIL) == []
    stale = await client.delete(path, headers={"if-match": etag})
    assert stale.status_code == 412
    listed = await client.get("/v1/saved-reports", params={"organization": scenario.organization})
    assert [report["name"] for report in listed.json()["items"]] == ["Monthly report"]
    assert (await client.post(f"{path}/send")).status_code == 409
    assert (await client.delete(path, headers={"if-match": changed.headers["etag"]})).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_report_is_mailed_at_once_when_asked(client, pool, scenario):
    created = await save(client, scenario)
    assert (await client.post(f"{created.headers['location']}/send")).json() == {"mails": 2}
    assert await pool.fetchval("SELECT next_mail_at::text FROM saved_reports") == "2026-03-31 22:00:00+00"


@pytest.mark.parametrize(
    "changes",
    [
        {"range": None},
        {"first_day": "2026-01-01", "last_day": "2026-01-31"},
        {"range": None, "first_day": "2026-02-01", "last_day": "2026-01-31"},
        {"schedule": {**MONTHLY, "receivers": []}},
        {"schedule": {**MONTHLY, "every": "week"}},
        {"schedule": {**MONTHLY, "receivers": [{"kind": "contacts", "email": "x@y.example"}]}},
        # Its address would be longer than web takes, so nobody could ever read it.
        {"accounts": [str(uuid4()) for _ in range(200)]},
        {"contracts": ["\N{EM DASH}" * 255 for _ in range(3)]},
    ],
)
async def test_report_that_cannot_be_is_refused(client, scenario, changes):
    response = await client.post("/v1/saved-reports", json=body(scenario, **changes))
    assert response.status_code == 422
    assert response.json()["violations"][0]["code"] == "invalid"
