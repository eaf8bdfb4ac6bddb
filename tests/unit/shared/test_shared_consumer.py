"""Whether a consumer is ready, from what it has processed."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from tidemark_shared.messaging.consumer import Consumer


def test_consumer_that_processes_batches_is_ready_whatever_the_checks_say(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    pool: Any = SimpleNamespace(get_max_size=lambda: 2)
    consumer = Consumer("", pool, cluster="c", group="g", handlers={})
    assert consumer.problems() == []
    now += 45
    assert consumer.problems() == ["Kafka or the database has not answered the consumer for 45 s."]
    consumer.record_commit(TopicPartition("topic", 0), 1)
    assert consumer.problems() == []
    now += 16
    assert consumer.problems() == ["Kafka or the database has not answered the consumer for 16 s."]
