"""The customer's pages in front of a server that replaces the services: the link, its session, its end (SPEC 7)."""

import io
import re
from datetime import UTC, datetime, timedelta

import pypdf
import pytest
from api_tokens import ORGANIZATION_ID, SECRET, create_token
from customer_services import CONTRACT, INTERNAL, NOW, PASSWORD, PERIODS, SAME_SITE, new_link, pages, send_link
from structlog.testing import capture_logs

from tidemark_shared.http.links import issue_customer_link, verify_customer_link


async def test_link_becomes_a_session_for_customer_pages_only():
    link = new_link()
    async with pages() as (client, services):
        opened = await send_link(client, link, next="/customer/contracts/A%2F1")
        assert (opened.status_code, opened.headers["location"]) == (303, "/customer/contracts/A%2F1")
        cookie = opened.headers["set-cookie"].lower()
        assert [part in cookie for part in ("httponly", "samesite=lax", "path=/customer")] == [True] * 3
        assert verify_customer_link(SECRET, client.cookies["tidemark_customer"], "tidemark:customer-session") == link
        page = await client.get("/customer")
        assert page.status_code == 200
        assert "11 h over" in page.text
        assert "&lt;b&gt;Support&lt;/b&gt;" in page.text
        # Neither the API nor another page takes the cookie, wherever it is sent.
        session = client.cookies["tidemark_customer"]
        assert (await client.get("/v1/contracts")).status_code == 401
        assert (await client.get("/v1/contracts", headers={"authorization": f"Bearer {session}"})).status_code == 401
        assert (await client.get("/", headers={"cookie": f"tidemark_session={session}"})).status_code == 303
        token = services.tokens[-1]
    assert (token.actor.role, token.actor.organization_id) == ("customer", ORGANIZATION_ID)
    assert token.expires <= datetime.now(UTC) + timedelta(minutes=5)


async def test_session_of_people_opens_no_customer_page():
    async with pages() as (client, services):
        for cookie in ("tidemark_session", "tidemark_customer"):
            page = await client.get("/customer", headers={"cookie": f"{cookie}={create_token('admin')}"})
            assert "Acme" not in page.text
        assert services.tokens == []
        assert (
            await client.get("/", headers={"authorization": f"Bearer {create_token('customer')}"})
        ).status_code == 303


@pytest.mark.parametrize(
    ("link", "status", "text"),
    [
        (new_link(expires_at=NOW - timedelta(minutes=1)), 410, "expired or was withdrawn"),
        (None, 401, "not complete, or it was changed"),
    ],
)
async def test_changed_or_expired_link_opens_nothing(link, status, text):
    token = issue_customer_link(SECRET, link) if link else issue_customer_link(SECRET[::-1], new_link())
    async with pages() as (client, services):
        answer = await client.post("/customer/session", data={"link": f"#{token}"}, headers=SAME_SITE)
        page = await client.get("/customer/contracts/A%2F1", headers={"cookie": f"tidemark_customer={token}"})
    assert (answer.status_code, text in answer.text) == (status, True)
    assert "set-cookie" not in answer.headers
    assert page.status_code == status
    assert "Support" not in answer.text + page.text
    assert services.tokens == []


@pytest.mark.parametrize("status", [404, 410])
async def test_revoked_link_ends_its_session_at_the_next_request(status):
    async with pages() as (client, services):
        await send_link(client)
        assert (await client.get("/customer/contracts/A%2F1")).status_code == 200
        services.status = status
        page = await client.get("/customer/contracts/A%2F1")
        again = await send_link(client)
    assert (page.status_code, again.status_code) == (status, status)
    assert "Ask the person who sent it for a new one." in page.text
    assert [text for text in ("Support", "Help desk", INTERNAL) if text in page.text + again.text] == []
    assert "tidemark_customer" not in client.cookies


async def test_contract_of_somebody_else_is_a_page_without_details():
    async with pages() as (client, _):
        await send_link(client)
        page = await client.get("/customer/contracts/N1")
    assert page.status_code == 404
    assert INTERNAL not in page.text


async def test_service_that_is_down_is_not_named():
    async with pages(consumption_url="http://127.0.0.1:9") as (client, _):
        await send_link(client)
        page = await client.get("/customer")
    assert page.status_code == 503
    assert "consumption" not in page.text


