"""The notifier on a real database, a real mail server and a real broker."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from uuid import uuid4

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mail_server import MailServer
from notices import HOUR, balance, batch, contract_event, organization, rule, terms

from tidemark_notifier import judge as judge_module
from tidemark_notifier.app import create_app
from tidemark_notifier.judge import Judge, change_frame
from tidemark_notifier.rules import Rule
from tidemark_shared.database import connect_pool
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.cloudevents import decode_event
from tidemark_shared.messaging.events import CONTRACT_BALANCE, ORGANIZATION_CHANGED
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE, NOTIFICATIONS
from tidemark_shared.settings import Settings

ACTIVATED = "tidemark.contract.activated.v1"
TODAY = datetime.now(UTC).date()
START = TODAY - timedelta(days=40)
PERIOD = (START.isoformat(), (TODAY + timedelta(days=40)).isoformat())
SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - signs the tokens of these tests


async def until(condition, seconds=20):
    """Wait for a condition, and give what it gives."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
        return found


@pytest.fixture
async def pool(database):
    pool = await connect_pool(database, "notifier")
    yield pool
    pool.terminate()


class World:
    """One contract of one organization, told to a judge as Kafka would tell it."""

    def __init__(self, pool, judge=None):
        self.pool, self.judge = pool, judge or Judge()
        self.judge.judging = judge is None or judge.judging
        self.contract, self.organization = str(uuid4()), str(uuid4())

    async def _take(self, handler, topic, type_, data, connection=None):
        if connection:
            await handler(connection, batch(topic, type_, *data))
            return
        async with self.pool.acquire() as own, own.transaction():
            await handler(own, batch(topic, type_, *data))

    async def tell_organization(self, connection=None, **changes):
        body = organization(id_=self.organization, **changes)
        await self._take(self.judge.directory, DIRECTORY, ORGANIZATION_CHANGED, [body], connection)
        if not connection:
            await self.judge.catch_up(self.pool)

    async def tell_contract(self, version=1, status="ACTIVE", connection=None, **changes):
        body = terms(organization=self.organization, recurrence="none", start=PERIOD[0], end=PERIOD[1], **changes)
        event = contract_event(self.contract, version, status, terms=body)
        await self._take(self.judge.lifecycle, LIFECYCLE, ACTIVATED, [event], connection)

    def balance(self, revision, hours=0, **changes):
        return balance(self.contract, revision, consumed=int(hours * HOUR), period=PERIOD, **changes)

    async def tell_balances(self, *bodies, connection=None):
        await self._take(self.judge.balances, BALANCES, CONTRACT_BALANCE, bodies, connection)

    async def begin(self):
        await self.tell_organization()
        await self.tell_contract()

    async def make_rule(self, body):
        async with self.pool.acquire() as connection, connection.transaction():
            await change_frame(connection)
            id_ = await insert_rule(connection, self.judge, body)
        await self.judge.catch_up(self.pool)
        return id_

    async def notifications(self):
        return await self.pool.fetch("SELECT * FROM notifications WHERE contract_id = $1 ORDER BY id", self.contract)

    async def thresholds(self):
        return [row["threshold"] for row in await self.notifications()]


async def insert_rule(connection, judge, body):
    made = Rule.model_validate(body)
    id_ = await connection.fetchval("INSERT INTO rules (body) VALUES ($1) RETURNING id", made.stored())
    await judge.rules_changed(connection, [made.scope])
    return id_


# Judging


