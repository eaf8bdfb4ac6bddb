"""The contracts service on a real database and a real broker, through its public surface alone."""

from asyncio import gather
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import UUID, uuid4

import asyncpg
import pytest
from contracting import act, activated, answered, codes, drafted, organization, put, serving, team, terms
from waiting import until

from tidemark_contracts import clock
from tidemark_contracts.app import create_app
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE


async def test_a_contract_and_what_it_refers_to_reach_the_topics(api, published):
    draft = await drafted(api)
    active = await answered(act(api, "ACME-SUP", "activate", 1), 200)
    assert (active.json()["status"], active.headers["etag"]) == ("ACTIVE", '"2"')
    events = await published(LIFECYCLE, 2)
    assert [(one.type, one.data.stream_version, one.data.status, one.data.previous_status) for _, one in events] == [
        ("tidemark.contract.drafted.v1", 1, "DRAFT", None),
        ("tidemark.contract.activated.v1", 2, "ACTIVE", "DRAFT"),
    ]
    assert {key for key, _ in events} == {draft["id"]}
    assert {one.source for _, one in events} == {"/contracts"}
    assert str(events[1][1].data.terms.accounts[0].id) == draft["accounts"][0]["id"]
    directory = await published(DIRECTORY, 2)
    assert {one.type for _, one in directory} == {"tidemark.team.changed.v1", "tidemark.organization.changed.v1"}


async def test_what_is_created_is_answered_with_its_body_and_ids(api):
    body = await terms(api)
    own = str(uuid4())
    body["accounts"] = [{"id": own, "name": "A", "planned_hours": "30.50"}, {"name": "B", "planned_hours": "9.5"}]
    response = await answered(api.post("/contracts", json=body), 201)
    answer = response.json()
    assert response.headers["location"] == f"/v1/contracts/{answer['id']}"
    assert response.headers["etag"] == '"1"'
    assert (answer["version"], answer["status"]) == (1, "DRAFT")
    assert answer["accounts"][0]["id"] == own
    assert UUID(answer["accounts"][1]["id"])
    assert [one["planned_hours"] for one in answer["accounts"]] == ["30.5", "9.5"]
    assert {name: answer[name] for name in body if name != "accounts"} == {
        name: value for name, value in body.items() if name != "accounts"
    }
    for reference in (answer["id"], "ACME-SUP"):
        assert (await answered(api.get(f"/contracts/{reference}"), 200)).json() == answer
    assert (await answered(put(api, "/contracts/ACME-SUP", answer, 1), 200)).headers["etag"] == '"1"'


async def test_a_fixed_price_that_rolls_over_and_is_adjusted_reaches_the_topic(api, published):
    own = str(uuid4())
    body = await terms(
        api, type="fixed_price", recurrence="monthly", end_date="2045-12-31",
        contracted_hours=None, contracted_value_minor=1_000_000, currency="EUR",
        rollover={"unused": "carry", "cap_value_minor": 500_000, "lapse_after_periods": 3, "overrun": "deduct"},
        adjustments=[{"account_id": own, "period_start": "2026-03-01", "value_minor": -1_000_001, "reason": "credit"}],
    )  # fmt: skip
    (desk,) = body["accounts"]
    team_id = desk["slices"][0]["team_id"]
    changes = {"id": own, "planned_hours": None, "planned_value_minor": 1_000_000, "slices": [{"team_id": team_id}]}
    body["accounts"] = [desk | changes]
    await answered(api.post("/contracts", json=body), 201)
    refused = await answered(act(api, "ACME-SUP", "activate", 1), 422)
    assert codes(refused) == {("C2.adjustment", "/adjustments/0/value_minor")}
    body["adjustments"][0]["value_minor"] = -1_000_000
    await answered(put(api, "/contracts/ACME-SUP", body, 1), 200)
    active = (await answered(act(api, "ACME-SUP", "activate", 2), 200)).json()
    assert active["adjustments"] == [body["adjustments"][0] | {"hours": None}]
    events = await published(LIFECYCLE, 3)
    told = events[-1][1].data.terms.model_dump(mode="json")
    assert told == {name: active[name] for name in told}


