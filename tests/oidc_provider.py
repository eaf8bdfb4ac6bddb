"""An OpenID provider for tests, as a process: its packages warn, and warnings are errors here."""

import json
import subprocess
import sys
from contextlib import asynccontextmanager

import httpx
from polling import wait_until

from tidemark.stack import ports


@asynccontextmanager
async def running_provider(*users):
    """Run the provider with these users, each with ``sub`` and further claims; its issuer."""
    port = ports.find_free()
    issuer = f"http://127.0.0.1:{port}"
    claims = [argument for user in users for argument in ("--user-claims", json.dumps(user))]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true", *claims]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220 - at once
    async with httpx.AsyncClient(base_url=issuer, trust_env=False) as client:

        async def is_ready():
            assert process.poll() is None
            try:
                return (await client.get("/jwks")).is_success
            except httpx.TransportError:
                return False

        try:
            await wait_until(is_ready)
            yield issuer
        finally:
            process.terminate()
            process.wait(30)
