"""Live pages: one question a moment about all contracts that anybody looks at, however many pages are open (SPEC 7)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from uuid import UUID

import httpx
from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from tidemark_shared.chunks import chunks
from tidemark_shared.log import get_logger
from tidemark_shared.tasks import cancel_tasks
from tidemark_web.pages.client import MAX_IDS, Api, ApiError

_log = get_logger()

_POLL_SECONDS = 0.5
_ALIVE_SECONDS = 15
_MAX_WATCHERS, _MAX_OF_CALLER = 250, 125
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class Watcher:
    """An open page. ``revision`` is the newest one that is known; ``changed`` is set when the page must be told."""

    def __init__(self, contract_id: str, caller: str, token: str) -> None:
        self.contract_id, self.caller, self.token = contract_id, caller, token
        self.revision: int | None = None
        self.is_connected, self.is_admitted = True, True
        self.changed = asyncio.Event()

    def tell(self, *, revision: int | None = None, is_connected: bool = True) -> None:
        """Note what was learned; the stream tells the page if it is news."""
        news = (is_connected, self.revision if revision is None else revision)
        if news != (self.is_connected, self.revision):
            self.is_connected, self.revision = news
            self.changed.set()


class LiveRevisions:
    """Asks for the revisions of all watched contracts at once, as long as anybody watches."""

    def __init__(self, clients: Mapping[str, httpx.AsyncClient]) -> None:
        self._clients = clients
        self._watchers: set[Watcher] = set()
        self._poll: asyncio.Task[None] | None = None

    def is_full(self, caller: str) -> bool:
        """Whether no further page of this caller can be live."""
        count = sum(watcher.caller == caller for watcher in self._watchers)
        return len(self._watchers) >= _MAX_WATCHERS or count >= _MAX_OF_CALLER

    async def stream(self, contract_id: str, caller: str, token: str) -> AsyncIterator[str]:
        """Server-sent events: the revision whenever it changes, and signs of life."""
        watcher = Watcher(contract_id, caller, token)
        self._watchers.add(watcher)
        if self._poll is None:
            self._poll = asyncio.create_task(self._run())
        try:
            yield "retry: 1000\n\n"
            while watcher.is_admitted:
                try:
                    async with asyncio.timeout(_ALIVE_SECONDS):
                        await watcher.changed.wait()
                except TimeoutError:
                    yield "event: alive\ndata:\n\n"
                    continue
                watcher.changed.clear()
                if not watcher.is_connected:
                    yield "event: stale\ndata:\n\n"
                elif watcher.revision is not None:
                    yield f"event: revision\ndata: {watcher.revision}\n\n"
        finally:
            self._watchers.discard(watcher)

    async def aclose(self) -> None:
        """Stop asking."""
        if self._poll:
            await cancel_tasks([self._poll])

    async def _run(self) -> None:
        try:
            while self._watchers:
                await self._ask()
                await asyncio.sleep(_POLL_SECONDS)
        finally:
            self._poll = None

    async def _ask(self) -> None:
        watchers = list(self._watchers)
        ids = sorted({watcher.contract_id for watcher in watchers})
        # Any caller may read the revisions of contracts, so one asks for all.
        asking = watchers[0]
        revisions: dict[str, int] = {}
        try:
            for part in chunks(ids, MAX_IDS):
                query = [("contract", id_) for id_ in part]
                answer = await Api(self._clients, asking.token).get("/v1/balances/revisions", query)
                revisions |= {item["contract_id"]: item["revision"] for item in answer["items"]}
        except ApiError as error:
            # A token that has expired or was revoked ends its own pages only.
            if error.status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
                asking.is_admitted = False
                asking.changed.set()
            return
        except httpx.HTTPError as error:
            _log.info("live_interrupted", error=repr(error))
            for watcher in watchers:
                watcher.tell(is_connected=False)
            return
        for watcher in watchers:
            watcher.tell(revision=revisions.get(watcher.contract_id))


async def stream_revisions(request: Request, api: Api) -> Response:
    """The stream of a contract's page. The first question of the stream is asked with the token of its own caller."""
    live: LiveRevisions = request.app.state.live
    try:
        contract_id = str(UUID(request.path_params["contract_id"]))
    except ValueError:
        return Response(status_code=404)
    caller = request.state.actor.name
    if live.is_full(caller):
        return Response(status_code=503, headers={"retry-after": "30"})
    await api.get("/v1/balances/revisions", {"contract": contract_id})
    events = live.stream(contract_id, caller, request.state.token)
    return StreamingResponse(events, headers=_HEADERS, media_type="text/event-stream")
