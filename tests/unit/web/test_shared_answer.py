"""Answers that anybody may ask for: however many ask, they are worked out once at a time."""

import asyncio
from types import SimpleNamespace

import pytest
from fastapi import Request

from tidemark_web.pages import docs
from tidemark_web.pages.rendering import Drawing
from tidemark_web.shared_answer import SharedAnswer


class Work:
    """Slow work, which is counted."""

    def __init__(self) -> None:
        self.count, self.may_end, self.fails = 0, asyncio.Event(), False

    async def __call__(self) -> int:
        """The number of this time."""
        self.count += 1
        count = self.count
        await self.may_end.wait()
        if self.fails:
            raise ConnectionResetError
        return count


async def test_all_who_ask_at_once_get_one_answer() -> None:
    work = Work()
    answer = SharedAnswer(work)
    asking = [asyncio.create_task(answer.get()) for _ in range(100)]
    await asyncio.sleep(0)
    # Who leaves takes nobody along.
    asking.pop(0).cancel()
    await asyncio.sleep(0)
    work.may_end.set()
    assert set(await asyncio.gather(*asking)) == {1}
    assert await answer.get() == 2


async def test_answer_is_kept_for_its_seconds_and_a_failure_is_not() -> None:
    work = Work()
    work.may_end.set()
    answer = SharedAnswer(work, seconds=3600)
    work.fails = True
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            await answer.get()
    work.fails = False
    assert [await answer.get() for _ in range(3)] == [3, 3, 3]


async def test_page_of_the_api_is_drawn_once_for_all_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"info": {"description": ""}, "tags": [], "paths": {}, "webhooks": {}, "components": {"schemas": {}}}
    drawn: list[object] = []

    def draw(*_: object, **__: object) -> Drawing:
        drawn.append(_)
        return Drawing(b"page", None)

    async def fetch_document() -> dict[str, object]:
        return document

    app = SimpleNamespace(state=SimpleNamespace(fetch_document=fetch_document, has_inbox=False))
    monkeypatch.setattr(docs, "draw", draw)
    monkeypatch.setattr(docs, "_kept", {})

    async def show(actor: str | None) -> None:
        state = {"actor": actor, "has_session": actor is not None}
        scope = {"type": "http", "method": "GET", "path": "/docs", "headers": [], "query_string": b"", "app": app}
        await docs.show_api(Request(scope | {"state": state, "server": ("127.0.0.1", 80), "scheme": "http"}))

    for _ in range(10):
        await show(None)
    assert len(drawn) == 1
    await show("ann")
    assert len(drawn) == 2
    document = {**document}
    await show(None)
    assert len(drawn) == 3
