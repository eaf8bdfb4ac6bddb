"""`tidemark contract batch`, `tidemark export` and `tidemark forget` on the running services."""

import asyncio
import csv
import io
import json
import stat
import zipfile

import httpx
import pytest
from cli_stack import run_services
from polling import wait_until
from typer.testing import CliRunner

from tidemark.cli import app

PERSON, NAME, EMAIL = "712020:bo-1", "Bo Öberg", "bo@provider.example"
BODY = {
    "name": "Support", "owner": {"name": "Olga", "email": "olga@provider.example"}, "organization_id": "Acme",
    "type": "time_and_materials", "start_date": "2026-01-01", "end_date": "2026-12-31", "timezone": "Europe/Berlin",
    "contracted_hours": "40", "accounts": [{"name": "Help desk", "planned_hours": "40"}],
}  # fmt: skip
RULE = {
    "name": "Warn", "scope": {"kind": "global"},
    "trigger": {"kind": "consumed_percent", "of": "contract", "over": "whole", "at": ["80"]},
    "receivers": [{"kind": "address", "email": EMAIL.upper()}], "channels": ["email"],
}  # fmt: skip


@pytest.fixture(scope="module")
async def environment(database_of_file, kafka_bootstrap_servers, topic_prefix_of_file):
    """The services, with a customer, and a team with a person."""
    parts = database_of_file, kafka_bootstrap_servers, topic_prefix_of_file
    smtp = {"TIDEMARK_SMTP_URL": "smtp://127.0.0.1:9"}
    async with run_services(*parts, ("contracts", "consumption", "notifier"), **smtp) as environment:
        contact = {"name": "Ann", "email": "ann@acme.example"}
        await post(environment, "organizations", {"name": "Acme", "timezone": "UTC", "contacts": [contact]})
        member = {"person_id": PERSON, "name": NAME, "email": EMAIL, "from": "2026-01-01"}
        await post(environment, "teams", {"name": "Support", "members": [member]})
        yield environment


@pytest.fixture
def tidemark(environment, tmp_path, monkeypatch):
    """A function that runs the command in this process in an empty folder, and returns its output."""
    monkeypatch.chdir(tmp_path)

    async def run(*arguments, stdin="", status=0):
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments, stdin, environment)
        assert result.exit_code == status, result.output
        return result.output

    return run


async def post(environment, path, body):
    async with httpx.AsyncClient(base_url=environment["TIDEMARK_API_URL"], timeout=60) as api:
        response = await api.post(f"/v1/{path}", json=body)
    assert response.is_success, response.text
    return response.json()


def event(type_, **data):
    source = {"specversion": "1.0", "id": f"{type_} {data.get('worklog_id')}", "source": "/tracker"}
    return {**source, "type": f"tidemark.{type_}.v1", "data": data}


async def log_work(environment, code, *worklog_ids):
    """Work of the person on an account of a contract, once it is counted."""
    updated = "2026-03-02T18:00:00Z"
    link = event("issue.linked", issue_id=code, contract_id=code, account_id="Help desk", updated_at=updated)
    work = [
        event(
            "worklog.recorded", worklog_id=id_, issue_id=code, author_id=PERSON, seconds=3600,
            started_at="2026-03-02T09:00:00Z", description="Called Ann", updated_at=updated,
        )
        for id_ in worklog_ids
    ]  # fmt: skip
    await post(environment, "worklogs", [link, *work])

    async def is_counted():
        async with httpx.AsyncClient(base_url=environment["TIDEMARK_API_URL"], timeout=60) as api:
            response = await api.get(f"/v1/contracts/{code}/balance")
        return response.is_success and response.json()["whole"]["consumed"] == 3600 * len(worklog_ids)

    await wait_until(is_counted)


