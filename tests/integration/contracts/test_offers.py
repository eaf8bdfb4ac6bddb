"""Offers over HTTP: made, answered by the customer's link or on the customer's behalf, and kept (SPEC 10)."""

from asyncio import gather
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from contracts_api import (
    SECRET,
    create_active_contract,
    create_organization,
    expect_status,
    post_action,
    run_service,
    violation_keys,
)
from offer_calls import ANN, PACKAGE, TOMORROW, act, adjustments, answer, exchange, link, make

from tidemark_contracts.offer import expiry
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.messaging.topics import OFFERS


async def test_customer_accepts_an_offer_by_its_link(api, published):
    contract = await create_active_contract(api)
    offer = await make(api)
    assert (offer["status"], offer["account_name"], offer["made_by"]) == ("open", "Help desk", "olga")
    token = link(offer)
    page = (await expect_status(exchange(api, token), 200)).json()
    assert (page["organization_name"], page["period_end"], page["owner"]["name"]) == ("Acme", "2099-12-31", "Olga")
    assert "made_by" not in page
    assert await adjustments(api) == []

    first = (await expect_status(answer(api, token, remark="Order 4711"), 200)).json()
    assert (first["status"], first["answered_by"], first["remark"]) == ("accepted", ANN, "Order 4711")
    for again in (await answer(api, token), await answer(api, token, name="Bo")):
        assert (again.status_code, again.json()) == (200, first)
    response = await expect_status(answer(api, token, "decline"), 409)
    assert response.json()["detail"].startswith("The offer is accepted by Ann <ann@acme.example>. ")

    [adjustment] = await adjustments(api)
    assert adjustment == {"account_id": contract["accounts"][0]["id"], "period_start": "2026-01-01", "hours": "20",
                          "value_minor": None, "reason": "Extra package"}  # fmt: skip
    history = (await api.get("/contracts/ACME-SUP/history")).json()["items"]
    assert [(entry["version"], entry["what"], entry["actor"]) for entry in history] == [
        (1, "drafted", "olga"), (2, "activated", "olga"), (2, "offer_made", "olga"),
        (2, "offer_accepted", "Ann <ann@acme.example>"), (3, "amended", "Ann <ann@acme.example>"),
    ]  # fmt: skip
    assert history[3]["descriptions"] == [
        "Offer: +20 h for Help desk, January 2026 (Extra package)", "Accepted by Ann <ann@acme.example>",
    ]  # fmt: skip
    assert (history[3]["reason"], history[4]["reason"]) == ("Order 4711", "Offer accepted: Extra package")
    made, accepted = [event for _, event in await published(OFFERS, 2)]
    assert (made.type, accepted.type) == ("tidemark.offer.made.v1", "tidemark.offer.accepted.v1")
    assert (accepted.data.version, accepted.data.stream_version, accepted.data.answered_by.name) == (2, 3, "Ann")
    assert [key for key, _ in await published(OFFERS, 2)] == [contract["id"]] * 2


async def test_get_and_head_answer_nothing(api):
    await create_active_contract(api)
    token = link(await make(api))
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        for path in ("answer", "exchange"):
            body = {"token": token, "answer": "accept", "name": "Ann"}
            response = await api.request(method, f"/offers/{path}", params={"token": token}, json=body)
            assert response.status_code in {404, 405, 422}
            anonymous = await api.request(method, f"/offers/{path}", headers={"authorization": ""})
            assert anonymous.status_code == 401
    assert (await exchange(api, token)).json()["status"] == "open"


async def test_link_that_is_not_good_shows_no_figure(api):
    await create_active_contract(api)
    offer = await make(api)
    bearer = issue_token(SECRET, "olga", "admin", now=datetime.now(UTC), expires=TOMORROW)
    unknown, withdrawn = {"id": str(uuid4())}, await make(api)
    await expect_status(act(api, withdrawn, "withdraw", {"reason": "Wrong price"}), 200)
    request = await make(api, requested_by=ANN, price_minor=None, price_currency=None)
    for token, status in (
        ("", 401), ("x.y.z", 401), (link(offer)[:-3] + "abc", 401), (bearer, 403), (link(unknown), 404),
        (link(request), 404), (link(withdrawn), 410), (link(offer, expires=TOMORROW - timedelta(days=2)), 410),
    ):  # fmt: skip
        for response in (await exchange(api, token), await answer(api, token)):
            assert response.status_code == status
            assert "Help desk" not in response.text
            assert "20" not in response.json()["detail"]
    assert await adjustments(api) == []


