"""What was refused is listed, shown and replayed: by the service that refused it, as it came, to one effect."""

import asyncio
import json
import os
from dataclasses import replace

import asyncpg
import pytest
import structlog
from notifier_bodies import HOUR, balance, organization, rule
from notifier_bodies import batch as notifier_batch
from notifier_bodies import contract_event
from notifier_bodies import terms
from typer.testing import CliRunner
from world import contract_event, fold_rest, link, projections, take, uid, worklog

from tidemark.cli import app
from tidemark_consumption.app import handlers
from tidemark_consumption.ingest.append import append_worklogs
from tidemark_consumption.projection import fold
from tidemark_notifier.judge import Judge
from tidemark_shared.database import connect_pool, migrate
from tidemark_shared.messaging import dead_letters
from tidemark_shared.messaging.batches import Batch, DeadLetter, process_batch
from tidemark_shared.messaging.events import CONTRACT_BALANCE, CONTRACT_EVENTS, ORGANIZATION_CHANGED
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE, WORKLOGS


@pytest.fixture
async def pool(database):
    pool = await connect_pool(database, "consumption", init=fold.prepare_connection)
    yield pool
    pool.terminate()


@pytest.fixture
async def connection(pool):
    async with pool.acquire() as one:
        yield one


@pytest.fixture
def old(monkeypatch):
    """An older version, which refuses all that it reads; calling it makes it this version."""

    def refuse(*arguments):
        return [], [DeadLetter(record, "An older version does not take this.") for record in arguments[-1]]

    with monkeypatch.context() as patched:
        patched.setattr("tidemark_consumption.ingest.append.decode", refuse)
        patched.setattr("tidemark_notifier.judge.read_events", refuse)
        yield patched.undo


async def letters(connection):
    return await connection.fetch("SELECT * FROM reporting.dead_letters ORDER BY id")


async def replay(connection, id_, using=None):
    return await dead_letters.replay_dead_letter(connection, using or handlers(), id_)


async def account_team_totals(connection):
    await fold_rest(connection)
    return {row[3:] for row in (await projections(connection))["account_team_totals"]}


COUNTED = {("2026-03-01", 3600, 1)}


async def test_record_that_fails_again_stays_one_row_with_its_reason(connection):
    await take(connection, [worklog("1", seconds=0)], first_offset=7)
    [before] = await letters(connection)
    for _ in range(2):
        assert "seconds" in await replay(connection, before["id"])
    assert [dict(row) for row in await letters(connection)] == [dict(before)]
    assert [one["id"] for one in await dead_letters.list_dead_letters(connection)] == [before["id"]]


async def test_replay_processes_dead_letters_of_an_older_version(connection, old):
    await take(connection, [contract_event()])
    await take(connection, [link(), worklog("1")])
    assert await account_team_totals(connection) == set()
    old()
    for letter in await letters(connection):
        assert await replay(connection, letter["id"]) is None
    assert await account_team_totals(connection) == COUNTED
    assert await dead_letters.list_dead_letters(connection) == []
    assert len(await dead_letters.list_dead_letters(connection, include_replayed=True)) == 2


async def test_replaying_twice_has_one_effect(connection, old):
    await take(connection, [contract_event()])
    await take(connection, [link(), worklog("1")])
    old()
    for letter in await letters(connection) * 2:
        assert await replay(connection, letter["id"]) is None
    assert await account_team_totals(connection) == COUNTED


async def test_replay_does_not_overwrite_newer_facts(connection, old):
    await take(connection, [worklog("1", seconds=60)])
    old()
    await take(connection, [contract_event()])
    await take(connection, [link(), worklog("1", updated="2026-03-05T00:00:00Z")])
    [letter] = await letters(connection)
    assert await replay(connection, letter["id"]) is None
    assert await account_team_totals(connection) == COUNTED


async def test_failed_replay_rolls_back_and_keeps_the_dead_letter(connection, old):
    await take(connection, [contract_event()])
    await take(connection, [link(), worklog("1")])
    old()

    async def fails_late(connection, batch):
        await append_worklogs(connection, batch)
        raise ConnectionResetError

    before = await letters(connection)
    for letter in before:
        with pytest.raises(ConnectionResetError):
            await replay(connection, letter["id"], {WORKLOGS.name: fails_late})
    assert await letters(connection) == before
    assert await connection.fetchval("SELECT count(*) FROM fact_log") == 0
    for letter in before:
        await replay(connection, letter["id"])
    assert await account_team_totals(connection) == COUNTED


