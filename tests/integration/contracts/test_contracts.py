"""The contracts service on a real database and a real broker, through its public API only."""

from asyncio import gather
from urllib.parse import quote
from uuid import UUID, uuid4

import asyncpg
import pytest
from contracts_api import (
    contract_body,
    create_draft,
    create_organization,
    create_team,
    expect_status,
    post_action,
    put_change,
    run_service,
    violation_keys,
)
from polling import wait_until

from tidemark_contracts.app import create_app
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE


async def test_contract_and_its_references_are_published(api, published):
    draft = await create_draft(api)
    active = await expect_status(post_action(api, "ACME-SUP", "activate", 1), 200)
    assert (active.json()["status"], active.headers["etag"]) == ("ACTIVE", '"2"')
    events = await published(LIFECYCLE, 2)
    assert [
        (event.type, event.data.stream_version, event.data.status, event.data.previous_status) for _, event in events
    ] == [
        ("tidemark.contract.drafted.v1", 1, "DRAFT", None),
        ("tidemark.contract.activated.v1", 2, "ACTIVE", "DRAFT"),
    ]
    assert {key for key, _ in events} == {draft["id"]}
    assert {event.source for _, event in events} == {"/contracts"}
    assert str(events[1][1].data.terms.accounts[0].id) == draft["accounts"][0]["id"]
    directory = await published(DIRECTORY, 2)
    assert {event.type for _, event in directory} == {"tidemark.team.changed.v1", "tidemark.organization.changed.v1"}


async def test_create_returns_the_body_with_ids(api):
    body = await contract_body(api)
    own = str(uuid4())
    body["accounts"] = [{"id": own, "name": "A", "planned_hours": "30.50"}, {"name": "B", "planned_hours": "9.5"}]
    response = await expect_status(api.post("/contracts", json=body), 201)
    answer = response.json()
    assert response.headers["location"] == f"/v1/contracts/{answer['id']}"
    assert response.headers["etag"] == '"1"'
    assert (answer["version"], answer["status"]) == (1, "DRAFT")
    assert answer["accounts"][0]["id"] == own
    assert UUID(answer["accounts"][1]["id"])
    assert [account["planned_hours"] for account in answer["accounts"]] == ["30.5", "9.5"]
    assert {name: answer[name] for name in body if name != "accounts"} == {
        name: value for name, value in body.items() if name != "accounts"
    }
    for reference in (answer["id"], "ACME-SUP"):
        assert (await expect_status(api.get(f"/contracts/{reference}"), 200)).json() == answer
    assert (await expect_status(put_change(api, "/contracts/ACME-SUP", answer, 1), 200)).headers["etag"] == '"1"'


async def test_fixed_price_with_rollover_and_adjustment_is_published(api, published):
    own = str(uuid4())
    body = await contract_body(
        api, type="fixed_price", recurrence="monthly", end_date="2045-12-31",
        contracted_hours=None, contracted_value_minor=1_000_000, currency="EUR",
        rollover={"unused": "carry", "cap_value_minor": 500_000, "lapse_after_periods": 3, "overrun": "deduct"},
        adjustments=[{"account_id": own, "period_start": "2026-03-01", "value_minor": -1_000_001, "reason": "credit"}],
    )  # fmt: skip
    (desk,) = body["accounts"]
    team_id = desk["slices"][0]["team_id"]
    changes = {"id": own, "planned_hours": None, "planned_value_minor": 1_000_000, "slices": [{"team_id": team_id}]}
    body["accounts"] = [desk | changes]
    await expect_status(api.post("/contracts", json=body), 201)
    refused = await expect_status(post_action(api, "ACME-SUP", "activate", 1), 422)
    assert violation_keys(refused) == {("C2.adjustment", "/adjustments/0/value_minor")}
    body["adjustments"][0]["value_minor"] = -1_000_000
    await expect_status(put_change(api, "/contracts/ACME-SUP", body, 1), 200)
    active = (await expect_status(post_action(api, "ACME-SUP", "activate", 2), 200)).json()
    assert active["adjustments"] == [body["adjustments"][0] | {"hours": None}]
    events = await published(LIFECYCLE, 3)
    terms = events[-1][1].data.terms.model_dump(mode="json")
    assert terms == {name: active[name] for name in terms}


