"""The pages in front of a server that replaces the services: sessions, forms, errors."""

from datetime import UTC, datetime, timedelta

import pytest
from api_tokens import SECRET, create_token
from page_services import FORM, SAME_SITE, pages, sign_in

from tidemark_shared.domain.examples import STATEMENT
from tidemark_shared.http.tokens import issue_token, verify_token


async def test_page_without_a_session_asks_for_a_token_and_comes_back():
    async with pages() as (client, _):
        page = await client.get("/", params={"text": "a b"})
        assert page.status_code == 303
        assert page.headers["location"] == "/sign-in?next=%2F%3Ftext%3Da%2Bb"
        form = await client.get(page.headers["location"])
        assert 'value="/?text=a+b"' in form.text


async def test_token_becomes_a_session_that_only_pages_accept():
    async with pages() as (client, services):
        signed_in = await sign_in(client, create_token("viewer"), next="/?text=x")
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/?text=x")
        cookie = signed_in.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        page = await client.get("/")
        assert page.status_code == 200
        assert "tester" in page.text
        session = verify_token(SECRET, services.requests[-1][1].removeprefix("Bearer "))
        assert session.actor.role == "viewer"
        assert session.expires <= datetime.now(UTC) + timedelta(hours=12)
        assert (await client.get("/v1/contracts")).status_code == 401


async def test_session_has_the_id_of_the_token_and_never_outlives_it():
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=3)
    token = issue_token(SECRET, "ann", "viewer", now=datetime.now(UTC), expires=expires, id_="t-1")
    async with pages() as (client, _):
        await sign_in(client, token)
        session = verify_token(SECRET, client.cookies["tidemark_session"])
    assert (session.id, session.expires) == ("t-1", expires)


@pytest.mark.parametrize("token", ["", "nonsense"])
async def test_invalid_token_is_explained_at_the_form(token):
    async with pages() as (client, _):
        page = await sign_in(client, token)
    assert page.status_code == 401
    assert 'aria-invalid="true"' in page.text
    assert "set-cookie" not in page.headers


async def test_revoked_token_signs_nobody_in_and_ends_a_session():
    async with pages() as (client, services):
        await sign_in(client, create_token())
        services.is_revoked = True
        assert (await client.get("/")).headers["location"].startswith("/sign-in")
        assert (await sign_in(client, create_token())).status_code == 401


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_form_sends_nobody_to_another_site(target):
    async with pages() as (client, _):
        assert (await sign_in(client, create_token(), next=target)).headers["location"] == "/"


@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"},
     {"origin": "null"}],
)  # fmt: skip
async def test_form_of_another_site_is_rejected(headers):
    async with pages(open_=True) as (client, _):
        for path in ("/sign-in", "/sign-out", "/preferences"):
            assert (await client.post(path, data={"next": "/"}, headers=headers)).status_code == 403


async def test_form_of_this_site_is_accepted_by_its_origin():
    async with pages() as (client, _):
        origin = {"origin": f"https://{client.base_url.netloc.decode()}"}
        assert (await sign_in(client, create_token(), headers=origin)).status_code == 303


async def test_sign_out_ends_the_session():
    async with pages() as (client, _):
        await sign_in(client, create_token())
        assert (await client.post("/sign-out", headers=SAME_SITE)).status_code == 303
        assert (await client.get("/")).status_code == 303


async def test_form_is_accepted_by_pages_only():
    async with pages(open_=True) as (client, _):
        response = await client.post("/v1/contracts", data={"a": "b"}, headers=SAME_SITE)
        large = await client.post("/preferences", content=b"x" * 1_100_000, headers=SAME_SITE | FORM)
    assert response.status_code == 415
    assert large.status_code == 413


async def test_open_mode_needs_no_session():
    async with pages(open_=True) as (client, _):
        assert (await client.get("/")).status_code == 200


async def test_address_above_a_contract_leads_to_all_contracts():
    async with pages(open_=True) as (client, _):
        page = await client.get("/contracts")
    assert (page.status_code, page.headers["location"]) == (307, "/")


