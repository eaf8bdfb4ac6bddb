"""The requests of the asynchronous client, as in :mod:`tidemark_client.base`."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

import httpx
from tenacity import AsyncRetrying

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


class BaseAsyncClient:
    """Sends requests, and tries again where that changes nothing twice."""

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        max_attempts: int = MAX_ATTEMPTS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(**http_options(base_url, token), transport=transport)
        self._retrying = AsyncRetrying(**retry_options(max_attempts))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, path: str, **query: Any) -> Entity[Any] | None:
        """The entity at ``path``, which is relative to ``/v1/``; None if there is none."""
        response = await self._send(Call("GET", path, query))
        return None if response.status_code == httpx.codes.NOT_FOUND else read_entity(response)

    async def post(self, path: str, body: Any, *, etag: str | None = None, key: str | None = None) -> Entity[Any]:
        """Create an entity, or run an action on the one with ``etag``."""
        return await self._call(Call("POST", path, body=body, etag=etag, key=key))

    async def put(self, path: str, body: Any, etag: str) -> Entity[Any]:
        """Change the entity that still has ``etag``."""
        return await self._call(Call("PUT", path, body=body, etag=etag))

    async def delete(self, path: str, etag: str) -> None:
        """Delete the entity that still has ``etag``."""
        check_success(await self._send(Call("DELETE", path, etag=etag)))

    def list(self, path: str, **query: Any) -> AsyncIterator[Json]:
        """All items of a list, from all pages. A list that has only one page takes no ``limit``: pass None."""
        return self._items(Call("GET", path, {"limit": PAGE_SIZE, **query}))

    async def find(self, path: str, name: str) -> Entity[Any] | None:
        """The first entity of a list that has this name."""
        async for item in self.list(path, name=name):
            if item["name"] == name:
                return await self.get(f"{path}/{item['id']}")
        return None

    async def request(
        self, method: str, path: str, *, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        """The answer to a request, whatever its status. It is sent once."""
        try:
            return await self._http.request(method, f"/v1/{path}", content=content, headers=headers)
        except httpx.HTTPError as error:
            raise unreachable(self._http.base_url, error) from error

    async def _call(self, call: Call) -> Entity[Any]:
        return read_entity(await self._send(call))

    async def _items(self, call: Call) -> AsyncIterator[Any]:
        query = dict(call.query or {})
        while True:
            page = (await self._call(Call(call.method, call.path, query, call.body))).body
            for item in page["items"]:
                yield item
            if not page["next"]:
                return
            query["cursor"] = page["next"]

    async def _send(self, call: Call) -> httpx.Response:
        try:
            response: httpx.Response = await self._retrying(self._http.request, **call.options)
        except httpx.HTTPError as error:
            raise unreachable(self._http.base_url, error) from error
        return response
