"""Consumption as a whole, with clients that post worklogs and read its topic."""

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from api_tokens import SECRET
from applications import build_app

from tidemark_consumption.app import create_app
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.messaging import kafka
from tidemark_shared.settings import Settings


def event(number, **changes):
    data = {
        "worklog_id": str(number), "issue_id": f"I-{number}", "author_id": "ann", "seconds": 60,
        "started_at": "2026-03-02T09:00:00Z", "updated_at": "2026-03-02T10:00:00Z", **changes,
    }  # fmt: skip
    type_ = "tidemark.worklog.recorded.v1"
    return {"specversion": "1.0", "id": f"e-{number}", "source": "/tracker", "type": type_, "data": data}


class RunningService:
    """The service, clients for each role, and the records in its topic."""

    def __init__(self, app, bootstrap, prefix):
        self.app, self.bootstrap, self.topic = app, bootstrap, f"{prefix}worklog.events"

    def client(self, role="publisher"):
        token = issue_token(SECRET, "tester", role, now=datetime.now(UTC))
        headers = {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://consumption", headers=headers
        )

    async def post(self, body, *, role="publisher", **headers):
        async with self.client(role) as client:
            renamed_headers = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.post("/v1/worklogs", json=body, headers=renamed_headers)

    async def published(self):
        """Every record of the topic, as (key, headers, value)."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            partitions = [TopicPartition(self.topic, number) for number in range(kafka.PARTITION_COUNT)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            published = []
            while any([await consumer.position(partition) < end for partition, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    published += [(record.key, dict(record.headers), json.loads(record.value)) for record in records]
            return published
        finally:
            await consumer.stop()


@asynccontextmanager
async def running(database, bootstrap, prefix):
    await kafka.create_topics(bootstrap, prefix=prefix)
    app = build_app(
        create_app,
        Settings(database_url=database, kafka_bootstrap_servers=bootstrap, topic_prefix=prefix, secret=SECRET),
    )
    async with app.router.lifespan_context(app):
        yield RunningService(app, bootstrap, prefix)
