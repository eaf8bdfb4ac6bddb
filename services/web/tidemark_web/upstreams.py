"""Which service answers a path. Pure."""

import re
from urllib.parse import unquote

# The first pattern that matches the path wins. The path is still encoded, because a code may contain a slash.
_ROUTES = (
    ("consumption", re.compile(r"/v1/contracts/[^/]+/(balance|periods|curve|worklogs|statements)(/.*)?")),
    ("notifier", re.compile(r"/v1/contracts/[^/]+/notifications(/.*)?")),
    (
        "contracts",
        re.compile(
            r"/v1/(organizations|teams|rate-cards|contracts|offers|customer-links|customer/(?:links|offers)"
            r"|forgotten-people)(/.*)?"
        ),
    ),
    ("consumption", re.compile(r"/v1/(balances|reports|worklogs|customer/contracts)(/.*)?")),
    ("notifier", re.compile(r"/v1/(rules|notifications|saved-reports)(/.*)?")),
    ("intake", re.compile(r"/v1/intake/[^/]+/webhook")),
    *((name, re.compile(rf"/v1/services/{name}/.*")) for name in ("contracts", "consumption", "notifier", "intake")),
    ("inbox", re.compile(r"/inbox(/.*)?")),
)


def find_service(path: str) -> str | None:
    """The service that answers ``path``, which is still encoded."""
    if _leaves_route(path):
        return None
    return next((name for name, pattern in _ROUTES if pattern.fullmatch(path)), None)


def _leaves_route(path: str) -> bool:
    """Whether the path would be another one at the service: the client resolves dot segments, and ends it at ? or #."""
    return not {"?", "#"}.isdisjoint(path) or any(unquote(segment) in (".", "..") for segment in path.split("/"))