async def test_links_of_offers_end_with_all_links_of_the_organization(api):
    contract = await create_active_contract(api)
    offer = await make(api)
    await expect_status(exchange(api, link(offer)), 200)
    await expect_status(api.post(f"/organizations/{contract['organization_id']}/revoke-links"), 204)
    for response in (await exchange(api, link(offer)), await answer(api, link(offer))):
        assert (response.status_code, "Help desk" in response.text) == (410, False)
    assert await adjustments(api) == []
    # A new offer has a new link, and a manager may still enter what the customer says.
    await expect_status(exchange(api, link(await make(api, reason="Again"))), 200)
    await expect_status(act(api, offer, "accept", ANN), 200)
    assert (await exchange(api, link(offer))).status_code == 410


async def test_link_has_a_rate_limit_of_its_own(api):
    await create_active_contract(api)
    offer, other = await make(api), await make(api)
    statuses = [(await exchange(api, link(offer))).status_code for _ in range(31)]
    assert statuses == [200] * 30 + [429]
    await expect_status(exchange(api, link(other)), 200)


async def test_two_answers_at_once_make_one_adjustment(api, settings):
    await create_active_contract(api)
    async with run_service(settings) as another_instance:
        for number in range(1, 6):
            token = link(await make(api, reason=f"Package {number}"))
            responses = await gather(*(answer(client, token) for client in (api, another_instance) * 2))
            assert [response.status_code for response in responses] == [200] * 4
            assert len(await adjustments(api)) == number
        offers = [await make(api, reason=f"Bundle {number}") for number in range(4)]
        # Each amends the contract; those that are late run again.
        responses = await gather(*(answer(api, link(offer)) for offer in offers))
        assert [response.status_code for response in responses] == [200] * 4
        assert len(await adjustments(api)) == 9
        token = link(await make(api))
        responses = await gather(answer(api, token), answer(another_instance, token, "decline"))
        assert sorted(response.status_code for response in responses) == [200, 409]


@pytest.mark.parametrize("action", ["withdraw", "decline", "suspend", "close", "amend", "revoke-links"])
async def test_customer_accepts_while_somebody_changes_the_offer_or_its_contract(api, settings, action):
    """Either comes first, and the history says which: an accepted offer is one adjustment, of an ACTIVE contract."""
    contract = await create_active_contract(api)
    any_version = {"if-match": "*"}
    async with run_service(settings) as another_instance:

        def change(offer):
            if action in {"withdraw", "decline"}:
                body = {"reason": "Too late"} if action == "withdraw" else ANN
                return another_instance.post(f"/offers/{offer['id']}/{action}", json=body, headers=any_version)
            if action == "revoke-links":
                return another_instance.post(f"/organizations/{contract['organization_id']}/revoke-links")
            body = {"reason": "At once"} | (contract if action == "amend" else {})
            return another_instance.post(f"/contracts/ACME-SUP/{action}", json=body, headers=any_version)

        offers = [await make(api, reason=f"Package {number}") for number in range(3)]
        for offer in offers:
            taken, changed = await gather(answer(api, link(offer)), change(offer))
            assert taken.status_code in {200, 409, 410}, taken.text
            # 412: the answer has changed the contract in between.
            assert changed.status_code in {200, 204, 409, 412}, changed.text
        accepted = [offer["id"] for offer in offers if await status_of(api, offer) == "accepted"]
        history = (await api.get("/contracts/ACME-SUP/history")).json()["items"]
    amended = [
        entry for entry in history if entry["what"] == "amended" and entry["reason"].startswith("Offer accepted")
    ]
    assert len(amended) == len(accepted)
    # An amendment of the whole contract, read before the answer, has taken back what it did not know of.
    assert (
        len(await adjustments(api)) <= len(accepted)
        if action == "amend"
        else len(await adjustments(api)) == len(accepted)
    )
    ends = [number for number, entry in enumerate(history) if entry["what"] in {"suspended", "closed"}]
    assert all(history.index(entry) < ends[0] for entry in amended if ends)


