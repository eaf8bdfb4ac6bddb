"""`tidemark contract` on the running services, at a terminal of 80 columns."""

import asyncio
import json

import asyncpg
import httpx
import pytest
from cli_stack import run_services
from polling import wait_until
from typer.testing import CliRunner

from tidemark.cli import app

TERMS = """
code: {code}
name: Support 2026
owner: {{name: Olga, email: olga@provider.example}}
organization_id: Acme
type: time_and_materials
recurrence: monthly
start_date: 2026-01-01
end_date: 2026-12-31
timezone: Europe/Berlin
contracted_hours: 40
accounts:
  - name: Help desk
    planned_hours: "37.5"
    slices:
      - {{team_id: Support, planned_hours: "37.5"}}
  - name: Changes
    planned_hours: "2.50"
    teams: [Support]
  - name: Coordination
    billable: false
    planned_hours: 5
"""


@pytest.fixture(scope="module")
async def environment(database_of_file, kafka_bootstrap_servers, topic_prefix_of_file):
    """Contracts, consumption and the one address in front of them; an organization and a team."""
    parts = database_of_file, kafka_bootstrap_servers, topic_prefix_of_file, ("contracts", "consumption")
    async with run_services(*parts) as environment, httpx.AsyncClient(base_url=environment["TIDEMARK_API_URL"]) as api:
        for path, body in (("organizations", {"name": "Acme", "timezone": "UTC"}), ("teams", {"name": "Support"})):
            assert (await api.post(f"/v1/{path}", json=body)).status_code == 201
        yield environment


@pytest.fixture
def tidemark(environment, tmp_path, monkeypatch):
    """A function that runs the command in this process with arguments and standard input, and returns its output."""
    monkeypatch.chdir(tmp_path)

    async def run(*arguments, stdin="", status=0):
        result = await asyncio.to_thread(CliRunner().invoke, app, ["contract", *arguments], stdin, environment)
        assert result.exit_code == status, result.output
        if not status and arguments[0] in {"list", "show", "history"} and "--json" not in arguments:
            assert max(map(len, result.output.splitlines())) <= 80
        return result.output

    return run


async def wait_for_balance(tidemark, code, version):
    """The output of `show --json` once the balance has the version."""

    async def balance_of_version():
        shown = json.loads(await tidemark("show", code, "--json"))
        return shown if (shown["balance"] or {}).get("stream_version") == version else None

    return await wait_until(balance_of_version)


async def test_contract_is_created_activated_amended_and_shown(tidemark):
    id_, code = (await tidemark("create", "-", stdin=TERMS.format(code="ACME/1"))).split()
    assert code == "ACME/1"
    assert await tidemark("activate", "ACME/1") == "ACME/1 is ACTIVE at version 2.\n"
    assert await tidemark("amend", id_, "--set", "end_date=2027-06-30", "--set", "name=Support [2027]: more",
                          "--reason", "A longer term") == "ACME/1 is ACTIVE at version 3.\n"  # fmt: skip

    shown = await wait_for_balance(tidemark, "ACME/1", 3)
    assert (shown["contracted_hours"], shown["start_date"], shown["end_date"]) == ("40", "2026-01-01", "2027-06-30")
    accounts = [account["planned_hours"] for account in shown["accounts"]]
    assert accounts == ["37.5", "2.5", "5"]
    text = await tidemark("show", "ACME/1")
    print(text)
    assert "Support [2027]: more" in text
    assert "Acme" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["Help", "desk", "37.50", "37.50", "0.00", "37.50", "0.00"] in rows
    assert ["Coordination", "(not", "billed)", "5.00", "5.00", "0.00", "5.00", "0.00"] in rows
    assert ["Contract", "40.00", "40.00", "0.00", "40.00", "0.00"] in rows
    assert ["All", "periods", "720.00", "720.00", "0.00", "720.00", "0.00"] in rows

    text = await tidemark("history", "ACME/1")
    print(text)
    assert "amended: A longer term" in text
    assert [entry["what"] for entry in json.loads(await tidemark("history", "ACME/1", "--json"))] == [
        "drafted", "activated", "amended",
    ]  # fmt: skip


async def test_contract_list_is_filtered(tidemark):
    for code in ("LIST-1", "LIST-2", "LIST-a code of a length for which no table has room on one line"):
        await tidemark("create", "-", stdin=TERMS.format(code=code))
    await tidemark("activate", "LIST-2")

    async def codes(*filters):
        return [contract["code"] for contract in json.loads(await tidemark("list", "--json", *filters))]

    assert await codes("--text", "list-1") == ["LIST-1"]
    assert await codes("--text", "list-", "--status", "active") == ["LIST-2"]
    assert len(await codes("--text", "list-", "--status", "active", "--status", "draft")) == 3
    assert len(await codes("--text", "list-", "--organization", "Acme", "--owner", "olga@")) == 3
    assert await codes("--text", "list-", "--owner", "somebody else") == []
    text = await tidemark("list", "--text", "list-")
    print(text)
    assert ["LIST-2", "Support", "2026", "ACTIVE", "2026-01-01", "2026-12-31", "40", "h"] in [
        line.split() for line in text.splitlines()
    ]
    assert "No organization has the name 'Nobody'." in await tidemark("list", "--organization", "Nobody", status=1)


