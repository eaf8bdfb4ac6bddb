"""``POST /v1/worklogs``, for publishers without Kafka (SPEC 4)."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Annotated

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Request
from pydantic import BaseModel

from tidemark_consumption.api.publishing import body_schema, build_records
from tidemark_shared import tracing
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.requests import Call, RunOutsideTransaction, TransactionRoute, post_call
from tidemark_shared.log import get_correlation_id, get_logger
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.cloudevents import OutboxRecord

_log = get_logger()

_SEND_TIMEOUT_SECONDS = 10.0

router = APIRouter(prefix="/v1", tags=["worklogs"], route_class=TransactionRoute)


class Accepted(BaseModel):
    """How many events Kafka has acknowledged."""

    accepted: int


@router.post(
    "/worklogs",
    status_code=202,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": body_schema()}}}},
)
async def publish_worklogs(request: Request, _: Annotated[Call, post_call("publisher")]) -> Accepted:
    """Publish one structured CloudEvent, or an array of at most 1,000. If one event is invalid, none is published.

    The answer comes when Kafka has acknowledged all events; from then on the `Idempotency-Key` is stored. After a 503
    Kafka may have some of the events: send all of them again, which does no harm.
    """
    accepted: Accepted | None = getattr(request.state, "accepted", None)
    if accepted:
        return accepted
    records = build_records(await request.body(), datetime.now(UTC), get_correlation_id())

    async def publish() -> None:
        publisher: Publisher = request.app.state.publisher
        await publisher.send(records)
        request.state.accepted = Accepted(accepted=len(records))

    # Kafka may take seconds.
    raise RunOutsideTransaction(publish)


class Publisher:
    """The one producer of the service: started by the first request, kept open, replaced after a failure."""

    def __init__(self, bootstrap: str, prefix: str = "") -> None:
        self._bootstrap, self._prefix = bootstrap, prefix
        self._producer: AIOKafkaProducer | None = None
        self._open_producers = AsyncExitStack()
        self._start_lock = asyncio.Lock()

    async def send(self, records: Sequence[OutboxRecord]) -> None:
        """Return when Kafka has acknowledged all records. Raises a 503 after ten seconds."""
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_SECONDS):
                producer = await self._start()
                acknowledgements = [
                    await producer.send(
                        self._prefix + record.topic,
                        record.value,
                        key=record.key,
                        headers=tracing.with_traceparent(record.headers),
                    )
                    for record in records
                ]
                await asyncio.gather(*acknowledgements)
        except (KafkaError, OSError, TimeoutError) as error:
            _log.warning("not_published", error=repr(error))
            if isinstance(error, KafkaError):
                # A record that Kafka did not take leaves a gap in the sequence numbers of an idempotent producer.
                await self.aclose()
            detail = "Some of the events may have been published. Send all of them again."
            raise Problem(503, "Kafka does not answer", detail) from None

    async def aclose(self) -> None:
        """Stop the producer. Bounded, because it would wait for a broker that has gone."""
        self._producer = None
        await self._open_producers.aclose()

    async def _start(self) -> AIOKafkaProducer:
        async with self._start_lock:
            if self._producer is None:
                self._producer = await self._open_producers.enter_async_context(kafka.open_producer(self._bootstrap))
            return self._producer
