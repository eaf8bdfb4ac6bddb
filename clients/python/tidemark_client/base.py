"""The requests of the synchronous client. :mod:`tidemark_client.async_base` has the same methods."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import httpx
from tenacity import Retrying

from tidemark_client.core import (
    MAX_ATTEMPTS,
    PAGE_SIZE,
    Call,
    Entity,
    Json,
    check_success,
    http_options,
    read_entity,
    retry_options,
    unreachable,
)


class BaseClient:
    """Sends requests, and tries again where that changes nothing twice."""

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        max_attempts: int = MAX_ATTEMPTS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(**http_options(base_url, token), transport=transport)
        self._retrying = Retrying(**retry_options(max_attempts))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Entity[Any] | None:
        """The entity at ``path``, which is relative to ``/v1/``; None if there is none."""
        response = self._send(Call("GET", path, query))
        return None if response.status_code == httpx.codes.NOT_FOUND else read_entity(response)

    def post(self, path: str, body: Any, *, etag: str | None = None, key: str | None = None) -> Entity[Any]:
        """Create an entity, or run an action on the one with ``etag``."""
        return self._call(Call("POST", path, body=body, etag=etag, key=key))

    def put(self, path: str, body: Any, etag: str) -> Entity[Any]:
        """Change the entity that still has ``etag``."""
        return self._call(Call("PUT", path, body=body, etag=etag))

    def delete(self, path: str, etag: str) -> None:
        """Delete the entity that still has ``etag``."""
        check_success(self._send(Call("DELETE", path, etag=etag)))

    def list(self, path: str, **query: Any) -> Iterator[Json]:
        """All items of a list, from all pages. A list that has only one page takes no ``limit``: pass None."""
        return self._items(Call("GET", path, {"limit": PAGE_SIZE, **query}))

    def find(self, path: str, name: str) -> Entity[Any] | None:
        """The first entity of a list that has this name."""
        for item in self.list(path, name=name):
            if item["name"] == name:
                return self.get(f"{path}/{item['id']}")
        return None

    def request(self, method: str, path: str, *, content: bytes | None, headers: Mapping[str, str]) -> httpx.Response:
        """The answer to a request, whatever its status. It is sent once."""
        try:
            return self._http.request(method, f"/v1/{path}", content=content, headers=headers)
        except httpx.HTTPError as error:
            raise unreachable(self._http.base_url, error) from error

    def _call(self, call: Call) -> Entity[Any]:
        return read_entity(self._send(call))

    def _items(self, call: Call) -> Iterator[Any]:
        query = dict(call.query or {})
        while True:
            page = self._call(Call(call.method, call.path, query, call.body)).body
            yield from page["items"]
            if not page["next"]:
                return
            query["cursor"] = page["next"]

    def _send(self, call: Call) -> httpx.Response:
        try:
            response: httpx.Response = self._retrying(self._http.request, **call.options)
        except httpx.HTTPError as error:
            raise unreachable(self._http.base_url, error) from error
        return response
