"""Mails rendered by Chromium."""

import pytest
from mail_samples import MAILS, render_html

BACKGROUND = "getComputedStyle(document.querySelector('.card')).backgroundColor"
COLOUR = "getComputedStyle(document.querySelector('h1')).color"


def brightness(colour):
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))


@pytest.mark.parametrize("name", MAILS)
async def test_mail_fits_a_narrow_window_and_loads_nothing(browser, name):
    requests = []
    for scheme in ("light", "dark"):
        page = await browser.new_page(viewport={"width": 360, "height": 600}, color_scheme=scheme)
        page.on("request", lambda request: requests.append(request.url))
        await page.set_content(render_html(*MAILS[name]))
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
        background, colour = [brightness(await page.evaluate(expression)) for expression in (BACKGROUND, COLOUR)]
        assert (background > 600 and colour < 150) if scheme == "light" else (background < 200 and colour > 600)
        await page.close()
    assert requests == []
