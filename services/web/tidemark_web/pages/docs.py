"""``/docs``: the OpenAPI and AsyncAPI documents as pages. They name no data, so anybody may read them.

A page takes a quarter of a second, in which web does nothing else. So it is drawn once for each document and reader,
and kept: readers without a session are all the same.
"""

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from tidemark_web.api_reference import describe_api, describe_schemas, describe_topics
from tidemark_web.pages.rendering import Drawing, draw, respond

_MAX_KEPT = 16
# Of each reader and page, with the document that it shows.
_kept: dict[Any, tuple[Any, Drawing]] = {}


async def show_api(request: Request) -> Response:
    """The HTTP API."""
    document = await request.app.state.fetch_document()

    def describe() -> dict[str, Any]:
        return {
            "title": "HTTP API",
            "introduction": document["info"]["description"],
            "groups": describe_api(document),
            "schemas": describe_schemas(document["components"]["schemas"]),
            "sources": [("openapi.json", "/openapi.json")],
        }

    return _show(request, document, describe)


async def show_events(request: Request) -> Response:
    """The topics of Kafka."""
    documents = await asyncio.to_thread(_event_documents)

    def describe() -> dict[str, Any]:
        schemas = {name: schema for document in documents.values() for name, schema in _schemas(document).items()}
        return {
            "title": "Events",
            "introduction": "Events on Kafka: CloudEvents 1.0. A topic may have a prefix (`TIDEMARK_TOPIC_PREFIX`).",
            "groups": describe_topics(documents.values()),
            "schemas": describe_schemas(schemas),
            "sources": [(name, f"/docs/events/{name}.json") for name in documents],
        }

    return _show(request, documents, describe)


def _show(request: Request, document: Any, describe: Callable[[], dict[str, Any]]) -> Response:
    state, app = request.state, request.app
    reader = (request.url.path, state.actor, state.has_session, app.state.has_inbox)
    kept = _kept.pop(reader, None)
    drawing = kept[1] if kept and kept[0] is document else draw(request, "docs.html", **describe())
    while len(_kept) >= _MAX_KEPT:
        del _kept[next(iter(_kept))]
    _kept[reader] = document, drawing
    return respond(request, drawing)


async def send_event_document(request: Request) -> Response:
    """The AsyncAPI document of a topic."""
    documents = await asyncio.to_thread(_event_documents)
    document = documents.get(request.path_params["topic"])
    return Response("Not found", 404) if document is None else JSONResponse(document)


@cache
def _event_documents() -> dict[str, dict[str, Any]]:
    # Its models of AsyncAPI take long to import, and only these pages need them.
    from tidemark_shared.messaging.asyncapi import build_asyncapi_document  # noqa: PLC0415
    from tidemark_shared.messaging.topics import TOPICS  # noqa: PLC0415

    return {topic.name: build_asyncapi_document(topic) for topic in TOPICS}


def _schemas(document: dict[str, Any]) -> dict[str, Any]:
    schemas: dict[str, Any] = document["components"]["schemas"]
    return schemas
