"""A mail sink: stores every mail from SMTP in a Maildir, and shows the mails under ``/inbox``.

Run as ``python -m tidemark.stack.mailbox --smtp-port N --http-port N --maildir DIR``.
"""

import argparse
import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_binary_file, policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from functools import partial
from mailbox import Maildir
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from tidemark_shared.http.server import SERVER_OPTIONS
from tidemark_shared.settings import LOOPBACK_HOSTS

_T = TypeVar("_T")
_Other = TypeVar("_Other")

_HOST = "127.0.0.1"
_PAGE_SIZE = 50
_KEY = re.compile(r"(\d+)\.M(\d+)P\d+Q(\d+)")
# A mail is shown unchanged, but nothing in it may run, load content, or leave its frame.
_SECURITY = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data: cid:; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_templates = Environment(
    loader=PackageLoader("tidemark.stack", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


class Mail(NamedTuple):
    """A mail in the list."""

    key: str
    subject: str
    sender: str
    receivers: str
    received: datetime

    @classmethod
    def from_headers(cls, key: str, headers: EmailMessage) -> Self:
        """A mail with these headers; its key contains the time when it was received."""
        return cls(
            key,
            _read_header(headers, "subject") or "(no subject)",
            _read_header(headers, "from") or _read_header(headers, "return-path"),
            _read_header(headers, "to") or _read_header(headers, "delivered-to"),
            datetime.fromtimestamp(_sort_key(key)[0], UTC).astimezone(),
        )


class Sink:
    """The Maildir: a handler for the SMTP server, and pages."""

    def __init__(self, folder: Path) -> None:
        # Create all three: the library does so only if the root does not exist.
        for name in ("tmp", "new", "cur"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._mails = Maildir(folder)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Store a mail; the response is sent once it is on the disk, in ``new``."""
        trace = f"Return-Path: <{envelope.mail_from}>\r\n"
        trace += "".join(f"Delivered-To: {receiver}\r\n" for receiver in envelope.rcpt_tos)
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        # Not in a thread: the library's Maildir is not thread-safe, and a mail is small.
        try:
            self._mails.add(trace.encode(errors="surrogateescape") + content)
        except OSError as error:
            return f"451 Not stored, try again: {error.strerror}"
        return "250 Stored"

    async def index(self, request: Request) -> Response:
        """The list of mails, newest first."""
        page = request.query_params.get("page", "1")
        number = int(page) if page.isdecimal() and len(page) < 10 else 1  # noqa: PLR2004
        keys = sorted(self._mails.keys(), key=_sort_key, reverse=True)
        page_keys = keys[(number - 1) * _PAGE_SIZE : number * _PAGE_SIZE] if number else []
        # One that was removed since is left out.
        read = (_attempt(partial(self._summary, key), None) for key in page_keys)
        mails = [mail for mail in read if mail]
        more = len(keys) > number * _PAGE_SIZE
        return _html("inbox.html", mails=mails, count=len(keys), number=number, more=more)

    def _summary(self, key: str) -> Mail:
        return Mail.from_headers(key, self._read(key, whole=False))

    async def mail(self, request: Request) -> Response:
        """One mail."""
        key = request.path_params["key"]
        message = self._read(key, whole=True)
        return _html(
            "mail.html",
            mail=Mail.from_headers(key, message),
            html=_attempt(lambda: _read_body(message, "html"), None),
            text=_attempt(lambda: _read_body(message, "plain"), None),
            headers=[(name, _decode_header(message, name, value)) for name, value in message.raw_items()],
            attachments=_attempt(lambda: [_name_part(part) for part in message.iter_attachments()], None) or [],
        )

    async def source(self, request: Request) -> Response:
        """The source of one mail."""
        with self._open(request.path_params["key"]) as raw:
            return PlainTextResponse(raw.read(), headers=_SECURITY)

    def _open(self, key: str) -> Any:
        try:
            return self._mails.get_file(key)
        except (KeyError, FileNotFoundError):
            raise HTTPException(404, "No such mail.") from None

    def _read(self, key: str, *, whole: bool) -> EmailMessage:
        with self._open(key) as raw:
            if whole:
                return message_from_binary_file(raw, policy=policy.default)
            return BytesHeaderParser(policy=policy.default).parse(raw)


def create_app(sink: Sink, smtp_port: int) -> Starlette:
    """The application with the pages and the SMTP server."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def smtp() -> SMTP:
            return SMTP(sink, enable_SMTPUTF8=True, hostname="localhost", ident="Tidemark mail sink", loop=loop)

        server = await loop.create_server(smtp, _HOST, smtp_port)
        async with server:
            yield

    async def ready(_: Request) -> Response:
        return PlainTextResponse("ready")

    routes = [
        Route("/readyz", ready),
        Route("/inbox", sink.index),
        Route("/inbox/", sink.index),
        Route("/inbox/{key}", sink.mail),
        Route("/inbox/{key}/source", sink.source),
    ]
    # Not for a name that somebody else has pointed to this machine; web asks with the address.
    local_only = Middleware(TrustedHostMiddleware, allowed_hosts=sorted(LOOPBACK_HOSTS), www_redirect=False)
    return Starlette(routes=routes, lifespan=lifespan, middleware=[local_only])


def _sort_key(key: str) -> tuple[int, int, int]:
    """The time when a mail was received: second, microsecond, and the number in its process."""
    match = _KEY.match(key)
    second, microsecond, number = match.groups() if match else (0, 0, 0)
    return int(second), int(microsecond), int(number)


def _attempt(read: Callable[[], _T], otherwise: _Other) -> _T | _Other:
    """What ``read`` returns. A mail may be anything, and the email package raises many errors for what is malformed."""
    try:
        return read()
    except Exception:  # noqa: BLE001 - see above; the source of the mail can always be shown
        return otherwise


def _read_header(headers: EmailMessage, name: str) -> str:
    value = next((value for other, value in headers.raw_items() if other.lower() == name), "")
    return _decode_header(headers, name, value)


def _decode_header(headers: EmailMessage, name: str, value: str) -> str:
    """The text of a header, or its source if it cannot be decoded."""
    return _attempt(lambda: str(headers.policy.header_fetch_parse(name, value)), str(value))


def _read_body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return None
    charset = part.get_content_charset("utf-8")
    return _attempt(lambda: payload.decode(charset, "replace"), payload.decode(errors="replace"))


def _name_part(part: EmailMessage) -> str:
    return _attempt(part.get_filename, None) or _attempt(part.get_content_type, "unknown")


def _html(template: str, **values: Any) -> Response:
    # A mail may have halves of characters, which UTF-8 has not.
    text = _templates.get_template(template).render(**values)
    return HTMLResponse(text.encode(errors="replace"), headers=_SECURITY)


def main() -> None:
    """Serve until a signal stops the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--maildir", type=Path, required=True)
    arguments = parser.parse_args()
    app = create_app(Sink(arguments.maildir), arguments.smtp_port)
    uvicorn.run(app, host=_HOST, port=arguments.http_port, timeout_graceful_shutdown=2, **SERVER_OPTIONS)


if __name__ == "__main__":
    main()
