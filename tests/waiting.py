"""Waiting for a condition, with a bound: the tests know no other way to let time pass."""

import asyncio
import inspect


async def until(condition, *, within=20.0, pause=0.02):
    """Ask ``condition`` (a function or a coroutine function) until what it gives is true; give that."""
    async with asyncio.timeout(within):
        while True:
            found = condition()
            found = await found if inspect.isawaitable(found) else found
            if found:
                return found
            await asyncio.sleep(pause)
