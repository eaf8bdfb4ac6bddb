"""The API of the services under test."""

from datetime import UTC, datetime

import httpx

from tidemark_shared.http.tokens import issue_token

SECRET = "a secret for the benchmarks alone"  # noqa: S105 - no other system accepts its tokens


def open_client(url: str) -> httpx.AsyncClient:
    """A client of the service at ``url``, with the rights of an administrator."""
    token = issue_token(SECRET, "bench", "admin", now=datetime.now(UTC))
    return httpx.AsyncClient(base_url=url, trust_env=False, headers={"authorization": f"Bearer {token}"})
