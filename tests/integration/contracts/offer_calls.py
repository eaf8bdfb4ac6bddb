"""Requests about offers."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from contracts_api import SECRET, expect_status

from tidemark_shared.http.links import OfferLink, issue_offer_link

ANN = {"name": "Ann", "email": "ann@acme.example"}
PACKAGE = {"contract": "ACME-SUP", "account_id": "Help desk", "period_start": "2026-01-01", "hours": "20",
           "reason": "Extra package", "price_minor": 180000, "price_currency": "EUR"}  # fmt: skip
TOMORROW = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)


async def make(api, **changes):
    return (await expect_status(api.post("/offers", json=PACKAGE | changes), 201)).json()


def act(api, offer, action, body, version=1):
    return api.post(f"/offers/{offer['id']}/{action}", json=body, headers={"if-match": f'"{version}"'})


def link(offer, email=ANN["email"], expires=TOMORROW):
    return issue_offer_link(SECRET, OfferLink(UUID(offer["id"]), email, expires))


def answer(api, token, answer="accept", **changes):
    body = {"token": token, "answer": answer, "name": "Ann", "remark": None} | changes
    # A customer has no bearer token.
    return api.post("/offers/answer", json=body, headers={"authorization": ""})


def exchange(api, token):
    return api.post("/offers/exchange", json={"token": token}, headers={"authorization": ""})


async def adjustments(api):
    return (await expect_status(api.get("/contracts/ACME-SUP"), 200)).json()["adjustments"]
