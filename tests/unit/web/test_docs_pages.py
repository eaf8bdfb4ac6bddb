"""The pages at /docs: complete, without anything inline, and readable by anybody."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tidemark_shared.settings import Settings
from tidemark_web.api_reference import describe_api, describe_type
from tidemark_web.app import create_app

DOCS = Path(__file__).parents[3] / "docs"
OPENAPI = {path.stem: json.loads(path.read_text()) for path in (DOCS / "openapi").glob("*.json")}
TOPICS = {path.stem: json.loads(path.read_text()) for path in (DOCS / "asyncapi").glob("*.json")}
SERVICES = ("contracts", "consumption", "notifier")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        Settings(
            secret="0123456789abcdef0123456789abcdef",  # noqa: S106 - a secret of the tests
            contracts_url="http://contracts", consumption_url="http://consumption", notifier_url="http://notifier",
        )
    )  # fmt: skip
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=OPENAPI[request.url.host]))
    async with app.router.lifespan_context(app):
        app.state.clients |= {
            name: httpx.AsyncClient(base_url=f"http://{name}", transport=transport) for name in SERVICES
        }
        async with httpx.AsyncClient(base_url="http://127.0.0.1", transport=httpx.ASGITransport(app)) as web:
            yield web


async def test_every_operation_and_type_is_on_the_page(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    merged = OPENAPI["tidemark"]
    ids = [operation["operationId"] for path in merged["paths"].values() for operation in path.values()]
    for anchor in [*ids, "webhook_notification", *(f"schema-{name}" for name in merged["components"]["schemas"])]:
        assert page.text.count(f'id="{anchor}"') == 1, anchor


async def test_every_event_is_on_the_page(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs/events")
    for topic, document in TOPICS.items():
        for name in document["channels"][topic]["messages"]:
            assert page.text.count(f'id="{name}"') == 1
        assert (await client.get(f"/docs/events/{topic}.json")).json() == document
    assert (await client.get("/docs/events/unknown.json")).status_code == 404


@pytest.mark.parametrize("path", ["/docs", "/docs/events"])
async def test_links_lead_somewhere_and_nothing_is_inline(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"<style|<script>|\son\w+=|\sstyle=|https?://(?!127)[^\"<]*\"", page.text)
    anchors = set(re.findall(r'href="#([^"]+)"', page.text))
    assert anchors
    assert anchors <= set(re.findall(r'id="([^"]+)"', page.text))


async def test_texts_of_the_documents_are_escaped(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    document = json.loads(json.dumps(OPENAPI["contracts"]))
    document["paths"]["/v1/teams"]["get"]["description"] = "`<b>` & <script>alert(1)</script>"
    monkeypatch.setitem(OPENAPI, "contracts", document)
    page = (await client.get("/docs")).text
    assert "<code>&lt;b&gt;</code> &amp; &lt;script&gt;" in page
    assert "<script>alert" not in page


def test_operations_without_a_tag_do_not_get_lost() -> None:
    merged = OPENAPI["tidemark"]
    shown = [operation for group in describe_api(merged) for operation in group.operations]
    assert len(shown) == sum(len(path) for path in merged["paths"].values()) + len(merged["webhooks"])


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string", "format": "date"}, "date"),
        ({"type": "integer", "minimum": 1, "maximum": 3}, "integer (at least 1, at most 3)"),
        ({"anyOf": [{"$ref": "#/components/schemas/A"}, {"type": "null"}]}, "A or null"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, 'list of "a" or "b"'),
        ({"type": ["string", "null"]}, "string or null"),
        ({}, ""),
    ],
)
def test_types_are_readable(schema: dict[str, Any], text: str) -> None:
    assert "".join(part for part, _ in describe_type(schema)) == text