@pytest.mark.parametrize("code", ["2026/017 Ä", "a/activate", "100 %", "?#&", "0f8fad5b-d9cb-469f-a165-70867728950e"])
async def test_any_code_works_in_the_url(api, code):
    draft = await create_draft(api, code=code)
    path = f"/contracts/{quote(code, safe='')}"
    assert (await expect_status(api.get(path), 200)).json() == draft
    assert (await expect_status(post_action(api, quote(code, safe=""), "activate", 1), 200)).json()[
        "status"
    ] == "ACTIVE"
    assert len((await expect_status(api.get(f"{path}/history"), 200)).json()["items"]) == 2


async def test_create_reports_all_violations_at_once(api):
    response = await expect_status(api.post("/contracts", json={
        "code": "X", "name": "", "owner": {"name": "O", "email": "nowhere"}, "organization_id": str(uuid4()),
        "type": "time_and_materials", "start_date": "2026-02-30", "end_date": "2026-01-01", "timezone": "Nowhere/At",
        "contracted_hours": "1.234", "accounts": [{"name": "A", "teams": [str(uuid4())]}, {"name": "A"}],
    }), 422)  # fmt: skip
    assert response.headers["content-type"] == "application/problem+json"
    assert violation_keys(response) == {
        ("invalid", "/name"), ("invalid", "/owner/email"), ("unknown_reference", "/organization_id"),
        ("invalid", "/start_date"), ("invalid", "/timezone"), ("C5.precision", "/contracted_hours"),
        ("unknown_reference", "/accounts/0/teams/0"), ("duplicate", "/accounts/1/name"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"name": "\\ud800"}', b'{"name": "\\u0000"}', b"[" * 9999]
)
async def test_unreadable_body_is_a_client_error(api, content):
    for path in ("/contracts", "/organizations", "/teams"):
        response = await api.post(path, content=content, headers={"content-type": "application/json"})
        assert response.status_code in (400, 422), response.text


async def test_life_cycle_over_http(api, published):
    draft = await create_draft(api)
    path = f"/contracts/{draft['id']}"
    await expect_status(post_action(api, draft["id"], "suspend", 1, {"reason": "r"}), 409)
    await expect_status(post_action(api, draft["id"], "activate", 1), 200)
    await expect_status(post_action(api, draft["id"], "activate", 2), 409)
    await expect_status(put_change(api, path, draft | {"name": "Other"}, 2), 409)
    await expect_status(api.delete(path, headers={"if-match": '"2"'}), 409)
    assert violation_keys(await expect_status(post_action(api, draft["id"], "suspend", 2), 422)) == {
        ("invalid", "/reason")
    }
    await expect_status(post_action(api, draft["id"], "suspend", 2, {"reason": "unpaid"}), 200)
    amended = draft | {"contracted_hours": "41"}
    response = await expect_status(post_action(api, draft["id"], "amend", 3, amended), 422)
    assert violation_keys(response) == {("invalid", "/reason"), ("C2.sum", "/accounts")}
    amended = draft | {"end_date": "2026-01-31", "reason": "shorter"}
    assert (await expect_status(post_action(api, draft["id"], "amend", 3, amended), 200)).json()["status"] == "INACTIVE"
    resumed = (await expect_status(post_action(api, draft["id"], "resume", 4, {"reason": "paid"}), 200)).json()
    assert (resumed["status"], resumed["version"]) == ("EXPIRED", 6)
    reopened = await expect_status(post_action(api, draft["id"], "amend", 6, draft | {"reason": "longer"}), 200)
    assert reopened.json()["status"] == "ACTIVE"
    await expect_status(post_action(api, draft["id"], "close", 7, {"reason": "over"}), 200)
    history = (await expect_status(api.get(f"{path}/history"), 200)).json()["items"]
    assert [
        (entry["version"], entry["what"], entry["status"], entry["actor"], entry["reason"]) for entry in history
    ] == [
        (1, "drafted", "DRAFT", "olga", None),
        (2, "activated", "ACTIVE", "olga", None),
        (3, "suspended", "INACTIVE", "olga", "unpaid"),
        (4, "amended", "INACTIVE", "olga", "shorter"),
        (5, "resumed", "ACTIVE", "olga", "paid"),
        (6, "expired", "EXPIRED", "tidemark", "The end date has passed."),
        (7, "amended", "ACTIVE", "olga", "longer"),
        (8, "closed", "CLOSED", "olga", "over"),
    ]
    assert history[3]["descriptions"] == ["End date 2099-12-31 → 2026-01-31"]
    assert history[3]["changes"] == [{"path": "/end_date", "before": "2099-12-31", "after": "2026-01-31"}]
    assert (history[4]["descriptions"], history[4]["changes"]) == (["Status INACTIVE → ACTIVE"], [])
    events = await published(LIFECYCLE, 8)
    published_entries = [
        (event.data.stream_version, event.data.status, event.data.actor, event.data.reason) for _, event in events
    ]
    assert published_entries == [
        (entry["version"], entry["status"], entry["actor"], entry["reason"]) for entry in history
    ]


