"""What a service manager does in a year with a book of contracts, through the command line alone."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from cli_stack import run_services
from mail_server import MailServer
from polling import wait_until
from typer.testing import CliRunner

from tidemark.cli import app

YEAR = datetime.now(UTC).year
TODAY = datetime.now(UTC).date()
MONTH = f"{TODAY:%Y-%m}"

ACME = f"""
code: ACME-SUP
name: Suport {YEAR}
owner: {{name: Olga, email: olga@provider.example}}
organization_id: Acme
type: time_and_materials
recurrence: monthly
start_date: {YEAR}-01-01
end_date: {YEAR}-12-31
timezone: UTC
contracted_hours: 40
accounts:
  - {{name: Help desk, planned_hours: 30, slices: [{{team_id: Support, planned_hours: 30}}]}}
  - {{name: Changes, planned_hours: 10, teams: [Support]}}
"""
GLOBEX = f"""
code: GLO-WEB
name: Web shop
owner: {{name: Olga, email: olga@provider.example}}
organization_id: Globex
type: fixed_price
start_date: {YEAR}-01-01
end_date: {YEAR}-12-31
timezone: UTC
contracted_value_minor: 1000000
currency: EUR
accounts: [{{name: Build, planned_value_minor: 1000000, teams: [Support]}}]
"""
# Its periods are no calendar months.
INITECH = ACME.replace("ACME-SUP", "INI-OPS").replace("Acme", "Initech").replace(f"{YEAR}-01-01", f"{YEAR - 1}-12-15")
WARN = """
name: Warn at 80 %
scope: {kind: global}
trigger: {kind: consumed_percent, of: contract, over: period, at: [80, 100]}
receivers: [{kind: owner}, {kind: contacts, role: billing}, {kind: team, id: Support}]
channels: [email]
"""
EXCEPTION = WARN.replace("{kind: global}", "{kind: contract, id: INI-OPS}") + "enabled: false\n"


@pytest.fixture(scope="module")
async def mail_server():
    server = MailServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="module")
async def environment(database_of_file, kafka_bootstrap_servers, topic_prefix_of_file, mail_server):
    services = ("contracts", "consumption", "notifier")
    parts = database_of_file, kafka_bootstrap_servers, topic_prefix_of_file, services
    async with run_services(*parts, TIDEMARK_SMTP_URL=f"smtp://127.0.0.1:{mail_server.port}") as environment:
        yield environment


@pytest.fixture
def tidemark(environment):
    """A function that runs a command, checks its exit code and width, and returns its output (with --json, parsed)."""

    async def run(*arguments, stdin="", status=0):
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments, input=stdin, env=environment)
        print(f"$ tidemark {' '.join(arguments)}\n{result.output}")
        assert result.exit_code == status, result.output
        if "--json" in arguments:
            return json.loads(result.output)
        if {"list", "show", "history", "preview", "explain"} & set(arguments) and not status:
            assert max(map(len, result.output.splitlines())) <= 80
        # A folded cell is one text again.
        return " ".join(result.output.split())

    return run


# The time limit includes the start of Postgres, Kafka and four services.
@pytest.mark.timeout(600)
async def test_manager_runs_a_book_of_contracts(tidemark, mail_server):  # noqa: PLR0915 - one story
    # Given three customers, a team and the rates of its people.
    await tidemark("organization", "create", "--name", "Acme", "--timezone", "Europe/Berlin",
                   "--contact", "Ann <ann@acme.example>:billing,approver")  # fmt: skip
    await tidemark("organization", "create", "--name", "Globex", "--timezone", "UTC")
    await tidemark("organization", "create", "-", stdin="{name: Initech, timezone: UTC}")
    await tidemark("organization", "edit", "Globex", "--contact", "Gus <gus@globex.example>:billing")
    assert "Acme Europe/Berlin Ann (billing, approver) Globex UTC Gus (billing) Initech UTC" in await tidemark(
        "organization", "list"
    )
    # And links for one of them, of which one is revoked with its id, the other with the customer's name.
    for note in ("For Ann", "For the board"):
        made = await tidemark("customer-link", "create", "Acme", "--note", note, "--expires", f"{TODAY}")
        assert "/customer#" in made
    board, ann = await tidemark("customer-link", "list", "--organization", "Acme", "--json")
    assert [link["note"] for link in (ann, board)] == ["For Ann", "For the board"]
    await tidemark("customer-link", "revoke", ann["id"])
    listed = await tidemark("customer-link", "list")
    assert (f"until {TODAY}" in listed, "revoked" in listed, board["id"] in listed) == (True, True, True)
    assert await tidemark("customer-link", "revoke", "Acme") == "All links of Acme are revoked."
    await tidemark("team", "create", "--name", "Support")
    await tidemark("team", "add-member", "Support", "sam", "--from", f"{YEAR - 1}-01-01", "--name", "Sam",
                   "--email", "sam@provider.example")  # fmt: skip
    await tidemark("team", "add-member", "Support", "eve", "--from", f"{YEAR - 1}-01-01")
    await tidemark("team", "end-member", "Support", "eve", "--until", f"{YEAR - 1}-06-30")
    assert f"eve {YEAR - 1}-01-01 {YEAR - 1}-06-30" in await tidemark("team", "show", "Support")
    await tidemark("rate-card", "create", "--person", "sam", "--from", f"{YEAR}-01-01", "--currency", "EUR",
                   "--normal", "90", "--extra-time", "110", "--weekend", "135", "--holiday", "180")  # fmt: skip
    await tidemark("rate-card", "edit", "sam", "--normal", "87.50")
    assert f"sam {YEAR}-01-01 87.50 110.00 135.00 180.00 EUR" in await tidemark("rate-card", "list")

    # When contracts of both kinds are drafted, corrected and activated.
    for terms in (ACME, GLOBEX, INITECH):
        await tidemark("contract", "create", "-", stdin=terms)
    assert "`tidemark contract edit ACME-SUP FILE`" in await tidemark("contract", "create", "-", stdin=ACME, status=1)
    assert "`tidemark contract edit ACME-SUP`" in await tidemark(
        "contract", "amend", "ACME-SUP", "--set", "name=A", "--reason", "B", status=1
    )
    await tidemark("contract", "edit", "ACME-SUP", "--set", f"name=Support {YEAR}")
    await tidemark("contract", "discard", "INI-OPS")
    await tidemark("contract", "create", "-", stdin=INITECH)
    for code in ("ACME-SUP", "GLO-WEB", "INI-OPS"):
        assert (
            await tidemark("contract", "activate", code) == f"{code} is ACTIVE at version {3 if 'ACME' in code else 2}."
        )
    listed = await tidemark("contract", "list", "--json")
    assert [(contract["code"], contract["status"], contract["type"]) for contract in listed] == [
        ("ACME-SUP", "ACTIVE", "time_and_materials"), ("GLO-WEB", "ACTIVE", "fixed_price"),
        ("INI-OPS", "ACTIVE", "time_and_materials"),
    ]  # fmt: skip

    # Then twenty extra hours are one command, and a month that means two periods is refused with both.
    adjusted = await tidemark("contract", "adjust", "ACME-SUP", "--account", "Help desk", "--period", MONTH,
                              "--hours", "20", "--reason", "Mail of Ann")  # fmt: skip
    assert adjusted.startswith(f"ACME-SUP is ACTIVE at version 4. +20 h for Help desk from {MONTH}-01 to {MONTH}-")
    assert "+1200.50 EUR for Build" in await tidemark(
        "contract", "adjust", "GLO-WEB", "--account", "Build", "--value", "1200.50", "--reason", "Search page"
    )
    arguments = (
        "contract",
        "adjust",
        "INI-OPS",
        "--account",
        "Changes",
        "--hours",
        "2",
        "--reason",
        "More",
        "--period",
    )
    refused = await tidemark(*arguments, f"{YEAR}-03", status=1)
    assert f"2 periods of INI-OPS have days in {YEAR}-03: {YEAR}-02-15 to {YEAR}-03-14" in refused
    await tidemark(*arguments, f"{YEAR}-03-15")
    assert "Mail of Ann" in await tidemark("contract", "history", "ACME-SUP")

    # When 50 hours are logged for each of two customers, 83 % of what Acme has now and 125 % of what Initech has.
    await tidemark("publish", stdin=events(("I-1", "ACME-SUP", "Help desk", 50), ("I-2", "INI-OPS", "Help desk", 50)))

    async def figures_of(code):
        shown = await tidemark("contract", "show", code, "--json")
        period = next(
            (p for p in (shown["balance"] or {}).get("periods", ()) if p["start"] <= f"{TODAY}" <= p["end"]), {}
        )
        return (period["available"] // 3600, period["consumed"] // 3600) if period.get("consumed") else None

    assert await wait_until(lambda: figures_of("ACME-SUP")) == (60, 50)
    assert await wait_until(lambda: figures_of("INI-OPS")) == (40, 50)
    status = await tidemark("status", "ACME-SUP")
    assert "Help desk" in status
    assert "60.00 60.00 50.00 10.00 83.33" in status

    # And a rule for all, with an exception for Initech.
    await tidemark("rule", "create", "-", stdin=EXCEPTION)
    dry_run = await tidemark("rule", "create", "-", "--dry-run", "--json", stdin=WARN)
    assert [item["contract_code"] for item in dry_run] == ["ACME-SUP"]
    await tidemark("rule", "create", "-", stdin=WARN)
    rules = {rule["scope"]["kind"]: rule for rule in await tidemark("rule", "list", "--json")}
    listed = await tidemark("rule", "list")
    assert listed.count("Warn at 80 %") == 2
    assert all(rule["id"] in listed for rule in rules.values())
    id_ = rules["global"]["id"]
    assert f"Give an id: {rules['contract']['id']} contract INI-OPS {id_} global" in await tidemark(
        "rule", "show", "Warn at 80 %", status=1
    )
    assert (
        "80, 100 % used, contract, each period Receivers owner contacts with role billing team Support"
        in await tidemark("rule", "show", id_)
    )

    # Then Acme's people are notified once, Initech's are not, and the reasons can be read.
    await wait_until(lambda: len(mail_server.mails) == 3)
    assert {mail["To"].addresses[0].addr_spec for mail in mail_server.received} == {
        "olga@provider.example", "ann@acme.example", "sam@provider.example",
    }  # fmt: skip
    notifications = await tidemark("notification", "list", "--json")
    assert [item["contract_code"] for item in notifications] == ["ACME-SUP"]
    assert "3 delivered" in await wait_until(lambda: list_delivered(tidemark))
    assert "sam@provider.example" in await tidemark("notification", "show", notifications[0]["id"])
    assert "No delivery of this notification has failed" in await tidemark(
        "notification", "resend", notifications[0]["id"], status=1
    )
    preview = await tidemark("rule", "preview", "ACME-SUP", id_)
    assert "80 % reached" in preview
    assert "ann@acme.example" in preview
    assert "fired Warn at 80 % (global)" in await tidemark("rule", "explain", "ACME-SUP")
    explained = await tidemark("rule", "explain", "INI-OPS")
    assert "Warn at 80 % (contract) The rule is disabled." in explained
    assert "turns it off for this contract" in explained
    assert "A test is on its way" in await tidemark("rule", "test", id_, "--email", "me@provider.example")
    await wait_until(lambda: len(mail_server.mails) == 4)
    await tidemark("rule", "disable", id_, "--contract", "GLO-WEB")
    await tidemark("rule", "enable", id_, "--contract", "INI-OPS")
    await wait_until(lambda: len(mail_server.mails) == 6)

    # When the year ends: renew, suspend, resume, close.
    assert f"ACME-NEW is a DRAFT from {YEAR + 1}-01-01 to {YEAR + 1}-12-31." in await tidemark(
        "contract", "renew", "ACME-SUP", "ACME-NEW"
    )
    assert "INI-OPS is INACTIVE" in await tidemark("contract", "suspend", "INI-OPS", "--reason", "Not paid")
    assert "INI-OPS is ACTIVE" in await tidemark("contract", "resume", "INI-OPS", "--reason", "Paid")
    assert "GLO-WEB is CLOSED" in await tidemark("contract", "close", "GLO-WEB", "--reason", "Delivered")
    assert "CLOSED" in await tidemark("contract", "suspend", "GLO-WEB", "--reason", "Late", status=1)

    # Then what is in use stays, and what is not is deleted.
    assert "in use" in await tidemark("organization", "delete", "Globex", status=1)
    await tidemark("contract", "discard", "ACME-NEW")
    await tidemark("rule", "delete", id_)
    await tidemark("rate-card", "delete", "sam")
    assert await tidemark("rate-card", "list", "--json") == []
    assert [contract["status"] for contract in await tidemark("contract", "list", "--json")] == [
        "ACTIVE", "CLOSED", "ACTIVE",
    ]  # fmt: skip


async def list_delivered(tidemark):
    listed = await tidemark("notification", "list")
    return listed if "pending" not in listed else None


def events(*worklogs):
    """Links of issues to accounts and a worklog of today for each, in the lines that `tidemark publish` takes."""
    now = datetime.now(UTC)
    lines = []
    for issue, contract, account, hours in worklogs:
        link = {"issue_id": issue, "contract_id": contract, "account_id": account, "updated_at": now.isoformat()}
        worklog = {
            "worklog_id": issue, "issue_id": issue, "author_id": "sam", "seconds": hours * 3600,
            "started_at": f"{TODAY}T00:00:00Z", "updated_at": (now + timedelta(seconds=1)).isoformat(),
        }  # fmt: skip
        lines += [("issue.linked", link), ("worklog.recorded", worklog)]
    return "\n".join(
        json.dumps(
            {
                "specversion": "1.0",
                "id": str(number),
                "source": "/tracker",
                "type": f"tidemark.{type_}.v1",
                "data": data,
            }
        )
        for number, (type_, data) in enumerate(lines)
    )
