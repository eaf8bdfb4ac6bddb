"""Renewing over HTTP: two streams, one transaction (SPEC C8)."""

from asyncio import gather

import pytest
from contracting import act, activated, answered, codes, drafted

from tidemark_shared.messaging.topics import LIFECYCLE

YEAR = {"start_date": "2090-01-01", "end_date": "2090-12-31"}


def renew(api, contract, version, code="NEXT"):
    return act(api, contract, "renew", version, {"code": code})


async def test_a_contract_is_renewed_and_both_are_linked(api, published):
    old = await activated(api, **YEAR)
    response = await answered(renew(api, "ACME-SUP", 2), 201)
    new = response.json()
    assert response.headers["location"] == f"/v1/contracts/{new['id']}"
    assert response.headers["etag"] == '"1"'
    assert (new["code"], new["status"], new["version"]) == ("NEXT", "DRAFT", 1)
    assert (new["start_date"], new["end_date"]) == ("2091-01-01", "2091-12-31")
    assert (new["renewed_from"], new["renewed_as"]) == (old["id"], None)
    assert new["accounts"][0]["id"] != old["accounts"][0]["id"]
    assert (await answered(api.get("/contracts/NEXT"), 200)).json() == new
    stands = (await answered(api.get("/contracts/ACME-SUP"), 200)).json()
    assert (stands["version"], stands["status"], stands["renewed_as"]) == (3, "ACTIVE", new["id"])
    events = [(key, one.type, one.data) for key, one in await published(LIFECYCLE, 4)]
    renewed = next(data for key, type_, data in events if type_ == "tidemark.contract.renewed.v1")
    assert (str(renewed.contract_id), str(renewed.renewed_as)) == (old["id"], new["id"])
    told = next(data for key, _, data in events if key == new["id"])
    assert (str(told.renewed_from), told.status, told.stream_version) == (old["id"], "DRAFT", 1)
    await answered(act(api, "NEXT", "activate", 1), 200)


async def test_a_draft_is_not_renewed_and_what_is_renewed_says_which_version_it_saw(api):
    await drafted(api)
    await answered(renew(api, "ACME-SUP", 1), 409)
    await answered(act(api, "ACME-SUP", "activate", 1), 200)
    await answered(renew(api, "ACME-SUP", 1), 412)
    await answered(api.post("/contracts/ACME-SUP/renew", json={"code": "NEXT"}), 428)
    assert codes(await answered(act(api, "ACME-SUP", "renew", 2), 422)) == {("invalid", "/code")}
    await answered(renew(api, "NOBODY", 1), 404)


@pytest.mark.parametrize(
    ("terms", "code", "wanted"),
    [
        (YEAR, "ACME-SUP", ("duplicate", "/code")),
        ({"start_date": "2050-01-01", "end_date": "2099-12-31"}, "NEXT", ("invalid", "/end_date")),
    ],
)
async def test_a_renewal_that_is_refused_leaves_nothing_behind(api, terms, code, wanted):
    await activated(api, **terms)
    assert codes(await answered(renew(api, "ACME-SUP", 2, code), 422)) == {wanted}
    stands = (await answered(api.get("/contracts/ACME-SUP"), 200)).json()
    assert (stands["version"], stands["renewed_as"]) == (2, None)
    assert len((await answered(api.get("/contracts"), 200)).json()["items"]) == 1


async def test_of_concurrent_renewals_under_one_code_one_wins(api):
    await activated(api, **YEAR)
    await activated(api, **YEAR, code="OTHER")
    answers = await gather(*(renew(api, code, 2) for code in ("ACME-SUP", "OTHER", "ACME-SUP", "OTHER")))
    assert [one.status_code for one in answers].count(201) == 1
    assert {one.status_code for one in answers} <= {201, 412, 422}
    assert len((await answered(api.get("/contracts"), 200)).json()["items"]) == 3
