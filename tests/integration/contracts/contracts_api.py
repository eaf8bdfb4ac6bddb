"""A client of the contracts service, and bodies to send."""

from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from unittest.mock import patch

import httpx
from applications import build_app

from tidemark_contracts.app import create_app
from tidemark_contracts.recovery import Recovery
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.runtime import ServiceRuntime

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - signs the tokens of these tests


@asynccontextmanager
async def run_service(settings, role="manager", *, reads_topics=False):
    """An instance of the service, as a client with a token. Only one that reads topics needs them to exist."""
    app = build_app(create_app, settings)
    token = issue_token(SECRET, "olga", role, now=datetime.now(UTC))
    with ExitStack() as patches:
        if not reads_topics:
            patches.enter_context(patch.object(ServiceRuntime, "start_consumer"))
            patches.enter_context(patch.object(Recovery, "start"))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://contracts/v1",
                headers={"authorization": f"Bearer {token}"},
            ) as client,
        ):  # fmt: skip
            yield client


async def expect_status(request, status):
    response = await request
    assert response.status_code == status, response.text
    return response


async def create_organization(api, **changes):
    body = {"name": "Acme", "timezone": "Europe/Berlin", "contacts": []} | changes
    return (await expect_status(api.post("/organizations", json=body), 201)).json()["id"]


async def create_team(api, name="Support"):
    members = [{"person_id": "712020:ab", "from": "2026-01-01"}]
    return (await expect_status(api.post("/teams", json={"name": name, "members": members}), 201)).json()["id"]


async def contract_body(api, **changes):
    slices = [{"team_id": await create_team(api), "planned_hours": "40"}]
    return {
        "code": "ACME-SUP", "name": "Support", "description": "",
        "owner": {"name": "Olga", "email": "olga@provider.example"}, "organization_id": await create_organization(api),
        "type": "time_and_materials", "recurrence": "none", "start_date": "2026-01-01", "end_date": "2099-12-31",
        "timezone": "Europe/Berlin", "holidays": "DE-BE", "contracted_hours": "40",
        "accounts": [{"name": "Help desk", "planned_hours": "40", "slices": slices}], **changes,
    }  # fmt: skip


async def create_draft(api, **changes):
    return (await expect_status(api.post("/contracts", json=await contract_body(api, **changes)), 201)).json()


async def create_active_contract(api, **changes):
    draft = await create_draft(api, **changes)
    return (await expect_status(post_action(api, draft["id"], "activate", 1), 200)).json()


def post_action(api, contract, action, version, body=None, **headers):
    return api.post(f"/contracts/{contract}/{action}", json=body or {}, headers={"if-match": f'"{version}"', **headers})


def put_change(api, path, body, version):
    return api.put(path, json=body, headers={"if-match": f'"{version}"'})


def violation_keys(response):
    return {(violation["code"], violation["path"]) for violation in response.json()["violations"]}
