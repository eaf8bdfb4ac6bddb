"""`tidemark import` on the running services, against sums that plain csv code computes from the same file.

The sample of the CESAW data set is not part of the project: set ``TIDEMARK_TEST_DATA``, or put it in
``../shared/data`` beside the repository. The other tests create their own files.
"""

import asyncio
import json
import lzma
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import date
from itertools import islice
from pathlib import Path

import httpx
import pytest
from effort import LONG
from import_services import Importing, account_totals, run_services_of_import, slice_totals, unaccounted
from time_logs import Log, by_account, by_slice, read, renamed, rows_of_another_part, slice_teams, write

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TIDEMARK_TEST_DATA") or ROOT.parent / "shared" / "data") / "cesaw" / "time_log.csv.xz"
EXAMPLE = (ROOT / "examples" / "cesaw.toml").read_text()
TIDEMARK = Path(sys.executable).with_name("tidemark")
SAMPLE_ROWS = 151_636
SOURCE = "https://arxiv.org/abs/2106.03679"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
async def running(
    database_of_file: str,
    kafka_bootstrap_servers: str,
    topic_prefix_of_file: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Importing]:
    folder = tmp_path_factory.mktemp("import")
    async with run_services_of_import(
        database_of_file, kafka_bootstrap_servers, topic_prefix_of_file, folder
    ) as importing:
        yield importing


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample of the CESAW data set: one row in forty of it, all rows in `make test-long`."""
    if LONG:
        return DATA
    file = tmp_path_factory.mktemp("sample") / "time_log.csv"
    with lzma.open(DATA, "rt") as rows:
        file.write_text(next(rows) + "".join(islice(rows, 0, None, 40)))
    return file


def mapping(source: str, prefix: str, more: str = "") -> str:
    """The checked-in mapping under another source and other codes, so that tests do not meet."""
    return EXAMPLE.replace(SOURCE, source).replace("CESAW-{", f"{prefix}-{{") + more


# A mapping that leads to every reason and every slice.

OVERRIDES = """
[contracts.FULL-615]
start_date = 2013-01-01
end_date = 2014-06-30
[contracts.FULL-47]
end_date = 2012-07-15
[contracts.FULL-617]
status = "draft"
[contracts.FULL-612]
status = "inactive"

[[link]]
issues = ["*7"]
[[link]]
issues = ["*13"]
contract = "NOBODY-KNOWS-IT"
account = "Test"
[[link]]
issues = ["*24"]
contract = "FULL-615"
account = "Nobody knows it"
"""
SPLIT = "".join(
    f'[[team.split]]\nname = "{name}"\npersons = ["*[{digits}]"]\n'
    for name, digits in (("Red", "01"), ("Green", "23"), ("Blue", "45"), ("White", "67"), ("Black", "89"))
)
TEAM_OF = dict(
    zip("0123456789", [team for team in ("Red", "Green", "Blue", "White", "Black") for _ in "ab"], strict=True)
)


LINK_OVERRIDES = {"7": "issue_not_linked", "13": "contract_unknown", "24": "account_unknown"}
STATUS = {"FULL-617": "contract_draft", "FULL-612": "contract_inactive"}
DATES = {"FULL-615": (date(2013, 1, 1), date(2014, 6, 30)), "FULL-47": (date.min, date(2012, 7, 15))}


def reason(log: Log) -> str | None:
    """Why a worklog does not count under the test's own mapping."""
    for ending, why in LINK_OVERRIDES.items():
        if log.issue.endswith(ending):
            return why
    if log.contract in STATUS:
        return STATUS[log.contract]
    first, last = DATES.get(log.contract, (date.min, date.max))
    return None if first <= log.day <= last else "outside_dates"


