"""References of people: names and codes in place of ids, and names for ids that are shown."""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple
from uuid import uuid4

from tidemark.cli.body_file import is_id
from tidemark.cli.body_file import replace_names as replace_names_with
from tidemark_client import Client, Entity, Json, TidemarkError, contract_path


class Collection(NamedTuple):
    """A collection of the API: its path, its command, and the member that people refer to its items by."""

    path: str
    label: str
    key: str
    filter: str | None
    """The query parameter that selects by ``key``; without one, the whole list is searched."""
    details: tuple[str, ...]
    """The members that distinguish items with the same ``key``."""

    @property
    def command(self) -> str:
        """The name of its command."""
        return self.label.replace(" ", "-")


ORGANIZATIONS = Collection("organizations", "organization", "name", "name", ("timezone",))
TEAMS = Collection("teams", "team", "name", "name", ())
RATE_CARDS = Collection("rate-cards", "rate card", "person_id", "person", ("from", "currency", "team_id"))
RULES = Collection("rules", "rule", "name", None, ("scope",))
REPORTS = Collection("saved-reports", "report", "name", None, ("organization_id",))


def find_all(api: Client, collection: Collection, reference: str) -> list[Json]:
    """The items with an id or name. Raises :class:`TidemarkError` if there is none."""
    if is_id(reference) and (entity := api.get(f"{collection.path}/{reference}")):
        return [entity.body]
    query = {collection.filter: reference} if collection.filter else {}
    items = [item for item in api.list(collection.path, **query) if item[collection.key] == reference]
    if not items:
        raise TidemarkError(
            f"No {collection.label} has the id or name {reference!r}. `tidemark {collection.command} list` shows them."
        )
    return items


def find_entity(api: Client, collection: Collection, reference: str) -> Entity[Json]:
    """The only entity with an id or name. Raises :class:`TidemarkError` if there is none, or if there are several."""
    items = find_all(api, collection, reference)
    if len(items) > 1:
        names = Names(api)
        lines = (f"  {item['id']}  {names.describe(item, collection.details)}".rstrip() for item in items)
        raise TidemarkError(
            "\n".join((f"{len(items)} {collection.label}s have the name {reference!r}. Give an id:", *lines))
        )
    entity = api.get(f"{collection.path}/{items[0]['id']}")
    if entity is None:
        raise TidemarkError(f"The {collection.label} {reference!r} has just been deleted.")
    return entity


def change_entity(api: Client, collection: Collection, current: Entity[Json], body: Json) -> Entity[Json]:
    """Replace the body of an entity that nobody has changed since ``current``. Raises :class:`TidemarkError`."""
    return api.put(f"{collection.path}/{current.id}", body, current.etag)


def delete_entity(api: Client, collection: Collection, reference: str) -> Entity[Json]:
    """Delete the only entity with an id or name, and return it as it was. Raises :class:`TidemarkError`."""
    entity = find_entity(api, collection, reference)
    api.delete(f"{collection.path}/{entity.id}", entity.etag)
    return entity


def find_contract(api: Client, reference: str) -> Entity[Json]:
    """A contract by its code or id. Raises :class:`TidemarkError`."""
    contract = api.get(contract_path(reference))
    if contract is None:
        raise TidemarkError(
            f"No contract with id or code {reference!r}. Run `tidemark contract list` to see the contracts."
        )
    return contract


def replace_names(api: Client, body: Json) -> Json:
    """Replace names with ids. Raises :class:`TidemarkError` with a violation for each unknown or ambiguous name."""
    violations: list[dict[str, str]] = []

    @cache
    def list_ids(list_name: str, name: str) -> list[str]:
        if list_name == "contracts":
            contract = api.get(contract_path(name))
            return [contract.id] if contract else []
        return [item["id"] for item in api.list(list_name, name=name)]

    def find_id(list_name: str, name: str, path: str) -> str:
        ids = list_ids(list_name, name)
        if len(ids) == 1:
            return ids[0]
        message = (
            f"Several {list_name} have the name {name!r}. Give the id: {', '.join(ids)}."
            if ids
            else f"No {list_name.removesuffix('s')} has the name {name!r}. Create it first, or give an id."
        )
        violations.append({"code": "unknown_reference", "path": path, "message": message})
        return name

    changed: Json = replace_names_with(body, find_id)
    if violations:
        raise TidemarkError("A name is unknown or ambiguous.", violations)
    return changed


def replace_account_names(body: Json, current: Sequence[Json] = ()) -> Json:
    """Replace the names of accounts in adjustments with their ids; ``current`` are the accounts so far.

    An account without an id that an adjustment names gets the id that it had, or a new one. What the API refuses stays.
    """
    accounts, adjustments = (_list_objects(body.get(name)) for name in ("accounts", "adjustments"))
    current_ids = {account["name"]: account["id"] for account in current}
    named = {str(adjustment.get("account_id")) for adjustment in adjustments}
    ids = {
        name: account.get("id") or current_ids.get(name) or str(uuid4())
        for account in accounts
        if (name := str(account.get("name"))) in named
    }
    if not ids:
        return body
    return body | {
        "accounts": [account | {"id": ids.get(str(account.get("name")), account.get("id"))} for account in accounts],
        "adjustments": [
            adjustment | {"account_id": ids.get(str(adjustment.get("account_id")), adjustment.get("account_id"))}
            for adjustment in adjustments
        ],
    }


def _list_objects(value: Any) -> list[Json]:
    is_list = isinstance(value, list) and all(isinstance(item, dict) for item in value)
    return value if is_list else []


class Names:
    """Names for the ids of organizations, teams and contracts, each requested once."""

    def __init__(self, api: Client) -> None:
        self._load = cache(api.get)

    def find(self, list_name: str, id_: str | None) -> str:
        """The name of an organization or team, or the code of a contract; the id, if it does not exist any more."""
        entity = self._load(f"{list_name}/{id_}") if id_ else None
        return entity.body["code" if list_name == "contracts" else "name"] if entity else id_ or ""

    def describe_scope(self, scope: Json) -> str:
        """A rule's scope, such as ``contract ACME-SUP``."""
        return f"{scope['kind']} {self.find(scope['kind'] + 's', scope.get('id'))}".strip()

    def describe(self, item: Json, members: Sequence[str]) -> str:
        """The values of members, in words."""
        return ", ".join(filter(None, (self._describe_member(name, item.get(name)) for name in members)))

    def _describe_member(self, name: str, value: Any) -> str:
        match name:
            case "scope":
                return self.describe_scope(value)
            case "organization_id":
                return self.find("organizations", value)
            case "team_id":
                return f"team {self.find('teams', value)}" if value else "all teams"
        return str(value or "")
