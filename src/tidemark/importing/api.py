"""Tidemark's HTTP API, as far as the command line needs it."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    wait_random_exponential,
)

from tidemark_shared.settings import Settings, require_setting

Json = dict[str, Any]
_PAGE = 200
_ATTEMPTS = 3


class ApiError(Exception):
    """The API refused, or is out of reach; says why and what to do."""

    def __init__(self, sentence: str, violations: Sequence[Json] = ()) -> None:
        super().__init__(sentence)
        self.violations = violations


class Entity(NamedTuple):
    """A body as the API holds it, and its ETag for the next change."""

    body: Json
    etag: str

    @property
    def id(self) -> str:
        """Tidemark's id."""
        return str(self.body["id"])


class Api:
    """A client; what it is asked to create is looked up first, so that doing it twice does it once."""

    def __init__(self, settings: Settings) -> None:
        token = settings.api_token
        self._client = httpx.Client(
            base_url=require_setting(settings.api_url, "api_url"),
            headers={"authorization": f"Bearer {token}"} if token else {},
            transport=httpx.HTTPTransport(retries=3),
            timeout=60,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def find(self, path: str, name: str) -> Entity | None:
        """The entity of a list that has this name; of several the first."""
        for one in self.list(path, name=name):
            if one["name"] == name:
                return self.get(f"{path}/{one['id']}")
        return None

    def list(self, path: str, **query: Any) -> Iterator[Json]:
        """All items of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self._call("GET", path, params={**query, "limit": _PAGE, **({"cursor": cursor} if cursor else {})})
            yield from page.body["items"]
            if not (cursor := page.body["next"]):
                return

    def get(self, path: str) -> Entity | None:
        """What stands at ``path``, if anything does."""
        response = self._send("GET", path)
        return None if response.status_code == httpx.codes.NOT_FOUND else _entity(response)

    def post(self, path: str, body: Json, *, etag: str | None = None, key: str | None = None) -> Entity:
        """Create something, or act on something at ``etag``. With a ``key`` it is tried again, and done once."""
        headers = {"if-match": etag, "idempotency-key": key}
        return self._call("POST", path, json=body, headers={name: value for name, value in headers.items() if value})

    def put(self, path: str, body: Json, etag: str) -> Entity:
        """Change something that is still at ``etag``."""
        return self._call("PUT", path, json=body, headers={"if-match": etag})

    def _call(self, method: str, path: str, **options: Any) -> Entity:
        return _entity(self._send(method, path, **options))

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        attempts = Retrying(
            stop=stop_after_attempt(_ATTEMPTS if "idempotency-key" in options.get("headers", {}) else 1),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            retry=retry_if_exception_type(httpx.TransportError) | retry_if_result(_is_away),
            retry_error_callback=_last,
        )
        try:
            return attempts(self._client.request, method, f"/v1/{path}", **options)
        except httpx.HTTPError as error:
            raise ApiError(
                f"{self._client.base_url} does not answer ({error}). Start Tidemark, or set TIDEMARK_API_URL."
            ) from None


def _is_away(response: httpx.Response) -> bool:
    return response.status_code == httpx.codes.SERVICE_UNAVAILABLE


def _last(state: RetryCallState) -> Any:
    return state.outcome and state.outcome.result()


def contract_path(reference: str) -> str:
    """Where a contract stands, by its id or code."""
    return f"contracts/{quote(reference, safe='')}"


def _entity(response: httpx.Response) -> Entity:
    if response.is_success:
        return Entity(response.json(), response.headers.get("etag", ""))
    violations: Sequence[Json] = ()
    try:
        problem = response.json()
        violations = problem.get("violations") or []
        told = [f"{one['path']}: {one['message']} ({one['code']})" for one in violations]
        why = "; ".join(told) or f"{problem['title']}. {problem.get('detail') or ''}".strip()
    except (ValueError, KeyError, TypeError, AttributeError):
        why = f"status {response.status_code}: {response.text[:200]}"
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        why += " It is taken from TIDEMARK_API_TOKEN; `tidemark token create NAME --role manager` makes one."
    raise ApiError(f"{response.request.method} {response.request.url.path}: {why}", violations)
