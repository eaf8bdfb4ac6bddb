"""Lists of contracts, organizations and teams: filters and pages."""

import pytest
from contracts_api import (
    contract_body,
    create_organization,
    expect_status,
    post_action,
)


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
    ids = {"id": [other, "00000000-0000-4000-8000-000000000000"]}
    by_id = (await expect_status(api.get("/organizations", params=ids), 200)).json()["items"]
    assert [organization_["id"] for organization_ in by_id] == [other]
    assert (await expect_status(api.get("/teams", params=ids), 200)).json()["items"] == []
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
