"""``POST /v1/contracts/batch``: each contract is created whole or refused whole."""

from contracts_api import contract_body, create_draft, expect_status, run_service, violation_keys

from tidemark_shared.messaging.topics import LIFECYCLE


async def send(api, contracts, expected=200, **options):
    return (
        await expect_status(api.post("/contracts/batch", json={"contracts": contracts, **options}), expected)
    ).json()


async def test_contracts_are_drafted_and_activated_and_published(api, published):
    body = await contract_body(api)
    result = await send(api, [body | {"code": f"C{number}"} for number in range(3)], activate=True)
    assert (result["created"], result["refused"]) == (3, 0)
    assert [(item["code"], item["version"], item["status"], item["violations"]) for item in result["items"]] == [
        (f"C{number}", 2, "ACTIVE", []) for number in range(3)
    ]
    events = await published(LIFECYCLE, 6)
    assert sorted((event.data.terms.code, event.data.stream_version, event.type) for _, event in events) == [
        (f"C{number}", version, f"tidemark.contract.{change}.v1")
        for number in range(3) for version, change in ((1, "drafted"), (2, "activated"))
    ]  # fmt: skip
    stored = (await expect_status(api.get("/contracts/C1"), 200)).json()
    assert stored["id"] == result["items"][1]["id"]
    history = (await expect_status(api.get("/contracts/C1/history"), 200)).json()["items"]
    assert [(entry["what"], entry["actor"]) for entry in history] == [("drafted", "olga"), ("activated", "olga")]


async def test_refused_contract_keeps_no_other_from_being_created(api):
    await create_draft(api, code="TAKEN")
    body = await contract_body(api)
    result = await send(
        api,
        [
            body | {"code": "GOOD"}, body | {"code": "TAKEN"}, body | {"code": "GOOD"},
            body | {"code": "OVER", "typo": 1}, body | {"code": "SUM", "contracted_hours": "41"},
            body | {"code": 7, "end_date": "2025-01-01"}, {}, body | {"code": "LAST"},
        ],
        activate=True,
    )  # fmt: skip
    assert (result["created"], result["refused"]) == (2, 6)
    items = [(item["status"], sorted((v["code"], v["path"]) for v in item["violations"])) for item in result["items"]]
    assert items[0] == items[7] == ("ACTIVE", [])
    assert items[1] == (None, [("duplicate", "/contracts/1/code")])
    assert items[2] == (None, [("duplicate", "/contracts/2/code")])
    assert items[3] == (None, [("unknown_field", "/contracts/3/typo")])
    assert items[4] == (None, [("C2.sum", "/contracts/4/accounts")])
    assert items[5] == (None, [("C4.dates", "/contracts/5/end_date"), ("invalid", "/contracts/5/code")])
    assert ("invalid", "/contracts/6/owner") in items[6][1]
    codes = [contract["code"] for contract in (await expect_status(api.get("/contracts"), 200)).json()["items"]]
    assert codes == ["GOOD", "LAST", "TAKEN"]
    # What activation alone refuses may be a draft.
    assert (await send(api, [body | {"code": "SUM", "contracted_hours": "41"}]))["created"] == 1


async def test_dry_run_and_repeated_request_create_nothing_twice(api):
    body = await contract_body(api)
    batch = {"contracts": [body], "activate": True}
    assert (await expect_status(api.post("/contracts/batch?dry_run=true", json=batch), 200)).json()["created"] == 1
    await expect_status(api.get("/contracts/ACME-SUP"), 404)
    answers = [
        await expect_status(api.post("/contracts/batch", json=batch, headers={"idempotency-key": "k"}), 200)
        for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["created"] == 1


async def test_batch_is_bounded_and_for_managers(api, settings):
    for contracts in ([], [{}] * 1001, {}, [7]):
        response = await expect_status(api.post("/contracts/batch", json={"contracts": contracts}), 422)
        assert violation_keys(response)
    async with run_service(settings, "viewer") as viewer:
        await expect_status(viewer.post("/contracts/batch", json={"contracts": []}), 403)
