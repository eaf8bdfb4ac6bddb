"""A person who is forgotten is in no table of any service, and the figures are the same (SPEC W8)."""

import json
from contextlib import AsyncExitStack
from dataclasses import replace

import httpx
import pytest
from api_services import create_app
from api_tokens import bearer
from event_builders import HANDLERS, append, fold_rest, projections, worklog
from person_everywhere import EMAIL, FACTS, FORMER_EMAIL, NAME, PERSON, TEXT, TIES, fill

from tidemark_consumption import replay
from tidemark_notifier.delivery.egress import EgressPolicy
from tidemark_notifier.engine.evaluator import Evaluator
from tidemark_notifier.engine.event_handlers import create_event_handlers
from tidemark_shared.database import Workload, connect_pool
from tidemark_shared.messaging.batches import Batch

STRINGS = (PERSON, NAME, EMAIL, FORMER_EMAIL, TEXT)
EXPECTED_BEFORE = {
    "contracts.contracts", "contracts.customer_links", "contracts.directory", "contracts.events",
    "contracts.idempotency_keys", "contracts.offer_events", "contracts.offers", "contracts.outbox",
    "contracts.tokens", "contracts.dead_letters",
    "consumption.contract_log", "consumption.contracts", "consumption.dead_letters", "consumption.directory_log",
    "consumption.fact_log", "consumption.memberships", "consumption.outbox", "consumption.rate_cards",
    "consumption.ratings", "consumption.restatements", "consumption.worklogs",
    "notifier.contracts", "notifier.deliveries", "notifier.directory", "notifier.notifications", "notifier.offers",
    "notifier.rules",
}  # fmt: skip


async def tables_with(connection, *strings):
    """The tables of all services that have one of the strings, read as Postgres writes them, bytes too."""
    found = set()
    tables = await connection.fetch(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables"
        " WHERE schemaname IN ('contracts', 'consumption', 'notifier', 'intake')"
    )
    for table in tables:
        columns = await connection.fetch(
            "SELECT attname, atttypid = 'bytea'::regtype AS is_bytes FROM pg_attribute"
            " WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped",
            table["name"],
        )
        shown = [f"""encode("{name}", 'escape')""" if is_bytes else f'"{name}"::text' for name, is_bytes in columns]
        arguments = ", ".join(["' '", "''", *shown])
        query = f"SELECT string_agg(concat_ws({arguments}), ' ') FROM {table['name']}"  # noqa: S608 - names of tables
        content = await connection.fetchval(query)
        for string in strings:
            forms = {string, json.dumps(string)[1:-1], string.encode().hex()}
            forms |= {form.encode("unicode_escape").decode() for form in forms}
            forms |= {"".join(chr(b) if 32 <= b < 127 else f"\\{b:03o}" for b in string.encode())}
            forms |= {form.replace("\\", "\\\\") for form in forms}
            if any(form.lower() in (content or "").lower() for form in forms):
                found.add(table["name"])
    return found


class Services:
    """The three services in one database; what one publishes the others read."""

    def __init__(self, pools, client, notifier_client):
        self.pools, self.client, self.notifier_client, self.offset = pools, client, notifier_client, 1
        self.notifier = create_event_handlers(Evaluator(is_started=True))

    async def post(self, path, body, expected=201, **headers):
        response = await self.client.post(path, json=body, headers=headers)
        assert response.status_code == expected, response.text
        return response.json()

    async def relay(self, *, keep=False):
        """Hand over what contracts has published."""
        async with self.pools["contracts"].acquire() as connection:
            rows = await connection.fetch("SELECT * FROM outbox ORDER BY id")
            if not keep:
                await connection.execute("TRUNCATE outbox")
        for row in rows:
            headers = [(name, bytes.fromhex(value)) for name, value in json.loads(row["headers"])]
            self.offset += 1
            record = replace(worklog("x"), topic=row["topic"], value=row["value"], headers=headers, offset=self.offset)
            for service, handlers in (("consumption", HANDLERS), ("notifier", self.notifier)):
                if row["topic"] in handlers:
                    async with self.pools[service].acquire() as connection, connection.transaction():
                        await handlers[row["topic"]](connection, Batch("test", row["topic"], 0, [record]))
        async with self.pools["consumption"].acquire() as connection:
            await fold_rest(connection)


