"""Offers that a customer has requested: confirmed by a manager, of its own contracts alone (SPEC 10)."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from contracts_api import SECRET, create_active_contract, expect_status
from offer_calls import ANN, PACKAGE, act, adjustments, answer, link, make

from tidemark_shared.http.tokens import issue_token
from tidemark_shared.messaging.topics import LIFECYCLE


async def test_request_is_confirmed_at_a_price_or_as_it_is(api, published):
    await create_active_contract(api)
    asked = {"requested_by": ANN, "price_minor": None, "price_currency": None}
    first, second, third = [await make(api, **asked, reason=reason) for reason in ("One", "Two", "Three")]
    assert (first["status"], first["made_by"], first["valid_until"]) == ("requested", None, None)
    assert (await act(api, first, "accept", ANN)).status_code == 409

    at_a_price = (await act(api, first, "confirm", {"price_minor": 5, "price_currency": "EUR"})).json()
    assert (at_a_price["status"], at_a_price["made_by"], at_a_price["price_minor"]) == ("open", "olga", 5)
    await expect_status(answer(api, link(first)), 200)
    as_it_is = (await act(api, second, "confirm", {"note": "With pleasure"})).json()
    assert (as_it_is["status"], as_it_is["answered_by"], as_it_is["note"]) == ("accepted", ANN, "With pleasure")
    assert (await act(api, third, "decline", {"name": "Olga"})).json()["status"] == "declined"
    assert (await act(api, third, "confirm", {}, version=2)).status_code == 409
    assert [item["reason"] for item in await adjustments(api)] == ["One", "Two"]
    amendments = [event.data.actor for _, event in await published(LIFECYCLE, 4)][2:]
    assert amendments == ["Ann <ann@acme.example>", "Ann <ann@acme.example>, by olga"]


async def test_customer_requests_an_offer_of_its_own_contract(api):
    accounts = [
        {"name": "Help desk", "planned_hours": "40"}, {"name": "Coordination", "billable": False, "planned_hours": "5"},
    ]  # fmt: skip
    contract = await create_active_contract(api, accounts=accounts)
    body = {name: PACKAGE[name] for name in ("contract", "account_id", "period_start", "hours", "reason")}
    body |= {"requested_by": {"name": "Ann"}}

    def ask(organization_id, **changes):
        now = datetime.now(UTC)
        token = issue_token(
            SECRET, f"customer link {organization_id}", "customer", now=now, organization_id=UUID(organization_id)
        )
        return api.post("/customer/offers", json=body | changes, headers={"authorization": f"Bearer {token}"})

    own, other = contract["organization_id"], str(uuid4())
    requested = (await expect_status(ask(own), 201)).json()
    assert requested.keys() == {"id", "status"}
    offer = (await expect_status(api.get(f"/offers/{requested['id']}"), 200)).json()
    assert (offer["status"], offer["requested_by"]["name"], offer["price_minor"]) == ("requested", "Ann", None)
    # A name alone could be that of anybody.
    history = (await api.get("/contracts/ACME-SUP/history")).json()["items"]
    assert history[-1]["actor"] == f"Ann, by customer link {own}"
    assert "already waits" in (await expect_status(ask(own), 409)).json()["detail"]
    for body_of_nobody in ({"requested_by": {"name": " "}}, {"requested_by": {"name": "a\u202eb"}}, {"hours": "-1"}):
        await expect_status(ask(own, **body_of_nobody), 422)
    # Nothing says that a contract of somebody else, or an account that is not billable, is there.
    for response in (await ask(other), await ask(own, contract="C9"), await api.post("/customer/offers", json=body)):
        assert (response.status_code, response.json()["title"]) == (404, "Contract not found")
    response = await expect_status(ask(own, account_id="Coordination"), 404)
    assert response.json()["title"] == "Account not found"
    await expect_status(ask(own, price_minor=1), 422)
    await expect_status(act(api, requested, "confirm", {}), 200)
    assert len(await adjustments(api)) == 1