async def test_past_period_shows_its_own_figures():
    async with pages() as (client, _):
        await send_link(client)
        past = (await client.get("/customer/contracts/A%2F1?period=2026-01-01")).text
        current = (await client.get("/customer/contracts/A%2F1?period=2026-02-01")).text
    assert "2 h of 40 h used" in past
    assert "52 h of 41 h used" in current
    assert "11 h over" in current
    assert "Carried over from earlier" in current
    assert "Carried over from earlier" not in past


async def test_page_is_in_the_language_of_the_organization():
    async with pages() as (client, services):
        services.locale = "de"
        await send_link(client)
        page = (await client.get("/customer/contracts/A%2F1?period=2026-02-01")).text
        form = (
            await client.post("/customer/session", data={"link": "x"}, headers=SAME_SITE | {"accept-language": "de"})
        ).text
    assert '<html lang="de">' in page
    assert "11 Std. überzogen" in page
    assert "52 Std. von 41 Std. verbraucht" in page
    assert "nicht vollständig" in form


async def test_password_is_asked_for():
    async with pages() as (client, services):
        services.password = PASSWORD
        asked = await send_link(client, next="/customer/contracts/A%2F1")
        wrong = await send_link(client, password=PASSWORD.upper())
        right = await send_link(client, password=PASSWORD, next="/customer/contracts/A%2F1")
    assert (asked.status_code, wrong.status_code, right.status_code) == (200, 403, 303)
    assert 'value="/customer/contracts/A%2F1"' in asked.text
    assert 'type="password"' in asked.text
    assert "The password is wrong." in wrong.text


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/customer/contracts/\r\nx", "/contracts/A1", "/customerx"]
)
async def test_form_sends_nobody_elsewhere(target):
    async with pages() as (client, _):
        assert (await send_link(client, next=target)).headers["location"] == "/customer"


async def test_form_of_another_site_is_rejected():
    async with pages() as (client, _):
        for path in ("/customer/session", "/customer/forget"):
            answer = await client.post(path, data={}, headers={"sec-fetch-site": "cross-site"})
            assert answer.status_code == 403


async def test_link_can_be_closed_on_a_device():
    async with pages() as (client, _):
        await send_link(client)
        await client.post("/customer/forget", headers=SAME_SITE)
        page = await client.get("/customer")
    assert page.status_code == 200
    assert "Acme" not in page.text


async def test_no_log_has_the_secret():
    link = new_link()
    with capture_logs() as logs:
        async with pages() as (client, services):
            services.password = PASSWORD
            await send_link(client, link)
            await send_link(client, link, password=PASSWORD)
            await client.get("/customer/contracts/A%2F1")
            await client.get("/customer/contracts/N1")
    assert {entry["path"] for entry in logs if entry["event"] == "http"} >= {"/customer/session"}
    signature = issue_customer_link(SECRET, link).rpartition(".")[2]
    assert [entry for entry in logs if signature in str(entry) or PASSWORD in str(entry)] == []


async def test_customer_asks_for_more_hours_once(monkeypatch):
    fields = {"account_id": CONTRACT["accounts"][0]["account_id"], "period_start": "2026-02-01", "reason": "Migration"}
    async with pages() as (client, services):
        await send_link(client)
        page = await client.get("/customer/contracts/A%2F1?period=2026-02-01")
        assert "Ask for more hours" not in page.text  # the period has ended
        monkeypatch.setitem(PERIODS[1], "end", "2099-12-31")
        page = await client.get("/customer/contracts/A%2F1?period=2026-02-01")
        key = re.search(r'name="key" value="([^"]+)"', page.text)[1]
        form = {**fields, "key": key, "hours": "12.5", "name": "Ann"}
        for _ in range(2):
            sent = await client.post("/customer/contracts/A%2F1", data=form, headers=SAME_SITE)
            assert (sent.status_code, sent.headers["location"]) == (303, "/customer/contracts/A%2F1?asked=yes#ask")
        assert services.asked == {
            key: {**fields, "contract": "A/1", "hours": "12.5", "requested_by": {"name": "Ann"}},
        }
        assert "Your request was sent" in (await client.get(sent.headers["location"])).text
        refused = await client.post(
            "/customer/contracts/A%2F1", data={**form, "hours": "many", "key": "2"}, headers=SAME_SITE
        )
        assert refused.status_code == 422
        assert "This cannot be asked for" in refused.text
        assert 'value="Migration"' in refused.text
        assert INTERNAL not in refused.text
        other_site = await client.post("/customer/contracts/A%2F1", data=form, headers={"sec-fetch-site": "cross-site"})
        assert other_site.status_code == 403


