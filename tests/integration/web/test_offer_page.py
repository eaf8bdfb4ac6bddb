"""The page of an offer in front of a server that replaces the services: only a form that a person sends answers it."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from api_tokens import SECRET
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from web_server import running_server, web_client

from tidemark_shared.http.links import OfferLink, issue_offer_link
from tidemark_shared.http.tokens import verify_token

OFFER, CONTRACT, ACCOUNT = (f"3f0e4b86-6f0c-4f6e-9d0e-3c8e7d0f1a{number}" for number in (11, 12, 13))
SAME_SITE = {"sec-fetch-site": "same-origin"}
HOUR = 3600
TOKEN = issue_offer_link(SECRET, OfferLink(UUID(OFFER), "ann@acme.example", datetime.now(UTC) + timedelta(days=1)))
ANSWER = {"link": f"https://tidemark.example/offer#{TOKEN}", "answer": "accept", "name": " Ann Ardent ", "remark": ""}


def offered(**changes):
    return {
        "id": OFFER, "status": "open", "organization_id": CONTRACT, "organization_name": "Acme <b>",
        "owner": {"name": "Olga", "email": "olga@provider.example"}, "contract_id": CONTRACT,
        "contract_code": "ACME-SUP", "contract_name": "Support 2026", "account_id": ACCOUNT,
        "account_name": "Help desk", "period_start": "2026-03-01", "period_end": "2026-03-31", "hours": "20",
        "value_minor": None, "currency": None, "reason": "Extra <package>", "price_minor": 180000,
        "price_currency": "EUR", "note": None, "valid_until": "2099-03-31T21:59:59.000000Z", "answered_by": None,
        "remark": None, "locale": "en", **changes,
    }  # fmt: skip


FIGURES = {"planned": 40 * HOUR, "consumed": 38 * HOUR, "remaining": 2 * HOUR, "percent": "95.00"}
OWN_CONTRACT = {
    "timezone": "Europe/Berlin",
    "accounts": [{"account_id": ACCOUNT, "periods": [{**FIGURES, "start": "2026-03-01", "end": "2026-03-31"}]}],
}


class Services:
    """The services, with one offer. ``problem`` is the next answer to an answer."""

    def __init__(self):
        self.offer, self.problem, self.answers, self.actors, self.has_contract = offered(), None, [], [], True
        self.app = Starlette(routes=[Route("/{path:path}", self.respond, methods=["GET", "POST"])])

    async def respond(self, request):
        match request.url.path:
            case "/v1/offers/exchange":
                assert "authorization" not in request.headers
                return self.offer if isinstance(self.offer, JSONResponse) else JSONResponse(self.offer)
            case "/v1/offers/answer":
                body = await request.json()
                self.answers.append({name: value for name, value in body.items() if name != "token"})
                if self.problem:
                    return self.problem
                status = {"accept": "accepted", "decline": "declined"}[body["answer"]]
                self.offer = offered(status=status, answered_by={"name": body["name"]}, remark=body["remark"])
                return JSONResponse(self.offer)
        self.actors.append(verify_token(SECRET, request.headers["authorization"].removeprefix("Bearer ")).actor)
        is_found = self.has_contract and request.url.path == f"/v1/customer/contracts/{CONTRACT}"
        return JSONResponse(OWN_CONTRACT) if is_found else problem(404)


def problem(status, detail="It is gone.", **members):
    return JSONResponse({"title": "Problem", "status": status, "detail": detail, **members}, status)


@asynccontextmanager
async def offer_page():
    services = Services()
    async with running_server(services.app) as url:
        urls = {f"{name}_url": url for name in ("contracts", "consumption", "notifier")}
        async with web_client(**{"open": False, **urls}) as client:
            client.headers["accept-language"] = "en"
            yield client, services


def open_link(client, token=TOKEN):
    return client.post("/offer/session", data={"link": f"#{token}"}, headers=SAME_SITE)


async def test_offer_is_shown_with_what_it_would_change_and_nothing_is_answered():
    async with offer_page() as (client, services):
        page = await open_link(client)
        assert page.status_code == 200
        text = page.text.replace("\N{NO-BREAK SPACE}", " ")
        for part in (
            "Offer: 20 h more", "Support 2026", "open until 31 March 2099, 23:59 (Europe/Berlin)", "Acme &lt;b&gt;",
            "Extra &lt;package&gt;", "1,800.00 EUR", ">40 h<", ">60 h<", ">38 h<", ">2 h<", ">22 h<", "March 2026",
        ):  # fmt: skip
            assert part in text
        assert page.headers["cache-control"] == "no-store"
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert services.answers == []
        # The figures are read as the customer, who sees its own organization and nothing internal.
        [actor] = services.actors
        assert (actor.role, str(actor.organization_id)) == ("customer", CONTRACT)
        services.has_contract = False
        assert ">60 h<" not in (await open_link(client)).text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/offer", "/offer/session", "/offer/answer"])
async def test_what_follows_links_answers_nothing(method, path):
    async with offer_page() as (client, services):
        answer = await client.request(method, path, params=ANSWER)
        assert answer.status_code == 200
        assert (services.answers, services.actors) == ([], [])
        assert "set-cookie" not in answer.headers


async def test_form_of_another_site_is_rejected():
    async with offer_page() as (client, services):
        for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {}):
            for path in ("/offer/session", "/offer/answer"):
                assert (await client.post(path, data=ANSWER, headers=headers)).status_code == 403
        assert services.answers == []


@pytest.mark.parametrize(("answer", "title"), [("accept", "Accepted: 20 h more"), ("decline", "Declined: 20 h more")])
async def test_answer_is_sent_once_with_name_and_remark_and_what_was_agreed_is_shown(answer, title):
    async with offer_page() as (client, services):
        form = ANSWER | {"answer": answer, "remark": "Start <soon>"}
        page = await client.post("/offer/answer", data=form, headers=SAME_SITE)
        assert page.status_code == 200
        for part in (title, "Ann Ardent", "Start &lt;soon&gt;", "1,800.00 EUR"):
            assert part in page.text
        assert services.answers == [{"answer": answer, "name": "Ann Ardent", "remark": "Start <soon>"}]
        again = await open_link(client)
        assert "by Ann Ardent. There is nothing more to do." in again.text
        assert "20 h" not in again.text
        assert "<form" not in again.text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": "  "}, "Enter your name."),
        ({"answer": ""}, "Choose whether"),
        ({"answer": "perhaps"}, "Choose whether"),
    ],
)
async def test_incomplete_answer_is_shown_again_with_what_was_typed(changes, text):
    async with offer_page() as (client, services):
        page = await client.post("/offer/answer", data=ANSWER | {"remark": "<typed>"} | changes, headers=SAME_SITE)
        assert page.status_code == 422
        assert text in page.text
        assert "&lt;typed&gt;" in page.text
        assert services.answers == []


async def test_answer_that_no_longer_fits_says_why():
    async with offer_page() as (client, services):
        violation = {"code": "C2.adjustment", "path": "/hours", "message": "Help desk would plan -1 h."}
        services.problem = problem(422, violations=[violation])
        page = await client.post("/offer/answer", data=ANSWER, headers=SAME_SITE)
        assert page.status_code == 422
        assert "Your answer could not be recorded: Help desk would plan -1 h. The sender" in page.text
        # Somebody else was faster.
        services.problem, services.offer = problem(409), offered(status="declined", answered_by={"name": "Ben"})
        page = await client.post("/offer/answer", data=ANSWER, headers=SAME_SITE)
        assert "This offer was declined by Ben." in page.text


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (404, "There is no offer with this link."), (410, "This offer was withdrawn."), (429, "used too often"),
        (403, "not the link of an offer"), (503, "cannot be read right now"),
    ],
)  # fmt: skip
async def test_link_that_is_good_no_more_says_so_without_a_figure(status, text):
    async with offer_page() as (client, services):
        services.offer = problem(status, "Internal <detail>")
        for answer in (open_link(client), client.post("/offer/answer", data=ANSWER, headers=SAME_SITE)):
            services.problem = problem(status, "Internal <detail>")
            page = await answer
            assert page.status_code == (503 if status >= 500 else status)
            assert text in page.text
            assert "Internal" not in page.text
            assert "20 h" not in page.text


async def test_expired_and_incomplete_links_ask_no_service():
    async with offer_page() as (client, services):
        expired = issue_offer_link(SECRET, OfferLink(UUID(OFFER), None, datetime.now(UTC) - timedelta(days=1)))
        page = await open_link(client, expired)
        assert (page.status_code, "The time to answer this offer is over." in page.text) == (410, True)
        page = await open_link(client, TOKEN[:-3])
        assert (page.status_code, "This link is not complete" in page.text) == (401, True)
        assert 'name="link"' in page.text
        assert services.actors == []


async def test_second_answer_under_another_name_says_who_was_first():
    async with offer_page() as (client, services):
        first = offered(status="accepted", answered_by={"name": "Ben"})
        services.problem = JSONResponse(first)
        page = await client.post("/offer/answer", data=ANSWER, headers=SAME_SITE)
        assert "This offer was accepted by Ben. There is nothing more to do." in page.text


async def test_page_is_in_the_language_of_the_customer():
    async with offer_page() as (client, services):
        services.offer = offered(locale="de")
        text = (await open_link(client)).text.replace("\N{NO-BREAK SPACE}", " ")
        for part in ("Angebot: 20 Std. mehr", "gültig bis 31. März 2099, 23:59 Uhr", "Bei Annahme", "1.800,00 €"):
            assert part in text
