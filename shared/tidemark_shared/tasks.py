"""Tasks that end when they are cancelled.

A library may swallow a cancellation (aiokafka does while it closes a client). A loop around it then runs for ever,
and so does whoever waits for its end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

from tidemark_shared.log import get_logger

_log = get_logger()

_CANCEL_AGAIN_SECONDS = 1.0
_END_TIMEOUT_SECONDS = 60.0


async def keep_running(name: str, task: Callable[[], Awaitable[Any]]) -> None:
    """Restart ``task`` whenever it ends or raises, after a pause that grows."""

    def log_restart(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        _log.warning("task_restarted", task=name, error=repr(error))

    async for attempt in AsyncRetrying(wait=wait_random_exponential(multiplier=0.1, max=5), before_sleep=log_restart):
        with attempt:
            await task()
            raise RuntimeError("The task ended. It should run until it is cancelled.")


async def cancel_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks, again and again, until each of them has ended."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_CANCEL_AGAIN_SECONDS)


async def run_together(works: Iterable[Coroutine[Any, Any, object]]) -> None:
    """Run all to their ends. The first error, or a cancellation, ends the others and is raised.

    ``asyncio.TaskGroup`` cancels once, and waits for ever for a task that swallows it.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        await finish(cancel_tasks(tasks), timeout_seconds=_END_TIMEOUT_SECONDS)


async def finish(work: Coroutine[Any, Any, object], *, timeout_seconds: float) -> None:
    """Run ``work`` to its end and raise its error, even if the caller is cancelled meanwhile: that is raised after it.

    Raises :class:`TimeoutError` after ``timeout_seconds``.
    """
    task = asyncio.create_task(work)
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    cancellation: asyncio.CancelledError | None = None
    while not task.done() and (seconds := deadline - asyncio.get_running_loop().time()) > 0:
        try:
            await asyncio.wait({task}, timeout=seconds)
        except asyncio.CancelledError as error:
            cancellation = error
    if not task.done():
        await cancel_tasks({task})
        raise cancellation or TimeoutError
    if cancellation:
        raise cancellation from task.exception()
    task.result()