async def test_violations_are_printed_one_on_each_line(tidemark):
    terms = TERMS.format(code="OTHER-1").replace("Acme", "Nobody").replace("[Support]", "[Sales]")
    assert [line.split()[:2] for line in (await tidemark("create", "-", stdin=terms, status=1)).splitlines()] == [
        ["unknown_reference", "/organization_id"], ["unknown_reference", "/accounts/1/teams/0"],
    ]  # fmt: skip
    terms = TERMS.format(code="OTHER-1").replace("37.5", "37.505").replace("Europe/Berlin", "Mars")
    refused = (await tidemark("create", "-", stdin=terms, status=1)).splitlines()
    assert {tuple(line.split()[:2]) for line in refused} == {
        ("invalid", "/timezone"),
        ("C5.precision", "/accounts/0/planned_hours"), ("C5.precision", "/accounts/0/slices/0/planned_hours"),
    }  # fmt: skip
    assert all(line.endswith(".") for line in refused)
    await tidemark("create", "-", stdin=TERMS.format(code="OTHER-1"))
    (violation,) = (await tidemark("create", "-", stdin=TERMS.format(code="OTHER-1"), status=1)).splitlines()
    assert violation.split()[:2] == ["duplicate", "/code"]
    assert "No contract with id or code 'NONE'" in await tidemark("activate", "NONE", status=1)


async def test_create_sends_an_idempotency_key(tidemark, environment):
    id_, _ = (await tidemark("create", "-", stdin=TERMS.format(code="KEY-1"))).split()
    connection = await asyncpg.connect(environment["TIDEMARK_DATABASE_URL"])
    rows = await connection.fetch("SELECT convert_from(body, 'UTF8') AS body FROM contracts.idempotency_keys")
    await connection.close()
    assert id_ in [json.loads(row["body"])["id"] for row in rows]


async def test_amendment_from_a_file_keeps_account_ids(tidemark, tmp_path):
    await tidemark("create", "-", stdin=TERMS.format(code="OTHER-2"))
    before = json.loads(await tidemark("activate", "OTHER-2", "--json"))
    (tmp_path / "terms.yaml").write_text(TERMS.format(code="OTHER-2").replace("planned_hours: 5", "planned_hours: 6"))
    after = json.loads(await tidemark("amend", "OTHER-2", "terms.yaml", "--reason", "More to do", "--json"))
    assert [account["id"] for account in after["accounts"]] == [account["id"] for account in before["accounts"]]
    assert (after["accounts"][2]["planned_hours"], after["version"]) == ("6", 3)


async def test_offer_is_made_accepted_and_listed(tidemark, environment):
    async def offer(*arguments, status=0):
        result = await asyncio.to_thread(CliRunner().invoke, app, ["offer", *arguments], env=environment)
        assert result.exit_code == status, result.output
        if arguments[0] == "show" or arguments[:3] == ("list", "--contract", "OFFERED"):
            assert max(map(len, result.output.splitlines())) <= 80
        return result.output

    await tidemark("create", "-", stdin=TERMS.format(code="OFFERED"))
    await tidemark("activate", "OFFERED")
    package = ("make", "OFFERED", "--account", "Help desk", "--period", "2026-03", "--reason", "Extra package")
    made = await offer(*package, "--hours", "20", "--price", "1800 EUR", "--valid-until", "2099-03-31")
    id_, _, text = made.partition(" ")
    assert text == (
        "+20 h for Help desk from 2026-03-01 to 2026-03-31. The offer is open, valid until 2099-03-31 21:59 UTC.\n"
    )
    assert "Give either" in await offer(*package, status=2)
    assert "'1800' is not a price" in await offer(*package, "--hours", "1", "--price", "1800", status=1)
    asked = json.loads(await offer(*package, "--hours", "5", "--requested-by", "Ann <ann@acme.example>", "--json"))
    assert await offer("confirm", asked["id"], "--note", "With pleasure") == "The offer is accepted.\n"
    assert await offer("accept", id_, "--by", "Ann <ann@acme.example>", "--remark", "Order 4711") == (
        "The offer is accepted.\n"
    )
    assert "C2.adjustment  /hours" in await offer(*package, "--hours=-99", status=1)
    withdrawn = json.loads(await offer(*package, "--hours", "1", "--json"))
    assert await offer("withdraw", withdrawn["id"], "--reason", "A mistake") == "The offer is withdrawn.\n"
    refused = await offer("decline", withdrawn["id"], "--by", "Ann", status=1)
    assert "The offer is withdrawn. Only an offer that is open or requested can be declined." in refused

    listed = await offer("list", "--contract", "OFFERED", "--status", "accepted")
    assert "+20 h for Help desk in the period" in listed
    assert id_ in listed
    assert withdrawn["id"] not in listed
    assert (await offer("list", "--csv")).splitlines()[0].startswith("status,contract_id,")
    shown = await offer("show", id_)
    assert "Ann <ann@acme.example>" in shown
    assert "1800.00 EUR" in shown
    assert "offer accepted: Order 4711" in await tidemark("history", "OFFERED")
