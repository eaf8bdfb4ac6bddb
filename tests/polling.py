"""Waiting for a condition, with a timeout: the only way in which the tests let time pass."""

import asyncio
import inspect


async def wait_until(condition, *, timeout_seconds=60.0, pause_seconds=0.02):
    """Call ``condition`` (a function or a coroutine function) until its result is true; return the result."""
    async with asyncio.timeout(timeout_seconds):
        while True:
            result = condition()
            result = await result if inspect.isawaitable(result) else result
            if result:
                return result
            await asyncio.sleep(pause_seconds)
