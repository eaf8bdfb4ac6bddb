"""The editor in a real browser: from a new contract to its report, two editors at once, violations at their fields."""

import re

import pytest
from conftest import check_accessibility
from playwright.async_api import expect

pytestmark = pytest.mark.timeout(600)

PAGES = [
    "/organizations",
    "/organizations/new",
    "/teams/new",
    "/rate-cards",
    "/rate-cards/new",
    "/rules",
    "/rules/new",
    "/contracts/new",
    "/contracts/NORD-OPS/edit",
    "/contracts/NORD-OPS/adjust",
    "/contracts/NORD-OPS/offer",
    "/contracts/NORD-DRAFT/activate",
    "/contracts/NORD-OPS/close",
    "/contracts/ATLAS-LAB/activate",
]


@pytest.mark.parametrize("path", PAGES)
async def test_editor_page_is_accessible_and_fits_its_width(open_page, path):
    async with open_page(path) as page:
        if await page.locator("[data-check]").count():
            await page.locator("[data-check]").click()  # with its messages
        await check_accessibility(page)


async def fill_contract(page, code, **changes):
    values = {
        "Code": code, "Name": "Night desk", "Customer": "Atlas Logistics", "Owner": "Olga Owner",
        "Owner's email": "olga@provider.example", "First day": "2026-01-01", "Last day": "2099-12-31",
        "Time zone": "Europe/Berlin", "Contracted hours": "40", **changes,
    }  # fmt: skip
    for label, value in values.items():
        await page.get_by_label(label, exact=True).first.fill(value)


async def test_contract_is_made_activated_and_counts(open_page, api, publish_work):
    async with open_page("/") as page:
        await page.get_by_role("link", name="New contract").click()
        await fill_contract(page, "NIGHT-1", **{"Last day": "2027-12-31", "First day": "2026-01-01"})
        await page.get_by_label("Recurrence").select_option("none")
        account = page.get_by_role("group", name="Account 1")
        await account.get_by_label("Name").fill("Desk")
        await account.get_by_label("Planned hours").fill("30")
        await expect(page.locator("[id='accounts-figure']")).to_have_text(
            "Billable accounts: 30 h of 40 h, 10 h left to distribute."
        )
        await page.get_by_role("button", name="Create draft").last.click()
        await expect(page).to_have_url(re.compile(r"/contracts/NIGHT-1$"))
        await page.get_by_role("link", name="Activate").click()
        await page.get_by_role("link", name="Accounts").click()  # the violation leads to its field
        await expect(page.get_by_role("group", name="Accounts")).to_contain_text("Make them equal")
        await page.get_by_role("group", name="Account 1").get_by_label("Planned hours").fill("40")
        await page.get_by_role("button", name="Save draft").last.click()
        await page.get_by_role("link", name="Activate").click()
        await page.get_by_role("button", name="Activate").last.click()
        await expect(page.locator(".standing .status")).to_have_text("Active")
        await publish_work("NIGHT-1", "Desk", 5400)
        await expect(page.locator("#figures .big strong")).to_have_text("1.5")
        await page.goto("/?text=NIGHT-1")
        await expect(page.locator(".contract")).to_contain_text("1.5 of 40")
        await page.goto("/reports?contract=NIGHT-1&range=this-year")
        await expect(page.locator("main")).to_contain_text("1.5")
    assert api.get("/v1/contracts/NIGHT-1").json()["version"] == 3


async def test_violations_are_at_their_fields_and_the_first_has_the_focus(open_page):
    async with open_page("/contracts/new") as page:
        await fill_contract(page, "FOCUS-1", **{"Customer": "Nobody", "Last day": "2025-01-01"})
        await page.get_by_role("button", name="Create draft").last.click()
        problems = page.get_by_role("region", name="3 things to correct")
        await expect(problems.get_by_role("link")).to_have_text(["Customer", "Last day", "Account 1, Name"])
        customer = page.get_by_label("Customer", exact=True)
        await expect(customer).to_be_focused()
        await expect(customer).to_have_value("Nobody")
        await expect(customer).to_have_attribute("aria-invalid", "true")
        await problems.get_by_role("link", name="Last day").click()
        await expect(page.get_by_label("Last day")).to_be_focused()
        await expect(page.locator("#end_date-error")).to_contain_text("ends before it starts")


async def test_violation_appears_as_one_types_where_one_has_been(open_page):
    async with open_page("/contracts/new") as page:
        await fill_contract(page, "ATLAS-SUP")
        await expect(page.locator("#code-error")).to_contain_text("Another contract has the code ATLAS-SUP")
        await expect(page.locator("[id='accounts/0/name-error']")).to_be_empty()
        await page.get_by_label("Code", exact=True).fill("ATLAS-SUP-NEW")
        await expect(page.locator("#code-error")).to_be_empty()
        await page.get_by_label("Type").focus()
        await page.get_by_label("Type").select_option("fixed_price")
        await expect(page.get_by_label("Contracted value")).to_be_visible()
        await expect(page.get_by_label("Type")).to_be_focused()


