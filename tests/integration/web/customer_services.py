"""The customer's pages in front of a server that replaces the services."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from api_tokens import ORGANIZATION_ID, SECRET
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from web_server import running_server, web_client

from tidemark_shared.http.links import CustomerLink, issue_customer_link
from tidemark_shared.http.tokens import verify_token

SAME_SITE = {"sec-fetch-site": "same-origin"}
NOW = datetime.now(UTC).replace(microsecond=0)
PASSWORD = "open sesame"  # noqa: S105 - the password of a link of the tests
INTERNAL = "internal detail of a service"
FIGURES = {"planned": 144000, "consumed": 187200, "remaining": -43200, "percent": "130.00"}
PERIODS = [
    {**FIGURES, "consumed": consumed, "remaining": 144000 + carried - consumed, "carried": carried, "percent": "1.00",
     "available": 144000 + carried, "start": f"2026-0{month}-01", "end": f"2026-0{month}-28"}
    for month, consumed, carried in ((1, 7200, 0), (2, 187200, 3600))
]  # fmt: skip
CONTRACT = {
    "contract_id": str(uuid4()), "contract_code": "A/1", "contract_name": "<b>Support</b>", "recurrence": "monthly",
    "type": "time_and_materials", "start_date": "2026-01-01", "end_date": "2099-12-31", "timezone": "UTC",
    "status": "ACTIVE", "unit": "seconds", "currency": None, "exhausts_on": None, "whole": FIGURES,
    "updated_at": "2026-02-28T10:00:00Z", "period": PERIODS[1], "periods": PERIODS,
    "accounts": [{"account_id": str(uuid4()), "name": "Help desk", "whole": FIGURES, "periods": PERIODS}],
}  # fmt: skip
STATEMENT = {
    "contract_code": "A/1", "contract_name": CONTRACT["contract_name"], "number": 1, "unit": "seconds",
    "currency": None, "closed_at": "2026-02-06T00:00:03.120514Z", "figures": PERIODS[0], "sha256": "aea5" * 16,
    "accounts": [{**FIGURES, "consumed": 7200, "account_id": "h", "name": "Help desk"}],
    "adjustments": [{"account_id": "h", "amount": 72000}],
    "corrections": [{"period_start": "2025-12-01", "account_id": "x", "account_name": None, "before": 60, "after": 0}],
}  # fmt: skip
STATEMENT_NOW = {
    "statement": STATEMENT,
    "restatements": [{"period_start": "2026-01-01", "account_id": "h", "account_name": "Help desk", "before": 7200,
                      "after": 7261, "restated_at": "2026-03-01T00:00:00.000000Z"}],
    "today": {"figures": {**PERIODS[0], "consumed": 7261},
              "accounts": [{**FIGURES, "consumed": 7261, "account_id": "h", "name": "Help desk"}]},
}  # fmt: skip
ANSWERS = {
    "": {"items": [CONTRACT], "next": None},
    "/A/1": CONTRACT,
    "/A/1/curve": {"items": [], "next": None},
    "/A/1/statements": {"items": [STATEMENT], "next": None},
    "/A/1/statements/2026-01-01": STATEMENT_NOW,
}


class Services:
    """All services as one server. ``status`` is that of the link; ``password`` what it needs."""

    def __init__(self):
        self.tokens, self.status, self.password, self.locale = [], 200, None, "en"
        self.asked = {}
        self.app = Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST"])])

    async def answer(self, request):
        self.tokens.append(verify_token(SECRET, request.headers["authorization"].removeprefix("Bearer ")))
        path = request.url.path
        if "links" in path:
            given = (await request.json())["password"] if request.method == "POST" else self.password
            status = self.status if given == self.password else 403
            session = {"organization_name": "Acme", "locale": self.locale, "expires_at": "2099-12-31T00:00:00Z"}
            return JSONResponse(session if status == 200 else {"title": INTERNAL, "detail": INTERNAL}, status)
        if path == "/v1/customer/offers":
            self.asked[request.headers.get("idempotency-key")] = body = await request.json()
            problem = {"title": INTERNAL, "detail": INTERNAL}
            return JSONResponse(problem, 422) if body["hours"] == "many" else JSONResponse({"id": "1"}, 201)
        answer = ANSWERS.get(path.removeprefix("/v1/customer/contracts"))
        return JSONResponse(answer) if answer else JSONResponse({"title": INTERNAL, "detail": INTERNAL}, 404)


@asynccontextmanager
async def pages(**settings):
    services = Services()
    async with running_server(services.app) as url:
        urls = {f"{name}_url": url for name in ("contracts", "consumption", "notifier")}
        async with web_client(**{"open": False, **urls, **settings}) as client:
            yield client, services


def new_link(**changes):
    link = CustomerLink(uuid4(), ORGANIZATION_ID, NOW - timedelta(hours=1), NOW + timedelta(days=1))
    return link._replace(**changes)


async def send_link(client, link=None, **fields):
    token = issue_customer_link(SECRET, link or new_link())
    form = {"link": f"https://tidemark.example.com/customer#{token}", **fields}
    return await client.post("/customer/session", data=form, headers=SAME_SITE)
