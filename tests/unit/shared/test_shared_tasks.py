"""Tasks end when they are cancelled, whatever a library swallows."""

import asyncio
import contextlib

import pytest

from tidemark_shared import tasks
from tidemark_shared.tasks import cancel_tasks, finish, run_together


async def test_task_whose_library_swallows_a_cancellation_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_CANCEL_AGAIN_SECONDS", 0.01)
    swallowed = 0

    async def loop() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if swallowed == 3:
                    raise
                swallowed += 1

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    await cancel_tasks([task])
    assert task.cancelled()
    assert swallowed == 3


async def test_tasks_that_run_together_end_although_one_swallows_a_cancellation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "_CANCEL_AGAIN_SECONDS", 0.01)
    ended: list[str] = []

    async def swallow() -> None:
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await asyncio.Event().wait()
        finally:
            ended.append("swallowed one")

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        await run_together([swallow(), fail()])
    assert ended == ["swallowed one"]

    together = asyncio.create_task(run_together([swallow(), swallow()]))
    await asyncio.sleep(0.01)
    await cancel_tasks([together])
    assert together.cancelled()
    assert len(ended) == 3


async def test_finish_raises_the_cancellation_after_the_work() -> None:
    may_end, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await may_end.wait()
        ended.set()

    task = asyncio.create_task(finish(work(), timeout_seconds=60))
    for _ in range(2):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert ended.is_set()


async def test_finish_raises_the_error_of_the_work() -> None:
    async def work() -> None:
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        await finish(work(), timeout_seconds=60)


async def test_finish_gives_up_after_its_time() -> None:
    with pytest.raises(TimeoutError):
        await finish(asyncio.Event().wait(), timeout_seconds=0.01)