async def test_two_editors_at_once(open_page, api):
    created = {"name": "Twin Ltd", "timezone": "UTC", "contacts": []}
    id_ = api.post("/v1/organizations", json=created).json()["id"]
    async with open_page(f"/organizations/{id_}") as page, open_page(f"/organizations/{id_}") as other:
        await other.get_by_label("Name", exact=True).fill("Twin Limited")
        await other.get_by_role("button", name="Save").last.click()
        await expect(other).to_have_url(re.compile("/organizations$"))
        await page.get_by_label("Time zone").fill("Europe/Berlin")
        await page.get_by_role("button", name="Save").last.click()
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("Somebody else has changed this meanwhile")
        await expect(alert).to_contain_text("Name: Twin Ltd → Twin Limited")
        await expect(page.get_by_label("Name", exact=True)).to_have_value("Twin Limited")
        assert api.get(f"/v1/organizations/{id_}").json()["timezone"] == "UTC"
        await page.get_by_role("button", name="Save").last.click()
        await expect(page).to_have_url(re.compile("/organizations$"))
    stored = api.get(f"/v1/organizations/{id_}").json()
    assert (stored["name"], stored["timezone"]) == ("Twin Limited", "Europe/Berlin")


async def test_what_both_changed_is_asked(open_page, api):
    id_ = api.post("/v1/teams", json={"name": "Both", "members": []}).json()["id"]
    async with open_page(f"/teams/{id_}") as page, open_page(f"/teams/{id_}") as other:
        for editor, name in ((other, "Theirs"), (page, "Ours")):
            await editor.get_by_label("Name", exact=True).first.fill(name)
            await editor.get_by_role("button", name="Save").last.click()
        question = page.get_by_role("group", name="Name")
        await expect(question).to_contain_text("Theirs: Theirs")
        await check_accessibility(page)
        await page.set_viewport_size({"width": 1280, "height": 800})
        await page.get_by_role("button", name="Save").last.click()
        await expect(page.get_by_role("alert")).to_contain_text("Choose one of the two")
        await question.get_by_label("Yours").check()
        await page.get_by_role("button", name="Save").last.click()
        await expect(page).to_have_url(re.compile("/teams$"))
    assert api.get(f"/v1/teams/{id_}").json()["name"] == "Ours"


async def test_request_is_confirmed_and_an_offer_is_made_and_withdrawn(open_page, api):
    account = api.get("/v1/contracts/NORD-OPS").json()["accounts"][0]["name"]
    last_period = api.get("/v1/contracts/NORD-OPS/periods").json()["items"][-1]["start"]
    request = {"contract": "NORD-OPS", "account_id": account, "period_start": last_period, "hours": "5",
               "reason": "Migration of the meters", "requested_by": {"name": "Ann"}}  # fmt: skip
    api.post("/v1/offers", json=request).raise_for_status()
    async with open_page("/contracts/NORD-OPS") as page:
        card = page.locator("#offers")
        await expect(card).to_contain_text(re.compile(f"Ann asks for 5\\sh for {account}"))
        await card.get_by_role("link", name="Confirm").click()
        await check_accessibility(page)
        await page.set_viewport_size({"width": 1280, "height": 800})
        await page.get_by_role("button", name="Confirm").last.click()
        await expect(card).to_have_count(0)
        [adjustment] = api.get("/v1/contracts/NORD-OPS").json()["adjustments"]
        assert (adjustment["hours"], adjustment["reason"]) == ("5", "Migration of the meters")

        await page.get_by_role("link", name="Offer", exact=True).click()
        await page.get_by_label("Account").select_option(label=account)
        await page.get_by_label("Period").select_option(last_period)
        await page.get_by_label("Hours").fill("8")
        await page.get_by_label("Price", exact=True).fill("900")
        await page.get_by_role("button", name="Make the offer").last.click()
        await expect(page.locator("#problems")).to_contain_text("Reason: This is required.")
        await page.get_by_label("Reason").fill("Two workshops")
        await page.get_by_label("Currency of the price").fill("EUR")
        await page.get_by_role("button", name="Make the offer").last.click()
        await expect(card).to_contain_text(re.compile(r"Offered: 8\sh .* at 900\.00\sEUR"))
        await card.get_by_role("link", name="Withdraw").click()
        await page.get_by_label("Reason").fill("Not needed")
        await page.get_by_role("button", name="Withdraw").last.click()
        await expect(card).to_have_count(0)
    assert api.get("/v1/offers", params={"contract": "NORD-OPS"}).json()["items"][0]["status"] == "withdrawn"


async def test_change_is_undone_from_the_history(open_page, api):
    contract = api.get("/v1/contracts/NORD-OPS").raise_for_status().json()
    changed = {**contract, "description": "Only for a moment", "reason": "A try"}
    etag = {"if-match": f'"{contract["version"]}"'}
    api.post("/v1/contracts/NORD-OPS/amend", json=changed, headers=etag).raise_for_status()
    async with open_page("/contracts/NORD-OPS") as page:
        await page.locator("#history").get_by_role("link", name="Undo this change").first.click()
        await expect(page.get_by_label("Reason").last).to_have_value(re.compile("^Undo of the change .*: A try$"))
        await check_accessibility(page)
        await page.set_viewport_size({"width": 1280, "height": 800})
        await page.get_by_role("button", name="Amend").last.click()
        await expect(page).to_have_url(re.compile("/contracts/NORD-OPS(#.*)?$"))
    assert api.get("/v1/contracts/NORD-OPS").json()["description"] == contract["description"]


