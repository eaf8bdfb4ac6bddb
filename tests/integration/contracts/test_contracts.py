"""The contracts service on a real database and a real broker, through its public API only."""

from asyncio import gather
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import UUID, uuid4

import asyncpg
import pytest
from contracts_api import (
    contract_body,
    create_active_contract,
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
from tidemark_contracts.contract import expiry
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
    assert history[3]["sentences"] == ["End date 2099-12-31 → 2026-01-31"]
    assert history[3]["changes"] == [{"path": "/end_date", "before": "2099-12-31", "after": "2026-01-31"}]
    assert (history[4]["sentences"], history[4]["changes"]) == (["Status INACTIVE → ACTIVE"], [])
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


async def test_lists_are_filtered(api):
    base = await contract_body(api)
    other = await create_organization(api, name="Öko & Söhne")
    for code, changes in {
        "A1": {"owner": {"name": "Ann", "email": "ann@provider.example"}},
        "B2": {"organization_id": other, "description": "50% of_it"},
        "C3": {"start_date": "2027-01-01", "end_date": "2027-12-31"},
    }.items():
        await expect_status(api.post("/contracts", json=base | {"code": code} | changes), 201)
    await expect_status(post_action(api, "A1", "activate", 1), 200)

    async def listed(**query):
        return [
            contract["code"]
            for contract in (await expect_status(api.get("/contracts", params=query), 200)).json()["items"]
        ]

    assert await listed() == ["A1", "B2", "C3"]
    assert await listed(status="ACTIVE") == ["A1"]
    assert await listed(status=["ACTIVE", "DRAFT"]) == ["A1", "B2", "C3"]
    assert await listed(organization=other) == ["B2"]
    assert await listed(owner="ANN@") == ["A1"]
    assert await listed(text="50% OF_") == ["B2"]
    assert await listed(text="ÖKO") == ["B2"]
    assert await listed(**{"from": "2027-12-31", "to": "2027-12-31"}) == ["A1", "B2", "C3"]
    assert await listed(to="2026-12-31") == ["A1", "B2"]
    names = [
        organization_["name"]
        for organization_ in (await expect_status(api.get("/organizations", params={"text": "öko"}), 200)).json()[
            "items"
        ]
    ]
    assert names == ["Öko & Söhne"]
    assert (await expect_status(api.get("/organizations", params={"name": "Acm"}), 200)).json()["items"] == []
    for path, query in (("/contracts", {"text": "\0"}), ("/teams", {"cursor": "x"}), ("/contracts", {"limit": "0"})):
        await expect_status(api.get(path, params=query), 422)


@pytest.mark.parametrize("path", ["contracts", "teams", "organizations"])
async def test_pages_show_each_item_once(api, path):
    base = await contract_body(api)
    bodies = {
        "contracts": [base | {"code": f"C{number}"} for number in range(5)],
        "teams": [{"name": "Same"}] * 5,
        "organizations": [{"name": "Same", "timezone": "UTC"}] * 5,
    }
    for body in bodies[path]:
        await expect_status(api.post(f"/{path}", json=body), 201)
    seen, cursor = [], {}
    while cursor is not None:
        page = (await expect_status(api.get(f"/{path}", params={"limit": 2, **cursor}), 200)).json()
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        cursor = {"cursor": page["next"]} if page["next"] else None
    assert len(seen) == len(set(seen)) == (5 if path == "contracts" else 6)


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


async def test_concurrent_changes_succeed_once_per_version(api, settings, published):
    draft = await create_draft(api)
    async with run_service(settings) as another_instance:
        for version in range(1, 11):
            responses = await gather(*(
                put_change(client, "/contracts/ACME-SUP", draft | {"name": f"{version} {number}"}, version)
                for number, client in enumerate([api, another_instance] * 3)
            ))  # fmt: skip
            assert sorted(response.status_code for response in responses) == [200, 412, 412, 412, 412, 412]
    history = (await expect_status(api.get("/contracts/ACME-SUP/history"), 200)).json()["items"]
    assert [entry["version"] for entry in history] == list(range(1, 12))
    events = await published(LIFECYCLE, 11)
    assert [event.data.stream_version for _, event in events] == list(range(1, 12))
    assert events[-1][1].data.terms.name == (await expect_status(api.get("/contracts/ACME-SUP"), 200)).json()["name"]


async def test_concurrent_amendments_succeed_once_per_version(api, settings, published):
    active = await create_active_contract(api)
    async with run_service(settings) as another_instance:
        for version in range(2, 12):
            responses = await gather(*(
                post_action(client, "ACME-SUP", "amend", version, active | {"name": f"{version} {name}", "reason": "r"})
                for name, client in (("one", api), ("another", another_instance))
            ))  # fmt: skip
            assert sorted(response.status_code for response in responses) == [200, 412]
            won = next(response for response in responses if response.status_code == 200).json()
            assert (await expect_status(api.get("/contracts/ACME-SUP"), 200)).json() == won
    items = (await expect_status(api.get("/contracts/ACME-SUP/events"), 200)).json()["items"]
    assert [item["data"]["stream_version"] for item in items] == list(range(1, 13))
    assert [event.data.model_dump(mode="json") for _, event in await published(LIFECYCLE, 12)] == [
        item["data"] for item in items
    ]


async def test_concurrent_team_changes_succeed_once_per_version(api, settings, published):
    team_id = await create_team(api)
    async with run_service(settings) as another_instance:
        for version in range(1, 11):
            responses = await gather(*(
                put_change(client, f"/teams/{team_id}", {"name": f"{version} {number}"}, version)
                for number, client in enumerate([api, another_instance] * 2)
            ))  # fmt: skip
            assert sorted(response.status_code for response in responses) == [200, 412, 412, 412]
    events = await published(DIRECTORY, 11)
    assert [event.data.version for _, event in events] == list(range(1, 12))


async def test_concurrent_contracts_with_one_code_succeed_once(api):
    body = await contract_body(api)
    responses = await gather(*(api.post("/contracts", json=body) for _ in range(4)))
    assert sorted(response.status_code for response in responses) == [201, 422, 422, 422]
    assert violation_keys(next(response for response in responses if response.status_code == 422)) == {
        ("duplicate", "/code")
    }


async def test_new_reference_and_deletion_never_both_succeed(api):
    for number in range(10):
        body = await contract_body(api, code=f"C{number}")
        created, deleted = await gather(
            api.post("/contracts", json=body),
            api.delete(f"/organizations/{body['organization_id']}", headers={"if-match": '"1"'}),
        )
        assert (created.status_code, deleted.status_code) in ((201, 409), (422, 204))


async def test_events_are_published_in_order_across_restarts(settings, published):
    async with run_service(settings) as api:
        base = await contract_body(api)
        drafts = [
            (await expect_status(api.post("/contracts", json=base | {"code": f"C{number}"}), 201)).json()
            for number in range(5)
        ]
    for version in range(1, 4):
        async with run_service(settings) as api:
            for draft in drafts:
                changed = draft | {"name": f"Version {version + 1}"}
                await expect_status(put_change(api, f"/contracts/{draft['id']}", changed, version), 200)
    async with run_service(settings):
        events = await published(LIFECYCLE, 20)
    for draft in drafts:
        assert [event.data.stream_version for key, event in events if key == draft["id"]] == [1, 2, 3, 4]


async def test_several_instances_expire_a_contract_once(api, pool, published):
    contracts = [await create_active_contract(api, code=f"C{number}", end_date="2099-06-30") for number in range(3)]
    await create_active_contract(api, code="LATER", end_date="2099-07-01")
    last_moment = datetime(2099, 6, 30, 21, 59, 59, tzinfo=UTC)
    assert sum(await gather(*(expiry.expire_contracts(pool, last_moment) for _ in range(5)))) == 0
    midnight = last_moment + timedelta(seconds=1)
    assert sum(await gather(*(expiry.expire_contracts(pool, midnight) for _ in range(5)))) == 3
    assert await expiry.expire_contracts(pool, midnight) == 0
    events = await published(LIFECYCLE, 11)
    expired = [event.data for _, event in events if event.type == "tidemark.contract.expired.v1"]
    assert {str(data.contract_id) for data in expired} == {contract["id"] for contract in contracts}
    assert {(data.stream_version, data.previous_status, data.actor) for data in expired} == {(3, "ACTIVE", "tidemark")}
    assert len(events) == 11


@pytest.mark.parametrize(
    ("zone", "end", "midnight"),
    [
        ("Europe/Berlin", "2099-03-28", datetime(2099, 3, 28, 23, tzinfo=UTC)),
        ("Europe/Berlin", "2099-03-29", datetime(2099, 3, 29, 22, tzinfo=UTC)),
        ("America/Havana", "2099-03-07", datetime(2099, 3, 8, 5, tzinfo=UTC)),  # the next day begins at 01:00
        ("Pacific/Auckland", "2099-09-27", datetime(2099, 9, 27, 11, tzinfo=UTC)),
    ],
)
async def test_scheduler_expires_contracts_at_midnight_in_their_time_zone(api, pool, zone, end, midnight):
    await create_active_contract(api, timezone=zone, end_date=end)
    assert await expiry.expire_contracts(pool, midnight - timedelta(microseconds=1)) == 0
    assert await expiry.expire_contracts(pool, midnight) == 1


async def test_contract_that_fails_to_expire_does_not_block_others(api, pool):
    broken, sound = [await create_active_contract(api, code=code, end_date="2099-06-30") for code in "AB"]
    await pool.execute(
        "INSERT INTO events VALUES ($1, 3, 'amended', $2, 'a', NULL, now(), '')",
        UUID(broken["id"]),
        '{"status": "ACTIVE", "terms": {"code": "A"}}',
    )
    assert await expiry.expire_contracts(pool, datetime(2099, 7, 1, tzinfo=UTC)) == 1
    assert (await api.get(f"/contracts/{sound['id']}")).json()["status"] == "EXPIRED"


async def test_contract_that_ended_during_downtime_expires_at_startup(settings, monkeypatch):
    async with run_service(settings) as api:
        await create_active_contract(api, end_date="2099-06-30")

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2099, 12, 1, tzinfo=tz)

    monkeypatch.setattr(expiry, "datetime", Later)
    async with run_service(settings) as api:

        async def expired():
            return (await api.get("/contracts/ACME-SUP")).json()["status"] == "EXPIRED"

        await wait_until(expired)


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
            success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
            assert method == "delete" or "$ref" in success["content"]["application/json"]["schema"], path
