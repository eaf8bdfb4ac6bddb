"""Who may use the public address: the hosts that it answers to, open mode, and requests from other sites (SPEC 4)."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from fastapi import Request

from tidemark_shared.http.admission import Admit, body_limit
from tidemark_shared.http.auth import check_token, has_link, read_token
from tidemark_shared.http.links import ExpiredLinkError, LinkError, verify_customer_link
from tidemark_shared.http.problems import Problem
from tidemark_shared.http.tokens import Actor, issue_token
from tidemark_shared.settings import LOOPBACK_HOSTS, Settings, require_setting

_PUBLIC_PATHS = frozenset({"/readyz", "/openapi.json"})
# The first part of the paths of pages. A page without a session asks for one.
_PAGES = frozenset(
    {"", "choices", "contracts", "customer-links", "docs", "live", "operations", "organizations", "people",
     "preferences", "rate-cards", "reports", "rules", "saved-reports", "sign-in", "sign-out", "static", "teams"}
)  # fmt: skip
# Those for customers, which a link opens.
_CUSTOMER_PAGES = frozenset({"customer", "offer"})
_MAX_FORM_BYTES = 64 * 1024
# The form of a team with thousands of members.
_MAX_EDITOR_BYTES = 1024 * 1024
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SESSION_COOKIE = "tidemark_session"
CUSTOMER_COOKIE = "tidemark_customer"
CUSTOMER_PATH = "/customer"
"""Where the pages of customers are. No other page reads their cookie, and these read no other cookie."""
_ANONYMOUS = Actor("anonymous", "admin")
# Long enough for the services to check it.
_ANONYMOUS_LIFETIME = timedelta(minutes=5)
# A proxy on this machine adds one of these, or `X-Forwarded-…`. Then the client may be anybody.
_PROXY_HEADERS = frozenset(
    {"cf-connecting-ip", "forwarded", "true-client-ip", "via", "x-client-ip", "x-cluster-client-ip", "x-real-ip"}
)


def create_admission(settings: Settings) -> Admit:
    """Admit requests by these settings. The state of a request to a service gets the ``token`` to forward."""
    secret = require_setting(settings.secret, "secret")
    hosts = _allowed_hosts(settings)

    async def admit(request: Request) -> int:
        path = request.scope["path"]
        # Probes and Prometheus address a pod by its number.
        if path == "/healthz" or _is_scrape(settings, request):
            return 0
        _check_host(request, hosts)
        is_local = settings.host in LOOPBACK_HOSTS and not _is_forwarded(request)
        first_part = path.partition("/")[2].partition("/")[0]
        if path in _PUBLIC_PATHS or (is_local and first_part == "inbox"):
            request.state.sees_problems = is_local or _is_viewer(request, settings)
            return 0
        if path.startswith("/v1/intake/") or has_link(request):
            # Without a token: intake checks the signature of a webhook, and contracts a link.
            return body_limit(path)
        if first_part in _CUSTOMER_PAGES:
            return _admit_customer(request, secret)
        if first_part in _PAGES:
            return _admit_page(request, settings, secret, is_open=is_local and settings.open)
        if is_local and settings.open and "authorization" not in request.headers:
            # The browser of a person on this machine may send this for another site.
            _check_origin(request)
            request.state.token, request.state.caller = _issue_anonymous_token(secret), _ANONYMOUS.name
        else:
            request.state.token = read_token(request)
            # The service that answers also checks whether it is revoked.
            actor = check_token(settings, request.state.token).actor
            request.state.caller = actor.name
            if first_part == "inbox" and not actor.has_role("viewer"):
                raise Problem(403, "Role not sufficient", "The mails of this stack are not for customers.")
        return body_limit(path)

    return admit


def _is_forwarded(request: Request) -> bool:
    """Whether a proxy has forwarded the request. One that adds no header is nginx, which asks with HTTP/1.0."""
    names = request.headers.keys()
    return request.scope.get("http_version") == "1.0" or any(
        name in _PROXY_HEADERS or name.startswith("x-forwarded") for name in names
    )


def _is_viewer(request: Request, settings: Settings) -> bool:
    """Whether the request has the token of somebody inside."""
    with suppress(Problem):
        return check_token(settings, read_token(request)).actor.has_role("viewer")
    return False


def _is_scrape(settings: Settings, request: Request) -> bool:
    """Whether the request reads metrics with the token of an administrator. Raises if it has another."""
    if request.scope["path"] != "/metrics" or "authorization" not in request.headers:
        return False
    if not check_token(settings, read_token(request)).actor.has_role("admin"):
        raise Problem(403, "Role not sufficient", "The metrics of web need a token with the role admin.")
    return True


def _issue_anonymous_token(secret: str) -> str:
    now = datetime.now(UTC)
    return issue_token(secret, _ANONYMOUS.name, _ANONYMOUS.role, now=now, expires=now + _ANONYMOUS_LIFETIME)


def _admit_page(request: Request, settings: Settings, secret: str, *, is_open: bool) -> int:
    """Find the caller of a page: the state gets ``token`` and ``actor``, both None without a valid session.

    Returns how many bytes its form may have. The session cookie counts for pages only: a request to ``/v1`` needs a
    token in its header.
    """
    state = request.state
    state.token = state.actor = None
    state.has_session, state.accepts_form = False, True
    if request.method not in _SAFE_METHODS:
        _check_same_origin(request)
    if "authorization" in request.headers:
        token: str | None = read_token(request)
    else:
        token = request.cookies.get(SESSION_COOKIE)
    if token:
        with suppress(Problem):
            actor = check_token(settings, token).actor
            if actor.has_role("viewer"):
                state.actor, state.token, state.has_session = actor, token, SESSION_COOKIE in request.cookies
    elif is_open:
        state.actor, state.token = _ANONYMOUS, _issue_anonymous_token(secret)
    if state.actor is None:
        return _MAX_FORM_BYTES
    state.caller = state.actor.name
    return _MAX_EDITOR_BYTES


def _admit_customer(request: Request, secret: str) -> int:
    """Find the link that a customer has opened: the state gets ``link``, None without a valid session.

    Returns how many bytes its form may have.
    """
    state = request.state
    state.link, state.link_status, state.accepts_form = None, 200, True
    if request.method not in _SAFE_METHODS:
        _check_same_origin(request)
    if session := request.cookies.get(CUSTOMER_COOKIE):
        try:
            state.link = verify_customer_link(secret, session, "tidemark:customer-session")
        except ExpiredLinkError:
            state.link_status = 410
        except LinkError:
            state.link_status = 401
    return _MAX_FORM_BYTES


def _allowed_hosts(settings: Settings) -> frozenset[str]:
    configured = [name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()]
    return LOOPBACK_HOSTS | {settings.host, urlsplit(settings.public_url).hostname or "", *configured}


def _check_host(request: Request, hosts: frozenset[str]) -> None:
    """Reject names that somebody else may have pointed to this address (DNS rebinding)."""
    header = request.headers.get("host", "")
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        name = ""
    if name.rstrip(".") not in hosts:
        message = f"This server does not answer to {header[:255]!r}. TIDEMARK_ALLOWED_HOSTS lists further names."
        raise Problem(421, "Unknown host", message)


def _check_same_origin(request: Request) -> None:
    """Reject forms that another site sends. Every browser sends one of the two headers with a form."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None:
        # A proxy may have ended TLS, so only the host is compared.
        host = origin.partition("://")[2] if origin else ""
        site = "same-origin" if host and host == request.headers["host"] else "cross-site"
    if site != "same-origin":
        raise Problem(403, "Form of another site", "Open the page at this address, and send its form.")


def _check_origin(request: Request) -> None:
    """Reject changes that another site sends. Clients that are no browsers send neither header."""
    if request.method in _SAFE_METHODS:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None and origin is not None:
        site = "same-origin" if origin == f"{request.scope['scheme']}://{request.headers['host']}" else "cross-site"
    if site not in (None, "same-origin", "none"):
        raise Problem(403, "Request from another site", "Send a token as `Authorization: Bearer …`.")
