"""The first load of a tracker: worklogs a second, and memory, from Jira's feed to the outbox.

Jira answers from this process at once, so that the figures are those of intake and Postgres alone.
"""

import json
import os
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import httpx
import psutil
from rich.table import Table

from bench.database import database_url, timed
from tidemark_intake.app import register
from tidemark_intake.configuration import LinkRule, Secret, Source
from tidemark_intake.reader import Reader
from tidemark_intake.trackers.registry import open_tracker
from tidemark_shared.database import connect_pool

_PAGE, _WORKLOGS_PER_ISSUE = 1_000, 50
_FIRST_MILLISECONDS, _STEP_MILLISECONDS = 1_600_000_000_000, 60_000
_STARTED = "2026-02-02T09:00:00.000+0000"
_TOKEN = "INTAKE_BENCH_TOKEN"  # noqa: S105 - the name of a variable


class _Jira:
    """A site with ``size`` worklogs, one changed each minute. ``memory`` is the most of this process so far."""

    def __init__(self, size: int) -> None:
        self._size, self._process = size, psutil.Process()
        self.memory = 0

    def respond(self, request: httpx.Request) -> httpx.Response:
        self.memory = max(self.memory, self._process.memory_info().rss)
        body = json.loads(request.content) if request.content else {}
        match request.url.path.rpartition("/")[2]:
            case "updated":
                return httpx.Response(200, json=self._feed(int(request.url.params["since"])))
            case "deleted":
                return httpx.Response(200, json={"values": [], "until": 0, "lastPage": True})
            case "list":
                return httpx.Response(200, json=[_worklog(number) for number in body["ids"]])
            case "jql":
                return httpx.Response(200, json={"issues": []})
            case _:
                return httpx.Response(200, json={"issues": [_issue(number) for number in body["issueIdsOrKeys"]]})

    def _feed(self, since: int) -> dict[str, Any]:
        first = max(-((_FIRST_MILLISECONDS - since) // _STEP_MILLISECONDS), 0)
        numbers = range(first, min(first + _PAGE, self._size))
        values = [{"worklogId": number, "updatedTime": _time_of(number)} for number in numbers]
        return {"values": values, "until": _time_of(numbers.stop), "lastPage": numbers.stop == self._size}


def _time_of(number: int) -> int:
    return _FIRST_MILLISECONDS + number * _STEP_MILLISECONDS


def _worklog(number: int) -> dict[str, Any]:
    return {
        "id": str(number), "issueId": str(number // _WORKLOGS_PER_ISSUE), "author": {"accountId": f"p{number % 300}"},
        "started": _STARTED, "updated": _STARTED, "timeSpentSeconds": 900 + number % 7_200,
    }  # fmt: skip


def _issue(number: str) -> dict[str, Any]:
    return {"id": number, "key": f"K-{number}", "fields": {"summary": "Summary", "project": {"key": "K"}}}


async def measure(server_url: str, *, records: int) -> Table:
    """Read a site for the first time, and once more with nothing changed."""
    jira = _Jira(records)
    rules = (LinkRule(contract="ACME", account="Work", match={"project": "K"}),)
    source = Source(id="jira", kind="jira", url="https://jira.example", token=Secret(env=_TOKEN), rule=rules)
    table = Table("reading", "seconds", "worklogs/s", "memory, most", title=f"Jira, {records:,} worklogs")
    async with database_url(server_url, "intake") as url, await connect_pool(url, "intake") as pool:
        with patch.dict(os.environ, {_TOKEN: "token"}):
            async with open_tracker(source, transport=httpx.MockTransport(jira.respond)) as tracker:
                await register(pool, source)
                reader = Reader(pool, source, tracker, now=lambda: datetime.now(UTC))
                before = psutil.Process().memory_info().rss
                for name in ("first", "again"):
                    seconds = await timed(reader.reconcile())
                    grown = (jira.memory - before) >> 20
                    rate = f"{records / seconds:,.0f}" if name == "first" else ""
                    table.add_row(name, f"{seconds:.1f}", rate, f"+{grown} MiB")
                published = await pool.fetchval("SELECT count(*) FROM worklogs WHERE digest IS NOT NULL")
    if published != records:
        raise RuntimeError(f"{published} worklogs were published instead of {records}.")
    table.caption = f"Load average of this machine: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores"
    return table