async def test_replayed_record_that_fails_again_waits_again(connection, old):
    await take(connection, [worklog("1")])
    old()
    [letter] = await letters(connection)
    assert await replay(connection, letter["id"]) is None
    # The offset was set back, and the batch is read again by a version that does not take it.
    async with connection.transaction():
        await append_worklogs(connection, Batch("test", WORKLOGS.name, 0, [worklog("1", seconds=0)]))
    assert [one["id"] for one in await dead_letters.list_dead_letters(connection)] == [letter["id"]]


async def test_replay_passes_the_original_record_to_the_handler(connection):
    sent = replace(
        worklog("1"), topic="here.worklog.events", offset=41, partition=3, timestamp=-(10**15), key=b"\xff\0",
        value=b"\0no json", headers=[("ce_id", b"\xff"), ("none", None), ("none", b"")],
    )  # fmt: skip

    async with connection.transaction():
        await process_batch(connection, append_worklogs, Batch("cluster", sent.topic, sent.partition, [sent], "here."))
    found = []

    async def takes(_, batch):
        found.append(batch)

    [letter] = await letters(connection)
    assert (
        await dead_letters.replay_dead_letter(connection, {WORKLOGS.name: takes}, letter["id"], prefix="here.") is None
    )
    [batch] = found
    assert batch._replace(records=()) == Batch("cluster", "here.worklog.events", 3, (), "here.")
    assert [vars(one) for one in batch.records] == [
        vars(replace(sent, serialized_key_size=2, serialized_value_size=len(sent.value)))
    ]


async def test_replay_that_the_database_rejects_keeps_the_dead_letter(connection):
    await take(connection, [worklog("1", seconds=0)])

    async def too_great(connection, _):
        await connection.execute("SELECT 1 / 0")

    [letter] = await letters(connection)
    assert "division by zero" in await replay(connection, letter["id"], {WORKLOGS.name: too_great})


async def test_replay_of_an_unread_topic_is_rejected(connection):
    await take(connection, [worklog("1", seconds=0)])
    [before] = await letters(connection)
    with pytest.raises(dead_letters.UnknownDeadLetterError):
        await replay(connection, before["id"], {"other.events": append_worklogs})
    with pytest.raises(dead_letters.UnknownDeadLetterError):
        await replay(connection, before["id"] + 1)
    assert await letters(connection) == [before]


async def test_concurrent_replays_run_one_after_the_other(pool, old):
    async with pool.acquire() as one, pool.acquire() as two:
        await take(one, [contract_event()])
        await take(one, [link(), worklog("1")])
        old()
        ids = [letter["id"] for letter in await letters(one)]

        async def all_of(connection):
            return [await replay(connection, id_) for id_ in ids]

        assert await asyncio.gather(all_of(one), all_of(two)) == [[None, None], [None, None]]
        assert await account_team_totals(one) == COUNTED


# From the command line


