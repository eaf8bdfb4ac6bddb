"""A contract's history for people, and its published events."""

from contracts_api import create_active_contract, create_team, expect_status, post_action

from tidemark_shared.messaging.topics import LIFECYCLE


async def test_history_shows_actor_reason_time_and_each_change(api):
    active = await create_active_contract(api, start_date="2090-01-01", end_date="2090-12-31")
    second = await create_team(api, "Second line")
    (desk,) = active["accounts"]
    support = desk["slices"][0]["team_id"]
    amended = active | {
        "end_date": "2091-03-31", "contracted_hours": "80", "reason": "extended, mail of 4 March",
        "accounts": [
            {"name": "Travel", "planned_hours": "20"},
            desk | {"planned_hours": "60", "slices": [
                {"team_id": second, "planned_hours": "10"}, {"team_id": support, "planned_hours": "50"},
            ]},
        ],
    }  # fmt: skip
    after = (await expect_status(post_action(api, "ACME-SUP", "amend", 2, amended), 200)).json()
    await expect_status(post_action(api, "ACME-SUP", "renew", 3, {"code": "NEXT"}), 201)
    items = (await expect_status(api.get("/contracts/ACME-SUP/history"), 200)).json()["items"]
    drafted, activation, amendment, renewal = items
    assert (drafted["descriptions"], drafted["changes"]) == ([], [])
    assert (activation["descriptions"], activation["changes"]) == (["Status DRAFT → ACTIVE"], [])
    assert (amendment["actor"], amendment["what"], amendment["reason"]) == ("olga", "amended", amended["reason"])
    assert amendment["occurred_at"] > activation["occurred_at"]
    assert amendment["descriptions"] == [
        "End date 2090-12-31 → 2091-03-31",
        "Contracted hours 40 → 80",
        "Account Travel added",
        "Account Help desk: planned hours 40 → 60",
        "Account Help desk: slice of Second line added",
        "Account Help desk, slice of Support: planned hours 40 → 50",
    ]
    assert amendment["changes"] == [
        {"path": "/end_date", "before": "2090-12-31", "after": "2091-03-31"},
        {"path": "/contracted_hours", "before": "40", "after": "80"},
        {"path": "/accounts/0", "before": None, "after": after["accounts"][0]},
        {"path": "/accounts/1/planned_hours", "before": "40", "after": "60"},
        {"path": "/accounts/1/slices/0", "before": None, "after": {"team_id": second, "planned_hours": "10"}},
        {"path": "/accounts/1/slices/1/planned_hours", "before": "40", "after": "50"},
    ]
    assert renewal["renewed_as"]
    (draft,) = (await expect_status(api.get("/contracts/NEXT/history"), 200)).json()["items"]
    assert (draft["what"], draft["renewed_from"]) == ("drafted", active["id"])


async def test_events_route_returns_the_published_events(api, published):
    await create_active_contract(api, start_date="2090-01-01", end_date="2090-12-31")
    await expect_status(post_action(api, "ACME-SUP", "suspend", 2, {"reason": "unpaid"}), 200)
    await expect_status(post_action(api, "ACME-SUP", "renew", 3, {"code": "NEXT"}), 201)
    events = await published(LIFECYCLE, 5)
    for code, count in (("ACME-SUP", 4), ("NEXT", 1)):
        items = (await expect_status(api.get(f"/contracts/{code}/events"), 200)).json()["items"]
        contract = items[0]["data"]["contract_id"]
        assert items == [
            {"type": event.type, "data": event.data.model_dump(mode="json")} for key, event in events if key == contract
        ]
        assert len(items) == count
    await expect_status(api.get("/contracts/NOBODY/events"), 404)
