"""What both clients share: requests, responses, errors and when to try again. It sends nothing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
from tenacity import (
    RetryCallState,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    wait_random_exponential,
)

Json: TypeAlias = dict[str, Any]
Body = TypeVar("Body")

PAGE_SIZE = 200
MAX_ATTEMPTS = 4
TIMEOUT_SECONDS = 60
# Another server may answer these for Tidemark; Tidemark itself sends 503.
_UNAVAILABLE = {httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT}
_MAX_RETRY_AFTER_SECONDS = 30
_back_off = wait_random_exponential(multiplier=0.1, max=2)


class TidemarkError(Exception):
    """The API rejected a request, or cannot be reached.

    The text says why. ``status`` is the HTTP status, None without a response; ``violations`` lists every error of
    the request, each with a ``code``, a ``path`` and a ``message``.
    """

    def __init__(self, message: str, violations: Sequence[Mapping[str, Any]] = (), status: int | None = None) -> None:
        super().__init__(message)
        self.violations = violations
        self.status = status


class UnreachableError(TidemarkError):
    """The API did not respond."""


@dataclass(frozen=True)
class Entity(Generic[Body]):
    """A body from the API, and its ETag for the next change."""

    body: Body
    etag: str

    @property
    def id(self) -> str:
        """Tidemark's id."""
        body: Any = self.body
        return str(body["id"])


Reference: TypeAlias = str | UUID | Entity[Any]
"""What a method takes for an id: the id, the code of a contract, or the entity itself."""


@dataclass(frozen=True)
class Call:
    """A request of the API. ``path`` is relative to ``/v1/``; parameters without a value are not sent."""

    method: str
    path: str
    query: Mapping[str, Any] | None = None
    body: Any = None
    etag: str | None = None
    key: str | None = None

    @property
    def options(self) -> Json:
        """The arguments of httpx. A change without an idempotency key gets one, so that it can be sent again."""
        key = self.key or (None if self.method == "GET" else str(uuid4()))
        headers = {"if-match": self.etag, "idempotency-key": key}
        return {
            "method": self.method,
            "url": f"/v1/{self.path}",
            # None keeps a query in the path; an empty dictionary would remove it.
            "params": {name: _to_text(value) for name, value in (self.query or {}).items() if value is not None}
            or None,
            "headers": {name: value for name, value in headers.items() if value},
        } | ({} if self.body is None else {"json": self.body})


def http_options(base_url: str, token: str | None) -> Json:
    """The arguments of both kinds of clients of httpx."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return {"base_url": base_url, "headers": headers, "timeout": TIMEOUT_SECONDS}


def retry_options(max_attempts: int) -> Json:
    """The arguments of both kinds of tenacity's retrying. The last result is returned, the last error is raised."""
    return {
        "stop": stop_after_attempt(max_attempts),
        "wait": _wait_seconds,
        "retry": retry_if_exception_type(httpx.TransportError) | retry_if_result(_is_unavailable),
        "retry_error_callback": lambda state: state.outcome.result(),
    }


def path(template: str, *references: Reference | int) -> str:
    """The path with ids or codes in place of each ``{}``: ``path("contracts/{}/activate", contract)``."""
    texts = (entity.id if isinstance(entity, Entity) else str(entity) for entity in references)
    return template.format(*(quote(text, safe="") for text in texts))


def contract_path(reference: Reference) -> str:
    """The path of a contract by its id or code."""
    return path("contracts/{}", reference)


def require_etag(reference: Reference, etag: str | None) -> str:
    """The ETag for a change: ``etag`` or that of the entity."""
    if etag is None and isinstance(reference, Entity):
        etag = reference.etag
    if not etag:
        raise ValueError('Pass the entity that you read, or its etag. "*" changes any version.')
    return etag


def read_entity(response: httpx.Response) -> Entity[Any]:
    """The body of a response and its ETag; the body is None if the response has none. Raises a TidemarkError."""
    check_success(response)
    return Entity(response.json() if response.content else None, response.headers.get("etag", ""))


def check_success(response: httpx.Response) -> None:
    """Raise a TidemarkError unless the request was successful."""
    if response.is_success:
        return
    violations: Sequence[Mapping[str, Any]] = ()
    try:
        problem = response.json()
        violations = problem.get("violations") or []
        lines = [f"{violation['path']}: {violation['message']} ({violation['code']})" for violation in violations]
        reason = "; ".join(lines) or f"{problem['title']}. {problem.get('detail') or ''}".strip()
    except (ValueError, KeyError, TypeError, AttributeError):
        reason = f"status {response.status_code}: {response.text[:200]}"
    request = response.request
    raise TidemarkError(f"{request.method} {request.url.path}: {reason}", violations, response.status_code)


def unreachable(base_url: httpx.URL, error: httpx.HTTPError) -> UnreachableError:
    """The error for an API that did not respond."""
    return UnreachableError(f"Cannot reach the API at {base_url} ({error or type(error).__name__}).")


def _to_text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, date | UUID) else value


def _is_unavailable(response: httpx.Response) -> bool:
    return response.status_code in _UNAVAILABLE


def _wait_seconds(state: RetryCallState) -> float:
    """Back off at random, and at least as long as the response asks."""
    response = state.outcome and not state.outcome.failed and state.outcome.result()
    header = response.headers.get("retry-after", "") if response else ""
    asked = int(header) if re.fullmatch(r"\d{1,4}", header, re.ASCII) else 0
    return max(_back_off(state), min(asked, _MAX_RETRY_AFTER_SECONDS))
