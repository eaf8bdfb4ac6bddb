"""The options of a Jira Cloud site's custom fields, from which people choose contract and account.

https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-custom-field-options/
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from tidemark_intake.client import TrackerClient
from tidemark_intake.trackers.parsing import entity_id, list_items
from tidemark_shared.chunks import chunks

_MAX_OPTIONS = 1_000
_PAGE = 100


class Option(NamedTuple):
    """A value that people can choose; a disabled one stays on the issues that have it."""

    id: str
    value: str
    disabled: bool


class OptionChanges(NamedTuple):
    """What a field needs in one context: values to create, options to enable and to disable."""

    field: str
    context: str
    create: Sequence[str]
    enable: Sequence[Option]
    disable: Sequence[Option]


def find_option_changes(
    field: str, context: str, options: Sequence[Option], open_names: Collection[str], closed_names: Collection[str]
) -> OptionChanges:
    """The changes after which all open names can be chosen, and no closed one. Other options are people's own. Pure."""
    by_value = {option.value: option for option in options}
    return OptionChanges(
        field,
        context,
        create=sorted(name for name in open_names if name not in by_value),
        enable=[option for option in options if option.disabled and option.value in open_names],
        disable=[
            option
            for option in options
            if not option.disabled and option.value in closed_names and option.value not in open_names
        ],
    )


class JiraOptions:
    """The options of select fields. The account needs the permission Administer Jira."""

    def __init__(self, client: TrackerClient) -> None:
        self._client = client

    async def find_changes(
        self, field: str, open_names: Collection[str], closed_names: Collection[str]
    ) -> list[OptionChanges]:
        """What a field needs, in each of its contexts. Raises :class:`~tidemark_intake.client.TrackerError`."""
        changes = []
        for item in await self._read(f"/rest/api/3/field/{entity_id(field)}/context", 50):
            context = entity_id(item["id"])
            items = await self._read(f"/rest/api/3/field/{field}/context/{context}/option", _PAGE)
            # One with an `optionId` is the second level of a cascading field.
            options = [
                Option(entity_id(item["id"]), str(item["value"]), bool(item.get("disabled")))
                for item in items
                if not item.get("optionId")
            ]
            changes.append(find_option_changes(field, context, options, open_names, closed_names))
        return changes

    async def apply(self, changes: OptionChanges) -> None:
        """Make the changes. Each can be repeated. Raises :class:`~tidemark_intake.client.TrackerError`."""
        path = f"/rest/api/3/field/{changes.field}/context/{changes.context}/option"
        for names in chunks(changes.create, _MAX_OPTIONS):
            await self._client.request("POST", path, json={"options": [{"value": name} for name in names]})
        switched = [(option, False) for option in changes.enable] + [(option, True) for option in changes.disable]
        for part in chunks(switched, _MAX_OPTIONS):
            options = [{"id": option.id, "disabled": disabled} for option, disabled in part]
            await self._client.request("PUT", path, json={"options": options})

    async def _read(self, path: str, size: int) -> list[Any]:
        items: list[Any] = []
        while True:
            answer = await self._client.get(path, startAt=len(items), maxResults=size)
            part = list_items(answer, "values")
            items += part
            if not part or answer.get("isLast", True):
                return items