@pytest.fixture
async def services(database, monkeypatch):
    """Consumption and the notifier in one database, which is all that the command line is told of."""
    for name in [name for name in os.environ if name.startswith("TIDEMARK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TIDEMARK_DATABASE_URL", database)
    pools = {}
    for service, init in (("consumption", fold.prepare_connection), ("notifier", None)):
        pools[service] = await connect_pool(database, service, size=1, init=init)
    yield pools
    for pool in pools.values():
        pool.terminate()


@pytest.fixture
def dlq(tmp_path):
    """The command line, as a function of its arguments."""

    async def run(*arguments, status=0):
        # It has an event loop of its own.
        answer = await asyncio.to_thread(
            CliRunner(env={"COLUMNS": "100"}).invoke, app, ["dlq", *map(str, arguments), "--data-dir", str(tmp_path)]
        )
        assert answer.exit_code == status, answer.output
        return answer.output

    # The command quiets the logs of its process, which here is that of the other tests.
    logs = structlog.get_config()
    yield run
    structlog.configure(**logs)


async def refused_worklogs(pool, *records):
    async with pool.acquire() as connection:
        await take(connection, [*records])
        return [row["id"] for row in await letters(connection)]


async def test_list_is_filtered_by_its_options(services, dlq):
    await refused_worklogs(services["consumption"], worklog("1", seconds=0), worklog("2", author=""))
    assert "seconds" in (shown := await dlq("list"))
    assert "author_id" in shown
    for options, count in [
        ([], 2), (["--reason", "AUTHOR"], 1), (["--reason", "%"], 0), (["--topic", "worklog.events"], 2),
        (["--topic", "contracts.lifecycle"], 0), (["--service", "consumption"], 2), (["--service", "notifier"], 0),
    ]:  # fmt: skip
        assert len(json.loads(await dlq("list", "--json", *options))) == count, options


async def test_show_escapes_control_characters_and_binary_content(services, dlq):
    bad = replace(worklog("1"), value="{\x1b[31m ü".encode(), key=b"\xff", headers=[("x", b"\xfe"), ("y", b"text")])
    [id_] = await refused_worklogs(services["consumption"], bad)
    shown = await dlq("show", id_)
    assert "\x1b" not in shown
    assert "{\\x1b[31m ü" in shown
    assert "x: hex fe" in shown
    told = json.loads(await dlq("show", id_, "--json"))
    assert (told["value"], told["key"]) == ("{\x1b[31m ü", "hex ff")
    assert told["headers"] == [["x", "hex fe"], ["y", "text"]]
    assert "No dead letter 999" in await dlq("show", 999, status=1)


async def test_replay_reports_the_result_of_each_dead_letter(services, dlq, old):
    pool = services["consumption"]
    async with pool.acquire() as connection:
        await take(connection, [contract_event()])
    ids = await refused_worklogs(pool, link(), worklog("1"), worklog("2", seconds=0))
    old()
    assert await dlq("replay", *ids[:2]) == (
        f"consumption {ids[0]}: taken\nconsumption {ids[1]}: taken\n2 taken, 0 refused again.\n"
    )
    told = await dlq("replay", "--all", status=1)
    assert f"consumption {ids[2]}: refused again: " in told
    assert told.endswith("0 taken, 1 refused again.\n")
    async with pool.acquire() as connection:
        assert await account_team_totals(connection) == COUNTED
    assert [one["id"] for one in json.loads(await dlq("list", "--json"))] == [ids[2]]
    assert [one["id"] for one in json.loads(await dlq("list", "--json", "--all"))] == ids


async def test_replay_of_all_is_filtered_by_its_options(services, dlq, old):
    ids = await refused_worklogs(services["consumption"], worklog("1"))
    old()
    assert "0 taken" in await dlq("replay", "--all", "--reason", "something else")
    assert "0 taken" in await dlq("replay", "--all", "--service", "notifier")
    assert "1 taken" in await dlq("replay", "--all", "--topic", "worklog.events", "--reason", "OLDER")
    assert "or --all" in await dlq("replay", status=2)
    assert "or --all" in await dlq("replay", "--all", *ids, status=2)
    assert "choose among --all" in await dlq("replay", *ids, "--topic", "worklog.events", status=2)


async def test_replayed_balance_is_evaluated_by_the_notifier(services, dlq, old):
    pool, contract, judge = services["notifier"], uid("contract"), Judge(judging=True)
    period = ("2026-01-01", "2026-12-31")
    crossed = balance(contract, 1, consumed=33 * HOUR, period=period)
    async with pool.acquire() as connection, connection.transaction():
        await judge.balances(connection, notifier_batch(BALANCES, CONTRACT_BALANCE, crossed))
    old()
    body = terms(recurrence="none", start=period[0], end=period[1])
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("INSERT INTO rules (body) VALUES ($1)", json.dumps(rule()))
        await judge.directory(connection, notifier_batch(DIRECTORY, ORGANIZATION_CHANGED, organization()))
        told = contract_event(contract, terms=body)
        await judge.lifecycle(connection, notifier_batch(LIFECYCLE, CONTRACT_EVENTS[2], told))
    assert await pool.fetchval("SELECT count(*) FROM notifications") == 0
    for _ in range(2):
        [letter] = json.loads(await dlq("list", "--json", "--all"))
        assert "1 taken" in await dlq("replay", letter["id"])
    assert await pool.fetchval("SELECT count(*) FROM notifications") == 1


async def test_same_id_in_two_databases_needs_a_service(
    services, dlq, database, monkeypatch, old
):
    server = await asyncpg.connect(database)
    other = f"{database}_other"
    await server.execute(f"CREATE DATABASE {other.rpartition('/')[2]}")
    try:
        await migrate(other, "notifier")
        monkeypatch.setenv("TIDEMARK_NOTIFIER_DATABASE_URL", other)
        [id_] = await refused_worklogs(services["consumption"], worklog("1"))
        pool = await connect_pool(other, "notifier", size=1)
        async with pool.acquire() as connection, connection.transaction():
            batch = notifier_batch(BALANCES, CONTRACT_BALANCE, {})
            await Judge().balances(connection, batch)
        pool.terminate()
        assert "Several services" in await dlq("show", id_, status=1)
        assert "balances" in await dlq("show", id_, "--service", "notifier")
        old()
        assert f"consumption {id_}: taken" in await dlq("replay", id_, "--service", "consumption")
    finally:
        await server.execute(f"DROP DATABASE {other.rpartition('/')[2]} WITH (FORCE)")
        await server.close()
