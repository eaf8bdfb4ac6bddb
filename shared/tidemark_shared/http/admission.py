"""What happens to a request before anything of it is parsed: its caller is checked, then its body is read, bounded."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidemark_shared.http.problems import Problem, problem_response

MAX_BODY_BYTES = 2 * 1024 * 1024
MAX_SMALL_BODY_BYTES = 64 * 1024
# Bodies with a few short members: reasons, answers, rate cards, links.
_SMALL_BODIES = re.compile(
    "/v1/(?:contracts/[^/]+/(?:activate|suspend|resume|close|renew)|customer-links|customer/offers|notifications|offers"
    "|rate-cards|rules/[^/]+/test|services|worklogs/check)(?:/.*)?"
)
# Of all requests at once, and of one caller. All callers without a token are one. The first 64 KiB of each body do not
# count: the number of connections bounds them, so nobody's large bodies keep others from a change of usual size.
MAX_BUFFERED_BYTES = 64 * 1024 * 1024
MAX_BUFFERED_BYTES_OF_CALLER = MAX_BUFFERED_BYTES // 4
MAX_TARGET_BYTES = 8 * 1024
MAX_HEADER_BYTES = 16 * 1024
BODY_TIMEOUT_SECONDS = 20.0

Admit = Callable[[Request], Awaitable[int]]
"""Checks the caller, and returns how many bytes the body may have. Raises a :class:`Problem`.

It may set in the state of the request ``caller``, the name of a caller with a token, and ``accepts_form``, if it has
checked that no other site sends the form.
"""


class Admission:
    """ASGI middleware: the application sees only requests that ``admit`` accepts, each with its whole body."""

    def __init__(self, app: ASGIApp, admit: Admit) -> None:
        self._app, self._admit = app, admit
        self._buffered: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, body = Request(scope, receive), bytearray()
        try:
            _check_head(request)
            max_bytes = await self._admit(request)
            if has_body(request):
                _check_type(request)
                await self._read(request, body, max_bytes)
                receive = _replay(bytes(body), receive)
            await self._app(scope, receive, send)
        except Problem as problem:
            # The server discards what is still to come of the body, as long as a client may take for its next request.
            await problem_response(problem.body)(scope, receive, send)
        finally:
            self._count(request, -_countable(len(body)))

    async def _read(self, request: Request, body: bytearray, max_bytes: int) -> None:
        if int(request.headers.get("content-length", "0")) > max_bytes:
            raise _too_large(max_bytes)
        try:
            async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
                async for chunk in request.stream():
                    buffered = _countable(len(body))
                    body += chunk
                    of_caller = self._count(request, _countable(len(body)) - buffered)
                    if len(body) > max_bytes:
                        raise _too_large(max_bytes)
                    if of_caller > MAX_BUFFERED_BYTES_OF_CALLER or self._buffered.total() > MAX_BUFFERED_BYTES:
                        raise Problem(503, "Too many large requests", "Try again in a moment.")
        except TimeoutError:
            message = f"The body did not arrive within {BODY_TIMEOUT_SECONDS:g} seconds."
            raise Problem(408, "Request too slow", message) from None
        except ClientDisconnect:
            raise Problem(400, "Incomplete request", "The connection ended before the body.") from None

    def _count(self, request: Request, count: int) -> int:
        """Count bytes for the caller of a request, and return how many the caller has."""
        caller = getattr(request.state, "caller", "")
        self._buffered[caller] += count
        if not (buffered := self._buffered[caller]):
            del self._buffered[caller]
        return buffered


def body_limit(path: str) -> int:
    """How many bytes a request to a path of the API may have as its body."""
    return MAX_SMALL_BODY_BYTES if _SMALL_BODIES.fullmatch(path) else MAX_BODY_BYTES


def has_body(request: Request) -> bool:
    """Whether the request announces a body."""
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def _check_head(request: Request) -> None:
    if "transfer-encoding" in request.headers and "content-length" in request.headers:
        message = "The request has both Content-Length and Transfer-Encoding. Send one of them."
        raise Problem(400, "Ambiguous length", message)
    if len(request.scope["raw_path"]) + len(request.scope["query_string"]) > MAX_TARGET_BYTES:
        raise Problem(414, "Address too long", f"Path and query together may have {MAX_TARGET_BYTES} bytes.")
    if sum(len(name) + len(value) for name, value in request.scope["headers"]) > MAX_HEADER_BYTES:
        raise Problem(431, "Headers too large", f"The headers together may have {MAX_HEADER_BYTES} bytes.")


def _check_type(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if getattr(request.state, "accepts_form", False) and media_type == "application/x-www-form-urlencoded":
        return
    # As FastAPI decides whether a body is JSON. A form of another site cannot send these types.
    if not re.fullmatch(r"application/(.+\+)?json", media_type):
        raise Problem(415, "Body is not JSON", "Send the body as JSON, with Content-Type: application/json.")


def _countable(size: int) -> int:
    return max(size - MAX_SMALL_BODY_BYTES, 0)


def _too_large(max_bytes: int) -> Problem:
    return Problem(413, "Body too large", f"The body of this request may have {max_bytes:,} bytes.")


def _replay(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
