"""Requests to the API of a tracker: bounded, and repeated as the tracker asks."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Self

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

_MAX_ATTEMPTS = 6
# A tracker with a quota for each hour may ask to wait until the next.
_MAX_WAIT_SECONDS = 3_900.0
_MAX_BODY_BYTES = 64 << 20
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_TRANSIENT = frozenset({408, 409, 425, 429})
# How long to wait, in seconds or as a date. Toggl has a quota, and says when the next one begins.
_WAIT_HEADERS = ("retry-after", "x-toggl-quota-resets-in")


class Answer(NamedTuple):
    """The JSON of an answer, and its headers in lower case."""

    content: Any
    headers: Mapping[str, str]


class TrackerError(Exception):
    """The tracker refused a request, or cannot be reached; the text says what to do."""


class RefusedError(TrackerError):
    """The tracker refused this request, not the token: the resource does not exist, or may not be seen."""


class _TransientError(TrackerError):
    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


_backoff = wait_random_exponential(multiplier=0.5, max=30)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, _TransientError) else None
    return _backoff(state) if asked is None else min(asked, _MAX_WAIT_SECONDS)


class TrackerClient:
    """A client of one tracker. It follows no redirects: a token goes to the configured address alone."""

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        auth: tuple[str, str] | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._client = httpx.AsyncClient(base_url=base_url, headers=headers, auth=auth, timeout=60, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of a list or another resource that exists. Raises :class:`TrackerError`."""
        return (await self.request("GET", path, params=parameters)).content

    async def find(self, path: str, **parameters: Any) -> Any:
        """The JSON of a resource that may be gone or invisible: then None. Raises :class:`TrackerError`."""
        try:
            return await self.get(path, **parameters)
        except RefusedError:
            return None

    async def post(self, path: str, body: Any) -> Any:
        """The JSON that answers a query with a body. Raises :class:`TrackerError`."""
        return (await self.request("POST", path, json=body)).content

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        """The answer to a request with these options of httpx. Raises :class:`TrackerError`."""
        retrying = AsyncRetrying(
            stop=stop_after_attempt(_MAX_ATTEMPTS),
            wait=_wait,
            retry=retry_if_exception_type(_TransientError),
            reraise=True,
        )
        return await retrying(self._send, method, path, options)

    async def _send(self, method: str, path: str, options: dict[str, Any]) -> Answer:
        try:
            async with self._client.stream(method, path, **options) as response:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MAX_BODY_BYTES:
                        raise TrackerError(f"{path}: the answer is larger than {_MAX_BODY_BYTES >> 20} MiB.")
        except httpx.RequestError as error:
            raise _TransientError(f"{self._client.base_url} cannot be read: {error!r}.") from None
        status = response.status_code
        waits = [_parse_wait(response.headers[name]) for name in _WAIT_HEADERS if name in response.headers]
        # 402 with a wait: a quota is used up.
        is_quota = status == httpx.codes.PAYMENT_REQUIRED and waits
        if status in _TRANSIENT or status >= httpx.codes.INTERNAL_SERVER_ERROR or is_quota:
            raise _TransientError(f"{method} {path}: status {status}.", waits[0] if waits else None)
        if status == httpx.codes.UNAUTHORIZED:
            raise TrackerError(f"{method} {path}: status {status}. Check the user and the token of the source.")
        if not response.is_success:
            raise (RefusedError if response.is_client_error else TrackerError)(
                f"{method} {path}: status {status}: {bytes(body[:200])!r}. Check the address, the workspace and the "
                "permissions of the source."
            )
        try:
            return Answer(httpx.Response(status, content=bytes(body)).json(), response.headers)
        except (ValueError, RecursionError):
            raise TrackerError(f"{method} {path}: the answer is not JSON: {bytes(body[:200])!r}") from None


def _parse_wait(header: str) -> float | None:
    """The seconds that a header asks to wait; None if it cannot be read."""
    if _SECONDS.fullmatch(header):
        return float(header)
    try:
        return max((parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