@pytest.mark.parametrize("code", ["2026/017 Ä", "a/activate", "100 %", "?#&", "0f8fad5b-d9cb-469f-a165-70867728950e"])
async def test_any_code_is_an_address(api, code):
    draft = await drafted(api, code=code)
    path = f"/contracts/{quote(code, safe='')}"
    assert (await answered(api.get(path), 200)).json() == draft
    assert (await answered(act(api, quote(code, safe=""), "activate", 1), 200)).json()["status"] == "ACTIVE"
    assert len((await answered(api.get(f"{path}/history"), 200)).json()["items"]) == 2


async def test_every_violation_at_once(api):
    response = await answered(api.post("/contracts", json={
        "code": "X", "name": "", "owner": {"name": "O", "email": "nowhere"}, "organization_id": str(uuid4()),
        "type": "time_and_materials", "start_date": "2026-02-30", "end_date": "2026-01-01", "timezone": "Nowhere/At",
        "contracted_hours": "1.234", "accounts": [{"name": "A", "teams": [str(uuid4())]}, {"name": "A"}],
    }), 422)  # fmt: skip
    assert response.headers["content-type"] == "application/problem+json"
    assert codes(response) == {
        ("invalid", "/name"), ("invalid", "/owner/email"), ("unknown_reference", "/organization_id"),
        ("invalid", "/start_date"), ("invalid", "/timezone"), ("C5.precision", "/contracted_hours"),
        ("unknown_reference", "/accounts/0/teams/0"), ("duplicate", "/accounts/1/name"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"name": "\\ud800"}', b'{"name": "\\u0000"}', b"[" * 9999]
)
async def test_what_cannot_be_read_is_the_clients_fault(api, content):
    for path in ("/contracts", "/organizations", "/teams"):
        response = await api.post(path, content=content, headers={"content-type": "application/json"})
        assert response.status_code in (400, 422), response.text