async def test_a_crossing_is_told_once_with_a_frozen_copy_its_deliveries_and_its_event(pool):
    world = World(pool)
    await world.begin()
    contacts = {"kind": "contacts", "role": "billing"}
    await world.make_rule(rule("Warn", "80", "100", receivers=[{"kind": "owner"}, contacts]))
    await world.tell_balances(world.balance(1, 32 - 1 / HOUR))
    assert await world.notifications() == []

    await world.tell_balances(world.balance(2, 32))
    [told] = await world.notifications()
    await world.tell_balances(world.balance(2, 32))
    await world.tell_balances(world.balance(1, 39))
    await world.tell_balances(world.balance(3, 20), world.balance(4, 33))
    assert await world.notifications() == [told]

    seen = json.loads(told["snapshot"])
    assert (seen["consumed"], seen["available"], seen["revision"]) == (32 * HOUR, 40 * HOUR, 2)
    assert (told["threshold"], told["subject"], told["subject_id"]) == ("80", "contract", world.contract)
    assert told["period_start"] == START
    rows = await pool.fetch("SELECT * FROM reporting.notifications ORDER BY delivery_id")
    assert [(row["receiver"], row["status"], row["channel"]) for row in rows] == [
        ("olga@provider.example.com", "pending", "email"),
        ("ann@acme.example.com", "pending", "email"),
    ]
    [record] = await pool.fetch("SELECT * FROM outbox")
    headers = [(name, bytes.fromhex(value)) for name, value in json.loads(record["headers"])]
    event = decode_event(NOTIFICATIONS, headers, record["value"])
    assert (event.type, record["key"]) == ("tidemark.notification.raised.v1", world.contract.encode())
    assert (event.data.notification_id, event.data.raised_at) == (told["id"], told["raised_at"])


async def test_several_thresholds_at_once_make_one_and_a_fall_and_rise_makes_none(pool):
    world = World(pool)
    await world.begin()
    await world.make_rule(rule("Warn", "50", "80", "100"))
    for revision, hours in enumerate((33, 10, 35, 41, 0, 60), start=1):
        await world.tell_balances(world.balance(revision, hours))
    assert await world.thresholds() == ["80", "100"]


async def test_another_plan_is_another_episode(pool):
    world = World(pool)
    await world.begin()
    await world.make_rule(rule("Warn", "80"))
    await world.tell_balances(world.balance(1, 33))
    await world.tell_contract(2, hours="60")
    await world.tell_balances(world.balance(2, 33, planned=60 * HOUR, version=2))
    assert await world.thresholds() == ["80"]
    await world.tell_balances(world.balance(3, 50, planned=60 * HOUR, version=2))
    assert await world.thresholds() == ["80", "80"]


async def test_a_balance_ahead_of_its_contract_waits_for_it(pool):
    world = World(pool)
    await world.begin()
    await world.make_rule(rule("Warn", "80"))
    await world.tell_balances(world.balance(1, 60, planned=60 * HOUR, version=2))
    assert await world.notifications() == []
    await world.tell_contract(2, hours="60", owner="new@provider.example.com")
    [told] = await world.notifications()
    assert (await pool.fetchval("SELECT receiver FROM deliveries")) == "new@provider.example.com"
    assert json.loads(told["snapshot"])["planned"] == 60 * HOUR


async def test_an_older_version_of_a_contract_or_an_organization_changes_nothing(pool):
    world = World(pool)
    await world.tell_organization(version=2, contacts=[("new@acme.example.com", "billing")])
    await world.tell_organization(version=1)
    await world.tell_contract(2, owner="new@provider.example.com")
    await world.tell_contract(1, "INACTIVE")
    await world.make_rule(rule("Warn", receivers=[{"kind": "owner"}, {"kind": "contacts", "role": "billing"}]))
    await world.tell_balances(world.balance(1, 33, version=2))
    rows = await pool.fetch("SELECT receiver FROM deliveries ORDER BY id")
    assert [row["receiver"] for row in rows] == ["new@provider.example.com", "new@acme.example.com"]


async def test_a_balance_that_does_not_know_the_plan_of_today_waits_for_one_that_does(pool):
    world = World(pool)
    await world.begin()
    await world.tell_contract(2, hours="60")
    await world.make_rule(rule("Warn", "80"))
    await world.tell_balances(world.balance(1, 33))
    assert await world.notifications() == []
    await world.tell_contract(3, hours="60", owner="new@provider.example.com")
    await world.tell_balances(world.balance(2, 50, planned=60 * HOUR, version=2))
    assert await world.thresholds() == ["80"]