@pytest.fixture
async def services(database, pool):
    async with AsyncExitStack() as stack:

        async def start(service):
            app = create_app(service, database)
            app.state.pool = await stack.enter_async_context(
                await connect_pool(database, service, workload=Workload.REQUEST)
            )
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://test", headers=bearer() | {"if-match": "*"}
            )
            return app, await stack.enter_async_context(client)

        contracts, client = await start("contracts")
        notifier, notifier_client = await start("notifier")
        notifier.state.evaluator, notifier.state.egress_policy = Evaluator(is_started=True), EgressPolicy()
        pools = {"contracts": contracts.state.pool, "notifier": notifier.state.pool, "consumption": pool}
        yield Services(pools, client, notifier_client)


@pytest.fixture
async def replaying(database, pool):
    del pool  # its tables are there
    async with (
        replay.open_pool(database) as replaying,
        replaying.acquire() as connection,
    ):
        yield connection


async def step_down(services, organization):
    """Somebody else owns the contract and is the contact."""
    contact = {"name": "Ann", "email": "ann@acme.example.com", "roles": ["approver"]}
    body = {"name": "Acme", "timezone": "UTC", "contacts": [contact]}
    response = await services.client.put(f"/v1/organizations/{organization['id']}", json=body)
    assert response.status_code == 200, response.text
    contract = (await services.client.get("/v1/contracts/NEW")).json()
    terms = {
        name: value
        for name, value in contract.items()
        if name not in {"id", "version", "status", "renewed_from", "renewed_as"}
    }
    owner = {"name": "Olga", "email": "olga@provider.example.com"}
    await services.post("/v1/contracts/NEW/amend", terms | {"owner": owner, "reason": "Other owner"}, 200)


async def figures(connection):
    """Every figure, without persons."""
    tables = await projections(connection)
    amounts = await connection.fetch(
        "SELECT contract_id, account_id, period_start, team_id, amount FROM account_team_totals"
    )
    return tables, {tuple(row) for row in amounts}


async def figures_at(connection, moment):
    """What was known at a moment."""
    async with connection.transaction():
        await replay.replay(connection, moment)
        return await figures(connection)


async def test_nothing_of_a_person_is_left_and_the_figures_are_the_same(services, replaying, connection):
    organization, team = await fill(services)
    found = await tables_with(connection, *STRINGS)
    missing = EXPECTED_BEFORE - found
    assert not missing, f"The test would prove nothing of {missing}."
    forgetting = {"person_id": PERSON, "emails": [EMAIL]}
    problem = await services.post("/v1/forgotten-people", forgetting, 409)
    assert "contact of organization Acme, owner of contract NEW" in problem["detail"]
    await step_down(services, organization)
    await services.relay(keep=True)
    moments = [
        row["learned_at"] for row in await connection.fetch("SELECT DISTINCT learned_at FROM batches ORDER BY 1")
    ]
    before = [await figures(connection), *[await figures_at(replaying, moment) for moment in moments]]
    restatements = await connection.fetch(
        "SELECT restatement, after_seconds, after_amount FROM restatements ORDER BY 1"
    )
    assert restatements

    entry = await services.post("/v1/forgotten-people", forgetting)
    await services.relay()

    assert await tables_with(connection, *STRINGS) == set()
    assert (await replay.verify(replaying)).total == 0
    assert [await figures(connection), *[await figures_at(replaying, moment) for moment in moments]] == before
    # Nothing is restated, and what was restated stays.
    assert (
        await connection.fetch("SELECT restatement, after_seconds, after_amount FROM restatements ORDER BY 1")
        == restatements
    )
    pseudonym = entry["pseudonym"]
    assert await connection.fetchval("SELECT count(*) FROM reporting.worklogs WHERE author_id = $1", pseudonym) >= 3
    assert (await services.client.get("/v1/forgotten-people")).json()["items"] == [entry]
    assert entry["forgotten_by"] == "tester"
    listed = (await services.client.get("/v1/rate-cards", params={"person": pseudonym})).json()["items"]
    assert [card["person_id"] for card in listed] == [pseudonym]
    members = (await services.client.get(f"/v1/teams/{team['id']}")).json()["members"]
    assert [(member["person_id"], member["name"]) for member in members] == [(pseudonym, None)]


