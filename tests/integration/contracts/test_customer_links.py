"""Links for customers over HTTP: made, opened, listed, revoked; and which of them are refused (SPEC 7)."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

import jwt
import pytest
from api_services import running_app
from api_tokens import SECRET, bearer
from contracts_api import expect_status

from tidemark_shared.http.links import CustomerLink, issue_customer_link
from tidemark_shared.http.tokens import issue_token

PASSWORD = "open sesame"  # noqa: S105 - the password of a link of the tests
NOW = datetime.now(UTC)


@pytest.fixture
async def running(database):
    async with running_app("contracts", database) as (app, client, ids):
        yield app, client, UUID(ids["organization"])


@pytest.fixture
def client(running):
    return running[1]


@pytest.fixture
def organization(running):
    return running[2]


async def create(client, organization, **members):
    body = {"organization_id": str(organization), **members}
    return (await expect_status(client.post("/v1/customer-links", json=body), 201)).json()


def open_token(client, organization, token, password=None):
    body = {"token": token, "password": password}
    return client.post("/v1/customer-links/exchange", json=body, headers=bearer("customer", organization))


def open_link(client, organization, link, password=None):
    return open_token(client, organization, link["url"].partition("#")[2], password)


def check(client, organization, link_id):
    return client.get(f"/v1/customer/links/{link_id}", headers=bearer("customer", organization))


def mail_link(organization, **changes):
    """A link as the notifier signs it."""
    link = CustomerLink(uuid5(uuid4(), "mail"), organization, NOW - timedelta(days=1), NOW + timedelta(days=90))
    return link._replace(**changes)


async def test_link_is_made_opened_and_listed(client, organization):
    link = await create(client, organization, note="For Ann")
    assert link["url"].startswith("http://127.0.0.1:8000/customer#")
    session = (await expect_status(open_link(client, organization, link), 200)).json()
    assert session == {
        "link_id": link["id"], "organization_id": str(organization), "organization_name": "Acme", "locale": "en",
        "expires_at": link["expires_at"],
    }  # fmt: skip
    assert (await expect_status(check(client, organization, link["id"]), 200)).json() == session
    listed = (await client.get("/v1/customer-links", params={"organization": str(organization)})).json()["items"][0]
    assert (listed["note"], listed["created_by"], listed["has_password"]) == ("For Ann", "tester", False)
    assert listed["last_used_at"] is not None
    assert "url" not in listed
    assert (await client.get(f"/v1/customer-links/{link['id']}")).json() == listed


async def test_list_has_pages_the_newest_first(client, organization):
    made = [(await create(client, organization))["id"] for _ in range(2)]
    first = (await client.get("/v1/customer-links", params={"limit": 1})).json()
    others = (await client.get("/v1/customer-links", params={"limit": 1, "cursor": first["next"]})).json()
    assert [item["id"] for page in (first, others) for item in page["items"]] == made[::-1]
    assert (await client.get("/v1/customer-links", params={"organization": str(uuid4())})).json()["items"] == []


async def test_revoked_link_opens_nothing_and_ends_its_sessions(client, organization):
    link, other = await create(client, organization), await create(client, organization)
    await expect_status(open_link(client, organization, link), 200)
    for _ in range(2):
        await expect_status(client.delete(f"/v1/customer-links/{link['id']}"), 204)
    response = await expect_status(open_link(client, organization, link), 410)
    assert response.json()["detail"] == "The link was revoked. Ask the person who sent it for a new one."
    await expect_status(check(client, organization, link["id"]), 410)
    await expect_status(open_link(client, organization, other), 200)
    listed = (await client.get(f"/v1/customer-links/{link['id']}")).json()
    assert (listed["revoked_by"], listed["revoked_at"] is None) == ("tester", False)
    await expect_status(client.delete(f"/v1/customer-links/{uuid4()}"), 404)


async def test_all_links_of_an_organization_are_revoked_also_those_that_nobody_has_opened(client, organization):
    link = await create(client, organization)
    opened, unopened = mail_link(organization), mail_link(organization)
    await expect_status(open_token(client, organization, issue_customer_link(SECRET, opened)), 200)
    await expect_status(client.post(f"/v1/organizations/{organization}/revoke-links"), 204)
    await expect_status(open_link(client, organization, link), 410)
    for revoked in (opened, unopened):
        await expect_status(open_token(client, organization, issue_customer_link(SECRET, revoked)), 410)
    # What is issued afterwards is valid, also within the same second.
    await expect_status(open_link(client, organization, await create(client, organization)), 200)
    later = mail_link(organization, issued_at=datetime.now(UTC) + timedelta(seconds=2))
    await expect_status(open_token(client, organization, issue_customer_link(SECRET, later)), 200)
    await expect_status(client.post(f"/v1/organizations/{uuid4()}/revoke-links"), 404)


async def test_link_of_a_mail_is_listed_once_it_is_used(client, organization):
    link = mail_link(organization)
    for _ in range(2):
        await expect_status(open_token(client, organization, issue_customer_link(SECRET, link)), 200)
    listed = (await client.get("/v1/customer-links")).json()["items"]
    assert [(item["created_by"], item["note"]) for item in listed if item["id"] == str(link.id)] == [("notifier", None)]


async def test_changed_expired_and_unknown_links_are_refused(client, organization):
    link = await create(client, organization)
    token = link["url"].partition("#")[2]
    claims = jwt.decode(token, SECRET, ["HS256"], audience="tidemark:customer-link")
    changed = jwt.encode({**claims, "org": str(uuid4())}, SECRET[::-1], "HS256")
    head, _, signature = token.split(".")
    session = issue_customer_link(SECRET, mail_link(organization), "tidemark:customer-session")
    api_token = issue_token(SECRET, "x", "customer", now=NOW, organization_id=organization)
    for bad in ("", "x", token[:-3], f"{head}.{changed.split('.')[1]}.{signature}", changed, session, api_token):
        response = await expect_status(open_token(client, organization, bad), 401)
        assert "Acme" not in response.text
    expired = mail_link(organization, expires_at=NOW - timedelta(minutes=1))
    await expect_status(open_token(client, organization, issue_customer_link(SECRET, expired)), 410)
    # One that was made here must be known: its password would be gone with its row.
    unknown = mail_link(organization, id=uuid4())
    await expect_status(open_token(client, organization, issue_customer_link(SECRET, unknown)), 404)
    await expect_status(open_token(client, organization, issue_customer_link(SECRET, mail_link(uuid4()))), 404)


async def test_customer_sees_only_links_of_its_own_and_none_in_the_list(client, organization):
    link = await create(client, organization)
    await expect_status(check(client, uuid4(), link["id"]), 404)
    await expect_status(client.get("/v1/customer-links", headers=bearer("customer", organization)), 403)


async def test_password_is_needed_and_guesses_are_limited(client, organization):
    link = await create(client, organization, password=PASSWORD)
    assert link["has_password"]
    assert PASSWORD not in str(link)
    assert (await expect_status(open_link(client, organization, link), 403)).json()["title"] == "Password required"
    for _ in range(4):
        response = await expect_status(open_link(client, organization, link, "open sesamE"), 403)
        assert response.json()["title"] == "Wrong password"
    await expect_status(open_link(client, organization, link, PASSWORD), 200)  # the right one begins a new count
    for _ in range(5):
        await expect_status(open_link(client, organization, link, "open sesamE"), 403)
    await expect_status(open_link(client, organization, link, PASSWORD), 429)


async def test_password_is_stored_as_a_salted_hash(running):
    app, client, organization = running
    for _ in range(2):
        await create(client, organization, password=PASSWORD)
    stored = [row["password_hash"] for row in await app.state.pool.fetch("SELECT password_hash FROM customer_links")]
    hashes = [value for value in stored if value]
    assert len(set(hashes)) == 2
    assert all(value.startswith("scrypt:") and PASSWORD not in value for value in hashes)


@pytest.mark.parametrize(
    ("members", "code", "path"),
    [
        ({"organization_id": str(uuid4())}, "unknown_reference", "/organization_id"),
        ({"expires_at": (NOW - timedelta(days=1)).isoformat()}, "invalid", "/expires_at"),
        ({"expires_at": (NOW + timedelta(days=740)).isoformat()}, "invalid", "/expires_at"),
        ({"expires_at": "2026-08-31"}, "invalid", "/expires_at"),
        ({"password": "short"}, "invalid", "/password"),
        ({"pasword": PASSWORD}, "unknown_field", "/pasword"),
    ],
)
async def test_bad_link_is_a_violation(client, organization, members, code, path):
    body = {"organization_id": str(organization)} | members
    response = await expect_status(client.post("/v1/customer-links", json=body), 422)
    assert (code, path) in {(item["code"], item["path"]) for item in response.json()["violations"]}
