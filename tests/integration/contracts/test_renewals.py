"""Renewals over HTTP: two event streams in one transaction (SPEC C8)."""

from asyncio import gather

import pytest
from contracts_api import create_active_contract, create_draft, expect_status, post_action, violation_keys

from tidemark_shared.messaging.topics import LIFECYCLE

YEAR = {"start_date": "2090-01-01", "end_date": "2090-12-31"}


def renew(api, contract, version, code="NEXT"):
    return post_action(api, contract, "renew", version, {"code": code})


async def test_renewal_links_both_contracts(api, published):
    old = await create_active_contract(api, **YEAR)
    response = await expect_status(renew(api, "ACME-SUP", 2), 201)
    new = response.json()
    assert response.headers["location"] == f"/v1/contracts/{new['id']}"
    assert response.headers["etag"] == '"1"'
    assert (new["code"], new["status"], new["version"]) == ("NEXT", "DRAFT", 1)
    assert (new["start_date"], new["end_date"]) == ("2091-01-01", "2091-12-31")
    assert (new["renewed_from"], new["renewed_as"]) == (old["id"], None)
    assert new["accounts"][0]["id"] != old["accounts"][0]["id"]
    assert (await expect_status(api.get("/contracts/NEXT"), 200)).json() == new
    contract = (await expect_status(api.get("/contracts/ACME-SUP"), 200)).json()
    assert (contract["version"], contract["status"], contract["renewed_as"]) == (3, "ACTIVE", new["id"])
    events = [(key, event.type, event.data) for key, event in await published(LIFECYCLE, 4)]
    renewed = next(data for key, type_, data in events if type_ == "tidemark.contract.renewed.v1")
    assert (str(renewed.contract_id), str(renewed.renewed_as)) == (old["id"], new["id"])
    draft_event = next(data for key, _, data in events if key == new["id"])
    assert (str(draft_event.renewed_from), draft_event.status, draft_event.stream_version) == (old["id"], "DRAFT", 1)
    await expect_status(post_action(api, "NEXT", "activate", 1), 200)


async def test_renewal_needs_an_activated_contract_and_its_etag(api):
    await create_draft(api)
    await expect_status(renew(api, "ACME-SUP", 1), 409)
    await expect_status(post_action(api, "ACME-SUP", "activate", 1), 200)
    await expect_status(renew(api, "ACME-SUP", 1), 412)
    await expect_status(api.post("/contracts/ACME-SUP/renew", json={"code": "NEXT"}), 428)
    assert violation_keys(await expect_status(post_action(api, "ACME-SUP", "renew", 2), 422)) == {("invalid", "/code")}
    await expect_status(renew(api, "NOBODY", 1), 404)


@pytest.mark.parametrize(
    ("terms", "code", "expected"),
    [
        (YEAR, "ACME-SUP", ("duplicate", "/code")),
        ({"start_date": "2050-01-01", "end_date": "2099-12-31"}, "NEXT", ("invalid", "/end_date")),
    ],
)
async def test_rejected_renewal_changes_nothing(api, terms, code, expected):
    await create_active_contract(api, **terms)
    assert violation_keys(await expect_status(renew(api, "ACME-SUP", 2, code), 422)) == {expected}
    contract = (await expect_status(api.get("/contracts/ACME-SUP"), 200)).json()
    assert (contract["version"], contract["renewed_as"]) == (2, None)
    assert len((await expect_status(api.get("/contracts"), 200)).json()["items"]) == 1


async def test_concurrent_renewals_with_one_code_succeed_once(api):
    await create_active_contract(api, **YEAR)
    await create_active_contract(api, **YEAR, code="OTHER")
    responses = await gather(*(renew(api, code, 2) for code in ("ACME-SUP", "OTHER", "ACME-SUP", "OTHER")))
    assert [response.status_code for response in responses].count(201) == 1
    assert {response.status_code for response in responses} <= {201, 412, 422}
    assert len((await expect_status(api.get("/contracts"), 200)).json()["items"]) == 3