async def test_discarded_draft_frees_its_code(api, published):
    draft = await create_draft(api)
    assert violation_keys(await expect_status(api.post("/contracts", json=draft), 422)) == {("duplicate", "/code")}
    await expect_status(api.delete("/contracts/ACME-SUP", headers={"if-match": '"1"'}), 204)
    await expect_status(api.get(f"/contracts/{draft['id']}"), 404)
    await expect_status(api.post("/contracts", json=draft), 201)
    statuses = [(event.type, event.data.status) for key, event in await published(LIFECYCLE, 3) if key == draft["id"]]
    assert statuses == [("tidemark.contract.drafted.v1", "DRAFT"), ("tidemark.contract.discarded.v1", None)]


async def test_change_needs_the_current_etag(api):
    draft = await create_draft(api)
    await expect_status(api.put("/contracts/ACME-SUP", json=draft), 428)
    await expect_status(api.delete("/contracts/ACME-SUP"), 428)
    await expect_status(api.post("/contracts/ACME-SUP/activate", json={}), 428)
    await expect_status(put_change(api, "/contracts/ACME-SUP", draft, 2), 412)
    changed = await expect_status(put_change(api, "/contracts/ACME-SUP", draft | {"name": "Other"}, 1), 200)
    assert (changed.headers["etag"], changed.json()["name"]) == ('"2"', "Other")
    await expect_status(api.delete("/contracts/ACME-SUP", headers={"if-match": '"1", "2"'}), 204)


async def test_organizations_and_teams_are_created_changed_and_deleted(api, published):
    organization_id, team_id = await create_organization(api), await create_team(api)
    path = f"/teams/{team_id}"
    read = await expect_status(api.get(path), 200)
    assert read.json() == {
        "name": "Support",
        "members": [{"person_id": "712020:ab", "name": None, "email": None, "from": "2026-01-01", "until": None}],
        "id": team_id, "version": 1,
    }  # fmt: skip
    assert (await expect_status(put_change(api, path, read.json(), 1), 200)).headers["etag"] == '"1"'
    await expect_status(put_change(api, path, {"name": "Second line"}, 2), 412)
    assert (await expect_status(put_change(api, path, {"name": "Second line"}, 1), 200)).headers["etag"] == '"2"'
    twice = [{"person_id": "p", "from": "2026-01-01"}] * 2
    assert violation_keys(await expect_status(put_change(api, path, {"name": "T", "members": twice}, 2), 422)) == {
        ("duplicate", "/members/1")
    }
    await expect_status(api.get(f"/organizations/{team_id}"), 404)
    await expect_status(api.delete(path), 428)
    await expect_status(api.delete(path, headers={"if-match": '"2"'}), 204)
    await expect_status(api.get(path), 404)
    events = await published(DIRECTORY, 4)
    assert [(event.data.version, event.data.deleted, event.data.name) for key, event in events if key == team_id] == [
        (1, False, "Support"), (2, False, "Second line"), (3, True, "Second line"),
    ]  # fmt: skip
    assert [event.data.version for key, event in events if key == organization_id] == [1]


async def test_referenced_organization_and_team_cannot_be_deleted(api):
    draft = await create_draft(api)
    named = [f"/organizations/{draft['organization_id']}", f"/teams/{draft['accounts'][0]['slices'][0]['team_id']}"]
    for path in named:
        await expect_status(api.delete(path, headers={"if-match": '"1"'}), 409)
    await expect_status(api.delete("/contracts/ACME-SUP", headers={"if-match": '"1"'}), 204)
    for path in named:
        await expect_status(api.delete(path, headers={"if-match": '"1"'}), 204)


async def test_roles_limit_what_a_token_can_do(settings):
    async with run_service(settings, role="viewer") as viewer:
        await expect_status(viewer.get("/contracts"), 200)
        await expect_status(viewer.post("/organizations", json={"name": "A", "timezone": "UTC"}), 403)
        await expect_status(viewer.get("/contracts", headers={"authorization": ""}), 401)