async def test_a_contract_waits_for_its_organization(pool):
    world = World(pool)
    await world.make_rule(rule("Warn", "80"))
    await world.tell_balances(world.balance(1, 33))
    await world.tell_contract()
    assert await world.notifications() == []
    await world.tell_organization()
    assert await world.thresholds() == ["80"]


@pytest.mark.parametrize("status", ["DRAFT", "INACTIVE", "CLOSED"])
async def test_what_is_not_active_is_told_when_it_becomes_so(pool, status):
    world = World(pool)
    await world.tell_organization()
    await world.make_rule(rule("Warn", "80"))
    await world.tell_contract(1, status)
    await world.tell_balances(world.balance(1, 33))
    assert await world.notifications() == []
    await world.tell_contract(2, "ACTIVE")
    assert await world.thresholds() == ["80"]


async def test_a_rule_made_after_the_crossing_tells_at_once_or_skips_it(pool):
    world = World(pool)
    await world.begin()
    await world.tell_balances(world.balance(1, 33))
    await world.make_rule(rule("Tell", "80", "100"))
    await world.make_rule(rule("Skip", "80", "100", existing="skip"))
    assert [row["rule_name"] for row in await world.notifications()] == ["Tell"]
    await world.tell_balances(world.balance(2, 10))
    await world.tell_balances(world.balance(3, 34))
    await world.tell_balances(world.balance(4, 40))
    told = {(row["rule_name"], row["threshold"]) for row in await world.notifications()}
    assert told == {("Tell", "80"), ("Tell", "100"), ("Skip", "100")}


async def test_a_rule_that_skips_tells_what_a_later_contract_reaches(pool):
    world = World(pool)
    await world.make_rule(rule("Skip", "80", existing="skip"))
    await world.begin()
    await world.tell_balances(world.balance(1, 33))
    assert await world.thresholds() == ["80"]


async def test_receivers_that_resolve_to_nobody_leave_a_row(pool):
    world = World(pool)
    await world.begin()
    await world.make_rule(rule("Warn", "80", receivers=[{"kind": "contacts", "role": "nobody"}]))
    await world.tell_balances(world.balance(1, 33))
    [row] = await pool.fetch("SELECT * FROM reporting.notifications")
    assert (row["status"], row["receiver"], row["attempts"]) == ("no_receiver", None, 0)


async def test_a_new_instance_stores_until_it_begins_and_then_judges_all_once(pool):
    world = World(pool, Judge())
    assert not world.judge.judging
    other = World(pool, world.judge)
    async with pool.acquire() as connection:
        await connection.execute("INSERT INTO rules (body) VALUES ($1)", Rule.model_validate(rule()).model_dump_json())
    for one in (world, other):
        await one.begin()
        await one.tell_balances(one.balance(1, 33))
    assert await pool.fetchval("SELECT count(*) FROM told") == 0
    await world.judge.begin(pool)
    await world.judge.begin(pool)
    await world.judge.catch_up(pool)
    assert (await world.thresholds(), await other.thresholds()) == (["80"], ["80"])
    await other.tell_balances(other.balance(2, 34))
    assert await other.thresholds() == ["80"]


async def test_what_cannot_be_read_goes_to_the_dead_letters_and_stops_nothing(pool):
    world = World(pool)
    await world.begin()
    await world.make_rule(rule())
    await world.tell_balances({"contract_id": "no"}, None, world.balance(1, 33))
    assert await world.thresholds() == ["80"]
    [letter] = await pool.fetch("SELECT * FROM reporting.dead_letters")
    assert (letter["service"], letter["topic"]) == ("notifier", "consumption.balances")
    assert "contract_id" in letter["reason"]


# What several do at once


async def blocked(pool):
    """Whether a connection to this database waits for a lock of another."""
    return await pool.fetchval(
        "SELECT exists(SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
    )


