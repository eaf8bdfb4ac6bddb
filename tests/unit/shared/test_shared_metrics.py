"""How long records wait, what a process shows of its pools, and the trace that a record carries."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from tidemark_shared import metrics, tracing
from tidemark_shared.messaging.lag import _MAX_ARRIVALS, LagClock

TP = TopicPartition("topic", 0)
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_lag_counts_from_the_arrival_of_the_oldest_record_that_waits() -> None:
    clock = LagClock()
    # (now, next offset, end, seconds)
    steps = [
        (0, 5, 5, 0), (1, 5, 7, 0), (2, 5, 7, 1), (3, 5, 9, 2), (10, 7, 9, 7), (11, 9, 9, 0), (99, 9, 9, 0),
        (100, 9, 10, 0), (103, 9, 10, 3), (104, 10, 10, 0),
    ]  # fmt: skip
    for now, next_offset, end, seconds in steps:
        assert clock.waited_seconds(TP, next_offset, end, now) == seconds, now


def test_lag_of_a_topic_that_was_created_again_begins_again() -> None:
    clock = LagClock()
    assert clock.waited_seconds(TP, 0, 100, 0) == 0
    assert clock.waited_seconds(TP, 0, 100, 9) == 9
    assert clock.waited_seconds(TP, 0, 2, 10) == 0


def test_lag_of_what_waits_long_needs_little_memory() -> None:
    clock = LagClock()
    for second in range(_MAX_ARRIVALS + 100):
        assert clock.waited_seconds(TP, 0, second + 1, second) == second
    assert len(clock._arrivals[TP]) == _MAX_ARRIVALS


class Pool:
    def __init__(self, size: int, idle: int, limit: int) -> None:
        self.size, self.idle, self.limit, self.is_closed = size, idle, limit, False

    def get_size(self) -> int:
        return self.size

    def get_idle_size(self) -> int:
        return self.idle

    def get_max_size(self) -> int:
        return self.limit

    def is_closing(self) -> bool:
        return self.is_closed


def test_use_of_open_pools_is_shown() -> None:
    first, second = Pool(3, 1, 8), Pool(1, 1, 2)
    for pool in (first, second):
        metrics.watch_pool("test", pool)

    def shown() -> list[str]:
        text = metrics.render("")[0].decode()
        return [line for line in text.splitlines() if 'workload="test"' in line]

    connections, limit = "tidemark_pool_connections", "tidemark_pool_limit_connections"
    assert shown() == [
        f'{connections}{{state="idle",workload="test"}} 2.0',
        f'{connections}{{state="used",workload="test"}} 2.0',
        f'{limit}{{workload="test"}} 10.0',
    ]
    first.is_closed = True
    assert shown()[-1].endswith(" 2.0")


def record(*headers: tuple[str, bytes | None]) -> Any:
    return ConsumerRecord("t", 0, 0, 0, 0, None, b"", None, -1, 0, headers)


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Traces are on; the spans that ended."""
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as the module under test
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

    provider, exporter = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    ended: list[Any] = []
    monkeypatch.setattr(exporter, "export", ended.extend)
    yield ended
    provider.shutdown()


def test_span_continues_its_first_cause_and_links_to_the_others(tracer: list[Any]) -> None:
    other = f"00-{'1' * 32}-{'2' * 16}-00"
    with tracing.span("work", "consumer", [None, "nonsense", PARENT, other, PARENT], http__request__method="GET"):
        current = tracing.traceparent()
        headers = tracing.with_traceparent([("ce_id", b"1")])
        assert tracing.exemplar() == {"trace_id": TRACE}
    [span] = tracer
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    assert [f"{link.context.trace_id:032x}" for link in span.links] == ["1" * 32]
    assert dict(span.attributes) == {"http.request.method": "GET"}
    assert current == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert headers == [("ce_id", b"1"), ("ce_traceparent", current.encode())]
    assert (tracing.traceparent(), tracing.exemplar()) == (None, None)


@pytest.mark.parametrize(
    "value",
    ["", "00", PARENT[:-1], PARENT.upper(), f"ff{PARENT[2:]}", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01"],
)
def test_cause_that_is_no_traceparent_begins_a_trace(tracer: list[Any], value: str) -> None:
    with tracing.span("work", causes=[value]):
        pass
    assert tracer[0].parent is None
    assert tracer[0].links == ()


def test_cause_that_is_not_sampled_is_not_recorded(tracer: list[Any]) -> None:
    with tracing.span("work", causes=[PARENT[:-1] + "0"]):
        value = tracing.traceparent()
        assert value
        assert value.endswith("-00")
        assert tracing.exemplar() is None
    assert tracer == []


def test_causes_of_a_batch_are_those_of_its_first_record_and_of_a_sample(tracer: list[Any]) -> None:
    plain = record(("ce_id", b"1"), ("traceparent", None))
    traced = [record(("ce_traceparent", f"00-{n:032x}-{SPAN}-01".encode())) for n in range(1, 20_001)]
    assert tracing.read_causes([]) == tracing.read_causes([plain]) == []
    assert tracing.read_causes([plain, record(("traceparent", PARENT.encode()))]) == [PARENT]
    causes = tracing.read_causes(traced)
    assert causes[0] == f"00-{1:032x}-{SPAN}-01"
    assert 64 <= len(causes) < 128
    with tracing.span("work", causes=causes):
        pass
    assert len(tracer[0].links) == 16


def test_hostile_header_is_no_error(tracer: list[Any]) -> None:
    for value in (b"\xff" * 10, b"\0", b"0" * 100_000, PARENT.encode() + b"\n"):
        with tracing.span("work", causes=tracing.read_causes([record(("ce_traceparent", value))])):
            pass
    assert [span.parent for span in tracer] == [None] * 4


def test_without_a_collector_nothing_is_done() -> None:
    assert not tracing.is_on()
    headers = [("ce_id", b"1")]
    assert tracing.with_traceparent(headers) == headers
    assert tracing.read_causes([record(("ce_traceparent", PARENT.encode()))]) == []
    with tracing.span("work", causes=[PARENT]) as span:
        assert (span, tracing.traceparent(), tracing.exemplar()) == (None, None, None)
