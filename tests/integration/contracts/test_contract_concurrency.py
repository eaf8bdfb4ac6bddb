"""Concurrent requests to several instances of the contracts service."""

from asyncio import gather

from contracts_api import (
    contract_body,
    create_active_contract,
    create_draft,
    create_team,
    expect_status,
    post_action,
    put_change,
    run_service,
    violation_keys,
)

from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE


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
