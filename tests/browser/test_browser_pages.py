"""The pages in a real browser: what a team lead does in the morning, by keyboard too, at any width."""

import re

import pytest
from conftest import check_accessibility
from playwright.async_api import expect

pytestmark = pytest.mark.timeout(600)

PAGES = [
    "/?clear=1",
    "/?status=CLOSED&text=nothing",
    "/contracts/ATLAS-SUP",
    "/contracts/NORD-OPS?period=whole",
    "/contracts/NORD-DRAFT",
    "/contracts/ATLAS-SUP/worklogs?reason=any",
    "/contracts/unknown",
    "/reports",
    "/reports?contract=ATLAS-SUP&range=this-quarter",
    "/reports?contract=NORD-OPS&range=this-month&people=no&internal=no&hours=minutes",
    "/reports?contract=ATLAS-SUP&from=2020-01-01&to=2020-01-31",
    "/people",
    "/operations",
    "/operations/replay",
    "/sign-in",
    "/customer-links",
    "/customer",
]


@pytest.mark.parametrize("path", PAGES)
async def test_page_is_accessible_and_fits_its_width(open_page, path):
    async with open_page(path) as page:
        await check_accessibility(page)


async def test_page_weighs_less_than_100_kilobytes(open_page):
    requests = []
    async with open_page("/contracts/ATLAS-SUP") as page:
        page.on("requestfinished", lambda request: requests.append(request))  # noqa: PLW0108 - Playwright takes no builtin
        await page.reload()
        sizes = {request.url: (await request.sizes())["responseBodySize"] for request in requests}
    assert page.url in sizes
    assert sum(sizes.values()) < 100_000


async def test_what_needs_attention_comes_first(open_page):
    async with open_page("/?clear=1") as page:
        first = page.locator(".contract").first
        await expect(first).to_contain_text("Support and changes")
        await expect(first).to_contain_text("over")
        await expect(page.locator(".group h2").first).to_have_text("Needs attention")


async def test_filters_stay_in_the_address_and_are_remembered(open_page, api):
    async with open_page("/?clear=1") as page:
        await page.get_by_role("searchbox").fill("meridian")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(r"/\?text=meridian$"))
        await expect(page.locator(".contract")).to_have_count(2)
        await page.get_by_role("link", name="Shop support").click()
        await page.get_by_role("link", name="Contracts").first.click()
        await expect(page).to_have_url(re.compile(r"/\?text=meridian$"))
        await page.get_by_role("link", name="Clear all").click()
        contracts = api.get("/v1/balances", params={"limit": 200}).json()["items"]
        await expect(page.locator(".contract")).to_have_count(len(contracts))


async def test_past_period_shows_its_own_figures(open_page):
    async with open_page("/contracts/ATLAS-SUP") as page:
        current = await page.locator("#figures .big").inner_text()
        previous = page.locator(".period[aria-current]").locator("xpath=ancestor::li/preceding-sibling::li[1]//a")
        await previous.click()
        await expect(page.locator("#figures .big")).not_to_have_text(current)
        await expect(page.locator("#figures .big strong")).not_to_have_text("0")
        await expect(page.locator("#levels-title")).to_contain_text(await page.locator("#figures-title").inner_text())


async def test_figure_leads_to_its_worklogs(open_page):
    async with open_page("/contracts/ATLAS-SUP") as page:
        cell = page.locator(".levels .account a").first
        hours = await cell.inner_text()
        await cell.click()
        await expect(page.locator("tfoot .number")).to_have_text(f"{hours}\N{NO-BREAK SPACE}h")


async def test_open_page_moves_when_work_arrives(open_page, log_work):
    async with open_page("/contracts/MERI-SUP") as page, open_page("/contracts/KEST-DEV") as other:
        await page.locator("#curve-data summary").click()
        figure = page.locator("#figures .big strong")
        before, other_before = await figure.inner_text(), await other.locator("#figures").inner_text()
        log_work("MERI-SUP-1", 3600)
        await expect(figure).to_have_text(f"{float(before) + 1:g}", timeout=10_000)
        await expect(page.locator("#curve-data")).to_have_attribute("open", "")
        assert await other.locator("#figures").inner_text() == other_before


async def test_page_says_when_it_is_stale_and_recovers(open_page):
    async with open_page("/contracts/MERI-CON") as page:
        status = page.locator("[data-live-status]")
        await page.context.set_offline(True)
        await page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
        await expect(status).to_contain_text("Not live", timeout=10_000)
        await page.context.set_offline(False)
        await expect(status).not_to_contain_text("Not live", timeout=15_000)


async def test_everything_is_reached_by_keyboard(open_page):
    async with open_page("/contracts/ATLAS-SUP") as page:
        await page.keyboard.press("Tab")
        assert await page.evaluate("() => document.activeElement.textContent") == "Skip to the content"
        await page.keyboard.press("Enter")
        assert await page.evaluate("() => document.activeElement.id") == "main"
        reached = set()
        for _ in range(80):
            await page.keyboard.press("Tab")
            reached.add(await page.evaluate("() => document.activeElement.closest('[data-part]')?.id ?? ''"))
        assert reached >= {"periods", "figures", "unaccounted", "last", "when", "levels", "notifications"}


async def test_hours_are_read_as_one_likes(open_page):
    async with open_page("/contracts/ATLAS-SUP?period=whole") as page:
        await page.get_by_role("button", name="1:30 h").click()
        await expect(page).to_have_url(re.compile("period=whole"))
        await expect(page.locator("#figures .big strong")).to_have_text(re.compile(r"^\d+:\d\d$"))


async def test_link_with_a_token_signs_in_and_leaves_no_token_in_the_address(open_page):
    async with open_page("/sign-in#nonsense") as page:
        await expect(page.locator(".error")).to_contain_text("not valid")
        await expect(page).to_have_url(re.compile(r"/sign-in$"))


async def test_pages_work_without_scripts(open_page):
    async with open_page("/?clear=1") as page:
        context = await page.context.browser.new_context(java_script_enabled=False, base_url=page.url)
        plain = await context.new_page()
        await plain.goto("/contracts/ATLAS-SUP")
        await expect(plain.locator("#figures .big strong")).not_to_be_empty()
        await context.close()
