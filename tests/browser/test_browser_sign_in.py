"""Sign-in by a provider, as a person does it: to the provider and back to the page that was asked for."""

import os
import re
import subprocess
import sys
from contextlib import asynccontextmanager

import httpx
import pytest
from conftest import check_accessibility
from oidc_provider import running_provider
from playwright.async_api import expect
from polling import wait_until

from tidemark.stack import ports
from tidemark.stack.state import load_environment

pytestmark = pytest.mark.timeout(600)

_USERS = (
    {"sub": "u-1", "preferred_username": "Ann Ardent", "groups": ["staff"]},
    {"sub": "u-2", "preferred_username": "Stranger"},
)


@asynccontextmanager
async def web_with_provider(data_dir, issuer):
    """A second web process in front of the services of the system, where people sign in by the provider."""
    port = ports.find_free()
    address = f"http://127.0.0.1:{port}"
    own = {
        "OPEN": "0", "PORT": str(port), "PUBLIC_URL": address, "OIDC_ISSUER": issuer, "OIDC_CLIENT_ID": "tidemark",
        "OIDC_CLIENT_SECRET": "s3cret", "OIDC_ROLES": "staff=viewer",
    }  # fmt: skip
    environment = load_environment(data_dir) | {f"TIDEMARK_{name}": value for name, value in own.items()}
    process = subprocess.Popen(  # noqa: ASYNC220 - at once
        [sys.executable, "-m", "tidemark_web"], env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    )
    async with httpx.AsyncClient(base_url=address, trust_env=False) as client:

        async def is_ready():
            assert process.poll() is None
            try:
                return (await client.get("/healthz")).is_success
            except httpx.TransportError:
                return False

        try:
            await wait_until(is_ready)
            yield address
        finally:
            process.terminate()
            process.wait(30)


async def test_person_signs_in_by_the_provider_and_out(open_page, stack):
    async with (
        running_provider(*_USERS) as issuer,
        web_with_provider(stack.data_dir, issuer) as web,
        open_page(f"{web}/people?weeks=8") as page,
    ):
        # The style sheet of the provider's page is elsewhere.
        await page.route(re.compile("^https:"), lambda route: route.abort())
        await check_accessibility(page)
        await page.get_by_role("link", name="Sign in with your account").click()
        await page.get_by_role("button", name="u-1").click()
        await expect(page).to_have_url(f"{web}/people?weeks=8")
        await expect(page.locator(".who")).to_contain_text("Ann Ardent (viewer)")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page).to_have_url(f"{web}/sign-in")
        await page.goto(f"{web}/people")
        await page.get_by_role("link", name="Sign in with your account").click()
        await page.get_by_role("button", name="u-2").click()
        await expect(page.get_by_role("heading")).to_have_text("You have no role in Tidemark")
        await page.get_by_role("link", name="Try again").click()
        await expect(page).to_have_url(f"{web}/sign-in")
