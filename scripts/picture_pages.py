"""Take pictures of the pages, in ``docs/pages``, with the installed Chromium, and shrink them with pngquant.

``python scripts/picture_pages.py ADDRESS`` takes them from a running system. Without an address it starts one with the
demo.
"""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
from playwright.async_api import Page, async_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "browser")]

PAGES = {
    "contracts": "/?clear=1",
    "contract": "/contracts/ATLAS-SUP",
    "contract-whole": "/contracts/NORD-OPS?period=whole",
    "worklogs": "/contracts/ATLAS-SUP/worklogs?reason=any",
    "report": "/reports?contract=ATLAS-SUP&range=this-quarter",
    "reports": "/reports",
    "saved-reports": "/saved-reports",
    "people": "/people",
    "contract-amend": "/contracts/ATLAS-SUP/edit",
    "contract-offer": "/contracts/ATLAS-SUP/offer",
    "contract-activate": "/contracts/NORD-DRAFT/activate",
    "operations": "/operations",
    "sign-in": "/sign-in",
    "customer-links": "/customer-links",
    "customer-contract": "/customer/contracts/NORD-OPS",
    "customer-contracts": "/customer",
}
CUSTOMER, STORY_CUSTOMER = "Nordwind Energie", "Acme"
DRAFT = "NORD-DRAFT"
WIDTHS, SCHEMES = (360, 1280), ("light", "dark")


def open_customer_link(address: str, customer: str) -> str:
    """The address of a new link for a customer of the demo; the system is in open mode."""
    with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        organization = client.get("/v1/organizations", params={"name": customer}).json()["items"][0]["id"]
        body = {"organization_id": organization, "note": "For Ann Ardent"}
        link: dict[str, str] = client.post("/v1/customer-links", json=body).raise_for_status().json()
    return f"{address}/customer#{link['url'].partition('#')[2]}"


def save_report(address: str) -> str:
    """The page of a saved report of the demo, whose mails have been sent; it is made where it is missing."""
    receivers = [{"kind": "contacts", "role": "billing"}, {"kind": "address", "email": "olga@provider.example"}]
    with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        organization = client.get("/v1/organizations", params={"name": "Atlas Logistics"}).json()["items"][0]["id"]
        saved = (
            client.get("/v1/saved-reports", params={"organization": organization}).raise_for_status().json()["items"]
        )
        if saved:
            return f"/saved-reports/{saved[0]['id']}"
        schedule = {"every": "month", "on": 1, "xlsx": True, "receivers": receivers}
        body = {"name": "Monthly report", "organization_id": organization, "range": "last-month", "schedule": schedule}
        report = client.post("/v1/saved-reports", json=body).raise_for_status().json()
        client.post(f"/v1/saved-reports/{report['id']}/send", json={}).raise_for_status()
    return f"/saved-reports/{report['id']}"


def find_statement(address: str, contract: str) -> str:
    """The page of the newest statement of a contract that the demo has closed."""
    with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        statements = client.get(f"/v1/contracts/{contract}/statements").raise_for_status().json()["items"]
    return f"/contracts/{contract}/statements/{statements[-1]['figures']['start']}"


async def merge_changes(page: Page, address: str) -> None:
    """Show the form of a draft whose name and owner somebody else has changed since it was opened."""
    await page.goto(f"{address}/contracts/{DRAFT}/edit")
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=30) as client:
        path = f"/v1/contracts/{DRAFT}"
        stored = (await client.get(path)).raise_for_status().json()
        is_changed = stored["name"].endswith(", north")
        changes = {
            "name": stored["name"].removesuffix(", north") if is_changed else f"{stored['name']}, north",
            "owner": {"name": "Piet Jansen" if is_changed else "Oskar Holm", "email": stored["owner"]["email"]},
        }
        headers = {"if-match": f'"{stored["version"]}"'}
        (await client.put(path, json={**stored, **changes}, headers=headers)).raise_for_status()
    await page.get_by_label("Name", exact=True).first.fill("Smart meters 2027")
    await page.get_by_role("button", name="Save").last.click()
    await page.wait_for_selector(".choice-of-two")


async def take_pictures(address: str, folder: Path, chromium: str) -> list[Path]:
    """Take one picture per page, width and scheme, and return the paths."""
    written, statement = [], find_statement(address, "BLUE-SUP")
    link, story_link = (open_customer_link(address, customer) for customer in (CUSTOMER, STORY_CUSTOMER))
    story_statement = f"/customer{find_statement(address, 'ACME-SUP')}"
    report = save_report(address)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-lcd-text"]
        )
        for scheme in SCHEMES:
            for width in WIDTHS:
                page = await browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
                await page.goto(link)
                await page.wait_for_selector(".contract")
                await page.goto(f"{address}/rules")
                # One is of the demo's first contract, the last of all contracts.
                rule = await page.get_by_role("link", name="The month's hours run out").last.get_attribute("href")
                paths = {
                    "rule": f"{rule}?contract=ATLAS-SUP",
                    "statement": statement,
                    "saved-report": report,
                    "report-mails": f"{report}/mails",
                    "customer-statement": story_statement,
                }
                for name, path in {**PAGES, **paths}.items():
                    if path.startswith(story_statement):
                        # Another link in the same browser replaces the first.
                        await page.goto("about:blank")
                        await page.goto(story_link)
                        await page.wait_for_selector(".contract")
                    await page.goto(address + path)
                    picture = folder / f"{name}-{width}-{scheme}.png"
                    await page.screenshot(path=picture, full_page=True)
                    written.append(picture)
                await merge_changes(page, address)
                picture = folder / f"merge-{width}-{scheme}.png"
                # The form below is long, and another picture has it.
                await page.screenshot(path=picture)
                written.append(picture)
        await browser.close()
    return written


def main() -> None:
    """Take all pictures."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("Chromium is not installed. Install chromium or google-chrome.")
    pngquant = shutil.which("pngquant")
    if not pngquant:
        sys.exit("pngquant is not installed. Install it: the pictures are three times as large without.")
    folder = ROOT / "docs" / "pages"
    folder.mkdir(exist_ok=True)
    if len(sys.argv) > 1:
        written = asyncio.run(take_pictures(sys.argv[1], folder, chromium))
    else:
        from stack import running_stack  # noqa: PLC0415 - on the path added above

        with running_stack() as stack:
            written = asyncio.run(take_pictures(stack.address, folder, chromium))
    subprocess.run([pngquant, "--force", "--strip", "--ext", ".png", "64", *written], check=True)  # noqa: S603 - our own
    print(*written, sep="\n")  # noqa: T201 - a command's output


if __name__ == "__main__":
    main()
