"""The routes of operations: what waits in a service, and its dead letters, read and replayed over HTTP."""

from dataclasses import replace

import pytest
from api_services import CREATE_APP, running_app
from api_tokens import bearer
from event_builders import fold_rest, take, worklog

from tidemark_consumption import replay
from tidemark_consumption.projection import fold
from tidemark_shared.database import connect_pool
from tidemark_shared.messaging.batches import Batch, DeadLetter, write_dead_letters
from tidemark_shared.messaging.topics import WORKLOGS

LETTERS = "/v1/services/consumption/dead-letters"


@pytest.fixture
async def consumption(database):
    pool = await connect_pool(database, "consumption", size=1, init=fold.prepare_connection)
    async with running_app("consumption", database) as (_, client, _), pool, pool.acquire() as connection:
        await connection.execute("TRUNCATE dead_letters, outbox")
        yield client, connection


async def read(client, path, **query):
    response = await client.get(path, params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def test_list_is_filtered_and_has_pages(consumption):
    client, connection = consumption
    await take(connection, [worklog("1", seconds=0), worklog("2", author=""), worklog("3", seconds=0)])
    everything = (await read(client, LETTERS))["items"]
    assert [item["record_offset"] for item in everything] == sorted(item["record_offset"] for item in everything)
    for query, count in [
        ({"reason": "AUTHOR"}, 1), ({"reason": "%"}, 0), ({"topic": "worklog.events"}, 3), ({"topic": "other"}, 0),
    ]:  # fmt: skip
        assert len((await read(client, LETTERS, **query))["items"]) == count, query
    first = await read(client, LETTERS, limit=2)
    rest = await read(client, LETTERS, limit=2, cursor=first["next"])
    assert first["items"] + rest["items"] == everything
    assert rest["next"] is None
    await connection.execute("UPDATE dead_letters SET replayed_at = now() WHERE id = $1", everything[0]["id"])
    assert len((await read(client, LETTERS))["items"]) == 2
    assert len((await read(client, LETTERS, include_replayed=True))["items"]) == 3
    assert (await read(client, "/v1/services/consumption/status"))["dead_letter_count"] == 2


async def test_record_is_shown_as_text_or_in_hexadecimal(consumption):
    client, connection = consumption
    record = replace(worklog("1"), value="{\0 ü".encode(), key=b"\xff", headers=[("x", b"\xfe"), ("y", None)])
    await take(connection, [record])
    [item] = (await read(client, LETTERS))["items"]
    details = await read(client, f"{LETTERS}/{item['id']}")
    assert details["value"] == {"text": "{\0 ü", "hex": None}
    assert details["key"] == {"text": None, "hex": "ff"}
    assert details["headers"] == [
        {"name": "x", "content": {"text": None, "hex": "fe"}}, {"name": "y", "content": None},
    ]  # fmt: skip
    assert (await client.get(f"{LETTERS}/{item['id'] + 1}")).status_code == 404


async def test_record_that_is_refused_again_stays_one_row(consumption):
    client, connection = consumption
    await take(connection, [worklog("1", seconds=0)])
    await connection.execute("UPDATE dead_letters SET reason = 'An older reason.'")
    [item] = (await read(client, LETTERS))["items"]
    replayed = (await client.post(f"{LETTERS}/{item['id']}/replay")).json()
    assert "seconds" in replayed["reason"]
    assert replayed == item | {"reason": replayed["reason"]}
    assert (await read(client, LETTERS, include_replayed=True))["items"] == [replayed]


async def test_record_that_is_taken_is_counted_and_leaves_the_list(consumption):
    client, connection = consumption
    record = replace(worklog("1"), offset=41)
    batch = Batch("test", WORKLOGS.name, 0, [record])
    await write_dead_letters(connection, batch, [DeadLetter(record, "An older version could not read this.")])
    [item] = (await read(client, LETTERS))["items"]
    replayed = (await client.post(f"{LETTERS}/{item['id']}/replay")).json()
    assert replayed["replayed_at"] is not None
    assert (await read(client, LETTERS))["items"] == []
    queues = (await read(client, "/v1/services/consumption/status"))["queues"]
    assert [queue["length"] for queue in queues if queue["name"] == "unfolded_records"] == [1]
    await fold_rest(connection)
    assert await connection.fetchval("SELECT count(*) FROM worklogs") == 1


async def test_service_answers_for_itself_alone(database):
    for service in CREATE_APP:
        async with running_app(service, database) as (_, client, _):
            for other in CREATE_APP:
                expected = 200 if other == service else 404
                assert (await client.get(f"/v1/services/{other}/status")).status_code == expected


async def test_only_an_administrator_replays(consumption):
    client, connection = consumption
    await take(connection, [worklog("1", seconds=0)])
    [item] = (await read(client, LETTERS))["items"]
    for role, status in (("manager", 403), ("admin", 200)):
        response = await client.post(f"{LETTERS}/{item['id']}/replay", headers=bearer(role))
        assert response.status_code == status


async def test_topic_that_the_service_does_not_read_is_a_conflict(database):
    async with running_app("contracts", database) as (_, client, ids):
        response = await client.post(f"/v1/services/contracts/dead-letters/{ids['dead_letter_id']}/replay")
    assert response.status_code == 409
    assert response.json()["title"] == "Topic is not read"


async def test_status_says_what_waits_and_how_the_last_verification_went(consumption, database):
    client, connection = consumption
    status = await read(client, "/v1/services/consumption/status")
    assert status["verification"] is None
    assert {queue["name"]: queue["length"] for queue in status["queues"]} == {
        "outbox": 0, "unfolded_records": 0, "unpublished_balances": 1,
    }  # fmt: skip
    await connection.execute(
        "INSERT INTO consumer_offsets (service, cluster, topic, partition, next_offset, updated_at) VALUES"
        " ('consumption', 'new', 'worklog.events', 0, 5, now()), ('consumption', 'new', 'worklog.events', 1, 7, now()),"
        " ('consumption', 'new', 'other', 0, 7, now()), ('consumption', 'old', 'other', 0, 1, '2020-01-01')"
    )
    await connection.execute(
        "INSERT INTO end_offsets VALUES ('consumption', 'new', 'worklog.events', 0, 9, now()),"
        " ('consumption', 'new', 'worklog.events', 1, 8, now())"
    )
    async with (
        replay.open_pool(database) as pool,
        pool.acquire() as replaying,
    ):
        assert (await replay.verify(replaying)).total == 0
        await connection.execute("UPDATE contracts SET code = code || code")
        assert (found := (await replay.verify(replaying)).total) > 0
    status = await read(client, "/v1/services/consumption/status")
    assert [(topic["topic"], topic["partitions"], topic["lag"]) for topic in status["topics"]] == [
        ("other", 1, None), ("worklog.events", 2, 5),
    ]  # fmt: skip
    verification = status["verification"]
    assert verification["difference_count"] == found
    assert verification["row_count"] > 0
    rows = await connection.fetch("SELECT * FROM reporting.verifications ORDER BY started_at")
    assert [row["difference_count"] for row in rows] == [0, found]
    assert {row["row_count"] for row in rows} == {verification["row_count"]}
