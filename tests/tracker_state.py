"""What all stand-ins of trackers have: work, a clock, requests that fail, and webhooks."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

import httpx
from tracker_requests import check_request

SECRET = "webhook-secret-of-the-test"  # noqa: S105 - a secret of the tests


@dataclass
class Work:
    """A worklog as the tracker has it. ``seconds`` of a running timer count from its end on."""

    id: str
    project: str
    person: str
    started: datetime
    seconds: int
    updated: datetime
    deleted: datetime | None = None
    running: bool = False
    hidden: bool = False
    account: str = "DEV"


@dataclass
class Fake:
    """The state of a tracker; ``now`` is its clock, and the next ``failures`` requests fail with these statuses."""

    kind: ClassVar[str] = ""
    page_size: int = 3
    now: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))
    works: dict[str, Work] = field(default_factory=dict)
    failures: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    before_answer: Callable[[], None] | None = None

    def fail_after(self, count: int) -> None:
        """Answer ``count`` requests, and fail from then on."""
        first = len(self.paths)

        def fail() -> None:
            if len(self.paths) > first + count:
                self.failures = [503]

        self.before_answer = fail

    def transport(self) -> httpx.MockTransport:
        """A transport that answers in place of the tracker."""
        return httpx.MockTransport(self._respond)

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.raw_path.decode())
        check_request(self.kind, request)
        if self.before_answer:
            self.before_answer()
        if self.failures:
            return httpx.Response(self.failures.pop(0), headers={"retry-after": "0"}, text="try again")
        body = json.loads(request.content) if request.content else None
        self.headers = {}
        answer = self.answer(request.method, request.url.path, dict(request.url.params), body)
        return httpx.Response(404) if answer is None else httpx.Response(200, json=answer, headers=self.headers)

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        """The JSON that answers a request; None for 404."""
        raise NotImplementedError

    def current(self) -> list[Work]:
        """The worklogs that are not deleted."""
        return [work for work in self.works.values() if work.deleted is None]

    def figures(self) -> dict[str, tuple[str, str, int, datetime]]:
        """What Tidemark must count: project, person, seconds and start by worklog."""
        return {
            work.id: (work.project, work.person, work.seconds, work.started)
            for work in self.current()
            if not work.running and not work.hidden
        }

    def deliver(self, work: Work) -> tuple[dict[str, str], bytes] | None:
        """The headers and body of the webhook about the last change of ``work``; None if the product sends none."""
        return None


def iso(time: datetime) -> str:
    """A time in UTC."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def jira_time(time: datetime) -> str:
    """A time with an offset without a colon."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000%z")


def milliseconds(time: datetime) -> int:
    """Milliseconds since 1970."""
    return int(time.timestamp() * 1000)
