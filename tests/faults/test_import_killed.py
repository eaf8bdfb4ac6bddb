"""kill -9 of every process during an import: the same rows, one notification for each crossing, no mail lost."""

import asyncio
import csv
import random
import sys
from collections import Counter, defaultdict
from email import message_from_bytes
from itertools import cycle
from pathlib import Path

import asyncpg
import httpx
import pytest
from effort import repeat
from local_stack import Stack
from polling import wait_until

EXAMPLE = Path(__file__).parents[2] / "examples" / "cesaw.toml"
TIDEMARK = Path(sys.executable).with_name("tidemark")
VICTIMS = ("consumption", "kafka", "notifier", "postgres", "contracts", "mail", "web")[: repeat(4, long=7)]
PROJECTS, ROWS = 4, repeat(6_000, long=24_000)
# As many hours in any number of rows.
MAX_MINUTES = 30 * 24_000 // ROWS
THRESHOLDS = ("25", "50", "80", "100")
PLANNED_SECONDS = 1000 * 3600

pytestmark = pytest.mark.timeout(600)


def logs(path):
    """A file like the data set's, from a fixed seed; gives the seconds of each project."""
    chance, sums = random.Random(20260322), defaultdict(int)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(
            ["time_log_fact_key", "organization", "project_key", "person_key", "team_key", "plan_item_key",
             "time_log_start_date", "time_log_delta_minutes", "phase_short_name"]
        )  # fmt: skip
        for number in range(ROWS):
            project, issue = number % PROJECTS, number % 400
            minutes = chance.randint(1, MAX_MINUTES)
            sums[f"CESAW-{project}"] += minutes * 60
            rows.writerow(
                [number, "A", project, number % 17, number % 3, project * 1000 + issue,
                 f"{number % 12 + 1}/{number % 28 + 1}/2025 9:00", minutes, ("Code", "Test", "Design")[issue % 3]]
            )  # fmt: skip
    return dict(sums)


async def rule(settings):
    async with httpx.AsyncClient(
        base_url=settings["TIDEMARK_API_URL"],
        headers={"authorization": f"Bearer {settings['TIDEMARK_API_TOKEN']}"},
        trust_env=False,
    ) as api:
        answer = await api.post(
            "/v1/rules",
            json={
                "name": "Hours used",
                "scope": {"kind": "global"},
                "trigger": {"kind": "consumed_percent", "of": "contract", "over": "whole", "at": THRESHOLDS},
                "receivers": [{"kind": "owner"}],
                "channels": ["email"],
            },
        )
        assert answer.status_code == 201, answer.text


async def import_until_done(stack, file):
    """Repeat the import until it succeeds: acknowledged records are not sent again."""
    while True:
        process = await asyncio.create_subprocess_exec(
            TIDEMARK, "import", str(file), "--format", "csv", "--mapping", str(EXAMPLE), "--wait", "0",
            "--data-dir", str(stack.data_dir), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, errors = await process.communicate()
        if process.returncode == 0:
            return
        print(errors.decode()[-500:])
        # Each attempt costs the time to start a process.
        await asyncio.sleep(0.5)


async def kill_one_after_another(stack, stop):
    """Each as soon as the one before it answers again."""
    killed = Counter()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{stack.port}", trust_env=False, timeout=3) as api:
        for name in cycle(VICTIMS):
            if stop.is_set() and len(killed) == len(VICTIMS):
                break
            before = await wait_until(lambda name=name: stack.components().get(name), timeout_seconds=60)
            before.kill()
            killed[name] += 1
            await wait_until(
                lambda name=name, before=before: _others(stack, name, before), timeout_seconds=60, pause_seconds=0.1
            )
            # Each of these requests asks all services.
            await wait_until(lambda: answers(api), timeout_seconds=180, pause_seconds=0.3)
    return killed


def _others(stack, name, before):
    after = stack.components().get(name)
    return after is not None and after.pid != before.pid


async def answers(api):
    try:
        return (await api.get("/readyz")).is_success
    except httpx.HTTPError:
        return False


def message_ids(maildir):
    paths = [path for folder in ("new", "cur") for path in (maildir / folder).iterdir()]
    return Counter(message_from_bytes(path.read_bytes())["Message-ID"] for path in paths)


async def consumed(database):
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(
            "SELECT contract_code, consumed_seconds, unaccounted_seconds FROM reporting.contracts"
        )
    finally:
        await connection.close()
    return {row["contract_code"]: row["consumed_seconds"] for row in rows if row["unaccounted_seconds"] == 0}


async def notifications(database):
    connection = await asyncpg.connect(database)
    try:
        return await connection.fetch("SELECT * FROM reporting.notifications")
    finally:
        await connection.close()


@pytest.fixture
async def stack(tmp_path):
    stack = Stack(tmp_path / "data")
    await stack.up()
    yield stack
    await stack.stop()


async def test_killing_every_process_during_an_import_loses_and_repeats_nothing(stack, tmp_path):
    expected = logs(tmp_path / "logs.csv")
    reached = {
        code: [at for at in THRESHOLDS if seconds * 100 >= int(at) * PLANNED_SECONDS]
        for code, seconds in expected.items()
    }
    settings = await stack.env()
    database = settings["TIDEMARK_DATABASE_URL"]
    await rule(settings)

    done = asyncio.Event()
    killing = asyncio.create_task(kill_one_after_another(stack, done))
    await import_until_done(stack, tmp_path / "logs.csv")
    done.set()
    killed = await killing

    async def state():
        rows = await notifications(database)
        furthest = {
            row["contract_code"]: row["threshold"] for row in sorted(rows, key=lambda row: int(row["threshold"]))
        }
        return await consumed(database), furthest, {row["status"] for row in rows}

    expected_state = expected, {code: at[-1] for code, at in reached.items()}, {"delivered"}

    async def settled():
        return await state() == expected_state

    try:
        await wait_until(settled, timeout_seconds=120, pause_seconds=0.5)
    except TimeoutError:
        assert await state() == expected_state
    rows = await notifications(database)

    # A part that died with the whole stack: kill -9 of all, and the same rows.
    for process in [*stack.components().values()]:
        process.kill()
    stack.process.kill()
    await stack.process.wait()
    await stack.up()
    assert await consumed(database) == expected
    assert [dict(row) for row in await notifications(database)] == [dict(row) for row in rows]

    crossings = Counter((row["contract_code"], row["threshold"]) for row in rows)
    assert set(crossings.values()) == {1}, crossings
    mails = message_ids(Path(settings["TIDEMARK_MAILDIR"]))
    assert len(mails) == len(rows)
    # A second copy only where a kill fell between a mail's acceptance and its record.
    second_copies = mails.total() - len(mails)
    print(f"killed {dict(killed)}; {len(rows)} notifications, {second_copies} second copies")
    assert second_copies <= 8 * (killed["notifier"] + killed["postgres"] + killed["mail"])