async def test_life_over_http(api, published):
    draft = await drafted(api)
    path = f"/contracts/{draft['id']}"
    await answered(act(api, draft["id"], "suspend", 1, {"reason": "r"}), 409)
    await answered(act(api, draft["id"], "activate", 1), 200)
    await answered(act(api, draft["id"], "activate", 2), 409)
    await answered(put(api, path, draft | {"name": "Other"}, 2), 409)
    await answered(api.delete(path, headers={"if-match": '"2"'}), 409)
    assert codes(await answered(act(api, draft["id"], "suspend", 2), 422)) == {("invalid", "/reason")}
    await answered(act(api, draft["id"], "suspend", 2, {"reason": "unpaid"}), 200)
    amended = draft | {"contracted_hours": "41"}
    response = await answered(act(api, draft["id"], "amend", 3, amended), 422)
    assert codes(response) == {("invalid", "/reason"), ("C2.sum", "/accounts")}
    amended = draft | {"end_date": "2026-01-31", "reason": "shorter"}
    assert (await answered(act(api, draft["id"], "amend", 3, amended), 200)).json()["status"] == "INACTIVE"
    resumed = (await answered(act(api, draft["id"], "resume", 4, {"reason": "paid"}), 200)).json()
    assert (resumed["status"], resumed["version"]) == ("EXPIRED", 6)
    reopened = await answered(act(api, draft["id"], "amend", 6, draft | {"reason": "longer"}), 200)
    assert reopened.json()["status"] == "ACTIVE"
    await answered(act(api, draft["id"], "close", 7, {"reason": "over"}), 200)
    history = (await answered(api.get(f"{path}/history"), 200)).json()["items"]
    assert [(one["version"], one["what"], one["status"], one["actor"], one["reason"]) for one in history] == [
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
    told = [(one.data.stream_version, one.data.status, one.data.actor, one.data.reason) for _, one in events]
    assert told == [(one["version"], one["status"], one["actor"], one["reason"]) for one in history]


async def test_a_discarded_draft_is_gone_and_its_code_is_free(api, published):
    draft = await drafted(api)
    assert codes(await answered(api.post("/contracts", json=draft), 422)) == {("duplicate", "/code")}
    await answered(api.delete("/contracts/ACME-SUP", headers={"if-match": '"1"'}), 204)
    await answered(api.get(f"/contracts/{draft['id']}"), 404)
    await answered(api.post("/contracts", json=draft), 201)
    told = [(one.type, one.data.status) for key, one in await published(LIFECYCLE, 3) if key == draft["id"]]
    assert told == [("tidemark.contract.drafted.v1", "DRAFT"), ("tidemark.contract.discarded.v1", None)]


async def test_a_change_says_which_version_it_saw(api):
    draft = await drafted(api)
    await answered(api.put("/contracts/ACME-SUP", json=draft), 428)
    await answered(api.delete("/contracts/ACME-SUP"), 428)
    await answered(api.post("/contracts/ACME-SUP/activate", json={}), 428)
    await answered(put(api, "/contracts/ACME-SUP", draft, 2), 412)
    changed = await answered(put(api, "/contracts/ACME-SUP", draft | {"name": "Other"}, 1), 200)
    assert (changed.headers["etag"], changed.json()["name"]) == ('"2"', "Other")
    await answered(api.delete("/contracts/ACME-SUP", headers={"if-match": '"1", "2"'}), 204)


async def test_organizations_and_teams(api, published):
    organization_id, team_id = await organization(api), await team(api)
    path = f"/teams/{team_id}"
    read = await answered(api.get(path), 200)
    assert read.json() == {
        "name": "Support",
        "members": [{"person_id": "712020:ab", "name": None, "email": None, "from": "2026-01-01", "until": None}],
        "id": team_id, "version": 1,
    }  # fmt: skip
    assert (await answered(put(api, path, read.json(), 1), 200)).headers["etag"] == '"1"'
    await answered(put(api, path, {"name": "Second line"}, 2), 412)
    assert (await answered(put(api, path, {"name": "Second line"}, 1), 200)).headers["etag"] == '"2"'
    twice = [{"person_id": "p", "from": "2026-01-01"}] * 2
    assert codes(await answered(put(api, path, {"name": "T", "members": twice}, 2), 422)) == {
        ("duplicate", "/members/1")
    }
    await answered(api.get(f"/organizations/{team_id}"), 404)
    await answered(api.delete(path), 428)
    await answered(api.delete(path, headers={"if-match": '"2"'}), 204)
    await answered(api.get(path), 404)
    events = await published(DIRECTORY, 4)
    assert [(one.data.version, one.data.deleted, one.data.name) for key, one in events if key == team_id] == [
        (1, False, "Support"), (2, False, "Second line"), (3, True, "Second line"),
    ]  # fmt: skip
    assert [one.data.version for key, one in events if key == organization_id] == [1]


async def test_what_a_contract_names_cannot_be_deleted(api):
    draft = await drafted(api)
    named = [f"/organizations/{draft['organization_id']}", f"/teams/{draft['accounts'][0]['slices'][0]['team_id']}"]
    for path in named:
        await answered(api.delete(path, headers={"if-match": '"1"'}), 409)
    await answered(api.delete("/contracts/ACME-SUP", headers={"if-match": '"1"'}), 204)
    for path in named:
        await answered(api.delete(path, headers={"if-match": '"1"'}), 204)


async def test_lists(api):
    base = await terms(api)
    other = await organization(api, name="Öko & Söhne")
    for code, changes in {
        "A1": {"owner": {"name": "Ann", "email": "ann@provider.example"}},
        "B2": {"organization_id": other, "description": "50% of_it"},
        "C3": {"start_date": "2027-01-01", "end_date": "2027-12-31"},
    }.items():
        await answered(api.post("/contracts", json=base | {"code": code} | changes), 201)
    await answered(act(api, "A1", "activate", 1), 200)

    async def listed(**query):
        return [one["code"] for one in (await answered(api.get("/contracts", params=query), 200)).json()["items"]]

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
        one["name"] for one in (await answered(api.get("/organizations", params={"text": "öko"}), 200)).json()["items"]
    ]
    assert names == ["Öko & Söhne"]
    assert (await answered(api.get("/organizations", params={"name": "Acm"}), 200)).json()["items"] == []
    for path, query in (("/contracts", {"text": "\0"}), ("/teams", {"cursor": "x"}), ("/contracts", {"limit": "0"})):
        await answered(api.get(path, params=query), 422)


