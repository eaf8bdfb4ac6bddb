"""``/docs``: the OpenAPI and AsyncAPI documents as pages. They name no data, so anybody may read them."""

import asyncio
from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from tidemark_web.api_reference import describe_api, describe_schemas, describe_topics
from tidemark_web.pages.rendering import render


async def show_api(request: Request) -> Response:
    """The HTTP API."""
    document = await request.app.state.fetch_document()
    return render(
        request,
        "docs.html",
        title="HTTP API",
        introduction=document["info"]["description"],
        groups=describe_api(document),
        schemas=describe_schemas(document["components"]["schemas"]),
        sources=[("openapi.json", "/openapi.json")],
    )


async def show_events(request: Request) -> Response:
    """The topics of Kafka."""
    documents = await asyncio.to_thread(_event_documents)
    schemas = {name: schema for document in documents.values() for name, schema in _schemas(document).items()}
    return render(
        request,
        "docs.html",
        title="Events",
        introduction="Events on Kafka: CloudEvents 1.0. A topic may have a prefix (`TIDEMARK_TOPIC_PREFIX`).",
        groups=describe_topics(documents.values()),
        schemas=describe_schemas(schemas),
        sources=[(name, f"/docs/events/{name}.json") for name in documents],
    )


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
