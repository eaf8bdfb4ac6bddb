"""Every route of the OpenAPI documents refuses query parameters and body members that it does not know."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from api_services import CREATE_APP, create_app
from api_tokens import SECRET
from polling import wait_until

from tidemark_shared.http.tokens import issue_token
from tidemark_shared.messaging.kafka import create_topics

DOCUMENTS = Path(__file__).parents[3] / "docs/openapi"
CONTRACT = {
    "name": "Support", "owner": {"name": "Olga", "email": "olga@provider.example"}, "type": "time_and_materials",
    "start_date": "2026-01-01", "end_date": "2099-12-31", "timezone": "UTC", "contracted_hours": "40",
    "accounts": [{"name": "Help desk", "planned_hours": "40"}],
}  # fmt: skip


@pytest.fixture(params=CREATE_APP)
async def service(request, database, kafka_bootstrap_servers, topic_prefix):
    """A service as a client, and its OpenAPI document."""
    await create_topics(kafka_bootstrap_servers, prefix=topic_prefix)
    app = create_app(
        request.param, database, kafka_bootstrap_servers=kafka_bootstrap_servers, topic_prefix=topic_prefix
    )
    headers = {
        "authorization": f"Bearer {issue_token(SECRET, 'olga', 'admin', now=datetime.now(UTC))}",
        "if-match": "*",
    }
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", headers=headers) as client,
    ):

        async def is_ready():
            return (await client.get("/readyz")).status_code == 200

        await wait_until(is_ready, timeout_seconds=60)
        document = json.loads((DOCUMENTS / f"{request.param}.json").read_text())
        yield client, document


async def test_each_route_refuses_what_it_does_not_know(service):
    client, document = service
    contracts = await create_contracts(client) if "/v1/contracts" in document["paths"] else {}
    routes = [
        (method, path, "requestBody" in operation, query_parameters(operation))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    assert routes
    not_refused = []
    for method, path, has_body, parameters in routes:
        contract = contracts.get("active" if path.endswith("/amend") else "draft", "ACME")
        url = path.replace("{contract}", contract)
        for name in ("organization", "team", "rate_card", "rule_id", "notification_id"):
            url = url.replace(f"{{{name}}}", str(uuid4()))
        response = await client.request(method, url, params={**parameters, "no_parameter": "1"})
        if unknown_fields(response) != {"/no_parameter"}:
            not_refused.append((method, path, "parameter", response.text))
        if has_body:
            response = await client.request(method, url, json={"no_member": 1})
            if "/no_member" not in unknown_fields(response):
                not_refused.append((method, path, "member", response.text))
    assert not_refused == []


def query_parameters(operation):
    """A value for each; whether it is valid does not matter."""
    return {item["name"]: "1" for item in operation.get("parameters", ()) if item["in"] == "query"}


def unknown_fields(response):
    """The paths of what the service does not know."""
    violations = response.json()["violations"] if response.status_code == 422 else ()
    return {violation["path"] for violation in violations if violation["code"] == "unknown_field"}


async def create_contracts(client):
    """The codes of a draft and of an active contract: rules of a contract need one that they apply to."""
    organization = await client.post("/v1/organizations", json={"name": "Acme", "timezone": "UTC"})
    for code in ("draft", "active"):
        body = {**CONTRACT, "code": code, "organization_id": organization.json()["id"]}
        response = await client.post("/v1/contracts", json=body)
        assert response.status_code == 201, response.text
    response = await client.post("/v1/contracts/active/activate", json={})
    assert response.status_code == 200, response.text
    return {"draft": "draft", "active": "active"}
