"""An OpenTelemetry collector that takes OTLP over HTTP, and keeps the spans."""

import gzip
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from web_server import running_server


class Span(NamedTuple):
    service: str
    name: str
    trace_id: str
    id: str
    parent_id: str
    links: tuple[str, ...]
    """The ids of traces."""
    start_ns: int
    end_ns: int
    attributes: dict[str, str | int]


@asynccontextmanager
async def running_collector() -> AsyncIterator[tuple[str, list[Span]]]:
    """The collector's address, and what it has received."""
    spans: list[Span] = []

    async def receive(request: Request) -> Response:
        body = await request.body()
        content = gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body
        spans.extend(_spans(ExportTraceServiceRequest.FromString(content)))
        return Response(media_type="application/x-protobuf")

    async with running_server(Starlette(routes=[Route("/v1/traces", receive, methods=["POST"])])) as url:
        yield url, spans


def _spans(message: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in message.resource_spans:
        of_resource = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            yield Span(
                of_resource["service.name"],
                span.name,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                tuple(link.trace_id.hex() for link in span.links),
                span.start_time_unix_nano,
                span.end_time_unix_nano,
                {a.key: a.value.string_value or a.value.int_value for a in span.attributes},
            )


def draw(spans: Iterable[Span]) -> str:
    """A trace as a tree: service, span, and its start and duration in milliseconds."""
    ordered = sorted(spans, key=lambda span: span.start_ns)
    ids = {span.id for span in ordered}

    def lines(parent_id: str, depth: int) -> Iterator[str]:
        for span in ordered:
            if span.parent_id == parent_id or (not parent_id and span.parent_id not in ids):
                start, duration = span.start_ns - ordered[0].start_ns, span.end_ns - span.start_ns
                text = f"{'  ' * depth}{span.service}: {span.name}"
                yield f"{text:<64}{start / 1e6:>6.0f} ms {duration / 1e6:>6.0f} ms"
                yield from lines(span.id, depth + 1)

    return "\n".join(lines("", 0))
