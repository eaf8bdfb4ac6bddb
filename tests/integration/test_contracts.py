"""The contracts service on a real database and a real broker, through its public surface alone."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from waiting import until

from tidemark_contracts.app import create_app
from tidemark_shared.database import migrate
from tidemark_shared.events import DIRECTORY, LIFECYCLE, read
from tidemark_shared.kafka import create_topics
from tidemark_shared.settings import Settings
from tidemark_shared.tokens import issue

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - signs the tokens of these tests


@asynccontextmanager
async def serving(settings):
    """An instance of the service, as a client with a manager's token."""
    app = create_app(settings)
    token = issue(SECRET, "olga", "manager", now=datetime.now(UTC))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://contracts/v1",
            headers={"authorization": f"Bearer {token}"},
        ) as client,
    ):  # fmt: skip
        yield client


@pytest.fixture
async def settings(database, kafka_bootstrap_servers, topic_prefix):
    await migrate(database, "contracts")
    return Settings(
        database_url=database, kafka_bootstrap_servers=kafka_bootstrap_servers, topic_prefix=topic_prefix, secret=SECRET
    )


@pytest.fixture
async def api(settings):
    async with serving(settings) as client:
        yield client


@pytest.fixture
async def published(settings):
    """A function that waits for ``count`` events of a topic, in the order of each key."""
    await create_topics(settings.kafka_bootstrap_servers, prefix=settings.topic_prefix)
    consumers = []

    async def events(topic, count):
        consumer = AIOKafkaConsumer(
            settings.topic_prefix + topic.name,
            bootstrap_servers=settings.kafka_bootstrap_servers,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        consumers.append(consumer)
        found = []

        async def enough():
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found.extend((record.key.decode(), read(topic, record.headers, record.value)) for record in records)
            return len(found) >= count

        await until(enough)
        return found

    yield events
    for consumer in consumers:
        await consumer.stop()


async def organization(api, **changes):
    body = {"name": "Acme", "timezone": "Europe/Berlin", "contacts": []} | changes
    return (await answered(api.post("/organizations", json=body), 201)).json()["id"]


async def team(api, name="Support"):
    members = [{"person_id": "712020:ab", "from": "2026-01-01"}]
    return (await answered(api.post("/teams", json={"name": name, "members": members}), 201)).json()["id"]


async def terms(api, **changes):
    team_id = await team(api)
    return {
        "code": "ACME-SUP", "name": "Support", "description": "",
        "owner": {"name": "Olga", "email": "olga@provider.example"}, "organization_id": await organization(api),
        "type": "time_and_materials", "recurrence": "monthly", "start_date": "2026-01-01", "end_date": "2100-12-31",
        "timezone": "Europe/Berlin", "holidays": "DE-BE", "contracted_hours": "40",
        "accounts": [{"name": "Help desk", "planned_hours": "40", "slices": [{"team_id": team_id, "planned_hours": "40"}]}],
        **changes,
    }  # fmt: skip


async def answered(request, status):
    response = await request
    assert response.status_code == status, response.text
    return response


async def drafted(api, **changes):
    return (await answered(api.post("/contracts", json=await terms(api, **changes)), 201)).json()


def act(api, contract, action, version, body=None, **headers):
    return api.post(f"/contracts/{contract}/{action}", json=body or {}, headers={"if-match": f'"{version}"', **headers})


async def test_a_contract_and_what_it_refers_to_reach_the_topics(api, published):
    draft = await drafted(api)
    active = await answered(act(api, "ACME-SUP", "activate", 1), 200)
    assert (active.json()["status"], active.headers["etag"]) == ("ACTIVE", '"2"')
    events = await published(LIFECYCLE, 2)
    assert [
        (event.type, event.data.stream_version, event.data.status, event.data.previous_status) for _, event in events
    ] == [
        ("tidemark.contract.drafted.v1", 1, "DRAFT", None),
        ("tidemark.contract.activated.v1", 2, "ACTIVE", "DRAFT"),
    ]
    assert {key for key, _ in events} == {draft["id"]}
    assert str(events[1][1].data.terms.accounts[0].id) == draft["accounts"][0]["id"]
    directory = await published(DIRECTORY, 2)
    assert {event.type for _, event in directory} == {"tidemark.team.changed.v1", "tidemark.organization.changed.v1"}
