"""A producer can be cancelled at any moment, and stops."""

import asyncio
import contextlib
import gc
from typing import Any

import pytest
from aiokafka.conn import AIOKafkaConnection

from tidemark_shared.messaging import kafka


@pytest.mark.parametrize("requests", [1, 2, 3])
async def test_producer_stopped_while_starting_leaves_no_connection_open(
    kafka_bootstrap_servers: str, monkeypatch: pytest.MonkeyPatch, requests: int
) -> None:
    sent = 0
    left_open: list[str] = []
    request_sent = asyncio.Event()
    send = AIOKafkaConnection.send

    def record_if_open(connection: Any) -> None:
        if connection._reader is not None:
            left_open.append(repr(connection))

    def send_and_signal(connection: Any, *args: Any, **options: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == requests:
            request_sent.set()
        return send(connection, *args, **options)

    # Recorded here, because the warning of this method is ignored for the tests as a whole.
    monkeypatch.setattr(AIOKafkaConnection, "__del__", record_if_open)
    monkeypatch.setattr(AIOKafkaConnection, "send", send_and_signal)
    context = kafka.open_producer(kafka_bootstrap_servers)
    start = asyncio.create_task(context.__aenter__())
    await request_sent.wait()
    start.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await start
    del context, start
    gc.collect()
    assert left_open == []


async def test_cancellation_at_any_step_of_the_stop_ends_the_task(kafka_bootstrap_servers: str) -> None:
    """aiokafka swallows a cancellation while it closes its client."""
    is_stopping = asyncio.Event()

    async def produce() -> None:
        async with kafka.open_producer(kafka_bootstrap_servers):
            is_stopping.set()

    async def cancel_after(steps: int) -> bool:
        """Whether the task ended before it could be cancelled."""
        is_stopping.clear()
        task = asyncio.create_task(produce())
        await is_stopping.wait()
        for _ in range(steps):
            await asyncio.sleep(0)
        was_done = not task.cancel()
        await asyncio.wait({task})
        assert task.cancelled() or was_done, f"swallowed after {steps} steps"
        return was_done

    steps = 0
    while not await cancel_after(steps):
        steps += 1
    assert steps > 3