@pytest.mark.parametrize("path", ["contracts", "teams", "organizations"])
async def test_pages_show_each_once(api, path):
    base = await terms(api)
    bodies = {
        "contracts": [base | {"code": f"C{number}"} for number in range(5)],
        "teams": [{"name": "Same"}] * 5,
        "organizations": [{"name": "Same", "timezone": "UTC"}] * 5,
    }
    for body in bodies[path]:
        await answered(api.post(f"/{path}", json=body), 201)
    seen, cursor = [], {}
    while cursor is not None:
        page = (await answered(api.get(f"/{path}", params={"limit": 2, **cursor}), 200)).json()
        assert len(page["items"]) <= 2
        seen += [one["id"] for one in page["items"]]
        cursor = {"cursor": page["next"]} if page["next"] else None
    assert len(seen) == len(set(seen)) == (5 if path == "contracts" else 6)


async def test_who_may_do_what(settings):
    async with serving(settings, role="viewer") as viewer:
        await answered(viewer.get("/contracts"), 200)
        await answered(viewer.post("/organizations", json={"name": "A", "timezone": "UTC"}), 403)
        await answered(viewer.get("/contracts", headers={"authorization": ""}), 401)


async def test_a_key_is_answered_once(api, settings):
    body = {"name": "Acme", "timezone": "UTC"}
    key = {"idempotency-key": "k-1"}
    answers = await gather(*(api.post("/organizations", json=body, headers=key) for _ in range(5)))
    assert {one.status_code for one in answers} == {201}
    assert len({(one.text, one.headers["location"], one.headers["etag"]) for one in answers}) == 1
    async with serving(settings) as another_instance:
        spaced = b'{"timezone":  "UTC", "name": "Acme"}'
        again = another_instance.post(
            "/organizations", content=spaced, headers={**key, "content-type": "application/json"}
        )
        assert (await answered(again, 201)).text == answers[0].text
    await answered(api.post("/organizations", json=body | {"name": "Other"}, headers=key), 422)
    await answered(api.post("/teams", json=body, headers=key), 422)
    assert len((await answered(api.get("/organizations"), 200)).json()["items"]) == 1


async def test_a_known_key_is_answered_before_anything_else(api):
    draft = await drafted(api)
    key = {"idempotency-key": "k-2"}
    # What is refused does nothing, so its key is free for the corrected request.
    await answered(act(api, draft["id"], "activate", 7, **key), 412)
    first = await answered(act(api, draft["id"], "activate", 1, **key), 200)
    again = await answered(api.post(f"/contracts/{draft['id']}/activate", json={}, headers=key), 200)
    assert (again.text, again.headers["etag"]) == (first.text, '"2"')


