"""Dead letters are listed, shown and replayed: by their own service, unchanged, and with one effect."""

import asyncio
import json
import os
from dataclasses import replace

import asyncpg
import pytest
import structlog
from databases import drop_database
from event_builders import contract_event, fold_rest, link, projections, take, uid, worklog
from notifier_bodies import HOUR, balance, organization, rule, terms
from notifier_bodies import batch as notifier_batch
from notifier_bodies import contract_event as notifier_contract_event
from typer.testing import CliRunner

from tidemark.cli import app
from tidemark_consumption.app import handlers
from tidemark_consumption.ingest.append import append_worklogs
from tidemark_consumption.projection import fold
from tidemark_notifier.engine.evaluator import Evaluator
from tidemark_notifier.engine.event_handlers import create_event_handlers
from tidemark_shared.database import connect_pool, migrate
from tidemark_shared.messaging import dead_letters
from tidemark_shared.messaging.batches import Batch, DeadLetter, process_batch, write_dead_letters
from tidemark_shared.messaging.events import CONTRACT_BALANCE, CONTRACT_EVENTS, ORGANIZATION_CHANGED
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE, WORKLOGS


@pytest.fixture
async def pool(database):
    pool = await connect_pool(database, "consumption", init=fold.prepare_connection)
    yield pool
    pool.terminate()


@pytest.fixture
async def connection(pool):
    async with pool.acquire() as connection:
        yield connection


@pytest.fixture
def upgrade(monkeypatch):
    """The services begin as an older version that rejects all records; calling this makes them the current one."""

    def reject_all(records, _pseudonyms):
        return [], [DeadLetter(record, "An older version cannot read this.") for record in records]

    async def reject_batch(connection, _, batch):
        await write_dead_letters(connection, batch, reject_all(batch.records, None)[1])
        return []

    with monkeypatch.context() as patched:
        patched.setattr("tidemark_consumption.ingest.append.decode", reject_all)
        patched.setattr("tidemark_notifier.engine.event_handlers.decode_batch", reject_batch)
        yield patched.undo


async def load_dead_letters(connection):
    return await connection.fetch("SELECT * FROM reporting.dead_letters ORDER BY id")


async def replay(connection, id_, service_handlers=None):
    return await dead_letters.replay_dead_letter(connection, service_handlers or handlers(), id_)


async def account_team_totals(connection):
    await fold_rest(connection)
    return {row[3:] for row in (await projections(connection))["account_team_totals"]}


COUNTED = {("2026-03-01", 3600, 1)}


async def test_record_that_fails_again_stays_one_row_with_its_reason(connection):
    await take(connection, [worklog("1", seconds=0)], first_offset=7)
    [row] = await load_dead_letters(connection)
    for _ in range(2):
        assert "seconds" in await replay(connection, row["id"])
    assert [dict(stored) for stored in await load_dead_letters(connection)] == [dict(row)]
    assert [item["id"] for item in await dead_letters.list_dead_letters(connection)] == [row["id"]]


async def test_replay_processes_dead_letters_of_an_older_version(connection, upgrade):
    await take(connection, [contract_event()])
    await take(connection, [link(), worklog("1")])
    assert await account_team_totals(connection) == set()
    upgrade()
    for dead_letter in await load_dead_letters(connection):
        assert await replay(connection, dead_letter["id"]) is None
    assert await account_team_totals(connection) == COUNTED
    assert await dead_letters.list_dead_letters(connection) == []
    assert len(await dead_letters.list_dead_letters(connection, include_replayed=True)) == 2


async def test_replaying_twice_has_one_effect(connection, upgrade):
    await take(connection, [contract_event()])
    await take(connection, [link(), worklog("1")])
    upgrade()
    for dead_letter in await load_dead_letters(connection) * 2:
        assert await replay(connection, dead_letter["id"]) is None
    assert await account_team_totals(connection) == COUNTED


async def test_replay_does_not_overwrite_newer_facts(connection, upgrade):
    await take(connection, [worklog("1", seconds=60)])
    upgrade()
    await take(connection, [contract_event()])
    await take(connection, [link(), worklog("1", updated="2026-03-05T00:00:00Z")])
    [dead_letter] = await load_dead_letters(connection)
    assert await replay(connection, dead_letter["id"]) is None
    assert await account_team_totals(connection) == COUNTED


async def test_failed_replay_rolls_back_and_keeps_the_dead_letter(connection, upgrade):
    await take(connection, [contract_event()])
    await take(connection, [link(), worklog("1")])
    upgrade()

    async def append_and_fail(connection, batch):
        await append_worklogs(connection, batch)
        raise ConnectionResetError

    before = await load_dead_letters(connection)
    for dead_letter in before:
        with pytest.raises(ConnectionResetError):
            await replay(connection, dead_letter["id"], {WORKLOGS.name: append_and_fail})
    assert await load_dead_letters(connection) == before
    assert await connection.fetchval("SELECT count(*) FROM fact_log") == 0
    for dead_letter in before:
        await replay(connection, dead_letter["id"])
    assert await account_team_totals(connection) == COUNTED


