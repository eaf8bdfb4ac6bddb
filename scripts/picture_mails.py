"""Pictures of the mails, below ``docs/mails``, by the Chromium that is installed."""

import asyncio
import shutil
import sys
from pathlib import Path

from playwright.async_api import async_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from mail_samples import MAILS, html  # noqa: E402 - found by the line above

WIDTHS, SCHEMES = (360, 800), ("light", "dark")


async def picture(folder: Path, chromium: str) -> list[Path]:
    """One picture a mail, width and scheme; the paths."""
    written = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-lcd-text"]
        )
        for scheme in SCHEMES:
            for width in WIDTHS:
                page = await browser.new_page(viewport={"width": width, "height": 400}, color_scheme=scheme)
                for name, mail in MAILS.items():
                    await page.set_content(html(*mail))
                    path = folder / f"{name}-{width}-{scheme}.png"
                    await page.screenshot(path=path, full_page=True)
                    written.append(path)
        await browser.close()
    return written


if __name__ == "__main__":
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        sys.exit("No Chromium is installed.")
    print(*asyncio.run(picture(ROOT / "docs" / "mails", found)), sep="\n")  # noqa: T201 - a command's output
