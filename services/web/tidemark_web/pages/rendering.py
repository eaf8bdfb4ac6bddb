"""From a template to a response: escaping, the security headers, compression, static files."""

import gzip
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import quote

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from tidemark_web.pages import formatting

# Nothing inline, nothing from elsewhere, and no script may turn text into markup.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
SECURITY_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_MEDIA_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_MIN_COMPRESSED_BYTES = 1_000
_FOREVER = "public, max-age=31536000, immutable"


def _finish(value: Any) -> Any:
    """A member that is null is a mistake of the template: it must say what to show instead."""
    if value is None:
        raise ValueError("A template shows None.")
    return value


_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("tidemark_web"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    finalize=_finish,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {
    "day": formatting.format_day,
    "percent": formatting.format_percent,
    "instant": formatting.format_instant,
}
_templates.globals["count"] = formatting.count


def pdf_response(content: bytes, name: str) -> Response:
    """A document to save under a name."""
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    return Response(content, headers=headers, media_type="application/pdf")


class Drawing(NamedTuple):
    """A page as HTML, and compressed if it is worth it."""

    html: bytes
    compressed: bytes | None


def render(request: Request, name: str, /, status: int = 200, **context: Any) -> Response:
    """Draw a page. It is private, so nothing on the way keeps it."""
    return respond(request, draw(request, name, **context), status)


def draw(request: Request, name: str, /, **context: Any) -> Drawing:
    """Draw a page, for whoever has sent the request."""
    actor = getattr(request.state, "actor", None)
    common = {
        "path": request.url.path,
        "actor": actor,
        "may_edit": actor is not None and actor.has_role("manager"),
        "has_session": getattr(request.state, "has_session", False),
        "has_inbox": request.app.state.has_inbox,
        "static": static_path,
    }
    html = _templates.get_template(name).render({**common, **context}).encode()
    return Drawing(html, gzip.compress(html, 5) if len(html) >= _MIN_COMPRESSED_BYTES else None)


def respond(request: Request, drawing: Drawing, status: int = 200) -> Response:
    """The response with a page."""
    headers = {**SECURITY_HEADERS, "cache-control": "no-store", "vary": "cookie, accept-encoding"}
    if drawing.compressed and "gzip" in request.headers.get("accept-encoding", ""):
        return HTMLResponse(drawing.compressed, status, {**headers, "content-encoding": "gzip"})
    return HTMLResponse(drawing.html, status, headers)


def static_path(name: str) -> str:
    """The address of a static file. It changes with the content, so browsers keep it for ever."""
    return f"/static/{_static_files()[name][0]}/{name}"


def static_response(request: Request, version: str, name: str) -> Response | None:
    """A static file; None if there is none with this name and version."""
    file = _static_files().get(name)
    if file is None or file[0] != version:
        return None
    _, media_type, content, compressed = file
    headers = {**SECURITY_HEADERS, "cache-control": _FOREVER, "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(compressed, headers={**headers, "content-encoding": "gzip"}, media_type=media_type)
    return Response(content, headers=headers, media_type=media_type)


@cache
def _static_files() -> Mapping[str, tuple[str, str, bytes, bytes]]:
    folder = files("tidemark_web") / "static"
    contents = {file.name: file.read_bytes() for file in folder.iterdir()}
    return {
        name: (
            sha256(content).hexdigest()[:12],
            _MEDIA_TYPES[name.rpartition(".")[2]],
            content,
            gzip.compress(content, 9),
        )
        for name, content in contents.items()
    }
