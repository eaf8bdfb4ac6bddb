"""When a Kafka client is replaced, and when the process should be restarted."""

from types import SimpleNamespace

import httpx
import pytest
from aiokafka import TopicPartition
from fastapi import FastAPI

from tidemark_shared.http.app import create_api
from tidemark_shared.messaging import liveness
from tidemark_shared.messaging.liveness import ClientHealth
from tidemark_shared.settings import Settings

A, B = TopicPartition("a", 0), TopicPartition("b", 0)


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(liveness, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_client_that_makes_progress_is_not_replaced(clock):
    health = ClientHealth()
    for offset in range(100):
        clock.now += 5
        health.record_answer({A: offset})
        health.record_offsets({A: offset})
        assert health.reason_to_replace() == ""
    assert health.failures() == []


def test_stuck_client_is_replaced_less_and_less_often_until_the_process_fails(clock):
    health, replacement_times = ClientHealth(), []
    while clock.now < 1_200:
        clock.now += 1
        health.record_answer({A: 7})
        health.record_offsets({A: 7})
        if reason := health.reason_to_replace():
            assert reason == "records wait in a/0 from offset 7, and the client does not fetch them"
            replacement_times.append(clock.now - 1_000)
            health.record_replacement()
    assert replacement_times == [12, 33, 74, 135, 196]
    (failure,) = health.failures()
    assert failure.startswith("The consumer has made no progress for 188 s")
    health.record_answer({})
    health.record_offsets({A: 7})
    assert health.failures()  # it responds again, but has made no progress
    health.record_offsets({A: 8})
    assert health.failures() == []


def test_silent_or_dead_client_is_replaced(clock):
    health = ClientHealth()
    clock.now += 11
    assert health.reason_to_replace() == "Kafka has not answered the client for 11 s"
    health.record_replacement()
    assert health.reason_to_replace() == ""
    clock.now += 21
    health.record_answer({})
    health.record_dead_task()
    assert health.reason_to_replace() == "a background task of the client has ended"


def test_partition_without_a_leader_does_not_fail_the_process(clock):
    health, replacement_times = ClientHealth(), []
    while clock.now < 1_300:
        clock.now += 1
        health.record_answer({}, [B])
        health.record_offsets({A: 7, B: 9})
        if reason := health.reason_to_replace():
            assert reason == "the leader of b/0 has not answered"
            replacement_times.append(clock.now - 1_000)
            health.record_replacement()
        assert health.failures() == []
    assert replacement_times == [12, 33, 74, 135, 196, 257]


def test_unreachable_kafka_does_not_fail_the_process(clock):
    health = ClientHealth()
    for _ in range(600):
        clock.now += 1
        health.record_unreachable()
        if health.reason_to_replace():
            health.record_replacement()
        assert health.failures() == []


@pytest.mark.parametrize("failures", [[], ["The consumer has made no progress."]])
async def test_healthz_is_503_if_the_process_should_be_restarted(failures):
    app: FastAPI = create_api("test", Settings(secret="s" * 32), None)

    async def list_failures():
        return failures

    app.state.failures = list_failures
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        response = await client.get("/healthz")
    if failures:
        assert (response.status_code, response.json()) == (503, {"status": "failed", "problems": failures})
    else:
        assert (response.status_code, response.json()) == (200, {"status": "alive"})
