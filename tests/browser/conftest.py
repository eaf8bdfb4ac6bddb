"""Chromium, and a whole Tidemark, which starts once, with the first test that needs it.

Every page of a test must keep the security policy.
"""

import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from playwright.async_api import Browser, Page, async_playwright, expect
from stack import Stack, running_stack

from tidemark.program import DEFAULT_DATA_DIR
from tidemark.stack.state import load_environment

# A busy machine is no failure.
expect.set_options(timeout=20_000)
_AXE = Path(__file__).parent / "node/node_modules/axe-core/axe.min.js"
_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


async def check_accessibility(page: Page) -> None:
    """Assert that axe finds nothing and the page fits, at three widths, in light and dark, with all details open.

    640 px is 1280 at a zoom of 200 %.
    """
    await page.evaluate("() => document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    await page.evaluate(f"() => {{ {_AXE.read_text()} }}")
    for width, scheme in product((360, 640, 1280), ("light", "dark")):
        await page.set_viewport_size({"width": width, "height": 800})
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert await page.evaluate("() => document.documentElement.scrollWidth") <= width
        found = await page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        violations = [
            (violation["id"], violation["help"], [node["html"][:200] for node in violation["nodes"]])
            for violation in found["violations"]
        ]
        assert violations == [], f"{width} px, {scheme}: {json.dumps(violations, indent=2)}"


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A system with the demo: a new one, or that of TIDEMARK_BROWSER_ADDRESS and TIDEMARK_BROWSER_DATA_DIR."""
    if address := os.environ.get("TIDEMARK_BROWSER_ADDRESS"):
        yield Stack(address, Path(os.environ.get("TIDEMARK_BROWSER_DATA_DIR", DEFAULT_DATA_DIR)))
    else:
        with running_stack() as stack:
            yield stack


@pytest.fixture(scope="session")
def address(stack: Stack) -> str:
    """Its address."""
    return stack.address


@pytest.fixture(scope="session")
def environment(stack: Stack) -> Mapping[str, str]:
    """Its settings, such as the addresses of its database and Kafka."""
    return load_environment(stack.data_dir)


@pytest.fixture(scope="session")
def api(address: str) -> Iterator[httpx.Client]:
    """A client of its API."""
    with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The installed Chromium or Chrome."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "Install chromium (apt-get install chromium)."
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
def open_page(browser: Browser, address: str):
    """Open a page: ``async with open_page("/", width=360) as page``."""

    @asynccontextmanager
    async def open_(path: str, *, width: int = 1280, scheme: str = "light", **options) -> AsyncIterator[Page]:
        viewport = {"width": width, "height": 800}
        context = await browser.new_context(base_url=address, viewport=viewport, color_scheme=scheme, **options)
        page, errors = await context.new_page(), []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.add_init_script(_VIOLATIONS)
        await page.goto(path)
        yield page
        assert await page.evaluate("() => window.violations") == []
        assert errors == []
        await context.close()

    return open_


@pytest.fixture
def log_work(api: httpx.Client):
    """Log work on an issue of the demo."""
    numbers = iter(range(1_000_000))

    def log(issue: str, seconds: int) -> SimpleNamespace:
        now = datetime.now(UTC).isoformat()
        worklog_id = f"browser-{now}-{next(numbers)}"
        event = {
            "specversion": "1.0", "id": worklog_id, "source": "https://tracker.provider.example",
            "type": "tidemark.worklog.recorded.v1", "data": {
                "worklog_id": worklog_id, "issue_id": issue, "author_id": "tom", "seconds": seconds,
                "started_at": now, "updated_at": now,
            },
        }  # fmt: skip
        response = api.post("/v1/worklogs", json=event)
        assert response.status_code == 202, response.text
        return SimpleNamespace(id=worklog_id)

    return log


@pytest.fixture
def publish_work(environment):
    """Publish work to Kafka, as a tracker does: an issue of a contract's account, and a worklog of it now."""

    async def publish(contract: str, account: str, seconds: int) -> None:
        now = datetime.now(UTC).isoformat()
        issue = {"issue_id": f"{contract}-1", "contract_id": contract, "account_id": account, "updated_at": now}
        work = {"worklog_id": f"{contract}-w", "issue_id": f"{contract}-1", "author_id": "tom", "seconds": seconds,
                "started_at": now, "updated_at": now}  # fmt: skip
        async with AIOKafkaProducer(bootstrap_servers=environment["TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"]) as producer:
            for kind, data in (("issue.linked", issue), ("worklog.recorded", work)):
                headers = {
                    "ce_specversion": "1.0", "ce_id": f"{contract}-{kind}", "ce_type": f"tidemark.{kind}.v1",
                    "ce_source": "https://tracker.provider.example", "content-type": "application/json",
                }  # fmt: skip
                await producer.send_and_wait(
                    "worklog.events", json.dumps(data).encode(), key=issue["issue_id"].encode(),
                    headers=[(name, value.encode()) for name, value in headers.items()],
                )  # fmt: skip

    return publish
