"""Every route of the OpenAPI documents asks for its role."""

import re

import pytest
from api_operations import LINK, REQUIRED_ROLES, fill, operations
from api_services import CREATE_APP, create_app, running_app
from api_tokens import SECRET, bearer
from starlette.routing import Route

import tidemark_intake.app
from tidemark_shared.http.tokens import ROLES
from tidemark_shared.settings import Settings

# Routes of every service that no document has: their callers have no token.
WITHOUT_TOKEN = {"/healthz", "/readyz", "/metrics", "/openapi.json"}


@pytest.fixture(params=CREATE_APP)
async def running(request, database):
    async with running_app(request.param, database) as running:
        yield running


async def test_every_route_is_classified_and_needs_its_role(running):
    _, client, ids = running
    for method, path, _ in operations(ids["service"]):
        required = REQUIRED_ROLES[f"{method} {path}"]
        for role in (None, *ROLES):
            headers = {"authorization": "none"} if role is None else bearer(role)
            # A body that is not valid: the role is checked first.
            response = await client.request(method, fill(path, ids), json={"x": 1}, headers=headers)
            if required is LINK:
                assert response.status_code == 422, (method, path, role)
            elif role is None:
                assert response.status_code == 401, (method, path)
            elif ROLES.index(role) < ROLES.index(required):
                assert response.status_code == 403, (method, path, role)
            else:
                assert response.status_code < 500, (method, path, role, response.text)
                assert response.status_code not in {401, 403}, (method, path, role)


def find_routes(routes):
    """The method and path of each route, also of those that are in routers."""
    for route in routes:
        if isinstance(route, Route):
            path = re.sub(":[a-z]+}", "}", route.path)
            yield from ((method, path) for method in route.methods - {"HEAD"})
        else:
            yield from find_routes(route.original_router.routes)


@pytest.mark.parametrize("service", CREATE_APP)
def test_every_route_without_a_document_is_classified(service):
    documented = {(method, path) for method, path, _ in operations(service)}
    routes = {*find_routes(create_app(service).routes)}
    assert documented <= routes
    assert {path for _, path in routes - documented} == WITHOUT_TOKEN


def test_every_route_that_intake_admits_without_a_token_is_classified(monkeypatch):
    monkeypatch.setattr(tidemark_intake.app, "load_sources", lambda _: [])
    app = tidemark_intake.app.create_app(Settings(database_url="postgresql://", secret=SECRET))
    routes = {(method, path) for method, path in find_routes(app.routes) if path.startswith("/v1/intake/")}
    # The handler of the first one checks the signature; the second one answers with its own parameter.
    path = "/v1/intake/{source}/webhook"
    assert routes == {("POST", path), ("GET", path)}


def test_no_classified_route_is_gone():
    operations_of_all = {f"{method} {path}" for service in CREATE_APP for method, path, _ in operations(service)}
    assert operations_of_all == REQUIRED_ROLES.keys()
