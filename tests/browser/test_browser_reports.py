"""The delivery report and the page of people in a browser: the figures of the API, on the page and in each file."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pypdf
import pytest
from conftest import check_accessibility
from dateutil.relativedelta import relativedelta
from playwright.async_api import expect
from polling import wait_until
from python_calamine import CalamineWorkbook

pytestmark = pytest.mark.timeout(600)

ACME = "contract=ATLAS-SUP&range=this-quarter"


def hours(seconds):
    """As pages show them."""
    return f"{seconds / 3600:,.2f}".rstrip("0").rstrip(".").replace("-", "\N{MINUS SIGN}")


def quarter(today):
    """Its first and last day."""
    first = today.replace(day=1) - relativedelta(months=(today.month - 1) % 3)
    return {"from": str(first), "to": str(first + relativedelta(months=3, days=-1))}


@pytest.fixture
async def report(open_page, api):
    """The query of the report's address, and what the API says of it."""
    async with open_page(f"/reports?{ACME}") as page:
        query = page.url.partition("?")[2]
    organization = re.search("organization=([^&]+)", query).group(1)
    today = datetime.now(ZoneInfo("Europe/Berlin")).date()
    parameters = {"organization": organization, "contract": "ATLAS-SUP", "people": True, **quarter(today)}
    answer = api.get("/v1/reports/delivery", params=parameters)
    return query, answer.raise_for_status().json()["contracts"][0]


def planned(contract):
    """Planned and executed of each account in each period."""
    return [
        (account["name"], figures["planned"], figures["consumed"])
        for period in contract["periods"]
        for account in contract["accounts"]
        for figures in account["periods"]
        if figures["start"] == period["start"]
    ]


async def test_page_and_files_have_the_figures_of_the_api(open_page, api, report):
    query, contract = report
    expected = planned(contract)
    assert expected
    async with open_page(f"/reports?{query}") as page:
        rows = page.locator(".report-contract tr.account")
        # Not only those that are open.
        shown = [[" ".join(text.split()) for text in await row.locator("th, td").all_text_contents()]
                 for row in await rows.all()]  # fmt: skip
    assert [(row[0].removesuffix(" not billable"), row[1], row[2]) for row in shown] == [
        (name, hours(plan), hours(done)) for name, plan, done in expected
    ]

    content = api.get(f"/reports/delivery.csv?{query}").content.decode("utf-8-sig")
    records = [row for row in csv.DictReader(io.StringIO(content)) if row.get("level") == "Account"]
    assert [(row["account"], int(row["planned_seconds"]), int(row["executed_seconds"])) for row in records] == expected

    workbook = CalamineWorkbook.from_filelike(io.BytesIO(api.get(f"/reports/delivery.xlsx?{query}").content))
    header, *lines = workbook.get_sheet_by_name("Planned and executed").to_python()
    sheet = [dict(zip(header, line, strict=True)) for line in lines]
    assert [(row["Account"], round(row["Planned"] * 3600), round(row["Executed"] * 3600))
            for row in sheet if row["Level"] == "Account"] == expected  # fmt: skip

    document = pypdf.PdfReader(io.BytesIO(api.get(f"/reports/delivery.pdf?{query}").content))
    text = "\n".join(page.extract_text() for page in document.pages)
    for name, plan, done in expected:
        assert re.search(rf"{name}.* {re.escape(hours(plan))} .*{re.escape(hours(done))} ", text), (name, plan, done)


async def test_relative_range_stays_in_the_address(open_page):
    async with open_page(f"/reports?{ACME}") as page:
        await page.get_by_role("link", name="Last month").click()
        await expect(page).to_have_url(re.compile("range=last-month"))
        await page.locator("#report-options summary").click()
        await page.get_by_label("Without names of persons").check()
        await page.get_by_label("Without internal rows").check()
        await page.get_by_label("1:30 h").check()
        await page.get_by_role("button", name="Show").click()
        await expect(page).to_have_url(re.compile("range=last-month.*hours=minutes.*people=no.*internal=no"))
        await expect(page.locator("main")).not_to_contain_text("Coordination")
        await expect(page.locator("main")).not_to_contain_text("Tom Lindqvist")
        await expect(page.locator(".report-totals .big strong")).to_have_text(re.compile(r"^\d+:\d\d$"))


