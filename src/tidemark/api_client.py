"""A client of Tidemark's HTTP API for the command line."""

from collections.abc import Iterator, Mapping, Sequence
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
_PAGE_SIZE = 200
_MAX_ATTEMPTS = 3


class ApiError(Exception):
    """The API rejected a request, or cannot be reached; the text says why and what to do."""

    def __init__(self, message: str, violations: Sequence[Json] = ()) -> None:
        super().__init__(message)
        self.violations = violations


class Entity(NamedTuple):
    """A body from the API, and its ETag for the next change."""

    body: Json
    etag: str

    @property
    def id(self) -> str:
        """Tidemark's id."""
        return str(self.body["id"])


class ApiClient:
    """A client of the API. Callers look an entity up before they create it, so that they can repeat a run."""

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
        """The first entity of a list that has this name."""
        for item in self.list(path, name=name):
            if item["name"] == name:
                return self.get(f"{path}/{item['id']}")
        return None

    def list(self, path: str, **query: Any) -> Iterator[Json]:
        """All items of a list, from all pages. Parameters without a value are not sent.

        A list that has only one page takes no ``limit``: pass None.
        """
        parameters = {"limit": _PAGE_SIZE, **query}
        while True:
            sent = {name: value for name, value in parameters.items() if value is not None}
            page = _parse_response(self._send("GET", path, params=sent)).body
            yield from page["items"]
            if not page["next"]:
                return
            parameters["cursor"] = page["next"]

    def get(self, path: str) -> Entity | None:
        """The entity at ``path``; None if there is none."""
        response = self._send("GET", path)
        return None if response.status_code == httpx.codes.NOT_FOUND else _parse_response(response)

    def post(self, path: str, body: Json, *, etag: str | None = None, key: str | None = None) -> Entity:
        """Create an entity, or run an action on the one with ``etag``. With an idempotency ``key`` it is retried."""
        headers = {"if-match": etag, "idempotency-key": key}
        given_headers = {name: value for name, value in headers.items() if value}
        return _parse_response(self._send("POST", path, json=body, headers=given_headers))

    def put(self, path: str, body: Json, etag: str) -> Entity:
        """Change the entity that still has ``etag``."""
        return _parse_response(self._send("PUT", path, json=body, headers={"if-match": etag}))

    def delete(self, path: str, etag: str) -> None:
        """Delete the entity that still has ``etag``."""
        _check_success(self._send("DELETE", path, headers={"if-match": etag}))

    def request(self, method: str, path: str, *, content: bytes | None, headers: Mapping[str, str]) -> httpx.Response:
        """The answer to a request, whatever its status."""
        return self._send(method, path, content=content, headers=headers)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        has_key = "idempotency-key" in options.get("headers", {})
        retrying = Retrying(
            stop=stop_after_attempt(_MAX_ATTEMPTS if has_key else 1),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            retry=retry_if_exception_type(httpx.TransportError) | retry_if_result(_is_unavailable),
            retry_error_callback=_last_result,
        )
        try:
            return retrying(self._client.request, method, f"/v1/{path}", **options)
        except httpx.HTTPError as error:
            raise ApiError(
                f"Cannot reach the API at {self._client.base_url} ({error}). Start Tidemark, or set TIDEMARK_API_URL."
            ) from None


def contract_path(reference: str) -> str:
    """The path of a contract by its id or code."""
    return f"contracts/{quote(reference, safe='')}"


def _is_unavailable(response: httpx.Response) -> bool:
    return response.status_code == httpx.codes.SERVICE_UNAVAILABLE


def _last_result(state: RetryCallState) -> Any:
    return state.outcome and state.outcome.result()


def _parse_response(response: httpx.Response) -> Entity:
    _check_success(response)
    return Entity(response.json(), response.headers.get("etag", ""))


def _check_success(response: httpx.Response) -> None:
    if response.is_success:
        return
    violations: Sequence[Json] = ()
    try:
        problem = response.json()
        violations = problem.get("violations") or []
        lines = [f"{violation['path']}: {violation['message']} ({violation['code']})" for violation in violations]
        reason = "; ".join(lines) or f"{problem['title']}. {problem.get('detail') or ''}".strip()
    except (ValueError, KeyError, TypeError, AttributeError):
        reason = f"status {response.status_code}: {response.text[:200]}"
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        reason += " The token comes from TIDEMARK_API_TOKEN. `tidemark token create NAME --role manager` creates one."
    raise ApiError(f"{response.request.method} {response.request.url.path}: {reason}", violations)