async def status_of(api, offer):
    return (await expect_status(api.get(f"/offers/{offer['id']}"), 200)).json()["status"]


async def test_manager_answers_on_behalf_of_the_customer(api):
    await create_active_contract(api)
    offer = await make(api)
    assert (await act(api, offer, "accept", ANN, version=7)).status_code == 412
    accepted = await expect_status(act(api, offer, "accept", ANN), 200)
    assert (accepted.json()["status"], accepted.headers["etag"]) == ("accepted", '"2"')
    # A double click has an ETag that is stale by then.
    assert (await act(api, offer, "accept", ANN)).json() == accepted.json()
    assert (await act(api, offer, "withdraw", {"reason": "r"}, version=2)).status_code == 409
    history = (await api.get("/contracts/ACME-SUP/history")).json()["items"]
    assert [entry["actor"] for entry in history[-2:]] == ["olga", "Ann <ann@acme.example>, by olga"]
    declined = await act(api, await make(api), "decline", {"name": "Ann", "remark": "Too dear"})
    assert (declined.json()["status"], declined.json()["remark"]) == ("declined", "Too dear")


async def test_adjustment_that_no_longer_fits_is_refused_and_the_owner_is_told_once(api, published):
    contract = await create_active_contract(api)
    deduction = await make(api, hours="-40", price_minor=None, price_currency=None)
    token = link(deduction)
    smaller = contract | {"reason": "Less", "adjustments": [
        {"account_id": contract["accounts"][0]["id"], "period_start": "2026-01-01", "hours": "-1", "reason": "Less"}
    ]}  # fmt: skip
    await expect_status(post_action(api, "ACME-SUP", "amend", 2, smaller), 200)
    for _ in range(2):
        response = await expect_status(answer(api, token), 422)
        assert violation_keys(response) == {("C2.adjustment", "/hours")}
    assert len(await adjustments(api)) == 1
    await expect_status(post_action(api, "ACME-SUP", "suspend", 3, {"reason": "Unpaid"}), 200)
    response = await expect_status(answer(api, token), 409)
    assert response.json()["detail"] == "The contract ACME-SUP is INACTIVE. Only an ACTIVE contract takes an offer."
    assert (await exchange(api, token)).json()["status"] == "open"
    events = [event for _, event in await published(OFFERS, 3)]
    assert [(event.type.split(".")[2], event.data.status) for event in events] == [
        ("made", "open"), ("refused", "open"), ("refused", "open"),
    ]  # fmt: skip
    assert events[1].data.refusal.startswith("With its adjustments, Help desk plans -1 h")

    await expect_status(post_action(api, "ACME-SUP", "resume", 4, {"reason": "Paid"}), 200)
    await expect_status(post_action(api, "ACME-SUP", "amend", 5, contract | {"reason": "As before"}), 200)
    accepted = await expect_status(answer(api, token), 200)
    assert accepted.json()["status"] == "accepted"
    assert (await api.get(f"/offers/{deduction['id']}")).json()["refusal"] is None


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"account_id": "Nobody", "period_start": "2026-02-01"},
         {("unknown_reference", "/account_id"), ("unknown_reference", "/period_start")}),
        ({"hours": None}, {("invalid", "/hours")}),
        ({"hours": "0"}, {("invalid", "/hours")}),
        ({"hours": "-41"}, {("C2.adjustment", "/hours")}),
        ({"value_minor": 5}, {("invalid", "/value_minor")}),
        ({"price_currency": None}, {("invalid", "/price_currency")}),
        ({"price_minor": None}, {("invalid", "/price_minor")}),
        ({"valid_until": "2026-01-01T00:00:00Z"}, {("invalid", "/valid_until")}),
        ({"requested_by": ANN}, {("invalid", "/price_minor"), ("invalid", "/price_currency")}),
        ({"hour": "1"}, {("unknown_field", "/hour")}),
        ({"hours": "1.005"}, {("C5.precision", "/hours")}),
    ],
)  # fmt: skip
async def test_offer_that_could_not_be_accepted_is_not_made(api, changes, keys):
    await create_active_contract(api)
    response = await expect_status(api.post("/offers", json=PACKAGE | changes), 422)
    assert violation_keys(response) == keys
    assert (await api.get("/offers")).json()["items"] == []