async def test_batch_of_files_creates_what_is_right_and_says_what_is_not(tidemark, tmp_path):
    folder = tmp_path / "contracts"
    folder.mkdir()
    (folder / "a.yaml").write_text(json.dumps(BODY | {"code": "BATCH-1"}))
    lines = [BODY | {"code": "BATCH-2"}, BODY | {"code": "BATCH-3", "contracted_hours": "41"}]
    (folder / "b.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "notes.txt").write_text("Not a contract")
    for options, created in (["--dry-run"], 2), ([], 2):
        text = await tidemark("contract", "batch", "contracts", "--activate", *options, status=1)
        refused, counts = text.splitlines()
        assert refused.startswith("contracts/b.jsonl:2: C2.sum  /accounts  ")
        assert counts == f"{created} created, 1 refused."
    listed = json.loads(await tidemark("contract", "list", "--text", "batch-", "--json"))
    assert [(contract["code"], contract["status"]) for contract in listed] == [
        ("BATCH-1", "ACTIVE"), ("BATCH-2", "ACTIVE"),
    ]  # fmt: skip
    again = json.loads(await tidemark("contract", "batch", "contracts/a.yaml", "--json", status=1))
    assert (again["created"], [v["code"] for v in again["refused"][0]["violations"]]) == (0, ["duplicate"])


@pytest.mark.parametrize(
    ("content", "expected"),
    [("{", "batch.jsonl:1: The line is not JSON"), ("[]", "batch.jsonl:1: The line is not a contract"),
     ("\n", "There is no contract")],
)  # fmt: skip
async def test_file_that_is_no_batch_is_refused(tidemark, tmp_path, content, expected):
    (tmp_path / "batch.jsonl").write_text(content)
    assert expected in await tidemark("contract", "batch", "batch.jsonl", status=1)


async def test_customer_is_exported_to_tables(tidemark, environment, tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(BODY | {"code": "EXPORTED"}))
    await tidemark("contract", "batch", "one.json", "--activate")
    await log_work(environment, "EXPORTED", "1", "2")
    text = await tidemark("export", "organization", "Acme", "-o", "acme.zip")
    assert "2 worklogs" in text
    assert stat.S_IMODE((tmp_path / "acme.zip").stat().st_mode) == 0o600
    with zipfile.ZipFile(tmp_path / "acme.zip") as archive:
        tables = {
            name: list(csv.DictReader(io.TextIOWrapper(archive.open(name), encoding="utf-8")))
            for name in archive.namelist()
        }
    assert "EXPORTED" in [row["code"] for row in tables["contract_terms.csv"]]
    assert [row["author_id"] for row in tables["worklogs.csv"]] == [PERSON] * 2
    assert {row["what"] for row in tables["contract_history.csv"]} >= {"drafted", "activated"}
    # The file that is there is not lost.
    assert "acme.zip exists" in await tidemark("export", "organization", "Acme", "-o", "acme.zip", status=1)
    assert "No organization has the id or name 'Nobody'" in await tidemark(
        "export", "organization", "Nobody", "-o", "x.zip", status=1
    )


async def test_person_is_exported_and_forgotten(tidemark, environment, tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(BODY | {"code": "WORKED"}))
    await tidemark("contract", "batch", "one.json", "--activate")
    await log_work(environment, "WORKED", "3")

    async def export(person, file):
        await tidemark("export", "person", person, "-o", file)
        return [json.loads(line) for line in (tmp_path / file).read_text().splitlines()]

    rows = await export(PERSON, "before.jsonl")
    assert [(row["person_id"], row["person_name"]) for row in rows if row["table"] == "team_members"] == [
        (PERSON, NAME)
    ]
    assert "Called Ann" in [row["description"] for row in rows if row["table"] == "worklogs"]

    rule = await post(environment, "rules", RULE)
    assert "These rules send to the person: Warn" in await tidemark("forget", PERSON, "--yes", status=1)
    async with httpx.AsyncClient(base_url=environment["TIDEMARK_API_URL"], timeout=60) as api:
        answer = await api.delete(f"/v1/rules/{rule['id']}", headers={"if-match": "*"})
        assert answer.is_success, answer.text
    assert "Aborted" in await tidemark("forget", PERSON, stdin="n\n", status=1)
    assert len(await export(PERSON, "still.jsonl")) == len(rows)

    forgotten = json.loads((await tidemark("forget", PERSON, "--yes", "--json")).splitlines()[-1])
    # Once the command has ended, every service has done it.
    assert await export(PERSON, "after.jsonl") == []
    left = await export(forgotten["pseudonym"], "pseudonym.jsonl")
    assert sorted(row["table"] for row in left) == sorted(row["table"] for row in rows)
    assert not any(text in json.dumps(left, ensure_ascii=False) for text in (NAME, EMAIL, "Called Ann"))