async def beside(pool, first, second, then=None):
    """Run ``second`` while the transaction of ``first`` is open; commit it once ``second`` waits, or has ended.

    ``then`` follows the transaction of ``second`` at once.
    """
    async with pool.acquire() as one, pool.acquire() as two:
        transaction = one.transaction()
        await transaction.start()
        await first(one)

        async def run():
            async with two.transaction():
                await second(two)
            if then:
                await then()

        task = asyncio.create_task(run())

        async def waits_or_ended():
            return task.done() or await blocked(pool)

        await until(waits_or_ended)
        await transaction.commit()
        await task


@pytest.mark.parametrize("frame_first", [True, False])
@pytest.mark.parametrize("frame", ["rule", "organization"])
@pytest.mark.parametrize("guarded", [True, False])
async def test_what_many_contracts_rest_on_changes_alone_or_a_crossing_is_lost(
    pool, monkeypatch, *, frame, frame_first, guarded
):
    world = World(pool)
    if frame == "rule":
        await world.tell_organization()
    else:
        await world.make_rule(rule("Warn", "80"))

    async def unguarded(_):
        pass

    if not guarded:
        for name in ("share_frame", "change_frame"):
            monkeypatch.setattr(judge_module._sql, name, unguarded)

    async def change(connection):
        if frame == "rule":
            await change_frame(connection)
            await insert_rule(connection, world.judge, rule("Warn", "80"))
        else:
            await world.tell_organization(connection=connection)

    async def tell(connection):
        await world.tell_balances(world.balance(1, 33), connection=connection)
        await world.tell_contract(connection=connection)

    async def sweep():
        await world.judge.catch_up(pool)

    await beside(pool, *((change, tell) if frame_first else (tell, change)), sweep)
    await sweep()
    # A contract that is new while the rule changes is what the sweep cannot see.
    lost = not guarded and not (frame == "rule" and frame_first)
    assert await world.thresholds() == ([] if lost else ["80"])


@pytest.mark.parametrize("contract_first", [True, False])
async def test_a_contract_and_its_balance_at_once_lose_nothing(pool, contract_first):
    world = World(pool)
    await world.tell_organization()
    await world.make_rule(rule("Warn", "80"))

    async def contract(connection):
        await world.tell_contract(connection=connection)

    async def tell(connection):
        await world.tell_balances(world.balance(1, 33), connection=connection)

    await beside(pool, *((contract, tell) if contract_first else (tell, contract)))
    assert await world.thresholds() == ["80"]


async def test_two_that_take_the_same_balance_tell_it_once(pool):
    world = World(pool)
    await world.begin()
    await world.make_rule(rule("Warn", "80"))

    async def tell(connection):
        await world.tell_balances(world.balance(1, 33), connection=connection)

    await beside(pool, tell, tell)
    assert await world.thresholds() == ["80"]


async def test_whoever_stores_while_an_instance_begins_is_judged_by_one_of_them(pool):
    world = World(pool, Judge())
    await world.tell_organization()
    await world.tell_balances(world.balance(1, 33))
    async with pool.acquire() as connection:
        await connection.execute("INSERT INTO rules (body) VALUES ($1)", Rule.model_validate(rule()).model_dump_json())

    async def store(connection):
        await world.tell_contract(connection=connection)

    async def begin(_):
        await world.judge.begin(pool)
        await world.judge.catch_up(pool)

    await beside(pool, store, begin)
    assert await world.thresholds() == ["80"]


