"""Every page with values that no reader expects, in its address and in its form: a clear refusal, and no failure."""

from asyncio import Semaphore, gather
from collections import defaultdict
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from urllib.parse import quote
from uuid import UUID

import pytest
from api_services import CREATE_APP, running_apps
from api_tokens import SECRET, bearer
from effort import repeat
from hostile_texts import TEXTS
from httpx import ASGITransport, AsyncClient
from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection

from tidemark_shared.http.links import CustomerLink, issue_customer_link
from tidemark_shared.settings import Settings
from tidemark_web.access import CUSTOMER_COOKIE
from tidemark_web.app import create_app
from tidemark_web.pages.routes import page_routes

SAME_SITE = {"sec-fetch-site": "same-origin"}
# An endless answer, and files that have no parameters.
NOT_TRIED = {"/live/{contract_id}", "/static/{version}/{name}"}
FORM = {
    "token": "a.b.c", "next": "/", "hours": "20", "link": "/customer#a.b.c", "password": "open sesame",
    "account_id": "Help desk", "period_start": "2026-01-01", "reason": "Package", "name": "Ann", "key": "k",
    "answer": "accept", "remark": "Order 4711", "organization": "", "note": "For Ann", "expires": "2026-12-31",
    "service": "contracts", "topic": "worklog.events",
}  # fmt: skip


@pytest.fixture
async def site(database):
    """A client of the pages before all services, and what the parameters of paths may be."""
    async with AsyncExitStack() as stack:
        urls, ids = await stack.enter_async_context(running_apps(CREATE_APP, database))
        app = create_app(Settings(open=False, secret=SECRET, **urls))
        await stack.enter_async_context(app.router.lifespan_context(app))
        transport = ASGITransport(app, raise_app_exceptions=False)
        headers = bearer() | SAME_SITE
        client = AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers)
        await stack.enter_async_context(client)
        now = datetime.now(UTC)
        link = CustomerLink(UUID(ids["link_id"]), UUID(ids["organization"]), now, now + timedelta(days=1))
        client.cookies.set(CUSTOMER_COOKIE, issue_customer_link(SECRET, link, "tidemark:customer-session"))
        places = {
            "reference": "C2", "service": "contracts", "id": ids["dead_letter_id"], "offer": ids["offer"],
            "period_start": "2026-01-01", "topic": "worklog.events", "extension": "csv", "source": "teams", "_": "x",
        }  # fmt: skip
        yield SimpleNamespace(client=client, places=places)


@pytest.fixture
def names(monkeypatch):
    """The names of the query parameters that the pages read, by the path of the page."""
    found, read = defaultdict(set), HTTPConnection.query_params.fget

    class Recorder(QueryParams):
        def __init__(self, query, path):
            super().__init__(query)
            self.names = found[path]

        def get(self, key, default=None):
            self.names.add(key)
            return super().get(key, default)

        def getlist(self, key):
            self.names.add(key)
            return super().getlist(key)

        def __contains__(self, key):
            self.names.add(key)
            return super().__contains__(key)

    def query_params(connection):
        app = connection.scope["app"]
        if app.title != "Tidemark web":
            return read(connection)
        paths = {getattr(route, "endpoint", None): route.path for route in app.routes}
        return Recorder(connection.scope["query_string"], paths[connection.scope["endpoint"]])

    monkeypatch.setattr(HTTPConnection, "query_params", property(query_params))
    return found


def a_part_of(number):
    step = repeat(30, long=1)
    return [text for text in TEXTS[number % step :: step] if len(text) < 8_000]


def path_of(route, places):
    path = route.path
    for name in route.param_convertors:
        path = path.replace(f"{{{name}}}", places[name]).replace(f"{{{name}:path}}", places[name])
        path = path.replace(f"{{{name}:int}}", places[name])
    return path


async def find_failures(client, attempts):
    failures, free = [], Semaphore(8)

    async def send(method, url, options):
        async with free:
            response = await client.request(method, url, **options)
        # 503: a service did not answer in time, as on a busy machine.
        if response.status_code >= 500 and response.status_code != 503:
            what = str(options.get("content", ""))[-100:]
            failures.append(f"{response.status_code} {method} {url[:200]} {what}: {response.text[-400:]}")

    await gather(*(send(*attempt) for attempt in attempts))
    return "\n".join(failures)


async def test_no_value_in_the_address_of_a_page_is_a_failure(site, names):
    attempts, number = [], count()
    for route in page_routes():
        if "GET" not in route.methods or route.path in NOT_TRIED:
            continue
        path = path_of(route, site.places)
        attempts.append(("GET", path, {}))
        await site.client.get(path)
        for parameter in route.param_convertors:
            texts = a_part_of(next(number))
            attempts += [("GET", path_of(route, site.places | {parameter: text}), {}) for text in texts]
        # A page reads some parameters only where it has others.
        for name in sorted(names[route.path]):
            attempts += [("GET", f"{path}?{name}={text}", {}) for text in a_part_of(next(number))]
    assert len(attempts) > 100
    assert await find_failures(site.client, attempts) == ""


async def test_no_value_in_a_form_is_a_failure(site):
    attempts, number = [], count()
    for route in page_routes():
        # Forms with the fields of an entity have tests of their own.
        if route.methods != {"POST"}:
            continue
        path = path_of(route, site.places)
        for field in FORM:
            for text in a_part_of(next(number)):
                form = "&".join(f"{name}={quote(value)}" for name, value in FORM.items() if name != field)
                headers = {"content-type": "application/x-www-form-urlencoded"}
                attempts.append(("POST", path, {"content": f"{form}&{field}={text}", "headers": headers}))
    assert len(attempts) > 100
    assert await find_failures(site.client, attempts) == ""