async def test_contract_is_shown_as_it_was_known_on_an_earlier_day():
    async with pages(open_=True) as (client, services):
        page = await client.get("/contracts/ACME-SUP")
        assert 'min="2026-01-02"' in page.text
        assert "data-live=" in page.text
        assert set(services.moments.values()) == {None}
        earlier = await client.get("/contracts/ACME-SUP?as_of=2026-03-04&period=2026-03-01")
        assert "as they were known at the end of <strong>4 Mar 2026</strong>" in earlier.text.replace("\xa0", " ")
        assert "data-live=" not in earlier.text
        assert "?period=whole&amp;as_of=2026-03-04" in earlier.text
        known = {path.rpartition("/")[2] for path, moment in services.moments.items()
                 if moment == "2026-03-04T22:59:59.999999+00:00"}  # fmt: skip
    assert known == {"balance", "curve", "worklogs"}


async def test_statement_is_a_page_and_a_pdf():
    async with pages(open_=True) as (client, _):
        page = await client.get("/contracts/A%2F1/statements/2026-03-01")
        assert page.status_code == 200, page.text
        text = page.text.replace("\xa0", " ")
        assert "Statement 3: 1 Mar 2026" in text
        assert STATEMENT["sha256"] in text
        assert "33:00" in text  # what it was restated to
        pdf = await client.get("/contracts/ACME-SUP/statements/2026-03-01.pdf")
        assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")


async def test_names_are_escaped():
    async with pages(open_=True) as (client, _):
        page = (await client.get("/")).text
    assert "&lt;b&gt;Support&lt;/b&gt;" in page
    assert 'href="/contracts/A%2F1%20%26%20co"' in page


async def test_filters_are_remembered_until_they_are_cleared():
    async with pages(open_=True) as (client, services):
        await client.get("/", params={"attention": "over"})
        assert (await client.get("/")).headers["location"] == "/?attention=over"
        assert (await client.get("/?clear=1")).headers["location"] == "/"
        assert (await client.get("/")).status_code == 200
    assert services.count("/v1/balances") == 2


@pytest.mark.parametrize(
    ("settings", "path", "status", "text"),
    [
        ({}, "/contracts/none", 404, "Contract not found"),
        ({"consumption_url": "http://127.0.0.1:9"}, "/", 503, "consumption service does not answer"),
    ],
)
async def test_errors_are_pages_with_the_policy(settings, path, status, text):
    async with pages(open_=True, **settings) as (client, _):
        page = await client.get(path)
    assert page.status_code == status
    assert text in page.text
    assert "Traceback" not in page.text
    assert "require-trusted-types-for 'script'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]


async def test_static_files_are_kept_for_ever_and_change_their_address_with_their_content():
    async with pages() as (client, _):
        address = (await client.get("/sign-in")).text.split('rel="stylesheet" href="')[1].split('"')[0]
        file = await client.get(address)
        other_version = await client.get("/static/000000000000/tidemark.css")
        outside = await client.get(address.replace("tidemark.css", "..%2Fapp.py"))
    assert (file.status_code, file.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in file.headers["cache-control"]
    assert (other_version.status_code, outside.status_code) == (404, 404)


async def test_operations_show_a_service_that_does_not_answer_and_the_others():
    async with pages() as (client, _):
        await sign_in(client, create_token("viewer"))
        page = await client.get("/operations")
    assert page.status_code == 200
    assert page.text.count("Does not answer") == 1
    assert "&lt;i&gt;Not JSON" in page.text


@pytest.mark.parametrize(("role", "is_offered"), [("manager", False), ("admin", True)])
async def test_replay_is_offered_to_administrators(role, is_offered):
    async with pages() as (client, _):
        await sign_in(client, create_token(role))
        for path in ("/operations", "/operations/dead-letters/consumption/17"):
            assert (">Replay<" in (await client.get(path)).text) is is_offered


async def test_record_is_shown_without_what_could_change_the_page():
    async with pages(open_=True) as (client, _):
        page = await client.get("/operations/dead-letters/consumption/17")
        unknown = await client.get("/operations/dead-letters/secrets/17")
    assert "&lt;b&gt;\\x1b\\u202e" in page.text
    assert unknown.status_code == 404


async def test_form_of_another_site_replays_nothing():
    async with pages(open_=True) as (client, services):
        for path in ("/operations/replay", "/operations/dead-letters/consumption/17/replay"):
            response = await client.post(path, headers={"sec-fetch-site": "cross-site"} | FORM)
            assert response.status_code == 403
    assert services.requests == []
