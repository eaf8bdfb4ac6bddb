"""Examples of the bodies, by the names of their schemas in the OpenAPI document."""

from tidemark_shared.domain import examples
from tidemark_shared.domain.examples import (
    ADJUSTMENT,
    CONTRACT,
    CONTRACT_CHANGED,
    OFFER,
    ORGANIZATION,
    RATE_CARD,
    TEAM,
)

_STATE = {"status": "DRAFT", "renewed_from": None, "renewed_as": None}
_REASON = "Extra package, mail of 4 March"
_LINK_ID = "6f1f5b0e-3f0d-4f0c-9a35-8a3a5b1c2d3e"
_LINK_TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9…"  # noqa: S105 - the beginning of a token
_LINK = {
    "id": _LINK_ID,
    "organization_id": examples.ORGANIZATION_ID,
    "organization_name": ORGANIZATION["name"],
    "issued_at": "2026-03-04T10:12:00Z",
    "expires_at": "2026-08-31T10:12:00Z",
    "has_password": False,
    "note": "For Ann, by chat",
    "created_by": "olga",
    "last_used_at": None,
    "revoked_at": None,
    "revoked_by": None,
}

_TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.…"  # noqa: S105 - it is no secret
_PRICE = {"price_minor": 180000, "price_currency": "EUR", "valid_until": "2026-03-31T21:59:59Z"}
_OFFERED = {
    name: OFFER[name]
    for name in (
        "status",
        "contract_id",
        "contract_code",
        "account_id",
        "account_name",
        "period_start",
        "hours",
        "value_minor",
        "currency",
        "reason",
        "price_minor",
        "price_currency",
        "note",
        "valid_until",
        "answered_by",
        "remark",
    )
}

_PSEUDONYM = {
    "id": examples.PERSON_ID,
    "pseudonym": "forgotten-3d0c1b7e52f4",
    "forgotten_at": "2026-03-04T10:12:00Z",
    "forgotten_by": "olga",
}
_VIOLATION = {
    "code": "C2.sum",
    "path": "/contracts/1/accounts",
    "message": "The billable accounts add up to 39.99 h; the contracted amount is 40 h. Make them equal.",
}

EXAMPLES = {
    "ForgetBodyInput": {"person_id": "712020:ab", "names": ["Olga Ortiz"], "emails": ["olga@provider.example"]},
    "ForgetBody": {"person_id": "712020:ab", "names": ["Olga Ortiz"], "emails": ["olga@provider.example"]},
    "ForgottenPerson": _PSEUDONYM,
    "ContractBatch": {"contracts": [CONTRACT], "activate": True},
    "BatchResult": {
        "created": 1,
        "refused": 1,
        "items": [
            {"code": "ACME-SUP", "id": examples.CONTRACT_ID, "version": 2, "status": "ACTIVE", "violations": []},
            {"code": "ACME-DEV", "id": None, "version": None, "status": None, "violations": [_VIOLATION]},
        ],
    },
    "BatchItem": {"code": "ACME-DEV", "id": None, "version": None, "status": None, "violations": [_VIOLATION]},
    "OrganizationInput": ORGANIZATION,
    "Organization": {**ORGANIZATION, "id": examples.ORGANIZATION_ID, "version": 1},
    "TeamInput": TEAM,
    "Team": {**TEAM, "id": examples.TEAM_ID, "version": 1},
    "RateCardInput": RATE_CARD,
    "RateCard": {**RATE_CARD, "id": examples.RATE_CARD_ID, "version": 1},
    "ContractInput": CONTRACT,
    "Contract": {**CONTRACT, **_STATE, "id": examples.CONTRACT_ID, "version": 1},
    "Amendment": {**CONTRACT, "adjustments": [ADJUSTMENT], "reason": _REASON},
    "Reason": {"reason": "The customer asked for a pause"},
    "Renewal": {"code": "ACME-SUP-2027"},
    "EmptyBody": {},
    "CustomerLinkBody": {
        "organization_id": examples.ORGANIZATION_ID,
        "expires_at": "2026-08-31T10:12:00Z",
        "password": None,
        "note": "For Ann, by chat",
    },
    "CustomerLinkState": _LINK,
    "CreatedCustomerLink": {**_LINK, "url": f"https://tidemark.example.com/customer#{_LINK_TOKEN}"},
    "LinkExchange": {"token": _LINK_TOKEN, "password": None},
    "CustomerSession": {
        "link_id": _LINK_ID,
        "organization_id": examples.ORGANIZATION_ID,
        "organization_name": ORGANIZATION["name"],
        "locale": "en",
        "expires_at": "2026-08-31T10:12:00Z",
    },
    "HistoryEntry": {
        "version": 3,
        "what": "amended",
        "status": "ACTIVE",
        "actor": "olga",
        "reason": _REASON,
        "occurred_at": "2026-03-04T10:12:00Z",
        "descriptions": ["20 h added to Help desk for the period from 2026-03-01"],
        "changes": [{"path": "/adjustments/0", "before": None, "after": ADJUSTMENT}],
        "renewed_from": None,
        "renewed_as": None,
        "offer_id": None,
    },
    "OfferInput": {
        **_PRICE,
        "contract": "ACME-SUP",
        "account_id": "Help desk",
        "period_start": "2026-03-01",
        "hours": "20",
        "value_minor": None,
        "reason": OFFER["reason"],
        "note": None,
        "requested_by": None,
    },
    "Offer": {
        **OFFER,
        "id": examples.OFFER_ID,
        "version": 1,
        "created_at": "2026-03-20T08:15:00Z",
        "updated_at": "2026-03-20T08:15:00Z",
    },
    "Confirmation": {**_PRICE, "note": "With pleasure"},
    "Withdrawal": {"reason": "The price was wrong"},
    "OfferAnswer": {"name": "Ann", "email": "ann@acme.example", "remark": "Order 4711"},
    "OfferRequest": {
        "contract": "ACME-SUP",
        "account_id": "Help desk",
        "period_start": "2026-03-01",
        "hours": "20",
        "value_minor": None,
        "reason": "Help with the migration",
        "requested_by": {"name": "Ann", "email": "ann@acme.example"},
    },
    "RequestedOffer": {"id": examples.OFFER_ID, "status": "requested"},
    "OfferLinkBody": {"token": _TOKEN},
    "OfferLinkAnswer": {"token": _TOKEN, "answer": "accept", "name": "Ann", "remark": "Order 4711"},
    "OfferedAdjustment": {
        **_OFFERED,
        "id": examples.OFFER_ID,
        "organization_id": examples.ORGANIZATION_ID,
        "locale": "en",
        "organization_name": "Acme",
        "owner": CONTRACT["owner"],
        "contract_name": CONTRACT["name"],
        "period_end": "2026-03-31",
    },
    "LifecycleEvent": {"type": "tidemark.contract.activated.v1", "data": CONTRACT_CHANGED},
}
