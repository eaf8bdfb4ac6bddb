"""The whole service, in the process of the test."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
from applications import build_app
from notifier_bodies import batch, contract_event, organization, terms
from polling import wait_until
from scenario import ACTIVATED, PERIOD

from tidemark_notifier.app import create_app
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.events import CONTRACT_BALANCE, ORGANIZATION_CHANGED
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE
from tidemark_shared.settings import Settings

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - signs the tokens of these tests


@asynccontextmanager
async def running_service(database, bootstrap, prefix, smtp_port, **changes):
    """The service, started, and a client of it."""
    await kafka.create_topics(bootstrap, prefix=prefix)
    app = build_app(
        create_app,
        Settings(
            database_url=database,
            kafka_bootstrap_servers=bootstrap,
            topic_prefix=prefix,
            smtp_url=f"smtp://127.0.0.1:{smtp_port}",
            mail_from="Tidemark <tidemark@provider.example.com>",
            secret=SECRET,
            **changes,
        ),
    )
    async with app.router.lifespan_context(app), http_client(app, "manager") as client:

        async def is_ready():
            return (await client.get("/readyz")).status_code == 200

        await wait_until(is_ready, timeout_seconds=60)
        yield client


def http_client(app, role):
    token = issue_token(SECRET, "tester", role, now=datetime.now(UTC))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://notifier",
        headers={"authorization": f"Bearer {token}"},
    )


class Publisher:
    """Publishes the events of a scenario to Kafka."""

    def __init__(self, bootstrap, prefix):
        self.bootstrap, self.prefix = bootstrap, prefix

    async def publish(self, topic, type_, data, key):
        producer = kafka.create_producer(self.bootstrap)
        await producer.start()
        try:
            [record] = batch(topic, type_, data).records
            await producer.send_and_wait(
                self.prefix + topic.name, record.value, key=key.encode(), headers=list(record.headers)
            )
        finally:
            await producer.stop()

    async def publish_organization(self, scenario):
        body = organization(id_=scenario.organization)
        await self.publish(DIRECTORY, ORGANIZATION_CHANGED, body, scenario.organization)

    async def publish_contract(self, scenario):
        body = terms(organization=scenario.organization, recurrence="none", start=PERIOD[0], end=PERIOD[1])
        await self.publish(LIFECYCLE, ACTIVATED, contract_event(scenario.contract, terms=body), scenario.contract)

    async def publish_balance(self, scenario, revision, hours):
        await self.publish(BALANCES, CONTRACT_BALANCE, scenario.balance(revision, hours), scenario.contract)