async def test_replayed_record_that_fails_again_waits_again(connection, upgrade):
    await take(connection, [worklog("1")])
    upgrade()
    [dead_letter] = await load_dead_letters(connection)
    assert await replay(connection, dead_letter["id"]) is None
    # The offset was reset, and the batch is read again by a version that rejects it.
    async with connection.transaction():
        await append_worklogs(connection, Batch("test", WORKLOGS.name, 0, [worklog("1", seconds=0)]))
    assert [item["id"] for item in await dead_letters.list_dead_letters(connection)] == [dead_letter["id"]]


async def test_replay_passes_the_original_record_to_the_handler(connection):
    sent = replace(
        worklog("1"), topic="here.worklog.events", offset=41, partition=3, timestamp=-(10**15), key=b"\xff\0",
        value=b"\0no json", headers=[("ce_id", b"\xff"), ("none", None), ("none", b"")],
    )  # fmt: skip

    async with connection.transaction():
        await process_batch(connection, append_worklogs, Batch("cluster", sent.topic, sent.partition, [sent], "here."))
    batches = []

    async def collect(_, batch):
        batches.append(batch)

    [dead_letter] = await load_dead_letters(connection)
    assert (
        await dead_letters.replay_dead_letter(connection, {WORKLOGS.name: collect}, dead_letter["id"], prefix="here.")
        is None
    )
    [batch] = batches
    assert batch._replace(records=()) == Batch("cluster", "here.worklog.events", 3, (), "here.")
    assert [vars(record) for record in batch.records] == [
        vars(replace(sent, serialized_key_size=2, serialized_value_size=len(sent.value)))
    ]


async def test_replay_that_the_database_rejects_keeps_the_dead_letter(connection):
    await take(connection, [worklog("1", seconds=0)])

    async def divide_by_zero(connection, _):
        await connection.execute("SELECT 1 / 0")

    [dead_letter] = await load_dead_letters(connection)
    assert "division by zero" in await replay(connection, dead_letter["id"], {WORKLOGS.name: divide_by_zero})


async def test_replay_of_an_unread_topic_is_rejected(connection):
    await take(connection, [worklog("1", seconds=0)])
    [row] = await load_dead_letters(connection)
    with pytest.raises(dead_letters.UnknownDeadLetterError):
        await replay(connection, row["id"], {"other.events": append_worklogs})
    with pytest.raises(dead_letters.UnknownDeadLetterError):
        await replay(connection, row["id"] + 1)
    assert await load_dead_letters(connection) == [row]


async def test_concurrent_replays_run_one_after_the_other(pool, upgrade):
    async with pool.acquire() as first, pool.acquire() as second:
        await take(first, [contract_event()])
        await take(first, [link(), worklog("1")])
        upgrade()
        ids = [dead_letter["id"] for dead_letter in await load_dead_letters(first)]

        async def replay_all(connection):
            return [await replay(connection, id_) for id_ in ids]

        assert await asyncio.gather(replay_all(first), replay_all(second)) == [[None, None], [None, None]]
        assert await account_team_totals(first) == COUNTED


# From the command line


@pytest.fixture
async def services(database, monkeypatch):
    """Consumption and the notifier in one database, the only one that the command line has a setting for."""
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
    """The command `tidemark dlq`, as a function of its arguments."""

    async def run(*arguments, status=0):
        # The command has its own event loop.
        result = await asyncio.to_thread(
            CliRunner(env={"COLUMNS": "100"}).invoke, app, ["dlq", *map(str, arguments), "--data-dir", str(tmp_path)]
        )
        assert result.exit_code == status, result.output
        return result.output

    # The command changes the log level of its process, which is also that of the other tests.
    log_config = structlog.get_config()
    yield run
    structlog.configure(**log_config)


async def take_bad_worklogs(pool, *records):
    async with pool.acquire() as connection:
        await take(connection, [*records])
        return [row["id"] for row in await load_dead_letters(connection)]


async def test_list_is_filtered_by_its_options(services, dlq):
    await take_bad_worklogs(services["consumption"], worklog("1", seconds=0), worklog("2", author=""))
    assert "seconds" in (output := await dlq("list"))
    assert "author_id" in output
    for options, count in [
        ([], 2), (["--reason", "AUTHOR"], 1), (["--reason", "%"], 0), (["--topic", "worklog.events"], 2),
        (["--topic", "contracts.lifecycle"], 0), (["--service", "consumption"], 2), (["--service", "notifier"], 0),
    ]:  # fmt: skip
        assert len(json.loads(await dlq("list", "--json", *options))) == count, options