async def test_of_concurrent_changes_one_wins_and_none_is_lost(api, settings, published):
    draft = await drafted(api)
    async with serving(settings) as another_instance:
        for version in range(1, 11):
            answers = await gather(*(
                put(client, "/contracts/ACME-SUP", draft | {"name": f"{version} {number}"}, version)
                for number, client in enumerate([api, another_instance] * 3)
            ))  # fmt: skip
            assert sorted(one.status_code for one in answers) == [200, 412, 412, 412, 412, 412]
    history = (await answered(api.get("/contracts/ACME-SUP/history"), 200)).json()["items"]
    assert [one["version"] for one in history] == list(range(1, 12))
    events = await published(LIFECYCLE, 11)
    assert [one.data.stream_version for _, one in events] == list(range(1, 12))
    assert events[-1][1].data.terms.name == (await answered(api.get("/contracts/ACME-SUP"), 200)).json()["name"]


async def test_of_concurrent_amendments_one_wins_and_the_other_is_told(api, settings, published):
    active = await activated(api)
    async with serving(settings) as another_instance:
        for version in range(2, 12):
            answers = await gather(*(
                act(client, "ACME-SUP", "amend", version, active | {"name": f"{version} {name}", "reason": "r"})
                for name, client in (("one", api), ("another", another_instance))
            ))  # fmt: skip
            assert sorted(one.status_code for one in answers) == [200, 412]
            won = next(one for one in answers if one.status_code == 200).json()
            assert (await answered(api.get("/contracts/ACME-SUP"), 200)).json() == won
    items = (await answered(api.get("/contracts/ACME-SUP/events"), 200)).json()["items"]
    assert [one["data"]["stream_version"] for one in items] == list(range(1, 13))
    assert [one.data.model_dump(mode="json") for _, one in await published(LIFECYCLE, 12)] == [
        one["data"] for one in items
    ]


async def test_of_concurrent_changes_of_a_team_one_wins(api, settings, published):
    team_id = await team(api)
    async with serving(settings) as another_instance:
        for version in range(1, 11):
            answers = await gather(*(
                put(client, f"/teams/{team_id}", {"name": f"{version} {number}"}, version)
                for number, client in enumerate([api, another_instance] * 2)
            ))  # fmt: skip
            assert sorted(one.status_code for one in answers) == [200, 412, 412, 412]
    events = await published(DIRECTORY, 11)
    assert [one.data.version for _, one in events] == list(range(1, 12))


