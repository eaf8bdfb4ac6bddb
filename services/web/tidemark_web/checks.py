"""``POST /v1/worklogs/check``: what consumption says of a worklog, with the thresholds that the notifier knows."""

import asyncio

import httpx

from tidemark_web.pages.client import Api, ApiError, Json

CHECK_PATH = "/v1/worklogs/check"


async def add_crossings(answer: Json, api: Api) -> Json:
    """The answer of consumption with its ``crossings``; null if the notifier cannot be reached, or cannot say."""
    try:
        pages = await asyncio.gather(*(api.post("/v1/rules/check", change) for change in answer["balances"]))
    except (ApiError, httpx.TransportError):
        return {**answer, "crossings": None}
    return {**answer, "crossings": [crossing for page in pages for crossing in page["items"]]}