@pytest.mark.skipif(not DATA.exists(), reason=f"The CESAW sample is not at {DATA}: set TIDEMARK_TEST_DATA.")
async def test_every_row_of_the_sample_is_counted_or_has_a_reason(running: Importing, sample: Path) -> None:
    # Given the sample, and a mapping that narrows dates, leaves work unlinked and splits persons over five teams
    logs, refused = read(sample)
    logs = [log._replace(team=TEAM_OF[log.person[-1]]) for log in renamed(logs, "FULL")]
    mapping_text = mapping("/full", "FULL", SPLIT + OVERRIDES)
    # When it is imported
    summary = await running.run_import(sample, mapping_text, status=1)
    # Then every row has its place
    assert summary["problems"] == []
    assert summary["rows"] == len(logs) + len(refused) == (SAMPLE_ROWS if LONG else SAMPLE_ROWS // 40 + 1)
    assert (summary["taken"], summary["repeated"]) == (len(logs), 0)
    assert {refused_row["line"]: refused_row["reason"] for refused_row in summary["refusals"]} == refused
    # And what does not count is listed with its reason, row for row
    reasons = {log.worklog: why for log in logs if (why := reason(log))}
    assert await unaccounted(running, "/full") == reasons
    assert summary["unaccounted"] == dict(Counter(reasons.values()))
    assert len(set(reasons.values())) == 6
    # And what counts is where it belongs
    counted = [log for log in logs if log.worklog not in reasons]
    assert await account_totals(running, "FULL-") == by_account(counted)
    slices = slice_teams(logs)
    expected = by_slice(counted, slices)
    assert await slice_totals(running, "FULL-") == expected
    assert {team for _, _, team in expected} == {"Red", "Green", "Blue", "White", "Black", None}


@pytest.mark.skipif(not DATA.exists(), reason=f"The CESAW sample is not at {DATA}: set TIDEMARK_TEST_DATA.")
async def test_example_mapping_counts_the_whole_sample(running: Importing, sample: Path) -> None:
    logs, refused = read(sample)
    summary = await running.run_import(sample, EXAMPLE, status=1)
    assert (summary["taken"], summary["unaccounted"], summary["problems"]) == (len(logs), {}, [])
    assert Counter(summary["refused"]) == Counter(refused.values())
    assert await account_totals(running, "CESAW-") == by_account(logs)
    assert await slice_totals(running, "CESAW-") == by_slice(logs, slice_teams(logs))
    # And each project has the organization of most of its rows, and is ACTIVE so that its rules are evaluated
    rows = await running.rows(
        "SELECT organization_name, status FROM reporting.contracts WHERE contract_code = 'CESAW-180'"
    )
    assert rows == [("Organization B", "ACTIVE")]


# Generated data, with phases, teams and errors that the sample does not have.


async def test_unknown_projects_are_imported_and_invalid_rows_have_a_reason(running: Importing) -> None:
    # Given another part of the data set, where each person has one team
    rows = list(rows_of_another_part(3_000, dirty=True, seed=1))
    teams = {str(person): f"90{person % 6}" for person in range(40)}
    for row in rows:
        row["team_key"] = teams.get(row["person_key"], r"\N")
    file = write(running.folder / "other.csv", rows)
    logs, refused = read(file)
    assert set(refused.values()) == {
        "missing_value", "unreadable_duration", "no_time", "negative_duration", "unreadable_date",
    }  # fmt: skip
    # When it is imported by the checked-in mapping
    summary = await running.run_import(file, mapping("/other", "OTHER"), status=1)
    # Then it is as for the sample
    assert {refused_row["line"]: refused_row["reason"] for refused_row in summary["refusals"]} == refused
    assert (summary["rows"], summary["taken"], summary["problems"]) == (3_000, len(logs), [])
    logs = renamed(logs, "OTHER")
    assert await account_totals(running, "OTHER-") == by_account(logs)
    assert await slice_totals(running, "OTHER-") == by_slice(logs, slice_teams(logs))
    rows_ = await running.rows(
        "SELECT DISTINCT organization_name, status FROM reporting.contracts WHERE starts_with(contract_code, 'OTHER-')"
    )
    assert rows_ == [("Organization E", "ACTIVE")]


async def test_second_import_sends_only_changes(running: Importing) -> None:
    rows = list(rows_of_another_part(500, dirty=False, seed=2))
    file, mapping_text = write(running.folder / "again.csv", rows), mapping("/again", "AGAIN")
    first = await running.run_import(file, mapping_text)
    assert (first["taken"], first["sent"] > 500, first["unchanged"]) == (500, True, 0)
    # When nothing has changed, nothing is sent
    second = await running.run_import(file, mapping_text)
    assert (second["taken"], second["sent"], second["unchanged"]) == (500, 0, first["sent"])
    # When a row has, it is sent alone, and counts as it is now
    rows[7]["time_log_delta_minutes"] = "1"
    third = await running.run_import(write(file, rows), mapping_text)
    assert (third["taken"], third["sent"]) == (500, 1)
    assert await account_totals(running, "AGAIN-") == by_account(renamed(read(file)[0], "AGAIN"))


async def test_killed_import_resumes_and_counts_everything_once(running: Importing) -> None:
    # Given an import that is killed in the midst of publishing
    file = write(running.folder / "killed.csv", rows_of_another_part(12_000, dirty=False, seed=3))
    mapping_text = mapping("/killed", "KILLED")
    map_file, state = running.folder / "killed.toml", running.folder / "state"
    map_file.write_text(mapping_text)
    process = await asyncio.create_subprocess_exec(
        TIDEMARK, "import", file, "--format", "csv", "--mapping", map_file, "--state", state, "--json",
        env=running.environment, cwd=running.folder, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(120):
        while not any(wal.stat().st_size > 100_000 for wal in state.glob("*-wal")):
            assert process.returncode is None
            await asyncio.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    # When it is run again
    summary = await running.run_import(file, mapping_text, "--state", str(state))
    # Then what Kafka had acknowledged is not sent again, and the sums are those of the file
    assert 0 < summary["sent"] < summary["sent"] + summary["unchanged"]
    assert summary["unchanged"] > 0
    assert await account_totals(running, "KILLED-") == by_account(renamed(read(file)[0], "KILLED"))


async def test_repeated_and_superseded_rows_count_once(running: Importing) -> None:
    rows = list(rows_of_another_part(50, dirty=False, seed=4))
    changed = {**rows[3], "time_log_delta_minutes": "7"}
    file = write(running.folder / "repeated.csv", [*rows, rows[0], rows[0], changed])
    summary = await running.run_import(file, mapping("/repeated", "REPEATED"), status=1)
    assert (summary["rows"], summary["taken"], summary["repeated"]) == (53, 50, 2)
    assert [(refused_row["line"], refused_row["reason"]) for refused_row in summary["refusals"]] == [(5, "superseded")]
    rows[3] = changed
    expected = by_account(renamed(read(write(running.folder / "once.csv", rows))[0], "REPEATED"))
    assert await account_totals(running, "REPEATED-") == expected


HARVEST = "Date,Client,Project,Task,Notes,Hours,First Name,Last Name\n"
OWN_MAPPING = """
preset = "harvest"
source = "/harvest"
timezone = "Europe/Berlin"
contract = { owner = { name = "Olga", email = "olga@provider.example" }, planned_hours = "40" }
account = [{ name = "Work", match = ["*"] }]
"""


async def test_rows_without_ids_count_once_each_and_are_replaced_by_a_corrected_file(running: Importing) -> None:
    file = running.folder / "harvest.csv"
    rows = [f"2026-03-0{day},Acme,SITE,Design,{note},{hours},Ann,A\n" for day, note, hours in (
        (2, "one", "0.75"), (2, "two", "0.75"), (3, "", "1.5"),
    )]  # fmt: skip
    file.write_text(HARVEST + "".join(rows))
    # When it is imported twice, the second time with other notes, each row counts once
    first = await running.run_import(file, OWN_MAPPING)
    assert first["created"] == ["organization Acme", "contract SITE", "activation of contract SITE"]
    file.write_text(HARVEST + "".join(rows).replace("one", "three"))
    await running.run_import(file, OWN_MAPPING)
    assert await account_totals(running, "SITE") == {("SITE", "Work"): 3 * 3600}
    # When a row is corrected, nothing is sent until somebody decides about the old one: both would count
    file.write_text(HARVEST + "".join(rows).replace("1.5", "1.25"))
    (running.folder / "own.toml").write_text(OWN_MAPPING)
    refused = await running.tidemark("import", file, "--mapping", running.folder / "own.toml")
    assert refused.exit_code == 1
    assert "  2026-03-03  Ann A  1:30:00\nNothing was sent." in refused.output
    assert await account_totals(running, "SITE") == {("SITE", "Work"): 3 * 3600}
    replaced = await running.run_import(file, OWN_MAPPING, "--replace")
    assert replaced["deleted"] == 1
    assert await account_totals(running, "SITE") == {("SITE", "Work"): 2.75 * 3600}
    # When a file only adds to the earlier one
    file.write_text(HARVEST + "2026-03-03,Acme,SITE,Design,,0.25,Ann,A\n")
    await running.run_import(file, OWN_MAPPING, "--keep")
    assert await account_totals(running, "SITE") == {("SITE", "Work"): 3 * 3600}
    # When earlier work comes, the contract starts earlier, because an import created it
    file.write_text(HARVEST + "2025-11-03,Acme,SITE,Design,,2,Ann,A\n")
    earlier = await running.run_import(file, OWN_MAPPING)
    assert earlier["created"] == ["earlier start of contract SITE: 2025-11-02"]
    assert await account_totals(running, "SITE") == {("SITE", "Work"): 5 * 3600}


async def test_contract_that_an_import_did_not_create_is_left_as_it_is(running: Importing) -> None:
    client = httpx.AsyncClient(
        base_url=f"{running.environment['TIDEMARK_API_URL']}/v1",
        headers={"authorization": f"Bearer {running.environment['TIDEMARK_API_TOKEN']}"},
    )
    async with client:
        organization = (await client.post("/organizations", json={"name": "Own", "timezone": "UTC"})).json()
        contract = {
            "code": "OWN", "name": "Own", "owner": {"name": "O", "email": "o@x.example"}, "type": "time_and_materials",
            "organization_id": organization["id"], "start_date": "2026-01-01", "end_date": "2026-12-31",
            "timezone": "UTC", "contracted_hours": "9", "accounts": [{"name": "Only", "planned_hours": "9"}],
        }  # fmt: skip
        assert (await client.post("/contracts", json=contract)).status_code == 201
        file = running.folder / "own.csv"
        file.write_text(HARVEST + "2026-03-02,Own,OWN,Design,,2,Ann,A\n")
        # When an export is imported as it is, the draft stays a draft, and the command says that nothing counts
        result = await running.tidemark("import", file, "--source", "/own", "--json")
        summary = json.loads(result.stdout)
        assert (result.exit_code, summary["unaccounted"], summary["created"]) == (1, {"contract_draft": 1}, [])
        assert (await client.get("/contracts/OWN")).json()["status"] == "DRAFT"
        # When its activation is asked for by name, its work counts, in its only account
        result = await running.tidemark("import", file, "--source", "/own", "--activate", "OWN", "--json")
        summary = json.loads(result.stdout)
        assert (result.exit_code, summary["created"]) == (0, ["activation of contract OWN"])
        assert await account_totals(running, "OWN") == {("OWN", "Only"): 2 * 3600}


async def test_structured_events_are_imported(running: Importing) -> None:
    def event(number: int, **data: object) -> str:
        full = {"worklog_id": str(number), "issue_id": "none", "author_id": "p", "seconds": 60, **data}
        full |= {"started_at": "2026-03-02T09:00:00Z", "updated_at": "2026-03-02T10:00:00Z"}
        type_ = "tidemark.worklog.recorded.v1"
        return json.dumps({"specversion": "1.0", "id": str(number), "source": "/lines", "type": type_, "data": full})

    file = running.folder / "events.jsonl"
    file.write_text("\n".join([event(1), event(2), event(1), event(3, seconds=0), "nonsense", ""]))
    result = await running.tidemark("import", file, "--format", "jsonl", "--json")
    summary = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (summary["rows"], summary["taken"], summary["repeated"]) == (5, 2, 1)
    assert [refused_row["line"] for refused_row in summary["refusals"]] == [4, 5]
    assert summary["unaccounted"] == {"issue_not_linked": 2}
    assert await unaccounted(running, "/lines") == {"1": "issue_not_linked", "2": "issue_not_linked"}
    # When the same lines are published, the command says as well what does not count
    result = await running.tidemark("publish", file, "--wait", "60")
    assert result.stdout == "2 published, 2 refused.\n  2 do not count: issue_not_linked\n"


async def test_unsupported_format_is_a_usage_error(running: Importing) -> None:
    result = await running.tidemark("import", "any", "--format", "papyrus")
    assert result.exit_code == 2
    assert "papyrus" in result.stderr
