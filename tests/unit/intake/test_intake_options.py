"""The options of Jira's fields follow the open contracts and accounts; requests are held to Atlassian's document."""

import json
from typing import Any

import httpx
from tracker_requests import check_request

from tidemark.cli.intake import list_option_names
from tidemark_intake.client import TrackerClient
from tidemark_intake.trackers.jira_options import JiraOptions, OptionChanges

FIELD = "customfield_10050"


class FieldFake:
    """A field with two contexts, and pages of two options."""

    def __init__(self) -> None:
        self.options: dict[str, list[dict[str, Any]]] = {
            "1": [
                {"id": "11", "value": "OPEN", "disabled": False},
                {"id": "12", "value": "AGAIN", "disabled": True},
                {"id": "13", "value": "CLOSED", "disabled": False},
                {"id": "14", "value": "People's own", "disabled": False},
                {"id": "15", "value": "CLOSED", "disabled": False, "optionId": "14"},
            ],
            "2": [],
        }
        self.changes = 0

    def respond(self, request: httpx.Request) -> httpx.Response:
        check_request("jira", request)
        parts = request.url.path.split("/")
        if parts[-1] == "context":
            return httpx.Response(200, json={"values": [{"id": name} for name in self.options], "isLast": True})
        options = self.options[parts[-2]]
        if request.method == "GET":
            start = int(request.url.params["startAt"])
            values = options[start : start + 2]
            return httpx.Response(200, json={"values": values, "isLast": start + 2 >= len(options)})
        self.changes += 1
        for item in json.loads(request.content)["options"]:
            if request.method == "POST":
                assert item["value"] not in {option["value"] for option in options}
                options.append({"id": str(len(options) + 100), "disabled": False, **item})
            else:
                next(option for option in options if option["id"] == item["id"]).update(item)
        return httpx.Response(200, json={"options": []})


async def find_and_apply(fake: FieldFake) -> list[OptionChanges]:
    async with TrackerClient("https://jira.example", {}, transport=httpx.MockTransport(fake.respond)) as client:
        options = JiraOptions(client)
        changes = await options.find_changes(FIELD, {"OPEN", "AGAIN", "NEW"}, {"CLOSED", "OPEN"})
        for change in changes:
            await options.apply(change)
        return changes


async def test_options_follow_the_open_contracts() -> None:
    """Given a field in two contexts, then in each all open codes can be chosen, no closed one, and what people added
    themselves, or as a second level, stays as it is; and nothing is to be done a second time."""
    fake = FieldFake()
    first, second = await find_and_apply(fake)
    assert (first.create, [option.id for option in first.enable]) == (["NEW"], ["12"])
    assert ([option.id for option in first.disable], second.create) == (["13"], ["AGAIN", "NEW", "OPEN"])
    chosen = {context: {option["value"]: not option["disabled"] for option in options if "optionId" not in option}
              for context, options in fake.options.items()}  # fmt: skip
    assert chosen["1"] == {"OPEN": True, "AGAIN": True, "CLOSED": False, "People's own": True, "NEW": True}
    assert chosen["2"] == {"OPEN": True, "AGAIN": True, "NEW": True}
    assert not fake.options["1"][4]["disabled"]
    done = fake.changes
    again = await find_and_apply(fake)
    assert not any(change.create or change.enable or change.disable for change in again)
    assert fake.changes == done


def test_names_of_active_contracts_can_be_chosen() -> None:
    """Given an account that an active contract and a closed one have, then it can still be chosen."""
    contracts = [
        {"code": "A", "status": "ACTIVE", "accounts": [{"name": "Help desk"}]},
        {"code": "B", "status": "CLOSED", "accounts": [{"name": "Help desk"}, {"name": "Build"}]},
    ]
    names = list_option_names(contracts)
    assert names["contract_field"] == ({"A"}, {"B"})
    assert names["account_field"] == ({"Help desk"}, {"Help desk", "Build"})
