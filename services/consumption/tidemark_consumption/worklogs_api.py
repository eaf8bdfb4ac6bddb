"""``POST /v1/worklogs``, for publishers without Kafka (SPEC 4)."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Request
from pydantic import BaseModel

from tidemark_consumption.publish import records, schema
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.requests import Call, TransactionRoute, post_call
from tidemark_shared.log import get_correlation_id, get_logger
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.cloudevents import OutboxRecord

_log = get_logger()

_PATIENCE_SECONDS = 10.0
_STOP_SECONDS = 5

router = APIRouter(prefix="/v1", route_class=TransactionRoute)


class Accepted(BaseModel):
    """How many events Kafka has."""

    accepted: int


@router.post(
    "/worklogs",
    status_code=202,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": schema()}}}},
)
async def publish_worklogs(request: Request, _: Annotated[Call, post_call("publisher")]) -> Accepted:
    """Publish one structured CloudEvent, or an array of at most 1,000; one bad refuses all.

    Answered once Kafka has them all, so that an `Idempotency-Key` is known from then on. After a 503 some of them may
    be there: send all again, which does no harm.
    """
    found = records(await request.body(), datetime.now(UTC), get_correlation_id())
    publisher: Publisher = request.app.state.publisher
    await publisher.send(found)
    return Accepted(accepted=len(found))


class Publisher:
    """The service's one producer: opened when it is first needed, kept open, opened anew where it has failed."""

    def __init__(self, bootstrap: str, prefix: str = "") -> None:
        self._bootstrap, self._prefix = bootstrap, prefix
        self._producer: AIOKafkaProducer | None = None
        self._opening = asyncio.Lock()

    async def send(self, found: Sequence[OutboxRecord]) -> None:
        """Return once Kafka has acknowledged all. Raises a 503 where it has not within ten seconds."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                producer = await self._open()
                sent = [
                    await producer.send(self._prefix + one.topic, one.value, key=one.key, headers=one.headers)
                    for one in found
                ]
                await asyncio.gather(*sent)
        except (KafkaError, OSError, TimeoutError) as error:
            _log.warning("not_published", error=repr(error))
            if isinstance(error, KafkaError):
                # Of what it refused, the sequence that makes the producer idempotent has a gap.
                await self.aclose()
            raise Problem(503, "Kafka does not answer", "Some may have been taken; send all of them again.") from None

    async def aclose(self) -> None:
        """End the producer; bounded, because a farewell to a broker that is gone would wait for it."""
        producer, self._producer = self._producer, None
        if producer:
            await _stop(producer)

    async def _open(self) -> AIOKafkaProducer:
        async with self._opening:
            if self._producer is None:
                producer = kafka.create_producer(self._bootstrap)
                try:
                    await producer.start()
                    self._producer = producer
                finally:
                    if self._producer is None:
                        await _stop(producer)
            return self._producer


async def _stop(producer: AIOKafkaProducer) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.stop()