async def test_report_is_saved_mailed_and_deleted(open_page, api):
    """The path of a manager: from the report to its mail, whose files have arrived."""
    name = f"Report {datetime.now(UTC).timestamp()}"
    async with open_page("/reports?contract=ATLAS-SUP&range=this-year-to-date") as page:
        await page.get_by_role("link", name="Save and mail").click()
        await expect(page.get_by_label("Contracts")).to_have_value("ATLAS-SUP")
        await page.get_by_label("Name", exact=True).fill(name)
        await page.get_by_label("Send it").select_option("Every month")
        await page.get_by_label("On", exact=True).select_option("On its last day")
        await page.get_by_role("button", name="Add a receiver").click()
        await page.get_by_label("Receiver", exact=True).select_option("An address")
        await page.get_by_label("Email").fill("team@provider.example")
        await check_accessibility(page)
        await page.set_viewport_size({"width": 1280, "height": 800})
        await page.get_by_role("button", name="Create saved report").last.click()
        row = page.get_by_role("row", name=name)
        await expect(row).to_contain_text("Every month, on its last day")
        await check_accessibility(page)
        await row.get_by_role("link", name="Mails").click()
        await page.get_by_role("button", name="Send it now").click()
        await expect(page.get_by_role("status")).to_contain_text("1 mail on the way")
        [report] = [item for item in api.get("/v1/saved-reports", params={"limit": 200}).json()["items"]
                    if item["name"] == name]  # fmt: skip

        async def is_sent():
            [mail] = api.get(f"/v1/saved-reports/{report['id']}/mails").json()["items"]
            return mail["status"] == "delivered"

        await wait_until(is_sent, timeout_seconds=120)
        await page.reload()
        await expect(page.locator("main")).to_contain_text("team@provider.example")
        await expect(page.locator(".mails")).to_contain_text("Sent")
        await check_accessibility(page)
        await page.goto("/reports")
        await expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute(
            "href", re.compile("range=this-year-to-date")
        )
        await check_accessibility(page)
        await page.goto(f"/saved-reports/{report['id']}/delete")
        await page.get_by_role("button", name="Delete").last.click()
        await expect(page).to_have_url(re.compile("/saved-reports$"))
    assert api.get(f"/v1/saved-reports/{report['id']}").status_code == 404


async def test_printed_report_fits_a4(open_page):
    async with open_page("/reports?contract=ATLAS-SUP&range=this-year") as page:
        periods = await page.locator(".report-period").count()
        document = pypdf.PdfReader(io.BytesIO(await page.pdf(prefer_css_page_size=True)))
        text = "".join(part.extract_text() for part in document.pages)
    # A4 in points.
    assert all(abs(part.mediabox.width - 595) < 2 > abs(part.mediabox.height - 842) for part in document.pages)
    # Those that are closed on the screen, too.
    assert text.count("Account, team") == periods
    assert "Contracts, days and options" not in text


async def test_people_have_the_hours_of_the_api(open_page, api):
    today = datetime.now(UTC).date()
    monday = today - timedelta(days=today.weekday(), weeks=3)
    async with open_page("/people?weeks=4") as page:
        names = await page.locator(".person h3").all_inner_texts()
        flags = await page.locator(".person .flag").all_inner_texts()
        shown = await page.locator(".person", has_text="Tom Lindqvist").locator(".figures strong").inner_text()
        await page.locator("details summary").first.click()
        assert await page.locator("details[open] tbody tr").count() == 4
    assert len(names) == len(set(names))
    assert "ATLAS-SUP: over" in flags
    answer = api.get("/v1/reports/people", params={"from": str(monday), "to": str(monday + timedelta(days=27))})
    tom = next(person for person in answer.raise_for_status().json()["people"] if person["person_id"] == "tom")
    assert shown == hours(tom["billable_seconds"])
