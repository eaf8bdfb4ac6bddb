"""The public API, as the pages call it: with the token of the caller, like any client."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from tidemark_shared.chunks import chunks
from tidemark_web.upstreams import find_service

Json = dict[str, Any]
Query = Mapping[str, Any] | Sequence[tuple[str, Any]]

# A page waits no longer than its reader.
_TIMEOUT = httpx.Timeout(15, connect=2, pool=2)
# What one address names, which has 8 KiB.
MAX_IDS = 150


class ApiError(Exception):
    """The API answered with a problem."""

    def __init__(self, status: int, title: str, detail: str, violations: Sequence[Mapping[str, str]] = ()) -> None:
        super().__init__(title)
        self.status, self.title, self.detail, self.violations = status, title, detail, violations


class Api:
    """Calls the services with the token of one caller; without one where the body has a signed link."""

    def __init__(self, clients: Mapping[str, httpx.AsyncClient], token: str | None = None) -> None:
        self._clients, self._token = clients, token

    async def get(self, path: str, query: Query = ()) -> Json:
        """Read a resource. Raises :class:`ApiError`, or httpx's errors if the service cannot be reached."""
        return await self._send("GET", path, params=[*_pairs(query)])

    async def post(self, path: str, body: Json) -> Json:
        """Send a command. Raises as :meth:`get` does."""
        return await self._send("POST", path, json=body)

    async def delete(self, path: str) -> None:
        """Delete a resource. Raises as :meth:`get` does."""
        await self._send("DELETE", path)

    async def change(
        self,
        method: str,
        path: str,
        body: Json | None,
        *,
        version: str | None = None,
        key: str | None,
        dry_run: bool = False,
    ) -> Json:
        """Change something in ``version``, or create it. With ``dry_run`` the API only says what would happen.

        The same ``key`` changes it once. Raises as :meth:`get` does.
        """
        headers = {"if-match": version and f'"{version}"', "idempotency-key": None if dry_run else key}
        params = {"dry_run": "true"} if dry_run else {}
        return await self._send(method, path, json=body, params=params, headers=headers)

    async def _send(self, method: str, path: str, **options: Any) -> Json:
        name = find_service(path)
        if name is None:  # a reference with dot segments
            raise ApiError(404, "Not found", f"There is no resource at {path}.")
        client = self._clients[name]
        headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
        # A form can send any text as its key.
        headers |= {name: value for name, value in options.pop("headers", {}).items() if value and value.isascii()}
        try:
            request = client.build_request(method, path, headers=headers, timeout=_TIMEOUT, **options)
        except httpx.InvalidURL:  # what was typed has control characters, or is longer than any address
            raise ApiError(404, "Not found", "There is no resource with such a name.") from None
        request.extensions["upstream"] = name
        response = await client.send(request)
        if response.status_code == httpx.codes.NO_CONTENT:
            return {}
        if response.is_success:
            try:
                body: Json = response.json()
            except ValueError:
                raise httpx.RemoteProtocolError(f"{name} answers, but not with JSON.", request=request) from None
            return body
        raise _read_problem(response)


def contract_path(reference: str, suffix: str = "") -> str:
    """The path of a contract, by id or code."""
    return f"/v1/contracts/{quote(reference, safe='')}{suffix}"


def customer_contract_path(reference: str, suffix: str = "") -> str:
    """The path of a contract as its customer sees it."""
    return f"/v1/customer/contracts/{quote(reference, safe='')}{suffix}"


def require_contract(answer: Json, member: str) -> Json:
    """The answer, which has this member. Raises a 404 for another: a reference may end like the path of a list."""
    if member not in answer:
        raise ApiError(404, "Contract not found", "There is no contract with this code.")
    return answer


async def optional(call: Any) -> Json | None:
    """The answer of a part of a page that can be missing; None if its service fails or cannot be reached."""
    try:
        answer: Json = await call
    except (TimeoutError, httpx.TransportError):
        return None
    except ApiError as error:
        if error.status == httpx.codes.UNAUTHORIZED:
            raise
        return None
    return answer


async def load_team_names(api: Api, ids: Sequence[str]) -> dict[str, str]:
    """The names of teams; a team that no longer exists is left out."""
    names: dict[str, str] = {}
    for part in chunks(ids, MAX_IDS):
        query = [("limit", MAX_IDS), *(("id", id_) for id_ in part)]
        teams = await optional(api.get("/v1/teams", query))
        names |= {team["id"]: team["name"] for team in teams["items"]} if teams else {}
    return names


def _pairs(query: Query) -> list[tuple[str, Any]]:
    items = query.items() if isinstance(query, Mapping) else query
    return [(name, value) for name, value in items if value not in (None, "")]


def _read_problem(response: httpx.Response) -> ApiError:
    try:
        problem = response.json()
        violations = problem.get("violations", ())
        texts = [f"{violation['path']}: {violation['message']}" for violation in violations]
        return ApiError(response.status_code, problem["title"], " ".join(texts) or problem["detail"], violations)
    except (ValueError, KeyError, TypeError):
        return ApiError(response.status_code, "Unexpected answer", f"A service answered {response.status_code}.")