# Against a model


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.sets(st.integers(1, 150), min_size=1, max_size=4),
    hours=st.lists(st.tuples(st.integers(0, 60), st.sampled_from([40, 40, 40, 50])), min_size=1, max_size=12),
    data=st.data(),
)
async def test_exactly_what_the_model_says_is_told_each_once(pool, at, hours, data):
    """Balances up and down and with another plan, redelivered, reordered, in batches of any size."""
    world_balances = list(enumerate(hours, start=1))
    arrivals = data.draw(st.permutations(world_balances + data.draw(st.lists(st.sampled_from(world_balances)))))
    cuts = data.draw(st.lists(st.integers(0, len(arrivals)), max_size=5).map(sorted))
    batches = [arrivals[a:b] for a, b in zip([0, *cuts], [*cuts, len(arrivals)], strict=True) if a < b]

    world = World(pool)
    await world.begin()
    await world.make_rule(rule("Warn", *map(str, at), scope={"kind": "contract", "id": world.contract}, over="whole"))
    for some in batches:
        await world.tell_balances(
            *(world.balance(revision, consumed, planned=plan * HOUR) for revision, (consumed, plan) in some)
        )
    found = [(row["threshold"], json.loads(row["snapshot"])["planned"]) for row in await world.notifications()]

    expected, told, newest = [], set(), 0
    for some in batches:
        revision, (consumed, plan) = max(some)
        if revision > newest:
            newest = revision
            reached = {(one, plan) for one in at if consumed and Fraction(consumed * 100, plan) >= one}
            if fresh := reached - told:
                expected.append((str(max(fresh)[0]), plan * HOUR))
            told |= reached
    assert found == expected


# What it needs to deliver


@pytest.fixture
async def mail_server():
    server = MailServer()
    await server.start()
    yield server
    await server.stop()


# For operations teams


async def test_the_view_has_its_columns_each_with_a_comment_and_is_open_to_operations(pool):
    rows = await pool.fetch(
        "SELECT attname, col_description(attrelid, attnum) AS comment FROM pg_attribute"
        " WHERE attrelid = 'reporting.notifications'::regclass ORDER BY attnum"
    )
    assert " ".join(row["attname"] for row in rows) == (
        "id delivery_id rule_id rule_name contract_id contract_code subject subject_id threshold period_start "
        "raised_at channel receiver status attempts last_error delivered_at"
    )
    assert all(row["comment"] for row in rows)
    assert await pool.fetchval("SELECT obj_description('reporting.notifications'::regclass)")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL ROLE tidemark_ops")
        assert await connection.fetch("SELECT * FROM reporting.notifications") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM notifier.rules")


# The whole service


@asynccontextmanager
async def service(database, bootstrap, prefix, smtp_port, **changes):
    await kafka.create_topics(bootstrap, prefix=prefix)
    app = create_app(
        Settings(
            database_url=database,
            kafka_bootstrap_servers=bootstrap,
            topic_prefix=prefix,
            smtp_url=f"smtp://127.0.0.1:{smtp_port}",
            mail_from="Tidemark <tidemark@provider.example.com>",
            secret=SECRET,
            **changes,
        )
    )
    async with app.router.lifespan_context(app), _client(app, "manager") as client:

        async def ready():
            return (await client.get("/readyz")).status_code == 200

        await until(ready, 60)
        yield client


def _client(app, role):
    token = issue_token(SECRET, "tester", role, now=datetime.now(UTC))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://notifier",
        headers={"authorization": f"Bearer {token}"},
    )


@pytest.fixture
async def client(database, kafka_bootstrap_servers, topic_prefix, mail_server):
    async with service(database, kafka_bootstrap_servers, topic_prefix, mail_server.port) as client:
        yield client


async def publish(bootstrap, prefix, topic, type_, data, key):
    producer = kafka.create_producer(bootstrap)
    await producer.start()
    try:
        [made] = batch(topic, type_, data).records
        await producer.send_and_wait(prefix + topic.name, made.value, key=key.encode(), headers=list(made.headers))
    finally:
        await producer.stop()