async def test_only_an_active_contract_takes_an_offer(api):
    await expect_status(api.post("/offers", json=PACKAGE), 404)
    await create_active_contract(api)
    await expect_status(post_action(api, "ACME-SUP", "suspend", 2, {"reason": "Unpaid"}), 200)
    response = await expect_status(api.post("/offers", json=PACKAGE), 409)
    assert response.json()["detail"].startswith("The contract ACME-SUP is INACTIVE.")


async def test_offers_are_listed_newest_first(api):
    await create_active_contract(api)
    offers = [await make(api, reason=f"Package {number}") for number in range(3)]
    await act(api, offers[0], "withdraw", {"reason": "r"})
    first = (await api.get("/offers", params={"contract": "ACME-SUP", "limit": 2})).json()
    second = (await api.get("/offers", params={"limit": 2, "cursor": first["next"]})).json()
    assert [item["id"] for item in first["items"] + second["items"]] == [offer["id"] for offer in reversed(offers)]
    withdrawn = (await api.get("/offers", params={"status": ["withdrawn", "expired"]})).json()["items"]
    assert [(item["status"], item["remark"]) for item in withdrawn] == [("withdrawn", "r")]
    assert (await api.get("/offers", params={"contract": "NOBODY"})).json()["items"] == []
    await expect_status(api.get(f"/offers/{uuid4()}"), 404)


async def test_offers_that_nobody_answers_expire(api, pool, published):
    await create_active_contract(api)
    soon, later = await make(api, valid_until=TOMORROW.isoformat()), await make(api)
    assert sum(await gather(*(expiry.expire_offers(pool, TOMORROW) for _ in range(3)))) == 0
    moment = TOMORROW + timedelta(microseconds=1)
    assert sum(await gather(*(expiry.expire_offers(pool, moment) for _ in range(3)))) == 1
    assert [(await api.get(f"/offers/{offer['id']}")).json()["status"] for offer in (soon, later)] == [
        "expired", "open",
    ]  # fmt: skip
    await expect_status(answer(api, link(soon)), 410)
    expired = (await published(OFFERS, 3))[-1][1]
    assert (expired.type, expired.data.actor) == ("tidemark.offer.expired.v1", "tidemark")


async def test_offer_of_a_contract_that_has_moved_is_nobodys(api):
    contract = await create_active_contract(api)
    offer = await make(api)
    token = link(offer)
    other = await create_organization(api, name="Nordwind")
    body = {name: value for name, value in contract.items() if name not in {"id", "version", "status"}}
    body |= {"organization_id": other, "reason": "Sold"}
    await expect_status(post_action(api, "ACME-SUP", "amend", 2, body), 200)
    for response in (await exchange(api, token), await answer(api, token)):
        assert (response.status_code, "ACME" in response.text) == (410, False)
    await expect_status(act(api, offer, "accept", ANN), 409)
    assert await adjustments(api) == []


async def test_refused_answer_leaves_its_key_free(api):
    await create_active_contract(api)
    offer = await make(api)
    await expect_status(post_action(api, "ACME-SUP", "suspend", 2, {"reason": "Pause"}), 200)

    def accept(version):
        headers = {"if-match": f'"{version}"', "idempotency-key": "k"}
        return api.post(f"/offers/{offer['id']}/accept", json=ANN, headers=headers)

    await expect_status(accept(1), 409)
    await expect_status(post_action(api, "ACME-SUP", "resume", 3, {"reason": "Go on"}), 200)
    await expect_status(accept(2), 200)
