"""Every route of the OpenAPI documents: no value of a parameter or a body is a 5xx."""

import asyncio
import copy
import json
from itertools import count

import pytest
from api_operations import UNKNOWN_ID, fill, operations
from api_services import BODIES, CREATE_APP, running_app
from effort import repeat
from hostile_texts import TEXTS

VALUES = [
    None, "", "\0", "a\0b", "\ud800", "\udc00\ud800", "\u202e", "\r\nBcc: x", "😀" * 255, -1, 0, 2**31, 2**63, 10**400,
    1.5, 1e308, float("inf"), float("nan"), True, [], {}, [[]], [{}], [None], {"a": None}, {"kind": "x"}, "0001-01-01",
    "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", ".", "..", "localhost", "Factory",
    UNKNOWN_ID, "x" * 100_000, "1e400", "NaN", "-0", "9" * 400, [UNKNOWN_ID] * 1000,
]  # fmt: skip
BODY_TEXTS = [
    b"", b"{", b"\xff", b"\0", b"null", b"[]", b"0", b'"\\ud800"', b"NaN", b"[" * 100_000, b'{"a":' * 50_000,
    b"9" * 5_000, b"{}" * 10, "\ufeff{}".encode(), b'{"a": 1, "a": 2}', b"[" + b"{}," * 600_000 + b"{}]",
]  # fmt: skip


@pytest.fixture(params=CREATE_APP)
async def running(request, database):
    async with running_app(request.param, database) as running:
        yield running


def body_of(method, path):
    """A valid body of the operation, if it has one."""
    return BODIES.get(path if method == "POST" else path.rpartition("/")[0]) if method in {"POST", "PUT"} else None


def a_part_of(values, number):
    """A part of the values: another part for the next parameter or place, so that each value is tried in many places.

    All of them in `make test-long`.
    """
    step = repeat(10, long=1)
    return values[number % step :: step]


async def send_all(client, attempts):
    """Send requests, several at once; those whose response is no success and no clear refusal."""
    failures, places = [], asyncio.Semaphore(8)

    async def send(method, url, options):
        async with places:
            response = await client.request(method, url, **options)
        is_problem = response.headers.get("content-type") == "application/problem+json"
        if response.status_code >= 500 or (response.status_code >= 400 and not is_problem):
            failures.append((method, url[:200], repr(options)[:200], response.status_code, response.text[:200]))

    await asyncio.gather(*(send(*attempt) for attempt in attempts))
    return failures


async def test_no_value_of_a_parameter_is_a_server_error(running):
    _, client, ids = running
    attempts, number = [], count()
    for method, path, parameters in operations(ids["service"]):
        options = {} if (body := body_of(method, path)) is None else {"json": body}
        if method == "DELETE":
            options = {"headers": {"if-match": '"0"'}}
        for parameter in parameters:
            for text in a_part_of(TEXTS, next(number)):
                if parameter["in"] == "path":
                    attempts.append((method, fill(path, ids | {parameter["name"]: text}), options))
                elif parameter["in"] == "query":
                    attempts.append((method, f"{fill(path, ids)}?{parameter['name']}={text}", options))
                elif text.isprintable() and len(text) < 10_000:
                    attempts.append((method, fill(path, ids), options | {"headers": {parameter["name"]: text}}))
    # A URL that the client itself refuses never arrives.
    sendable = [attempt for attempt in attempts if len(attempt[1]) < 60_000]
    assert len(sendable) > 150
    assert not await send_all(client, sendable)


def places(value, path=()):
    """Each place in a body."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def replaced(body, path, value):
    if not path:
        return value
    body = copy.deepcopy(body)
    parent = body
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return body


async def test_no_value_in_a_body_is_a_server_error(running):
    _, client, ids = running
    attempts, number = [], count()
    json_headers = {"content-type": "application/json", "idempotency-key": "k"}
    for method, path, _ in operations(ids["service"]):
        body = body_of(method, path)
        if body is None:
            continue
        contents = [
            json.dumps(replaced(body, place, value)).encode()
            for place in places(body)
            for value in a_part_of(VALUES, next(number))
        ]
        attempts += [
            (method, fill(path, ids), {"content": content, "headers": {"content-type": "application/json"}})
            for content in contents
        ]
        attempts += [
            (method, fill(path, ids), {"content": content, "headers": json_headers})
            for content in a_part_of(BODY_TEXTS, next(number))
        ]
    assert not await send_all(client, attempts)
