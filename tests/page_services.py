"""The pages in front of a server that replaces the services."""

from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from web_server import running_server, web_client

from tidemark_shared.domain.examples import BALANCE, PERIOD_RESTATED, STATEMENT, STATEMENT_TODAY
from tidemark_shared.domain.examples import CONTRACT as CONTRACT_BODY
from tidemark_shared.http.admission import MAX_TARGET_BYTES

CONTRACT = "3f0e4b86-6f0c-4f6e-9d0e-3c8e7d0f1a11"
DEAD_LETTER = {"id": 17, "service": "consumption", "topic": "worklog.events", "partition": 0, "record_offset": 4,
               "reason": "<i>Not JSON", "received_at": "2026-03-01T00:00:00Z", "replayed_at": None}  # fmt: skip
STATUS = {"problems": [], "topics": [], "queues": [], "dead_letter_count": 0, "verification": None}
VALUE = {"text": "<b>\x1b\u202e", "hex": None}
OPERATIONS = {
    "contracts/status": STATUS,
    "consumption/status": STATUS,
    "consumption/dead-letters": {"items": [DEAD_LETTER], "next": None},
    "consumption/dead-letters/17": DEAD_LETTER | {"key": None, "headers": [], "value": VALUE},
}
SAME_SITE = {"sec-fetch-site": "same-origin"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def summary(name="<b>Support</b>", **changes):
    figures = {"planned": 144000, "consumed": 187200, "remaining": -43200, "percent": "130.00", "worklogs": 3,
               "unrated_seconds": None}  # fmt: skip
    period = {**figures, "start": "2026-03-01", "end": "2026-03-31", "carried": 0, "available": 144000}
    return {
        "contract_id": CONTRACT, "contract_code": "A/1 & co", "contract_name": name, "organization_id": CONTRACT,
        "organization_name": "Acme", "owner": {"name": "Olga", "email": "olga@provider.example"},
        "type": "time_and_materials", "recurrence": "monthly", "start_date": "2026-01-01", "end_date": "2099-12-31",
        "timezone": "UTC", "status": "ACTIVE", "attention": ["over"], "revision": 7, "unit": "seconds",
        "currency": None, "unaccounted_seconds": 0, "forecast": None, "whole": figures, "period": period, **changes,
    }  # fmt: skip


TWO_MONTHS = BALANCE | {
    "periods": [*BALANCE["periods"], {**BALANCE["periods"][0], "start": "2026-04-01", "end": "2026-04-30"}],
}
STATEMENT_ANSWER = {
    "statement": STATEMENT, "restatements": [PERIOD_RESTATED], "restatement_count": 1, "today": STATEMENT_TODAY,
}  # fmt: skip


class Services:
    """All services as one server; ``is_revoked`` makes it refuse every token."""

    def __init__(self):
        self.requests, self.revision, self.is_revoked, self.moments = [], 7, False, {}
        self.app = Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST"])])

    async def answer(self, request):
        self.requests.append((request.url.path, request.headers.get("authorization", "")))
        self.moments[request.url.path] = request.query_params.get("as_of")
        contracts = request.query_params.getlist("contract")
        if len(request.url.query) > MAX_TARGET_BYTES - 100:
            return JSONResponse({"title": "Address too long", "detail": "It is."}, 414)
        if self.is_revoked:
            return JSONResponse({"title": "Invalid token", "detail": "The token was revoked."}, 401)
        answers = {
            **{f"/v1/services/{path}": answer for path, answer in OPERATIONS.items()},
            "/v1/balances": {
                "items": [summary()], "next": None, "statuses": {"ACTIVE": 1}, "attention": {"over": 1},
            },
            "/v1/balances/revisions": {
                "items": [{"contract_id": id_, "revision": self.revision} for id_ in contracts], "next": None,
            },
            "/v1/organizations": {"items": [], "next": None},
            "/v1/contracts/ACME-SUP": CONTRACT_BODY | {"id": CONTRACT, "status": "ACTIVE"},
            "/v1/contracts/ACME-SUP/balance": TWO_MONTHS,
            "/v1/contracts/ACME-SUP/curve": {"items": [
                {"day": "2026-03-02", "whole": BALANCE["whole"], "period": BALANCE["periods"][0]},
            ]},
            "/v1/contracts/ACME-SUP/worklogs": {"items": [], "next": None},
            "/v1/contracts/ACME-SUP/history": {"items": [{
                "version": 1, "offer_id": None, "what": "drafted", "status": "DRAFT", "actor": "olga", "reason": None,
                "changes": [], "occurred_at": "2026-01-02T08:15:00Z", "descriptions": [],
                "renewed_from": None, "renewed_as": None,
            }]},
        }  # fmt: skip
        is_statement = request.url.path.endswith("/statements/2026-03-01")
        if answer := STATEMENT_ANSWER if is_statement else answers.get(request.url.path):
            return JSONResponse(answer)
        return JSONResponse({"title": "Contract not found", "detail": "No contract."}, 404)

    def count(self, path):
        return sum(requested == path for requested, _ in self.requests)


@asynccontextmanager
async def pages(*, open_=False, **settings):
    services = Services()
    async with running_server(services.app) as url:
        urls = {f"{name}_url": url for name in ("contracts", "consumption", "notifier")}
        async with web_client(**{"open": open_, **urls, **settings}) as client:
            yield client, services


async def sign_in(client, token, headers=SAME_SITE, **fields):
    return await client.post("/sign-in", data={"token": token, **fields}, headers=headers)
