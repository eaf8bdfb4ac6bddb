"""The editor in front of the contracts service and the notifier: forms without a script, and who may use them."""

import re
from asyncio import gather
from contextlib import AsyncExitStack
from html import unescape
from types import SimpleNamespace

import pytest
from api_services import running_apps
from api_tokens import bearer
from web_server import web_client

SAME_SITE = {"sec-fetch-site": "same-origin"}
CONTRACT = {
    "code": "NEW/1", "name": "Support", "organization_id": "Acme", "owner/name": "Olga",
    "owner/email": "olga@provider.example", "start_date": "2026-01-01", "end_date": "2060-12-31", "timezone": "UTC",
    "type": "time_and_materials", "recurrence": "none", "contracted_hours": "40", "settle_days": "5",
    "accounts/0/name": "Desk", "accounts/0/planned_hours": "30", "accounts/0/billable": "on",
    "accounts/0/slices/0/team_id": "Support", "accounts/0/slices/0/planned_hours": "30",
}  # fmt: skip


@pytest.fixture
async def site(database):
    """A client of the pages, as a manager without a script, and the ids of what exists."""
    async with AsyncExitStack() as stack:
        urls, ids = await stack.enter_async_context(running_apps(("contracts", "notifier"), database))
        client = await stack.enter_async_context(web_client(open=False, consumption_url="http://127.0.0.1:9", **urls))
        client.headers.update(bearer("manager") | SAME_SITE)
        client.timeout = 60  # a busy machine is no failure
        yield SimpleNamespace(client=client, ids=ids)


