"""The consumer reports stalls, and replaces a client that makes no progress."""

import asyncio

import pytest
from aiokafka.consumer import fetcher
from kafka_client import publish, running_consumer
from ledger import Ledger, wait_for_processed
from polling import wait_until

from tidemark_shared.messaging import consumer as consumer_module
from tidemark_shared.messaging import lag, liveness


async def test_stalled_or_silent_consumer_reports_a_problem(kafka_bootstrap_servers, pool, topic, monkeypatch):
    monkeypatch.setattr(consumer_module, "_STALL_LIMIT_SECONDS", 0.5)
    ledger = Ledger()
    monkeypatch.setattr(consumer_module, "_WATCH_INTERVAL_SECONDS", 0.05)
    ledger.failures = [ConnectionError("not available")] * 3
    await publish(kafka_bootstrap_servers, topic, ["a"])
    async with running_consumer(kafka_bootstrap_servers, pool, topic, ledger) as consumer:
        assert any("the record at offset 0 waits" in problem for problem in await wait_until(consumer.problems))
        await wait_for_processed(pool, "a")
        await wait_until(lambda: not consumer.problems())
    monkeypatch.setattr(consumer_module, "_SILENCE_LIMIT_SECONDS", 0)
    assert any("has not answered" in problem for problem in consumer.problems())


async def _kill_fetch_task(client):
    client._fetcher._fetch_task.cancel()


async def _kill_metadata_task(client):
    client._client._sync_task.cancel()


async def _kill_coordination_task(client):
    client._coordinator._coordination_task.cancel()


async def _stop_fetching(client):
    is_called = asyncio.Event()

    async def return_nothing(*_, **__):
        is_called.set()
        return await _fetch_nothing()

    client._fetcher.fetched_records = return_nothing
    await is_called.wait()


async def _stop_responding(client):
    async def wait_forever(*_, **__):
        await asyncio.Event().wait()

    client.end_offsets = wait_forever


async def _fetch_nothing(*_, **__):
    await asyncio.sleep(0.05)
    return {}


@pytest.mark.parametrize(
    "fault", [_kill_fetch_task, _kill_metadata_task, _kill_coordination_task, _stop_fetching, _stop_responding]
)
async def test_client_without_progress_is_replaced(fault, kafka_bootstrap_servers, pool, topic, monkeypatch):
    monkeypatch.setattr(liveness, "STUCK_SECONDS", 1.0)
    monkeypatch.setattr(lag, "ANSWER_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(consumer_module, "_WATCH_INTERVAL_SECONDS", 0.1)
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger()) as consumer:
        await publish(kafka_bootstrap_servers, topic, ["a"])
        await wait_for_processed(pool, "a")
        client = consumer._client
        await fault(client)
        await publish(kafka_bootstrap_servers, topic, ["b"])
        await wait_until(lambda: consumer._client not in {client, None})
        await wait_for_processed(pool, "a", "b")
        await wait_until(lambda: consumer._health._failing_since is None)
        assert consumer.failures() == []


async def test_stopped_consumer_does_not_reconnect(kafka_bootstrap_servers, pool, topic, monkeypatch):
    monkeypatch.setattr(consumer_module, "_WATCH_INTERVAL_SECONDS", 0.05)
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger(), is_watched=False) as consumer:
        watch = asyncio.create_task(consumer.watch())
        await consumer.stop()
        async with asyncio.timeout(10):
            await watch
        assert consumer._client is None


async def test_rebalance_while_a_consumer_stops_leaves_no_worker(kafka_bootstrap_servers, pool, topic):
    """Its client is still a member while it waits for the current batch, so it may be assigned partitions again."""
    entered, released, assigned = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(*_):
        entered.set()
        await released.wait()

    async with running_consumer(kafka_bootstrap_servers, pool, topic, handle, is_watched=False) as consumer:
        await publish(kafka_bootstrap_servers, topic, ["a"])
        await entered.wait()
        client, assign = consumer._client, consumer.assign

        def observe(client, partitions):
            assign(client, partitions)
            assigned.set()

        consumer.assign = observe
        stopping = asyncio.create_task(consumer.stop())
        await wait_until(lambda: consumer._client is None)
        client._coordinator.request_rejoin()
        await assigned.wait()
        released.set()
        await stopping
        assert [task for task in asyncio.all_tasks() if task.get_name().startswith(f"partition {topic}")] == []


async def test_process_reports_failure_if_a_new_client_does_not_help(kafka_bootstrap_servers, pool, topic, monkeypatch):
    monkeypatch.setattr(liveness, "STUCK_SECONDS", 0.5)
    monkeypatch.setattr(consumer_module, "_WATCH_INTERVAL_SECONDS", 0.1)
    monkeypatch.setattr(liveness, "DEAD_SECONDS", 1.0)
    async with running_consumer(kafka_bootstrap_servers, pool, topic, Ledger()) as consumer:
        assert consumer.failures() == []
        with monkeypatch.context() as patch:
            patch.setattr(fetcher.Fetcher, "fetched_records", _fetch_nothing)
            await publish(kafka_bootstrap_servers, topic, ["a"])
            (failure,) = await wait_until(consumer.failures)
        assert failure.startswith("The consumer has made no progress for ")
        await wait_for_processed(pool, "a")
        await wait_until(lambda: not consumer.failures())


async def test_slow_or_retrying_handler_does_not_replace_the_client(kafka_bootstrap_servers, pool, topic, monkeypatch):
    monkeypatch.setattr(liveness, "STUCK_SECONDS", 0.3)
    monkeypatch.setattr(consumer_module, "_WATCH_INTERVAL_SECONDS", 0.05)
    is_ready, ledger = asyncio.Event(), Ledger()

    async def handle(connection, batch):
        if not is_ready.is_set():
            raise ConnectionError("not yet")
        await ledger(connection, batch)

    await publish(kafka_bootstrap_servers, topic, ["a"])
    async with running_consumer(kafka_bootstrap_servers, pool, topic, handle) as consumer:
        client, checks = consumer._client, set()
        # After these checks of the watch a stuck client would have been replaced.
        await wait_until(lambda: checks.add(consumer._health.checked_at) or len(checks) > 20)
        is_ready.set()
        await wait_for_processed(pool, "a")
        assert consumer._client is client