async def test_of_two_contracts_with_one_code_one_is_refused(api):
    body = await terms(api)
    answers = await gather(*(api.post("/contracts", json=body) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [201, 422, 422, 422]
    assert codes(next(one for one in answers if one.status_code == 422)) == {("duplicate", "/code")}


async def test_a_reference_and_a_deletion_never_both_succeed(api):
    for number in range(10):
        body = await terms(api, code=f"C{number}")
        created, deleted = await gather(
            api.post("/contracts", json=body),
            api.delete(f"/organizations/{body['organization_id']}", headers={"if-match": '"1"'}),
        )
        assert (created.status_code, deleted.status_code) in ((201, 409), (422, 204))


async def test_streams_are_published_in_order_across_restarts(settings, published):
    async with serving(settings) as api:
        base = await terms(api)
        drafts = [
            (await answered(api.post("/contracts", json=base | {"code": f"C{number}"}), 201)).json()
            for number in range(5)
        ]
    for version in range(1, 4):
        async with serving(settings) as api:
            for draft in drafts:
                changed = draft | {"name": f"Version {version + 1}"}
                await answered(put(api, f"/contracts/{draft['id']}", changed, version), 200)
    async with serving(settings):
        events = await published(LIFECYCLE, 20)
    for draft in drafts:
        assert [one.data.stream_version for key, one in events if key == draft["id"]] == [1, 2, 3, 4]


async def test_expiry_is_one_event_with_several_instances(api, pool, published):
    contracts = [await activated(api, code=f"C{number}", end_date="2099-06-30") for number in range(3)]
    await activated(api, code="LATER", end_date="2099-07-01")
    last_moment = datetime(2099, 6, 30, 21, 59, 59, tzinfo=UTC)
    assert sum(await gather(*(clock.expire_due(pool, last_moment) for _ in range(5)))) == 0
    midnight = last_moment + timedelta(seconds=1)
    assert sum(await gather(*(clock.expire_due(pool, midnight) for _ in range(5)))) == 3
    assert await clock.expire_due(pool, midnight) == 0
    events = await published(LIFECYCLE, 11)
    expired = [one.data for _, one in events if one.type == "tidemark.contract.expired.v1"]
    assert {str(one.contract_id) for one in expired} == {one["id"] for one in contracts}
    assert {(one.stream_version, one.previous_status, one.actor) for one in expired} == {(3, "ACTIVE", "tidemark")}
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
async def test_the_clock_strikes_midnight_where_the_contract_is(api, pool, zone, end, midnight):
    await activated(api, timezone=zone, end_date=end)
    assert await clock.expire_due(pool, midnight - timedelta(microseconds=1)) == 0
    assert await clock.expire_due(pool, midnight) == 1


async def test_a_contract_that_fails_does_not_hold_up_the_others(api, pool):
    broken, sound = [await activated(api, code=code, end_date="2099-06-30") for code in "AB"]
    await pool.execute(
        "INSERT INTO events VALUES ($1, 3, 'amended', $2, 'a', NULL, now(), '')",
        UUID(broken["id"]),
        '{"status": "ACTIVE", "terms": {"code": "A"}}',
    )
    assert await clock.expire_due(pool, datetime(2099, 7, 1, tzinfo=UTC)) == 1
    assert (await api.get(f"/contracts/{sound['id']}")).json()["status"] == "EXPIRED"


async def test_what_came_due_while_nothing_ran_expires_at_the_start(settings, monkeypatch):
    async with serving(settings) as api:
        await activated(api, end_date="2099-06-30")

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2099, 12, 1, tzinfo=tz)

    monkeypatch.setattr(clock, "datetime", Later)
    async with serving(settings) as api:

        async def expired():
            return (await api.get("/contracts/ACME-SUP")).json()["status"] == "EXPIRED"

        await until(expired)


async def test_answers_are_kept_for_seven_days(api, pool, settings):
    key = {"idempotency-key": "k-3"}
    await answered(api.post("/teams", json={"name": "T"}, headers=key), 201)
    await pool.execute("UPDATE answers SET answered_at = now() - interval '6 days 23 hours'")
    await answered(api.post("/teams", json={"name": "T"}, headers=key), 201)
    assert await pool.fetchval("SELECT count(*) FROM directory") == 1
    await pool.execute("UPDATE answers SET answered_at = now() - interval '7 days 1 minute'")

    async def forgotten():
        return await pool.fetchval("SELECT count(*) FROM answers") == 0

    async with serving(settings):  # which begins with it
        await until(forgotten)


@pytest.mark.parametrize("statement", ["UPDATE events SET actor = 'me'", "DELETE FROM events", "TRUNCATE events"])
async def test_events_are_never_rewritten(api, pool, statement):
    await drafted(api)
    with pytest.raises(asyncpg.RaiseError, match="Events are never changed"):
        await pool.execute(statement)


async def test_a_body_too_large_for_an_event_is_refused(api):
    for fits, number in ((True, 2900), (False, 3200)):
        members = [{"person_id": f"{one:0250}", "from": "2026-01-01"} for one in range(number)]
        response = await api.post("/teams", json={"name": "T", "members": members})
        assert codes(response) == {("invalid", "")} if not fits else response.status_code == 201


async def test_the_documentation_is_whole(settings):
    document = create_app(settings).openapi()
    schema = document["paths"]["/v1/contracts"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "contracted_hours" in document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
    query = {one["name"] for one in document["paths"]["/v1/contracts"]["get"]["parameters"]}
    assert query >= {"status", "organization", "owner", "from", "to", "text", "cursor", "limit"}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
            assert method == "delete" or "$ref" in success["content"]["application/json"]["schema"], path