async def test_from_a_balance_on_kafka_to_a_mail(client, kafka_bootstrap_servers, topic_prefix, mail_server):
    world = World(None)
    to = (kafka_bootstrap_servers, topic_prefix)
    body = terms(organization=world.organization, recurrence="none", start=PERIOD[0], end=PERIOD[1])
    # In the worst order: the balance first, its organization last.
    await publish(*to, BALANCES, CONTRACT_BALANCE, world.balance(1, 33), world.contract)
    await publish(*to, LIFECYCLE, ACTIVATED, contract_event(world.contract, terms=body), world.contract)
    await publish(*to, DIRECTORY, ORGANIZATION_CHANGED, organization(id_=world.organization), world.organization)

    scope = {"kind": "contract", "id": world.contract}
    made = await client.post("/v1/rules", json=rule("Warn", "80", "100", scope=scope))
    assert made.status_code == 201

    async def mails(count):
        return await until(lambda: _enough(mail_server, count))

    await mails(1)
    begun = asyncio.get_running_loop().time()
    await publish(*to, BALANCES, CONTRACT_BALANCE, world.balance(2, 40), world.contract)
    await mails(2)
    seconds = asyncio.get_running_loop().time() - begun
    assert [mail["Subject"].split(" used")[0] for mail in mail_server.received] == ["82.5 %", "100 %"]
    assert seconds < 2

    async def delivered():
        found = (await client.get("/v1/notifications", params={"contract": "ACME-SUP"})).json()["items"]
        return found if all(one["deliveries"][0]["status"] == "delivered" for one in found) else None

    newest, oldest = await until(delivered)
    assert (newest["threshold"], oldest["threshold"]) == ("100", "80")
    assert newest["snapshot"]["consumed"] == 40 * HOUR
    first = (await client.get("/v1/notifications", params={"limit": 1, "status": "delivered"})).json()
    second = (await client.get("/v1/notifications", params={"limit": 1, "cursor": first["next"]})).json()
    assert (first["items"], second["items"], second["next"]) == ([newest], [oldest], None)
    assert (await client.get("/v1/notifications", params={"contract": "ANOTHER"})).json()["items"] == []
    assert (await client.get(f"/v1/notifications/{oldest['id']}")).json() == oldest


async def test_what_was_given_up_is_sent_again_by_hand(client, kafka_bootstrap_servers, topic_prefix, mail_server):
    world, to = World(None), (kafka_bootstrap_servers, topic_prefix)
    body = terms(organization=world.organization, recurrence="none", start=PERIOD[0], end=PERIOD[1])
    mail_server.script = ["rcpt 550 no such user"]
    assert (await client.post("/v1/rules", json=rule())).status_code == 201
    await publish(*to, DIRECTORY, ORGANIZATION_CHANGED, organization(id_=world.organization), world.organization)
    await publish(*to, LIFECYCLE, ACTIVATED, contract_event(world.contract, terms=body), world.contract)
    await publish(*to, BALANCES, CONTRACT_BALANCE, world.balance(1, 33), world.contract)

    async def in_status(status):
        return (await client.get("/v1/notifications", params={"status": status})).json()["items"]

    [failed] = await until(lambda: in_status("failed"))
    again = await client.post(f"/v1/notifications/{failed['id']}/resend")
    assert again.status_code == 200
    [delivered] = await until(lambda: in_status("delivered"))
    assert delivered["deliveries"][0]["delivery_id"] == failed["deliveries"][0]["delivery_id"]
    assert (await client.post(f"/v1/notifications/{failed['id']}/resend")).status_code == 409
    assert (await client.post(f"/v1/notifications/{uuid4()}/resend")).status_code == 404


async def _enough(mail_server, count):
    return len(mail_server.mails) >= count


