"""Every service responds as its OpenAPI document says, to valid and to invalid requests."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
import requests
from api_server import running_application
from api_services import CREATE_APP, create_app
from api_tokens import SECRET
from effort import repeat
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tidemark_shared.http.admission import MAX_TARGET_BYTES
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.messaging.kafka import create_topics

DOCUMENTS = Path(__file__).parents[2] / "docs/openapi"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


# The application runs in this process and uses `random` for jitter while cases are generated.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("service", CREATE_APP)
async def test_every_response_matches_the_openapi_document(service, database, kafka_bootstrap_servers, topic_prefix):
    await create_topics(kafka_bootstrap_servers, prefix=topic_prefix)
    app = create_app(service, database, kafka_bootstrap_servers=kafka_bootstrap_servers, topic_prefix=topic_prefix)
    headers = {
        "authorization": f"Bearer {issue_token(SECRET, 'olga', 'admin', now=datetime.now(UTC))}",
        "if-match": "*",
    }
    document = json.loads((DOCUMENTS / f"{service}.json").read_text())
    async with running_application(app) as url:
        ids = await create_resources(url, headers) if service == "contracts" else {}
        await asyncio.to_thread(check_all_operations, document, url, headers, ids)


async def create_resources(url, headers):
    """Create one resource of each kind; their ids by path parameter."""
    rates = {"normal": 1, "extra_time": 2, "weekend": 3, "holiday": 4}
    bodies = {
        "organization": ("organizations", {"name": "Acme", "timezone": "UTC"}),
        "team": ("teams", {"name": "Support"}),
        "rate_card": (
            "rate-cards", {"person_id": "ann", "from": "2026-01-01", "currency": "EUR", "per_hour_minor": rates},
        ),
        "contract": (
            "contracts", {
                "code": "ACME-SUP", "name": "Support", "owner": {"name": "Olga", "email": "olga@provider.example"},
                "type": "time_and_materials", "start_date": "2026-01-01", "end_date": "2099-12-31", "timezone": "UTC",
                "contracted_hours": "40", "accounts": [{"name": "Help desk", "planned_hours": "40"}],
            },
        ),
    }  # fmt: skip
    ids = {}
    async with httpx.AsyncClient(base_url=f"{url}/v1", headers=headers) as client:
        for name, (path, body) in bodies.items():
            complete_body = body | ({"organization_id": ids["organization"]} if name == "contract" else {})
            response = await client.post(f"/{path}", json=complete_body)
            assert response.status_code == 201, response.text
            ids[name] = response.json()["id"]
    return ids


def check_all_operations(document, url, headers, ids):
    for result in openapi.from_dict(document).get_all_operations():
        operation = result.ok()
        check_cases(operation.as_strategy(GenerationMode.NEGATIVE), url, headers)
        check_cases(operation.as_strategy(), url, headers)
        if path_ids := {name: ids[name] for name in ids if f"{{{name}}}" in operation.path}:
            check_cases(operation.as_strategy(path_parameters=path_ids), url, headers)


def check_cases(cases, url, headers):
    # The same requests in each run; a failure shows the whole request, so shrinking is not needed.
    @settings(
        max_examples=repeat(1, long=12), deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(cases)
    def check_case(case):
        try:
            case.call_and_validate(base_url=url, headers=headers, checks=CHECKS, timeout=60)
        except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError):
            # The server reads no longer addresses, and ends the connection: the client may see that before the answer.
            if len(urlencode(case.query or {}, doseq=True)) < MAX_TARGET_BYTES:
                raise

    check_case()
