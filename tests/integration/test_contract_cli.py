"""`tidemark contract` on the running services, at a terminal of 80 columns."""

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from api_tokens import SECRET
from databases import drop_database
from polling import wait_until
from processes import service_process

from tidemark.stack import ports
from tidemark_shared.messaging.kafka import create_topics

TIDEMARK = Path(sys.executable).with_name("tidemark")
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
async def environment(postgres_url, template, kafka_bootstrap_servers, tmp_path_factory):
    """Contracts, consumption and the one address in front of them; an organization and a team."""
    name, prefix = f"contract_cli_{os.getpid()}", f"t{uuid4().hex[:8]}."
    server = await asyncpg.connect(postgres_url)
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    database, logs = f"{postgres_url.rpartition('/')[0]}/{name}", tmp_path_factory.mktemp("logs")
    await create_topics(kafka_bootstrap_servers, prefix=prefix)
    port = {name: ports.find_free() for name in ("contracts", "consumption", "web")}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TIDEMARK_")},
        "TIDEMARK_DATABASE_URL": database,
        "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
        "TIDEMARK_TOPIC_PREFIX": prefix,
        "TIDEMARK_OPEN": "1",
        "TIDEMARK_SECRET": SECRET,
        "TIDEMARK_API_URL": f"http://127.0.0.1:{port['web']}",
        "COLUMNS": "80",
        **{f"TIDEMARK_{name.upper()}_URL": f"http://127.0.0.1:{port[name]}" for name in ("contracts", "consumption")},
    }
    async with AsyncExitStack() as stack:
        # web is ready only when the notifier is, which these tests do not use.
        for service, ready_path in (("contracts", "/readyz"), ("consumption", "/readyz"), ("web", "/healthz")):
            service_environment = {**environment, "TIDEMARK_PORT": str(port[service])}
            await stack.enter_async_context(service_process(service, service_environment, logs, ready_path=ready_path))
        async with httpx.AsyncClient(base_url=environment["TIDEMARK_API_URL"]) as api:
            for path, body in (("organizations", {"name": "Acme", "timezone": "UTC"}), ("teams", {"name": "Support"})):
                assert (await api.post(f"/v1/{path}", json=body)).status_code == 201
            yield environment
    await drop_database(server, name)
    await server.close()


@pytest.fixture
def tidemark(environment, tmp_path):
    """A function that runs the command with arguments and standard input, and returns its output."""

    async def run(*arguments, stdin="", status=0):
        process = await asyncio.create_subprocess_exec(
            TIDEMARK, "contract", *arguments, env=environment, cwd=tmp_path,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await process.communicate(stdin.encode())
        assert process.returncode == status, out.decode()
        if not status and arguments[0] in {"list", "show", "history"} and "--json" not in arguments:
            assert max(map(len, out.decode().splitlines())) <= 80
        return out.decode()

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
    assert ["Help", "desk", "675.00", "0.00", "675.00", "0.00"] in rows
    assert ["Coordination", "(not", "billed)", "90.00", "0.00", "90.00", "0.00"] in rows
    assert ["Contract", "720.00", "0.00", "720.00", "0.00"] in rows

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
