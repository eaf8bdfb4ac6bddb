"""The tracker of a source."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import httpx

from tidemark_intake.client import TrackerClient
from tidemark_intake.configuration import Source
from tidemark_intake.trackers import Tracker
from tidemark_intake.trackers.entries import Clockify, Harvest, Kimai, Toggl
from tidemark_intake.trackers.jira import Jira
from tidemark_intake.trackers.tempo import Tempo

_TRACKERS: Mapping[str, Callable[[Source, TrackerClient, str | None], Tracker]] = {
    "jira": Jira,
    "jira_data_center": Jira,
    "tempo": Tempo,
    "clockify": Clockify,
    "toggl": Toggl,
    "harvest": Harvest,
    "kimai": Kimai,
}


@asynccontextmanager
async def open_tracker(source: Source, *, transport: httpx.AsyncBaseTransport | None = None) -> AsyncIterator[Tracker]:
    """The tracker of ``source``, with a client that is closed at the end. ``transport`` is for tests."""
    token, secret = source.token.read(), source.webhook_secret.read() if source.webhook_secret else None
    async with TrackerClient(source.url, *_authenticate(source, token), transport=transport) as client:
        yield _TRACKERS[source.kind](source, client, secret)


def _authenticate(source: Source, token: str) -> tuple[dict[str, str], tuple[str, str] | None]:
    """The headers and the basic authentication of a source."""
    headers = {"accept": "application/json", "user-agent": "tidemark-intake"}
    match source.kind:
        case "jira":
            return headers, (source.user or "", token)
        case "toggl":
            return headers, (token, "api_token")
        case "clockify":
            return {**headers, "x-api-key": token}, None
        case "harvest":
            return {**headers, "authorization": f"Bearer {token}", "harvest-account-id": source.workspace or ""}, None
        case _:
            return {**headers, "authorization": f"Bearer {token}"}, None
