"""Rules over HTTP."""

from uuid import uuid4

from notifier_bodies import rule
from notifier_service import http_client


async def test_rule_is_created_changed_and_deleted(client):
    body = rule("Warn", "80", receivers=[{"kind": "contacts", "role": "billing"}])
    created = await client.post("/v1/rules", json=body)
    assert created.status_code == 201
    answer = created.json()
    assert created.headers["etag"] == '"1"'
    assert created.headers["location"] == f"/v1/rules/{answer['id']}"
    assert answer == {
        **body, "id": answer["id"], "version": 1, "remind_every_days": None, "notify_resolved": False,
        "existing": "notify", "subject": None, "opening": None, "offer": None, "enabled": True,
    }  # fmt: skip
    path = created.headers["location"]
    assert (await client.get(path)).json() == answer
    assert (await client.get(path)).headers["etag"] == '"1"'

    duplicate = await client.post("/v1/rules", json=body)
    assert duplicate.status_code == 409
    assert duplicate.headers["content-type"] == "application/problem+json"
    assert [violation["code"] for violation in duplicate.json()["violations"]] == ["duplicate"]
    assert path in duplicate.json()["detail"]

    changed = body | {"enabled": False}
    assert (await client.put(path, json=changed)).status_code == 428
    assert (await client.put(path, json=changed, headers={"if-match": '"7"'})).status_code == 412
    put = await client.put(path, json=changed, headers={"if-match": '"1"'})
    assert (put.status_code, put.headers["etag"], put.json()["enabled"]) == (200, '"2"', False)
    unchanged = await client.put(path, json=changed, headers={"if-match": '"2"'})
    assert (unchanged.status_code, unchanged.headers["etag"]) == (200, '"2"')

    other = (await client.post("/v1/rules", json=rule("Other", "80"))).json()
    conflict = await client.put(f"/v1/rules/{other['id']}", json=body, headers={"if-match": '"1"'})
    assert conflict.status_code == 409

    assert (await client.delete(path)).status_code == 428
    assert (await client.delete(path, headers={"if-match": '"2"'})).status_code == 204
    assert (await client.get(path)).status_code == 404
    assert (await client.delete(path, headers={"if-match": '"2"'})).status_code == 404


async def test_violations_contain_their_paths(client):
    body = rule("", "80 %", receivers=[{"kind": "team", "id": "x"}])
    rejected = await client.post("/v1/rules", json=body)
    assert rejected.status_code == 422
    violations = {violation["path"]: violation for violation in rejected.json()["violations"]}
    assert set(violations) == {"/name", "/trigger/at/0", "/receivers/0/id"}
    assert {violation["code"] for violation in violations.values()} == {"invalid"}


async def test_unknown_references_are_rejected(client):
    scope, team = {"kind": "contract", "id": str(uuid4())}, {"kind": "team", "id": str(uuid4())}
    rejected = await client.post("/v1/rules", json=rule(scope=scope, receivers=[{"kind": "owner"}, team]))
    assert rejected.status_code == 422
    assert [(violation["code"], violation["path"]) for violation in rejected.json()["violations"]] == [
        ("unknown_reference", "/scope/id"),
        ("unknown_reference", "/receivers/1/id"),
    ]


async def test_rules_are_listed_in_pages(client):
    names = [f"Rule {number}" for number in range(5)]
    for name in names:
        await client.post("/v1/rules", json=rule(name))
    listed, cursor = [], None
    while True:
        page = (await client.get("/v1/rules", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        listed += [item["name"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert listed == names


async def test_known_idempotency_key_returns_the_first_answer(client):
    key = {"idempotency-key": "k1"}
    first = await client.post("/v1/rules", json=rule("Warn"), headers=key)
    second = await client.post("/v1/rules", json=rule("Warn"), headers=key)
    assert (second.status_code, second.json(), second.headers["location"]) == (
        201,
        first.json(),
        first.headers["location"],
    )
    assert (await client.post("/v1/rules", json=rule("Other"), headers=key)).status_code == 422


async def test_viewer_reads_rules_and_creates_none(client):
    app = client._transport.app
    async with http_client(app, "viewer") as viewer:
        assert (await viewer.get("/v1/rules")).status_code == 200
        assert (await viewer.post("/v1/rules", json=rule())).status_code == 403
        assert (await viewer.get("/v1/rules", headers={"authorization": "Bearer no"})).status_code == 401