async def test_show_escapes_control_characters_and_binary_content(services, dlq):
    record = replace(worklog("1"), value="{\x1b[31m ü".encode(), key=b"\xff", headers=[("x", b"\xfe"), ("y", b"text")])
    [id_] = await take_bad_worklogs(services["consumption"], record)
    output = await dlq("show", id_)
    assert "\x1b" not in output
    assert "{\\x1b[31m ü" in output
    assert "x: hex fe" in output
    content = json.loads(await dlq("show", id_, "--json"))
    assert (content["value"], content["key"]) == ("{\x1b[31m ü", "hex ff")
    assert content["headers"] == [["x", "hex fe"], ["y", "text"]]
    assert "dead letter 999" in await dlq("show", 999, status=1)


async def test_replay_reports_the_result_of_each_dead_letter(services, dlq, upgrade):
    pool = services["consumption"]
    async with pool.acquire() as connection:
        await take(connection, [contract_event()])
    ids = await take_bad_worklogs(pool, link(), worklog("1"), worklog("2", seconds=0))
    upgrade()
    assert await dlq("replay", *ids[:2]) == (
        f"consumption {ids[0]}: processed\nconsumption {ids[1]}: processed\n2 processed, 0 refused again.\n"
    )
    output = await dlq("replay", "--all", status=1)
    assert f"consumption {ids[2]}: refused again: " in output
    assert output.endswith("0 processed, 1 refused again.\n")
    async with pool.acquire() as connection:
        assert await account_team_totals(connection) == COUNTED
    assert [item["id"] for item in json.loads(await dlq("list", "--json"))] == [ids[2]]
    assert [item["id"] for item in json.loads(await dlq("list", "--json", "--all"))] == ids


async def test_replay_of_all_is_filtered_by_its_options(services, dlq, upgrade):
    ids = await take_bad_worklogs(services["consumption"], worklog("1"))
    upgrade()
    assert "0 processed" in await dlq("replay", "--all", "--reason", "something else")
    assert "0 processed" in await dlq("replay", "--all", "--service", "notifier")
    assert "1 processed" in await dlq("replay", "--all", "--topic", "worklog.events", "--reason", "OLDER")
    assert "or --all" in await dlq("replay", status=2)
    assert "or --all" in await dlq("replay", "--all", *ids, status=2)
    assert "only with --all" in await dlq("replay", *ids, "--topic", "worklog.events", status=2)


async def test_replayed_balance_is_evaluated_by_the_notifier(services, dlq, upgrade):
    pool, contract = services["notifier"], uid("contract")
    handle = create_event_handlers(Evaluator(is_started=True))
    period = ("2026-01-01", "2026-12-31")
    exceeding = balance(contract, 1, consumed=33 * HOUR, period=period)
    async with pool.acquire() as connection, connection.transaction():
        await handle[BALANCES.name](connection, notifier_batch(BALANCES, CONTRACT_BALANCE, exceeding))
    upgrade()
    body = terms(recurrence="none", start=period[0], end=period[1])
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("INSERT INTO rules (body) VALUES ($1)", json.dumps(rule()))
        await handle[DIRECTORY.name](connection, notifier_batch(DIRECTORY, ORGANIZATION_CHANGED, organization()))
        activated = notifier_contract_event(contract, terms=body)
        await handle[LIFECYCLE.name](connection, notifier_batch(LIFECYCLE, CONTRACT_EVENTS[2], activated))
    assert await pool.fetchval("SELECT count(*) FROM notifications") == 0
    for _ in range(2):
        [dead_letter] = json.loads(await dlq("list", "--json", "--all"))
        assert "1 processed" in await dlq("replay", dead_letter["id"])
    assert await pool.fetchval("SELECT count(*) FROM notifications") == 1


async def test_same_id_in_two_databases_needs_a_service(services, dlq, database, monkeypatch, upgrade):
    server = await asyncpg.connect(database)
    other_url = f"{database}_other"
    await server.execute(f"CREATE DATABASE {other_url.rpartition('/')[2]}")
    try:
        await migrate(other_url, "notifier")
        monkeypatch.setenv("TIDEMARK_NOTIFIER_DATABASE_URL", other_url)
        [id_] = await take_bad_worklogs(services["consumption"], worklog("1"))
        pool = await connect_pool(other_url, "notifier", size=1)
        async with pool.acquire() as connection, connection.transaction():
            batch = notifier_batch(BALANCES, CONTRACT_BALANCE, {})
            await create_event_handlers(Evaluator())[BALANCES.name](connection, batch)
        pool.terminate()
        assert "Several services" in await dlq("show", id_, status=1)
        assert "balances" in await dlq("show", id_, "--service", "notifier")
        upgrade()
        assert f"consumption {id_}: processed" in await dlq("replay", id_, "--service", "consumption")
    finally:
        await drop_database(server, f"{other_url.rpartition('/')[2]}")
        await server.close()