async def test_rules_are_kept_over_http(client):
    body = rule("Warn", "80", receivers=[{"kind": "contacts", "role": "billing"}])
    made = await client.post("/v1/rules", json=body)
    assert made.status_code == 201
    answered = made.json()
    assert made.headers["etag"] == '"1"'
    assert made.headers["location"] == f"/v1/rules/{answered['id']}"
    assert answered == {
        **body, "id": answered["id"], "version": 1, "remind_every_days": None, "tell_resolved": False,
        "existing": "tell", "subject": None, "opening": None, "enabled": True,
    }  # fmt: skip
    path = made.headers["location"]
    assert (await client.get(path)).json() == answered
    assert (await client.get(path)).headers["etag"] == '"1"'

    again = await client.post("/v1/rules", json=body)
    assert again.status_code == 409
    assert again.headers["content-type"] == "application/problem+json"
    assert [one["code"] for one in again.json()["violations"]] == ["duplicate"]
    assert path in again.json()["detail"]

    changed = body | {"enabled": False}
    assert (await client.put(path, json=changed)).status_code == 428
    assert (await client.put(path, json=changed, headers={"if-match": '"7"'})).status_code == 412
    put = await client.put(path, json=changed, headers={"if-match": '"1"'})
    assert (put.status_code, put.headers["etag"], put.json()["enabled"]) == (200, '"2"', False)
    same = await client.put(path, json=changed, headers={"if-match": '"2"'})
    assert (same.status_code, same.headers["etag"]) == (200, '"2"')

    other = (await client.post("/v1/rules", json=rule("Other", "80"))).json()
    taken = await client.put(f"/v1/rules/{other['id']}", json=body, headers={"if-match": '"1"'})
    assert taken.status_code == 409

    assert (await client.delete(path)).status_code == 428
    assert (await client.delete(path, headers={"if-match": '"2"'})).status_code == 204
    assert (await client.get(path)).status_code == 404
    assert (await client.delete(path, headers={"if-match": '"2"'})).status_code == 404


async def test_violations_name_their_places(client):
    body = rule("", "80 %", receivers=[{"kind": "team", "id": "x"}])
    refused = await client.post("/v1/rules", json=body)
    assert refused.status_code == 422
    found = {one["path"]: one for one in refused.json()["violations"]}
    assert set(found) == {"/name", "/trigger/at/0", "/receivers/0/id"}
    assert {one["code"] for one in found.values()} == {"invalid"}


async def test_a_rule_names_what_is_known(client):
    scope, team = {"kind": "contract", "id": str(uuid4())}, {"kind": "team", "id": str(uuid4())}
    refused = await client.post("/v1/rules", json=rule(scope=scope, receivers=[{"kind": "owner"}, team]))
    assert refused.status_code == 422
    assert [(one["code"], one["path"]) for one in refused.json()["violations"]] == [
        ("unknown_reference", "/scope/id"),
        ("unknown_reference", "/receivers/1/id"),
    ]


async def test_rules_are_listed_by_pages(client):
    names = [f"Rule {number}" for number in range(5)]
    for name in names:
        await client.post("/v1/rules", json=rule(name))
    found, cursor = [], None
    while True:
        page = (await client.get("/v1/rules", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        found += [one["name"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == names


async def test_a_known_idempotency_key_is_answered_first(client):
    key = {"idempotency-key": "k1"}
    first = await client.post("/v1/rules", json=rule("Warn"), headers=key)
    again = await client.post("/v1/rules", json=rule("Warn"), headers=key)
    assert (again.status_code, again.json(), again.headers["location"]) == (
        201,
        first.json(),
        first.headers["location"],
    )
    assert (await client.post("/v1/rules", json=rule("Other"), headers=key)).status_code == 422


async def test_rules_that_wait_for_word_of_a_contract_do_not_keep_it_from_being_heard(
    client, kafka_bootstrap_servers, topic_prefix
):
    world, to = World(None), (kafka_bootstrap_servers, topic_prefix)
    scope = {"kind": "contract", "id": world.contract}
    waiting = [asyncio.create_task(client.post("/v1/rules", json=rule(f"{one}", scope=scope))) for one in range(12)]

    async def all_wait():
        pool = client._transport.app.state.pool
        return pool.get_size() == pool.get_max_size() and not pool.get_idle_size()

    await until(all_wait)
    body = terms(organization=world.organization, recurrence="none", start=PERIOD[0], end=PERIOD[1])
    await publish(*to, LIFECYCLE, ACTIVATED, contract_event(world.contract, terms=body), world.contract)
    assert {(await one).status_code for one in waiting} == {201}


async def test_roles(client):
    app = client._transport.app
    async with _client(app, "viewer") as viewer:
        assert (await viewer.get("/v1/rules")).status_code == 200
        assert (await viewer.post("/v1/rules", json=rule())).status_code == 403
        assert (await viewer.get("/v1/rules", headers={"authorization": "Bearer no"})).status_code == 401