async def test_idempotency_key_creates_once(api, settings):
    body = {"name": "Acme", "timezone": "UTC"}
    key = {"idempotency-key": "k-1"}
    responses = await gather(*(api.post("/organizations", json=body, headers=key) for _ in range(5)))
    assert {response.status_code for response in responses} == {201}
    assert len({(response.text, response.headers["location"], response.headers["etag"]) for response in responses}) == 1
    async with run_service(settings) as another_instance:
        spaced = b'{"timezone":  "UTC", "name": "Acme"}'
        again = another_instance.post(
            "/organizations", content=spaced, headers={**key, "content-type": "application/json"}
        )
        assert (await expect_status(again, 201)).text == responses[0].text
    await expect_status(api.post("/organizations", json=body | {"name": "Other"}, headers=key), 422)
    await expect_status(api.post("/teams", json=body, headers=key), 422)
    assert len((await expect_status(api.get("/organizations"), 200)).json()["items"]) == 1


async def test_known_idempotency_key_returns_the_first_response(api):
    draft = await create_draft(api)
    key = {"idempotency-key": "k-2"}
    # What is refused does nothing, so its key is free for the corrected request.
    await expect_status(post_action(api, draft["id"], "activate", 7, **key), 412)
    first = await expect_status(post_action(api, draft["id"], "activate", 1, **key), 200)
    again = await expect_status(api.post(f"/contracts/{draft['id']}/activate", json={}, headers=key), 200)
    assert (again.text, again.headers["etag"]) == (first.text, '"2"')


async def test_responses_are_kept_for_seven_days(api, pool, settings):
    key = {"idempotency-key": "k-3"}
    await expect_status(api.post("/teams", json={"name": "T"}, headers=key), 201)
    await pool.execute("UPDATE idempotency_keys SET answered_at = now() - interval '6 days 23 hours'")
    await expect_status(api.post("/teams", json={"name": "T"}, headers=key), 201)
    assert await pool.fetchval("SELECT count(*) FROM directory") == 1
    await pool.execute("UPDATE idempotency_keys SET answered_at = now() - interval '7 days 1 minute'")

    async def forgotten():
        return await pool.fetchval("SELECT count(*) FROM idempotency_keys") == 0

    async with run_service(settings):  # which begins with it
        await wait_until(forgotten)


@pytest.mark.parametrize("statement", ["UPDATE events SET actor = 'me'", "DELETE FROM events", "TRUNCATE events"])
async def test_events_cannot_be_changed_or_deleted(api, pool, statement):
    await create_draft(api)
    with pytest.raises(asyncpg.RaiseError, match="Events are never changed"):
        await pool.execute(statement)


async def test_body_too_large_for_an_event_is_a_violation(api):
    for fits, number in ((True, 2900), (False, 3200)):
        members = [{"person_id": f"{person:0250}", "from": "2026-01-01"} for person in range(number)]
        response = await api.post("/teams", json={"name": "T", "members": members})
        assert violation_keys(response) == {("invalid", "")} if not fits else response.status_code == 201


async def test_openapi_document_is_complete(settings):
    document = create_app(settings).openapi()
    schema = document["paths"]["/v1/contracts"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "contracted_hours" in document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
    query = {parameter["name"] for parameter in document["paths"]["/v1/contracts"]["get"]["parameters"]}
    assert query >= {"status", "organization", "owner", "from", "to", "text", "cursor", "limit"}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            status, success = next(item for item in operation["responses"].items() if item[0].startswith("2"))
            assert status == "204" or "$ref" in success["content"]["application/json"]["schema"], (method, path)


async def test_dry_run_answers_as_the_change_would_and_changes_nothing(api):
    body = await contract_body(api)
    dry = await expect_status(api.post("/contracts?dry_run=true", json=body, headers={"idempotency-key": "k"}), 201)
    assert (await expect_status(api.get("/contracts"), 200)).json()["items"] == []
    draft = (await expect_status(api.post("/contracts", json=body, headers={"idempotency-key": "k"}), 201)).json()
    assert {**dry.json(), "id": 0, "accounts": 0} == {**draft, "id": 0, "accounts": 0}
    tag, path = {"if-match": '"1"'}, f"/contracts/{draft['id']}"
    refused = await api.put(f"{path}?dry_run=true", json=body | {"code": ""}, headers=tag)
    assert [violation["path"] for violation in refused.json()["violations"]] == ["/code"]
    await expect_status(api.put(f"{path}?dry_run=true", json=body | {"name": "Other"}, headers=tag), 200)
    await expect_status(api.post(f"{path}/activate?dry_run=true", headers=tag), 200)
    await expect_status(api.delete(f"{path}?dry_run=true", headers=tag), 204)
    assert (await expect_status(api.get(path), 200)).json() == draft