async def test_draft_survives_and_is_forgotten_once_it_is_saved(open_page):
    async with open_page("/teams/new") as page:
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_label("Name", exact=True).first.fill("Night shift")
        await page.get_by_role("button", name="Add a member").click()
        await expect(page.get_by_role("group", name="Member 2").get_by_label("Person id")).to_be_focused()
        await page.get_by_label("Person id").last.fill("nina")
        await page.goto("/teams")
        await page.goto("/teams/new")
        await page.get_by_role("button", name="Continue with it").click()
        await expect(page.get_by_label("Name", exact=True).first).to_have_value("Night shift")
        await expect(page.get_by_role("group", name="Member 2").get_by_label("Person id")).to_have_value("nina")
        await page.get_by_role("button", name="Remove member 1").click()
        await expect(page.get_by_role("group", name="Member 2")).to_have_count(0)
        await page.get_by_label("First day").fill("2026-01-01")
        await page.get_by_role("button", name="Create team").last.click()
        await expect(page).to_have_url(re.compile("/teams$"))
        await page.goto("/teams/new")
        await expect(page.get_by_label("Name", exact=True).first).to_have_value("")
        await expect(page.get_by_role("button", name="Continue with it")).to_have_count(0)


async def test_rule_shows_when_it_would_have_fired(open_page):
    async with open_page("/rules/new") as page:
        await page.get_by_label("Name", exact=True).fill("Half is gone")
        await page.get_by_label("Percentages").fill("50")
        await page.get_by_label("On the history of the contract").fill("ATLAS-SUP")
        await page.get_by_role("button", name="Show when and to whom").click()
        table = page.get_by_role("region", name="When this rule would have fired")
        await expect(table.get_by_role("row")).not_to_have_count(0)
        await expect(table).to_contain_text("olga@provider.example")
        await page.get_by_role("button", name="Create rule").last.click()
        await expect(page.get_by_role("link", name="Half is gone")).to_be_visible()


async def test_rule_keeps_what_its_form_does_not_show(open_page, api):
    rule = api.post("/v1/rules", json={
        "name": "Digest of the month", "scope": {"kind": "global"}, "receivers": [{"kind": "owner"}],
        "channels": ["email"], "trigger": {"kind": "digest", "every": "month", "on": 15}, "enabled": False,
    }).raise_for_status().json()  # fmt: skip
    offering = api.post("/v1/rules", json={
        "name": "Offer", "scope": {"kind": "global"}, "receivers": [{"kind": "owner"}], "channels": ["email"],
        "trigger": {"kind": "consumed_percent", "of": "contract", "over": "period", "at": ["90"]}, "enabled": False,
        "offer": {"account": "Help desk", "hours": "5"},
    }).raise_for_status().json()  # fmt: skip
    for stored in (rule, offering):
        async with open_page(f"/rules/{stored['id']}") as page:
            await page.get_by_label("Name", exact=True).fill(f"{stored['name']} again")
            await page.get_by_role("button", name="Save").last.click()
            await expect(page).to_have_url(re.compile("/rules$"))
        changed = api.get(f"/v1/rules/{stored['id']}").json()
        assert changed["name"] == f"{stored['name']} again"
        assert (changed["trigger"], changed["offer"]) == (stored["trigger"], stored["offer"])


async def test_form_is_filled_by_keyboard_alone(open_page, api):
    async with open_page("/organizations/new") as page:
        for _ in range(40):
            if await page.evaluate("() => document.activeElement.id") == "name":
                break
            await page.keyboard.press("Tab")
        await page.keyboard.type("Keys & Co")
        await page.keyboard.press("Tab")
        await page.keyboard.type("UTC")
        await page.keyboard.press("Tab")
        for _ in range(4):  # past the language and the fields of the contact
            await page.keyboard.press("Tab")
        assert "Remove contact" in await page.evaluate("() => document.activeElement.textContent")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("group", name="Contact 1")).to_have_count(0)
        await page.locator("#name").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("link", name="Keys & Co")).to_be_visible()
    assert api.get("/v1/organizations", params={"name": "Keys & Co"}).json()["items"][0]["contacts"] == []


async def test_editor_works_without_scripts(open_page):
    async with open_page("/organizations/new") as page:
        context = await page.context.browser.new_context(java_script_enabled=False, base_url=page.url)
        plain = await context.new_page()
        await plain.goto("/organizations/new")
        await plain.get_by_label("Name", exact=True).first.fill("Plain Ltd")
        await plain.get_by_role("button", name="Add a contact").click()
        await expect(plain.get_by_role("group", name=re.compile("^Contact \\d"))).to_have_count(2)
        await plain.get_by_role("button", name="Create customer").last.click()
        await expect(plain.locator("#timezone")).to_be_focused()
        await expect(plain.locator("#name")).to_have_value("Plain Ltd")
        await context.close()
