"""Sign-in by a provider, from the form to the session, and every way in which it must fail."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
import structlog
from api_tokens import SECRET
from oidc_provider import running_provider
from web_server import running_upstreams, web_client

from tidemark_shared.http.tokens import Actor, verify_token

USERS = (
    {"sub": "u-1", "preferred_username": "ann", "groups": ["staff", "ops"]},
    {"sub": "u-2", "preferred_username": "stranger", "groups": ["visitors"]},
)
SETTINGS = {
    "oidc_client_id": "tidemark",
    "oidc_client_secret": "s3cret-of-the-client",
    "oidc_roles": "staff=viewer;ops=admin",
}


@pytest.fixture(scope="module")
async def issuer():
    async with running_provider(*USERS) as issuer:
        yield issuer


@pytest.fixture(scope="module")
async def urls():
    async with running_upstreams() as (_, urls):
        yield urls


@pytest.fixture
def sign_on(issuer, urls):
    """A client of web that signs people in by the provider."""

    @asynccontextmanager
    async def open_(**settings):
        async with web_client(**urls, **{"open": False, "oidc_issuer": issuer, **SETTINGS, **settings}) as client:
            yield client

    return open_


async def start(client, target="/people"):
    """Begin at the form; the address to which the provider is asked."""
    response = await client.get("/sign-in/provider", params={"next": target})
    assert response.status_code == 303, response.text
    return response.headers["location"]


async def agree(address, user="u-1", **changes):
    """What a person does at the provider; the path that the provider sends the browser to."""
    parts = urlsplit(address)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | changes
    async with httpx.AsyncClient(trust_env=False) as http:
        form = {"action": "deny"} if user is None else {"sub": user}
        response = await http.post(f"{parts._replace(query='').geturl()}?{urlencode(query)}", data=form)
    back = urlsplit(response.headers["location"])
    assert back.path == "/sign-in/callback"
    return f"{back.path}?{back.query}"


async def test_person_signs_in_and_out(sign_on):
    async with sign_on() as client:
        form = await client.get("/sign-in?next=/people")
        assert 'href="/sign-in/provider?next=%2Fpeople"' in form.text
        address = await start(client)
        assert "s3cret" not in address
        response = await client.get(await agree(address))
        assert (response.status_code, response.headers["location"]) == (303, "/people")
        session = verify_token(SECRET, client.cookies["tidemark_session"])
        assert session.actor == Actor("ann", "admin")
        assert session.expires <= datetime.now(UTC) + timedelta(hours=12)
        assert "tidemark_login" not in client.cookies
        for cookie in response.headers.get_list("set-cookie"):
            assert "samesite=lax" in cookie.lower()
        assert (
            "httponly"
            in next(cookie for cookie in response.headers.get_list("set-cookie") if "session" in cookie).lower()
        )
        await client.post("/sign-out", headers={"sec-fetch-site": "same-origin"})
        assert "tidemark_session" not in client.cookies


async def test_person_without_a_role_is_told_so(sign_on):
    async with sign_on() as client:
        page = await client.get(await agree(await start(client), "u-2"))
    assert page.status_code == 403
    assert "You have no role in Tidemark" in page.text
    assert "stranger" in page.text
    assert "tidemark_session" not in client.cookies


async def test_answer_to_another_browser_is_refused(sign_on):
    async with sign_on() as client, sign_on() as other:
        path = await agree(await start(client))
        await start(other)
        for asking in (other, client):
            page = await asking.get(path if asking is other else path.replace("state=", "state=x"))
            assert page.status_code == 401
            assert "was not started here" in page.text
            assert "tidemark_session" not in asking.cookies
            # A sign-in that has failed is over.
            assert "tidemark_login" not in asking.cookies


async def test_token_for_another_sign_in_is_refused(sign_on):
    async with sign_on() as client:
        page = await client.get(await agree(await start(client), nonce="of-another-sign-in"))
    assert page.status_code == 401
    assert "cannot be trusted" in page.text
    assert "tidemark_session" not in client.cookies


async def test_code_is_good_once(sign_on):
    async with sign_on() as client:
        path = await agree(await start(client))
        login = client.cookies["tidemark_login"]
        assert (await client.get(path)).status_code == 303
        client.cookies.clear()
        assert "was not started here" in (await client.get(path)).text
        # Even where the cookie is kept, the provider refuses.
        client.cookies.set("tidemark_login", login)
        page = await client.get(path)
    assert page.status_code == 401
    assert "refused" in page.text
    assert "tidemark_session" not in client.cookies


async def test_person_who_refuses_is_not_signed_in(sign_on):
    async with sign_on() as client:
        query = parse_qs(urlsplit(await start(client)).query)
        answer = urlencode({"error": "access_denied", "error_description": "<b>No", "state": query["state"][0]})
        page = await client.get(f"/sign-in/callback?{answer}")
    assert page.status_code == 401
    assert "&lt;b&gt;No" in page.text


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_sign_in_leads_nowhere_else(sign_on, target):
    async with sign_on() as client:
        response = await client.get(await agree(await start(client, target)))
    assert response.headers["location"] == "/"


async def test_provider_that_does_not_answer_leaves_the_tokens(sign_on):
    async with sign_on(oidc_issuer="http://127.0.0.1:9") as client:
        page = await client.get("/sign-in/provider")
        assert page.status_code == 502
        assert "sign in with a token" in page.text
        assert 'name="token"' in (await client.get("/sign-in")).text


async def test_provider_with_another_name_is_refused(sign_on, issuer):
    async with sign_on(oidc_issuer=issuer.replace("127.0.0.1", "localhost") + "/") as client:
        page = await client.get("/sign-in/provider")
    assert page.status_code == 502
    assert "set up wrongly" in page.text


async def test_without_a_provider_there_is_only_the_form(urls):
    async with web_client(**urls, open=False) as client:
        assert "/sign-in/provider" not in (await client.get("/sign-in")).text
        assert (await client.get("/sign-in/provider")).status_code == 404
        assert (await client.get("/sign-in/callback?code=x&state=y")).status_code == 404


async def test_log_has_no_secret(sign_on):
    async with sign_on() as client:
        with structlog.testing.capture_logs() as logs:
            path = await agree(await start(client))
            login = client.cookies["tidemark_login"]
            await client.get(path)
            secrets = [
                login,
                client.cookies["tidemark_session"],
                SETTINGS["oidc_client_secret"],
                *parse_qs(path)["state"],
            ]
            client.cookies.set("tidemark_login", login)
            await client.get(path)
    events = {entry["event"] for entry in logs}
    assert {"signed_in", "sign_in_failed"} <= events
    assert not [secret for secret in secrets if secret in repr(logs)]
