"""The tracker of a source."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import httpx

from tidemark_intake.client import TrackerClient
from tidemark_intake.configuration import Source
from tidemark_intake.trackers import Tracker
from tidemark_intake.trackers.jira import Jira
from tidemark_intake.trackers.jira_issues import JiraIssues
from tidemark_intake.trackers.jira_options import JiraOptions
from tidemark_intake.trackers.tempo import Tempo
from tidemark_intake.trackers.timers import Clockify, Harvest, Kimai, Toggl

_HEADERS = {"accept": "application/json", "user-agent": "tidemark-intake"}

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
    """The tracker of ``source``, with clients that are closed at the end. ``transport`` is for tests."""
    token, secret = source.token.read(), source.webhook_secret.read() if source.webhook_secret else None
    async with AsyncExitStack() as stack:
        client = TrackerClient(source.url, *_authenticate(source, token), transport=transport)
        await stack.enter_async_context(client)
        if source.kind == "tempo" and source.site and source.site_token:
            auth = (source.site_user or "", source.site_token.read())
            site = await stack.enter_async_context(TrackerClient(source.site, _HEADERS, auth, transport=transport))
            yield Tempo(source, client, secret, JiraIssues(source, site, is_cloud=True))
        else:
            yield _TRACKERS[source.kind](source, client, secret)


@asynccontextmanager
async def open_options(
    source: Source, *, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[JiraOptions]:
    """The options of the custom fields of a source of the kind ``jira``. ``transport`` is for tests."""
    auth = _authenticate(source, source.token.read())
    async with TrackerClient(source.url, *auth, transport=transport) as client:
        yield JiraOptions(client)


def _authenticate(source: Source, token: str) -> tuple[dict[str, str], tuple[str, str] | None]:
    """The headers and the basic authentication of a source."""
    match source.kind:
        case "jira":
            return _HEADERS, (source.user or "", token)
        case "toggl":
            return _HEADERS, (token, "api_token")
        case "clockify":
            return {**_HEADERS, "x-api-key": token}, None
        case "harvest":
            return {**_HEADERS, "authorization": f"Bearer {token}", "harvest-account-id": source.workspace or ""}, None
        case _:
            return {**_HEADERS, "authorization": f"Bearer {token}"}, None
