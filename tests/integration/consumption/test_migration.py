"""A database that the code before migration 0006 filled is migrated with its data (see ``fixtures/``)."""

import asyncio
import json
import lzma
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
from comparison import RESTATED, bare, compare, contracts_of, plain, reported
from effort import repeat
from event_builders import record, take
from histories import History
from old_schema import create_old_schema
from reference.reports import Model
from reference.restatements import restatements
from typer.testing import CliRunner

from tidemark.cli import app
from tidemark_consumption import replay
from tidemark_consumption.ingest.decode import decode_record
from tidemark_consumption.projection import fold
from tidemark_shared.database import connect_pool, migrate
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE, TOPICS, WORKLOGS

FILLED = json.loads(lzma.decompress((Path(__file__).parent / "fixtures" / "before_0006.json.xz").read_bytes()))
TOPIC = {topic.name: topic for topic in TOPICS}
LOGS = {WORKLOGS.name: "facts", LIFECYCLE.name: "contracts", DIRECTORY.name: "directory"}
CLEAN = replay.Findings(0, [])


class Filled(NamedTuple):
    """The batches that the old code folded, those to fold after the migration, and the rows that the old code left."""

    before: History
    after: History
    tables: dict[str, str]


@pytest.fixture(params=list(FILLED)[: repeat(1, long=len(FILLED))])
async def filled(request, empty_database):
    """A database as the code before left it."""
    stored = FILLED[request.param]
    connection = await asyncpg.connect(empty_database)
    try:
        await create_old_schema(connection)
        for table, rows in stored["tables"].items():
            await connection.copy_to_table(table, source=BytesIO(rows.encode()), schema_name="consumption")
        for table, column in (("batches", "batch"), ("restatements", "restatement")):
            await connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table}"  # noqa: S608 - names of ours
            )
    finally:
        await connection.close()
    batches = [
        (datetime.fromisoformat(moment), [received(number, *event) for number, event in enumerate(events)])
        for moment, events in stored["batches"]
    ]
    count = stored["filled"]
    return Filled(History(batches[:count]), History(batches[count:]), stored["tables"])


def received(offset, topic, type_, source, data):
    return record(TOPIC[topic], type_, data.encode(), source=source, offset=offset)


@pytest.fixture
async def connection(empty_database, filled):
    """A connection that folds, to the migrated database."""
    del filled  # it is there
    await migrate(empty_database, "consumption")
    async with (
        await connect_pool(empty_database, "consumption", size=1, init=fold.prepare_connection) as pool,
        pool.acquire() as connection,
    ):
        yield connection


@pytest.fixture
async def replaying(empty_database, connection):
    """A connection that replays, after the rebuild with which the projector begins."""
    del connection  # it has migrated
    async with (
        replay.open_pool(empty_database) as pool,
        pool.acquire() as replaying,
    ):
        assert await replay.rebuild_if_due(replaying)
        yield replaying


async def test_migrated_figures_equal_the_facts(empty_database, filled, connection, replaying):
    assert await replay.verify(replaying) == CLEAN
    await compare(connection, filled.before.facts)
    # Once is enough.
    await migrate(empty_database, "consumption")
    assert await replay.rebuild_if_due(replaying) is None
    assert await replay.verify(replaying) == CLEAN
    # They are no projection: what was reported stays.
    restated = BytesIO()
    await connection.copy_from_table("restatements", output=restated)
    assert restated.getvalue().decode() == filled.tables.get("restatements", "")


async def test_migrated_log_equals_newly_decoded_records(filled, connection):
    logged = await connection.fetch(
        "SELECT kind, source, issue_id, worklog_id, seconds, issue_key, summary, description, digest FROM fact_log"
    )
    records = [record for _, records in filled.before.batches for record in records if record.topic == WORKLOGS.name]
    columns = list(logged[0].keys())
    assert plain(logged, columns) == plain([decode_record(record)._asdict() for record in records], columns)
    batches = await connection.fetch("SELECT learned_at, log FROM batches ORDER BY batch")
    assert [tuple(batch) for batch in batches] == [
        (moment, LOGS[records[0].topic]) for moment, records in filled.before.batches
    ]


async def test_migrated_database_answers_for_earlier_moments(filled, connection, replaying):
    del connection
    contracts = contracts_of(filled.before)
    moments = sorted({moment for moment, _ in filled.before.batches})
    for moment in moments[:: 1 + len(moments) // repeat(6, long=30)]:
        model = Model(filled.before.facts, moment)
        for contract_id in contracts:
            async with replaying.transaction():
                await replay.replay(replaying, moment, ref=contract_id)
                body = await replaying.fetchval("SELECT balance($1, $2, TRUE)::text", contract_id, moment)
            assert (bare(json.loads(body)) if body else None) == model.balance(contract_id), moment


async def test_new_batches_are_folded_after_migration(filled, connection, replaying):
    facts, before = filled.before.facts + filled.after.facts, filled.before.batches[-1][0]
    # All work again, with a clock that is behind: it changes nothing, and is still learned after everything else.
    old_records = [record for _, records in filled.before.batches for record in records]
    repeated_records = [record for record in old_records if record.topic == WORKLOGS.name]
    await take(connection, repeated_records, first_offset=1_000_000, learned_at=before - timedelta(days=1))
    assert await connection.fetchval("SELECT max(learned_at) FROM batches") == before + timedelta(microseconds=1)
    assert await replay.verify(replaying) == CLEAN
    for number, (moment, records) in enumerate(filled.after.batches):
        await take(connection, records, first_offset=2_000_000 + 1000 * number, learned_at=moment)
    await compare(connection, facts)
    assert await replay.verify(replaying) == CLEAN
    restated = await reported(connection, f"restatements WHERE restated_at > '{before}'", RESTATED)
    assert restated == plain([row for row in restatements(facts) if row["restated_at"] > before], RESTATED)


@pytest.mark.parametrize("filled", ["rules"], indirect=True)
async def test_migrate_command_rebuilds_the_figures(empty_database, filled, monkeypatch):
    del filled  # it is there
    monkeypatch.setenv("TIDEMARK_DATABASE_URL", empty_database)
    run = CliRunner().invoke
    await migrate(empty_database, "consumption")
    # Ties are decided by another rule now.
    assert (await asyncio.to_thread(run, app, ["verify"])).exit_code == 1
    migrated = await asyncio.to_thread(run, app, ["migrate"])
    assert migrated.exit_code == 0, migrated.output
    assert "rebuilt" in migrated.output
    verified = await asyncio.to_thread(run, app, ["verify"])
    assert (verified.exit_code, verified.output) == (0, "All rows match the facts.\n")
    assert not (await asyncio.to_thread(run, app, ["migrate"])).output
