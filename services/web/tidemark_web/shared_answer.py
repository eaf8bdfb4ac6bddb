"""An answer that anybody may ask for, without a token: however many ask, it is worked out once at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class SharedAnswer(Generic[Value]):
    """What ``work`` returns. All who ask meanwhile get the same, and so do those who ask within ``seconds`` after."""

    def __init__(self, work: Callable[[], Awaitable[Value]], seconds: float = 0.0) -> None:
        self._work, self._seconds = work, seconds
        self._task: asyncio.Task[Value] | None = None
        self._expires_at = 0.0

    async def get(self) -> Value:
        """The answer. Raises what ``work`` raises; the next one who asks then begins again."""
        if self._task is None or (self._task.done() and asyncio.get_running_loop().time() >= self._expires_at):
            self._task = asyncio.create_task(self._run())
            # Everybody may have left before it fails.
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        # Who leaves does not end it for the others.
        return await asyncio.shield(self._task)

    async def _run(self) -> Value:
        self._expires_at = 0.0
        value = await self._work()
        self._expires_at = asyncio.get_running_loop().time() + self._seconds
        return value
