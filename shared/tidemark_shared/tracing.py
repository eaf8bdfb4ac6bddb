"""Traces by OpenTelemetry: off, and not even imported, unless ``TIDEMARK_OTLP_ENDPOINT`` is set.

A trace follows a cause as the correlation id does: a request, the events it publishes, the fold, the balance, the
notification and the mail. Between processes it travels as ``traceparent``: the extension of CloudEvents for distributed
tracing in Kafka, a column next to the correlation id in Postgres. A batch is one span: it continues the trace of its
first record, and links to those of others.
"""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, SpanContext, Tracer

    from tidemark_shared.messaging.cloudevents import OutboxRecord

HEADER = "ce_traceparent"
"""The header of a record in binary mode; a publisher may also send what HTTP has, ``traceparent``."""
# To look at each record of a large batch would cost more than the span.
_SAMPLED_RECORDS = 64
_MAX_LINKS = 16
_EXPORT_TIMEOUT_SECONDS = 3
_PATTERN = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_NO_SPAN: AbstractContextManager[None] = nullcontext()

_provider: "TracerProvider | None" = None
_tracer: "Tracer | None" = None


def configure(service: str, endpoint: str | None) -> None:
    """Send the spans of this process to a collector, by OTLP over HTTP; nothing without an ``endpoint``.

    The variables of OpenTelemetry (``OTEL_TRACES_SAMPLER``, ``OTEL_EXPORTER_OTLP_HEADERS`` and others) apply as well.
    """
    global _provider, _tracer  # noqa: PLW0603 - a process has one tracer, and most have none
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - off by default
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    _provider = TracerProvider(
        resource=Resource.create({"service.namespace": "tidemark", "service.name": service}), shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_TIMEOUT_SECONDS)
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer("tidemark")


def shutdown() -> None:
    """Send what is left, and stop; waits for a collector for a few seconds at most."""
    global _provider, _tracer  # noqa: PLW0603 - see configure
    if _provider:
        _provider.shutdown()
    _provider = _tracer = None


def is_on() -> bool:
    """Whether this process records spans."""
    return _tracer is not None


def span(
    name: str,
    kind: Literal["internal", "server", "client", "producer", "consumer"] = "internal",
    causes: Sequence[str | None] = (),
    started_at: datetime | None = None,
    **attributes: str | int,
) -> "AbstractContextManager[Span | None]":
    """A span around a piece of work; None while traces are off.

    It continues the first of its ``causes`` (values of ``traceparent``) that can be read, and links to the others;
    without one it belongs to the current span, or begins a trace. A cause may be read when the work has begun: then
    ``started_at`` says when. A ``__`` in an attribute's name is a dot.
    """
    if _tracer is None:
        return _NO_SPAN
    from opentelemetry import trace  # noqa: PLC0415 - off by default

    contexts = [context for cause in dict.fromkeys(causes) if (context := _parse(cause))][: _MAX_LINKS + 1]
    parent = trace.set_span_in_context(trace.NonRecordingSpan(contexts[0])) if contexts else None
    return _tracer.start_as_current_span(
        name,
        context=parent,
        kind=trace.SpanKind[kind.upper()],
        links=[trace.Link(context) for context in contexts[1:]],
        start_time=int(started_at.timestamp() * 1e9) if started_at else None,
        attributes={name.replace("__", "."): value for name, value in attributes.items()},
    )


def traceparent() -> str | None:
    """The current span, as W3C's Trace Context writes it; None outside of a span, and while traces are off."""
    context = _current()
    return context and f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def exemplar() -> dict[str, str] | None:
    """The trace that a histogram shows as an example of a value; None outside of a sampled span."""
    context = _current()
    return {"trace_id": f"{context.trace_id:032x}"} if context and context.trace_flags.sampled else None


def with_traceparent(headers: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The headers of an event that the current span causes."""
    value = traceparent()
    return [*headers, (HEADER, value.encode())] if value else [*headers]


def read_causes(records: "Sequence[ConsumerRecord | OutboxRecord]") -> list[str]:
    """The values of ``traceparent`` in the headers of a batch: of its first record, and of others evenly spread."""
    if _tracer is None:
        return []
    found = (
        value
        for record in records[:: max(1, len(records) // _SAMPLED_RECORDS)]
        for name, value in record.headers
        if value and name in (HEADER, "traceparent")
    )
    return [value.decode("ascii", "replace") for value in dict.fromkeys(found)]


def _current() -> "SpanContext | None":
    if _tracer is None:
        return None
    from opentelemetry import trace  # noqa: PLC0415 - off by default

    context = trace.get_current_span().get_span_context()
    return context if context.is_valid else None


def _parse(value: str | None) -> "SpanContext | None":
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 - off by default

    if value is None or not (match := _PATTERN.fullmatch(value)):
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return context if context.is_valid else None
