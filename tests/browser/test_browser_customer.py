"""The customer's view in a real browser: the link before and after its revocation (SPEC 7)."""

import re

import pytest
from conftest import check_accessibility
from playwright.async_api import expect

pytestmark = pytest.mark.timeout(600)
PASSWORD = "open sesame"  # noqa: S105 - the password of a link of the tests


@pytest.fixture
def make_link(api):
    """Make a link for a customer of the demo: its id, and its address within the site."""

    def make(customer="Atlas Logistics", **members):
        organization = api.get("/v1/organizations", params={"name": customer}).json()["items"][0]
        body = {"organization_id": organization["id"], **members}
        link = api.post("/v1/customer-links", json=body).raise_for_status().json()
        return link["id"], "/customer" + link["url"].partition("/customer")[2]

    return make


async def test_link_shows_the_contracts_until_it_is_revoked(open_page, api, make_link):
    link_id, path = make_link()
    async with open_page(path) as page:
        await expect(page.get_by_role("heading", name="Your contracts")).to_be_visible()
        await expect(page.locator(".contract")).to_have_count(2)
        await expect(page).to_have_url(re.compile(r"/customer$"))
        await page.get_by_role("link", name="Support and changes").click()
        await expect(page.locator(".big strong")).to_contain_text("over")
        await expect(page.locator("main")).not_to_contain_text("Coordination")  # it is not billable
        await page.locator(".period").nth(1).click()
        await expect(page.locator(".big strong")).to_contain_text("left")
        api.delete(f"/v1/customer-links/{link_id}").raise_for_status()
        await page.reload()
        await expect(page.get_by_role("alert")).to_contain_text("expired or was withdrawn")
        await expect(page.locator(".big")).to_have_count(0)
    async with open_page(path) as page:
        await expect(page.get_by_role("alert")).to_contain_text("expired or was withdrawn")
        await expect(page.locator(".contract")).to_have_count(0)


async def test_another_link_takes_the_place_of_an_open_one(open_page, make_link):
    (_, first), (_, second) = make_link(), make_link("Meridian Foods")
    async with open_page(first) as page:
        await expect(page.locator(".brand")).to_have_text("Atlas Logistics")
        await page.goto(second)
        await expect(page.locator(".brand")).to_have_text("Meridian Foods")


async def test_password_is_asked_for(open_page, make_link):
    _, path = make_link(password=PASSWORD)
    async with open_page(path) as page:
        await page.get_by_label("Password").fill(PASSWORD.upper())
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("password is wrong")
        await check_accessibility(page)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.locator(".contract")).to_have_count(2)


async def test_link_can_be_pasted_where_no_script_runs(browser, address, make_link):
    _, path = make_link()
    page = await browser.new_page(java_script_enabled=False)
    await page.goto(address + path)
    await page.get_by_label("Your link").fill(address + path)
    await page.get_by_role("button", name="Show the contracts").click()
    await expect(page.locator(".contract")).to_have_count(2)
    await page.close()


@pytest.mark.parametrize("contract", ["", "Support and changes", "Warehouse lab"])
async def test_page_is_accessible_and_fits_its_width(open_page, make_link, contract):
    _, path = make_link()
    async with open_page(path) as page:
        await expect(page.locator(".contract")).to_have_count(2)
        if contract:
            await page.get_by_role("link", name=contract).click()
            await expect(page.locator(".big")).to_be_visible()
        await check_accessibility(page)


# English is the last, so that the demo has what it had.
@pytest.mark.parametrize("locale", ["de", "en"])
async def test_statement_is_accessible_and_fits_its_width(open_page, api, make_link, locale):
    organization = api.get("/v1/organizations", params={"name": "Acme"}).json()["items"][0]
    entity = api.get(f"/v1/organizations/{organization['id']}")
    body = {name: entity.json()[name] for name in ("name", "timezone", "contacts")} | {"locale": locale}
    headers = {"if-match": entity.headers["etag"]}
    api.put(f"/v1/organizations/{organization['id']}", json=body, headers=headers).raise_for_status()
    _, path = make_link("Acme")
    async with open_page(path) as page:
        await page.locator(".contract a").click()
        await check_accessibility(page)
        await page.locator("#statements a").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(
            "Statement 1" if locale == "en" else "Abrechnung 1"
        )
        await check_accessibility(page)
        async with page.expect_download() as download:
            await page.get_by_role("link", name="PDF").click()
        assert (await download.value).suggested_filename.startswith("ACME-SUP 1 ")


async def test_contract_prints_on_one_page(open_page, make_link):
    _, path = make_link("Meridian Foods")
    async with open_page(path) as page:
        await page.get_by_role("link", name="Shop support").click()
        await expect(page.locator(".big")).to_be_visible()
        assert len(re.findall(rb"/Type\s*/Page\b", await page.pdf(format="A4"))) == 1


async def test_manager_makes_and_revokes_a_link(open_page):
    async with open_page("/contracts/KEST-DEV") as page:
        await page.get_by_role("link", name="Links for the customer").click()
        await page.get_by_label("What is it for?").fill("For Ann")
        await page.get_by_role("button", name="Make a link").click()
        link = await page.get_by_label("Send this address to the customer only.").input_value()
        await check_accessibility(page)
        async with open_page("/customer" + link.partition("/customer")[2]) as customer:
            await expect(customer.locator(".brand")).to_have_text("Kestrel Insurance")
            await page.get_by_role("button", name="Revoke all links of Kestrel Insurance").click()
            await expect(page.get_by_role("cell", name="Revoked by")).to_be_visible()
            await customer.reload()
            await expect(customer.get_by_role("alert")).to_be_visible()
