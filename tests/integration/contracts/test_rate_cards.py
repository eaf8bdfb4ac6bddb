"""Rate cards over HTTP and on the topic (SPEC 1, 4, 9)."""

from asyncio import gather

from contracts_api import create_team, expect_status, put_change, violation_keys

from tidemark_shared.messaging.topics import DIRECTORY

RATES = {"normal": 9000, "extra_time": 11000, "weekend": 13500, "holiday": 18000}


def card(**changes):
    return {"person_id": "712020:ab", "from": "2026-01-01", "currency": "EUR", "per_hour_minor": RATES} | changes


async def created(api, **changes):
    return (await expect_status(api.post("/rate-cards", json=card(**changes)), 201)).json()


async def test_rate_card_is_created_changed_and_deleted(api, published):
    response = await expect_status(api.post("/rate-cards", json=card()), 201)
    first = response.json()
    path = f"/rate-cards/{first['id']}"
    assert first == card(team_id=None, daily_workload_hours="8", id=first["id"], version=1)
    assert (response.headers["location"], response.headers["etag"]) == (f"/v1{path}", '"1"')
    assert (await expect_status(api.get(path), 200)).json() == first
    await expect_status(api.put(path, json=first), 428)
    changed = card(daily_workload_hours="7.5", per_hour_minor=RATES | {"normal": 9500})
    assert (await expect_status(put_change(api, path, changed, 1), 200)).headers["etag"] == '"2"'
    await expect_status(put_change(api, path, changed, 1), 412)
    assert (await expect_status(put_change(api, path, changed, 2), 200)).headers["etag"] == '"2"'
    await expect_status(api.delete(path, headers={"if-match": '"2"'}), 204)
    await expect_status(api.get(path), 404)
    events = [event for _, event in await published(DIRECTORY, 3)]
    assert {event.type for event in events} == {"tidemark.rate_card.changed.v1"}
    assert [(event.data.version, event.data.deleted, event.data.per_hour_minor.normal) for event in events] == [
        (1, False, 9000), (2, False, 9500), (3, True, 9500),
    ]  # fmt: skip
    assert [str(event.data.daily_workload_hours) for event in events] == ["8", "7.5", "7.5"]
    again = await created(api)
    assert again["id"] != first["id"]


async def test_rate_card_identity_cannot_change_over_http(api):
    first = await created(api)
    changed = card(person_id="bob", team_id=await create_team(api), currency="CHF") | {"from": "2026-02-01"}
    assert violation_keys(await expect_status(put_change(api, f"/rate-cards/{first['id']}", changed, 1), 422)) == {
        ("invalid", path) for path in ("/person_id", "/team_id", "/currency", "/from")
    }


async def test_all_four_rates_are_mandatory(api):
    response = await expect_status(api.post("/rate-cards", json=card(per_hour_minor={})), 422)
    assert violation_keys(response) == {("invalid", f"/per_hour_minor/{kind}") for kind in RATES}


async def test_duplicate_rate_card_is_a_conflict_that_names_it(api):
    support = await create_team(api)
    general, own = await created(api), await created(api, team_id=support)
    for body, existing in ((card(), general), (card(team_id=support), own)):
        assert existing["id"] in (await expect_status(api.post("/rate-cards", json=body), 409)).json()["detail"]
    await created(api, currency="CHF")
    await created(api, person_id="bob")
    await created(api, **{"from": "2026-01-02"})


async def test_concurrent_equal_rate_cards_succeed_once(api):
    for number in range(5):
        responses = await gather(*(api.post("/rate-cards", json=card(person_id=f"p{number}")) for _ in range(4)))
        assert sorted(response.status_code for response in responses) == [201, 409, 409, 409]
        existing = next(response for response in responses if response.status_code == 201).json()["id"]
        assert all(existing in response.json()["detail"] for response in responses if response.status_code == 409)


async def test_team_of_a_rate_card_must_exist_and_cannot_be_deleted(api):
    nobody = "0f8fad5b-d9cb-469f-a165-70867728950e"
    assert violation_keys(await expect_status(api.post("/rate-cards", json=card(team_id=nobody)), 422)) == {
        ("unknown_reference", "/team_id")
    }
    other = await created(api)
    assert violation_keys(await expect_status(api.post("/rate-cards", json=card(team_id=other["id"])), 422)) == {
        ("unknown_reference", "/team_id")
    }
    support = await create_team(api)
    own = await created(api, team_id=support)
    await expect_status(api.delete(f"/teams/{support}", headers={"if-match": '"1"'}), 409)
    await expect_status(api.delete(f"/rate-cards/{own['id']}", headers={"if-match": '"1"'}), 204)
    await expect_status(api.delete(f"/teams/{support}", headers={"if-match": '"1"'}), 204)


async def test_new_rate_card_and_team_deletion_never_both_succeed(api):
    for _ in range(10):
        support = await create_team(api)
        made, deleted = await gather(
            api.post("/rate-cards", json=card(team_id=support)),
            api.delete(f"/teams/{support}", headers={"if-match": '"1"'}),
        )
        assert (made.status_code, deleted.status_code) in ((201, 409), (422, 204))


async def test_rate_cards_are_listed_by_person_and_first_day(api):
    support = await create_team(api)
    for person, day, of in (("bob", "2026-01-01", None), ("ann", "2026-03-01", None), ("ann", "2026-01-01", support)):
        await created(api, person_id=person, team_id=of, **{"from": day})

    async def listed(**query):
        cards, cursor = [], None
        while True:
            page = (
                await expect_status(api.get("/rate-cards", params=query | ({"cursor": cursor} if cursor else {})), 200)
            ).json()
            cards += [(item["person_id"], item["from"]) for item in page["items"]]
            if not (cursor := page["next"]):
                return cards

    everyone = [("ann", "2026-01-01"), ("ann", "2026-03-01"), ("bob", "2026-01-01")]
    assert await listed() == await listed(limit=1) == everyone
    assert await listed(person="ann") == everyone[:2]
    assert await listed(team=support) == everyone[:1]
    assert await listed(person="bob", team=support) == []