@pytest.mark.parametrize("reference", ["..", ".", "%2e%2e", "A%2F1%2Fcurve"])
async def test_reference_that_is_no_contract_is_not_found(reference):
    async with pages() as (client, _):
        await send_link(client)
        page = await client.get(f"/customer/contracts/{reference}")
    assert page.status_code in {404, 200 if reference in {"..", "."} else 404}
    assert "This page failed" not in page.text


async def test_key_of_a_form_can_be_any_text(monkeypatch):
    monkeypatch.setitem(PERIODS[1], "end", "2099-12-31")
    form = {
        "account_id": "1",
        "period_start": "2026-02-01",
        "reason": "x",
        "hours": "1",
        "name": "Ann",
        "key": "\u00fc",
    }
    async with pages() as (client, services):
        await send_link(client)
        sent = await client.post("/customer/contracts/A%2F1", data=form, headers=SAME_SITE)
        assert (sent.status_code, list(services.asked)) == (303, [None])
        refused = await client.post("/customer/contracts/A%2F1", data={**form, "hours": "many"}, headers=SAME_SITE)
        assert refused.status_code == 422


async def test_session_of_an_expired_link_is_said_to_have_expired():
    session = issue_customer_link(SECRET, new_link(expires_at=NOW - timedelta(minutes=1)), "tidemark:customer-session")
    async with pages() as (client, _):
        page = await client.get("/customer", headers={"cookie": f"tidemark_customer={session}"})
    assert (page.status_code, "expired or was withdrawn" in page.text) == (410, True)


STATEMENT_PATH = "/customer/contracts/A%2F1/statements/2026-01-01"


async def test_statement_is_shown_to_the_second_with_what_has_changed_and_as_pdf():
    async with pages() as (client, services):
        await send_link(client)
        listed = (await client.get("/customer/contracts/A%2F1")).text
        assert f'href="{STATEMENT_PATH}"' in listed
        page = (await client.get(STATEMENT_PATH)).text
        pdf = await client.get(f"{STATEMENT_PATH}.pdf")
        services.locale = "de"
        german = (await client.get(STATEMENT_PATH)).text
        german_pdf = await client.get(f"{STATEMENT_PATH}.pdf")
    for text in ("Statement 1", "&lt;b&gt;Support", "20 h more", "2 h 1 min 1 s", "Removed account", "aea5" * 16):
        assert text in page, text
    for text in ("Abrechnung 1", "20 Std. mehr", "2 Std. 1 Min. 1 Sek.", "1. März 2026"):
        assert text in german, text
    assert (pdf.status_code, pdf.headers["content-type"]) == (200, "application/pdf")
    assert pdf.headers["content-disposition"] == "attachment; filename*=UTF-8''A%2F1%201%202026-01-01.pdf"
    assert pdf.headers["cache-control"] == "no-store"
    read, lang = read_pdf(pdf.content)
    assert ("2 h 1 min 1 s" in read, "<b>Support</b>" in read, lang) == (True, True, "en")
    read, lang = read_pdf(german_pdf.content)
    assert ("Abrechnung 1" in read, "Was sich seither geändert hat" in read, lang) == (True, True, "de")


def read_pdf(content):
    document = pypdf.PdfReader(io.BytesIO(content))
    return " ".join(document.pages[0].extract_text().split()), document.trailer["/Root"]["/Lang"]


@pytest.mark.parametrize("path", [STATEMENT_PATH, f"{STATEMENT_PATH}.pdf"])
async def test_statement_needs_a_link_that_holds(path):
    async with pages() as (client, services):
        for method in ("GET", "HEAD"):
            page = await client.request(method, path)
            assert (page.status_code, "Help desk" in page.text) == (200, False)
        assert services.tokens == []
        await send_link(client)
        other = await client.get(path.replace("2026-01-01", "2026-02-01"))
        assert (other.status_code, INTERNAL in other.text) == (404, False)
        for status in (404, 410):
            services.status = status
            page = await client.get(path)
            assert (page.status_code, "Help desk" in page.text) == (status, False)
            services.status = 200
            await send_link(client)