def read_form(page):
    """What a browser sends of a form: the values of its controls."""
    form = page.text.split("data-editor>")[1].split("</form>")[0]
    inputs = re.findall(r"<input[^>]*>", form)
    values = {}
    for tag in inputs:
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("type") != "checkbox" or " checked" in tag:
            values[unescape(attributes["name"])] = unescape(attributes.get("value", "on"))
    for name, options in re.findall(r'<select id="([^"]*)".*?>(.*?)</select>', form, re.DOTALL):
        values[name] = re.findall(r'value="([^"]*)" selected', options)[0]
    for name, text in re.findall(r'<textarea id="([^"]*)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL):
        values[name] = unescape(text)
    return values


def read_problems(page):
    """The summary of what is to correct: each link, title and text."""
    summary = page.text.split('id="problems"')[1].split("</section>")[0]
    return [
        (unescape(name), unescape(text))
        for name, text in re.findall(r'<a href="#([^"]*)">.*?</a>: (.*?)</li>', summary)
    ]


async def send(site, path, values, **changes):
    return await site.client.post(path, data={"action": "save", **values, **changes})


async def test_contract_is_drafted_corrected_and_activated(site):
    values = read_form(await site.client.get("/contracts/new")) | CONTRACT
    refused = await send(site, "/contracts/new", values, organization_id="Nobody", end_date="2025-12-31")
    assert refused.status_code == 422
    assert [name for name, _ in read_problems(refused)] == ["organization_id", "end_date"]
    assert re.search(r'id="organization_id"[^>]*aria-invalid="true"[^>]*autofocus', refused.text)
    assert read_form(refused)["organization_id"] == "Nobody"
    corrected = read_form(refused) | {"organization_id": "Acme", "end_date": "2060-12-31"}
    created = await send(site, "/contracts/new", corrected)
    assert created.status_code == 303, created.text
    assert created.headers["location"].startswith("/contracts/NEW%2F1#saved-")
    question = await site.client.get("/contracts/NEW%2F1/activate")
    assert 'href="/contracts/NEW%2F1/edit#accounts"' in question.text
    form = await site.client.get("/contracts/NEW%2F1/edit")
    assert "Make them equal" in form.text
    assert (await send(site, "/contracts/NEW%2F1/activate", read_form(question))).status_code == 422
    values = read_form(form) | {"accounts/0/planned_hours": "40", "accounts/0/slices/0/planned_hours": "40"}
    assert (await send(site, "/contracts/NEW%2F1/edit", values)).status_code == 303
    question = await site.client.get("/contracts/NEW%2F1/activate")
    assert (await send(site, "/contracts/NEW%2F1/activate", read_form(question))).status_code == 303
    stored = (await site.client.get("/v1/contracts/NEW%2F1")).json()
    assert (stored["status"], stored["accounts"][0]["slices"][0]["team_id"]) == ("ACTIVE", site.ids["team"])
    return stored


async def test_contract_is_amended_adjusted_and_renewed(site):
    stored = await test_contract_is_drafted_corrected_and_activated(site)
    form = await site.client.get("/contracts/NEW%2F1/edit")
    refused = await send(site, "/contracts/NEW%2F1/edit", read_form(form), name="Better support")
    assert [name for name, _ in read_problems(refused)] == ["reason"]
    amended = await send(site, "/contracts/NEW%2F1/edit", read_form(refused), reason="Renamed")
    assert amended.status_code == 303
    form = await site.client.get("/contracts/NEW%2F1/adjust")
    adjustment = {"account_id": stored["accounts"][0]["id"], "period_start": "2026-01-01", "reason": "Mail of 4 March"}
    refused = await send(site, "/contracts/NEW%2F1/adjust", read_form(form) | adjustment, hours="-41")
    assert [name for name, _ in read_problems(refused)] == ["hours"]
    assert (await send(site, "/contracts/NEW%2F1/adjust", read_form(refused), hours="20")).status_code == 303
    after = (await site.client.get("/v1/contracts/NEW%2F1")).json()
    assert after == stored | {
        "name": "Better support", "version": stored["version"] + 2,
        "adjustments": [{**adjustment, "hours": "20", "value_minor": None}],
    }  # fmt: skip
    question = await site.client.get("/contracts/NEW%2F1/renew")
    renewed = await send(site, "/contracts/NEW%2F1/renew", read_form(question), code="NEW/2")
    assert renewed.headers["location"].startswith("/contracts/NEW%2F2/edit#")
    closing = read_form(await site.client.get("/contracts/NEW%2F1/close"))
    assert (await send(site, "/contracts/NEW%2F1/close", closing, reason="Over")).status_code == 303
    assert (await site.client.get("/contracts/NEW%2F1/edit")).status_code == 409


async def test_what_another_changed_is_merged_and_what_both_changed_is_asked(site):
    path = f"/contracts/{site.ids['contract']}/edit"
    mine = read_form(await site.client.get(path))
    theirs = await send(site, path, mine, name="Theirs", contracted_hours="50")
    assert theirs.status_code == 303
    conflict = await send(site, path, mine, name="Mine", description="My words", key="")
    assert conflict.status_code == 412
    text = " ".join(re.sub(r"<[^>]*>", " ", conflict.text).split())
    assert "Contracted hours : 40 → 50" in text
    assert "Name Theirs: Theirs Yours, as it is below: Mine" in text
    assert "Revised by tester" in text
    assert (await site.client.get(f"/v1{path.removesuffix('/edit')}")).json()["name"] == "Theirs"
    values = {name: value for name, value in read_form(conflict).items() if not name.startswith("answer/")}
    assert (values["contracted_hours"], values["description"]) == ("50", "My words")
    unanswered = await send(site, path, values)
    assert unanswered.status_code == 422
    assert "Choose one of the two" in unanswered.text
    # Meanwhile somebody changes it once more.
    current = read_form(await site.client.get(path))
    assert (await send(site, path, current, **{"accounts/0/name": "Help"})).status_code == 303
    again = await send(site, path, values, **{"answer/0": "stored"})
    assert again.status_code == 412
    assert "Account 1, Name : Help desk → Help" in " ".join(
        re.sub(r"<[^>]*>", " ", again.text).replace("</", " </").split()
    )
    assert (await send(site, path, read_form(again))).status_code == 303
    stored = (await site.client.get(f"/v1{path.removesuffix('/edit')}")).json()
    assert (stored["name"], stored["contracted_hours"], stored["description"]) == ("Theirs", "50", "My words")
    assert stored["accounts"][0]["name"] == "Help"


async def test_change_is_undone_but_not_what_was_changed_again(site):
    await test_contract_is_drafted_corrected_and_activated(site)
    path = "/contracts/NEW%2F1/edit"
    for changes in (
        {"name": "Better", "end_date": "2061-12-31", "reason": "Renamed"},
        {"end_date": "2062-12-31", "reason": "Longer"},
    ):
        assert (await send(site, path, read_form(await site.client.get(path)), **changes)).status_code == 303
    page = await site.client.get(f"{path}?undo=4")
    values = read_form(page)
    assert (values["name"], values["end_date"]) == ("Support", "2062-12-31")
    assert re.fullmatch("Undo of the change of .* by tester: Renamed", values["reason"])
    assert "Not taken back, because it has changed since: Last day." in page.text
    assert (await send(site, path, values)).status_code == 303
    assert (await site.client.get(f"{path}?undo=4")).status_code == 409
    assert (await site.client.get(f"{path}?undo=99")).status_code == 404
    stored = (await site.client.get("/v1/contracts/NEW%2F1")).json()
    assert (stored["name"], stored["end_date"]) == ("Support", "2062-12-31")


async def test_double_click_creates_once(site):
    values = read_form(await site.client.get("/organizations/new")) | {"name": "Twice", "timezone": "UTC"}
    values = {name: value for name, value in values.items() if not name.startswith("contacts/")}
    first, second = await gather(*(send(site, "/organizations/new", values) for _ in range(2)))
    assert (first.status_code, second.status_code) == (303, 303), second.text
    found = (await site.client.get("/v1/organizations", params={"name": "Twice"})).json()["items"]
    assert len(found) == 1
    path = f"/organizations/{found[0]['id']}"
    edited = read_form(await site.client.get(path)) | {"timezone": "Europe/Berlin"}
    assert [(await send(site, path, edited)).status_code for _ in range(2)] == [303, 303]
    question = read_form(await site.client.get(f"{path}/delete"))
    assert (await send(site, f"{path}/delete", question)).status_code == 303
    assert (await site.client.get(path)).status_code == 404


async def test_rows_are_added_removed_and_checked_without_saving(site):
    values = read_form(await site.client.get("/teams/new")) | {"name": "Night", "members/0/person_id": "nina"}
    added = await send(site, "/teams/new", values, action="add members")
    assert read_form(added)["members/1/person_id"] == ""
    removed = await send(site, "/teams/new", read_form(added), action="remove members/0")
    assert "members/1/person_id" not in read_form(removed)
    checked = await send(site, "/teams/new", values, action="check")
    assert (checked.status_code, read_problems(checked)) == (200, [("members/0/from", "This is required.")])
    assert len((await site.client.get("/v1/teams")).json()["items"]) == 1


async def test_rule_is_made_with_its_channels_and_edited(site):
    values = read_form(await site.client.get("/rules/new")) | {"name": "Half", "trigger/at": "50"}
    tried = await send(site, "/rules/new", values, action="check", contract="C1")
    assert "It would not have fired on C1." in tried.text
    unknown = await send(site, "/rules/new", values, action="check", contract="none")
    assert "No contract with id or code" in unescape(unknown.text)
    assert (await send(site, "/rules/new", values)).status_code == 303
    rule = (await site.client.get("/v1/rules")).json()["items"][-1]
    assert (rule["name"], rule["channels"], rule["trigger"]["at"]) == ("Half", ["email"], ["50"])
    path = f"/rules/{rule['id']}"
    form = await site.client.get(path)
    refused = await send(site, path, read_form(form), **{"trigger/at": "-1"})
    assert [name for name, _ in read_problems(refused)] == ["trigger/at"]
    assert (await send(site, path, read_form(form), enabled="")).status_code == 303
    same = read_form(await site.client.get(path))
    assert (
        await send(site, path, {name: value for name, value in same.items() if name != "enabled"})
    ).status_code == 303
    assert (await site.client.get(f"/v1{path}")).json()["enabled"] is False


async def test_viewer_reads_lists_and_gets_no_form(site):
    viewer = bearer("viewer")
    for path in ("/organizations", "/teams", "/rate-cards", "/rules"):
        page = await site.client.get(path, headers=viewer)
        assert page.status_code == 200
        assert "/new" not in page.text
        assert (await site.client.get(f"{path}/new", headers=viewer)).status_code == 403
    contract = site.ids["contract"]
    for path in ("/contracts/new", f"/contracts/{contract}/edit", f"/contracts/{contract}/discard", "/choices/teams"):
        assert (await site.client.get(path, headers=viewer)).status_code == 403
        assert (await site.client.post(path, headers=viewer, data={"action": "save"})).status_code in {403, 404}
    assert (await site.client.get(f"/v1/contracts/{contract}")).json()["status"] == "DRAFT"


async def test_form_of_another_site_changes_nothing(site):
    values = read_form(await site.client.get("/organizations/new")) | {"name": "Evil"}
    sent = await site.client.post("/organizations/new", data=values, headers={"sec-fetch-site": "cross-site"})
    assert sent.status_code == 403


async def test_hostile_values_are_refused_and_never_fail(site):
    paths = ["/organizations/new", "/rate-cards/new", "/rules/new", f"/contracts/{site.ids['contract']}/edit"]
    texts = ["\0\ud83d", "x" * 70_000, "9" * 5_000, "1e999999999"]
    for path in paths:
        values = read_form(await site.client.get(path))
        for text in texts:
            shown = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
            hostile = {
                **dict.fromkeys(values, shown),
                "accounts/0/slices/0/team_id": shown,
                f"members/{shown}/name": shown,
            }
            for action in ("save", f"remove {shown}", "add " + "a/" * 5_000):
                response = await site.client.post(path, data=hostile | {"action": action})
                assert response.status_code < 500, f"{path} {action[:20]} {text[:20]!r}: {response.text}"


async def test_names_that_several_have_need_an_id(site):
    for _ in range(2):
        await site.client.post("/v1/teams", json={"name": "Twins"})
    teams = (await site.client.get("/v1/teams", params={"name": "Twins"})).json()["items"]
    values = read_form(await site.client.get("/contracts/new")) | CONTRACT | {"code": "T1"}
    refused = await send(site, "/contracts/new", values, **{"accounts/0/slices/0/team_id": "Twins"})
    assert "Several teams have this name" in refused.text
    named = f"Twins ({teams[1]['id']})"
    assert named in (await site.client.get("/choices/teams", params={"text": "twin"})).json()
    assert (await send(site, "/contracts/new", values, **{"accounts/0/slices/0/team_id": named})).status_code == 303
    assert read_form(await site.client.get("/contracts/T1/edit"))["accounts/0/slices/0/team_id"] == named