async def test_person_does_not_come_back_with_what_is_read_again(services, replaying, connection):
    organization, _ = await fill(services)
    await step_down(services, organization)
    async with services.pools["contracts"].acquire() as contracts:
        old = await contracts.fetch("SELECT * FROM outbox ORDER BY id")
    await services.relay(keep=True)
    before = await figures(connection)
    await services.post("/v1/forgotten-people", {"person_id": PERSON, "names": [NAME], "emails": [EMAIL]})
    await services.relay()

    # Again, but not what others write of the person; with a fact that was not read before, and one that cannot be read.
    # Where facts have one time, the digest decides, and what comes again has one with the pseudonym: others may win.
    again = [fact for fact in FACTS if b"besprochen" not in fact.value and fact not in TIES]
    await append(connection, again, first_offset=1100)
    await append(connection, [worklog("8", author=PERSON, seconds=0, description=TEXT)], first_offset=1200)
    await fold_rest(connection)
    assert await figures(connection) == before
    await append(
        connection, [worklog("10", issue="I2", author=PERSON, description=TEXT, seconds=3600)], first_offset=1300
    )
    await fold_rest(connection)
    async with services.pools["contracts"].acquire() as contracts:
        for row in old:
            await contracts.execute(
                "INSERT INTO outbox (topic, key, headers, value) VALUES ($1, $2, $3, $4)",
                row["topic"], row["key"], row["headers"], row["value"],
            )  # fmt: skip
    await services.relay()

    assert await tables_with(connection, *STRINGS) == set()
    assert (await replay.verify(replaying)).total == 0
    team_id = await connection.fetchval("SELECT team_id FROM reporting.worklogs WHERE worklog_id = '10'")
    assert team_id, "The pseudonym is still a member of the team."


async def test_event_that_comes_after_the_work_has_the_same_effect(services, replaying, connection):
    """As for a service whose database is filled again from Kafka."""
    await append(connection, [worklog("1", author=PERSON, description=TEXT), worklog("2", author="7")])
    await services.post("/v1/forgotten-people", {"person_id": PERSON})
    await services.post("/v1/forgotten-people", {"person_id": "7"})
    await services.relay()
    authors = {row["author_id"] for row in await connection.fetch("SELECT author_id FROM worklogs")}
    assert len(authors) == 2
    assert all(author.startswith("forgotten-") for author in authors)
    assert await tables_with(connection, *STRINGS) == set()
    assert (await replay.verify(replaying)).total == 0


async def test_person_who_is_forgotten_again_keeps_the_pseudonym(services):
    first = await services.post("/v1/forgotten-people", {"person_id": PERSON})
    again = await services.post("/v1/forgotten-people", {"person_id": PERSON, "emails": [EMAIL]})
    assert again == first
    other = await services.post("/v1/forgotten-people", {"person_id": "other"})
    assert other["pseudonym"] != first["pseudonym"]


async def test_only_an_administrator_forgets(services):
    response = await services.client.post("/v1/forgotten-people", json={"person_id": PERSON}, headers=bearer("manager"))
    assert response.status_code == 403
