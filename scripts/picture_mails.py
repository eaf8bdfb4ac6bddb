"""Take pictures of the sample mails, in ``docs/mails``, with the installed Chromium, and shrink them with pngquant."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.async_api import async_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from mail_samples import MAILS, render_html  # noqa: E402 - on the path added above

WIDTHS, SCHEMES = (360, 800), ("light", "dark")


async def take_pictures(folder: Path, chromium: str) -> list[Path]:
    """Take one picture per mail, width and scheme, and return the paths."""
    written = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-lcd-text"]
        )
        for scheme in SCHEMES:
            for width in WIDTHS:
                page = await browser.new_page(viewport={"width": width, "height": 400}, color_scheme=scheme)
                for name, mail in MAILS.items():
                    await page.set_content(render_html(*mail))
                    path = folder / f"{name}-{width}-{scheme}.png"
                    await page.screenshot(path=path, full_page=True)
                    written.append(path)
        await browser.close()
    return written


if __name__ == "__main__":
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("Chromium is not installed. Install chromium or google-chrome.")
    pngquant = shutil.which("pngquant")
    if not pngquant:
        sys.exit("pngquant is not installed. Install it: the pictures are three times as large without.")
    pictures = asyncio.run(take_pictures(ROOT / "docs" / "mails", chromium))
    subprocess.run([pngquant, "--force", "--strip", "--ext", ".png", "32", *pictures], check=True)  # noqa: S603 - our own
    print(*pictures, sep="\n")  # noqa: T201 - a command's output
