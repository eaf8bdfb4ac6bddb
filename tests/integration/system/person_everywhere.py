"""A person in everything that can name a person."""

from datetime import UTC, datetime

from event_builders import append, deletion, fold_rest, link, worklog
from notifier_bodies import balance, batch

from tidemark_consumption.projection.fold import fold
from tidemark_contracts.offer.event_handlers import handle_notifications
from tidemark_shared.messaging.events import CONTRACT_BALANCE, NOTIFICATION_RAISED
from tidemark_shared.messaging.topics import BALANCES, NOTIFICATIONS

PERSON, NAME, EMAIL = "712020:bo-1", "Bo Öberg", "bo@provider.example.com"
FORMER_EMAIL, TEXT = "private@bo.example.com", "Rang Ann wegen der Rechnung an"

# Of one time: the digest decides.
TIES = [
    *(worklog("3", author=author, seconds=seconds) for author, seconds in ((PERSON, 60), ("cy", 120))),
    *(worklog("4", author=author, seconds=seconds) for author, seconds in ((PERSON, 90), ("dee", 30))),
    # So many that other digests would change one of them.
    *(
        worklog(f"tie {tie}", author=author, seconds=seconds)
        for tie in range(12)
        for author, seconds in ((PERSON, 60), ("cy", 61))
    ),
]
FACTS = [
    link("I1", contract="OLD", account="Build"), link("I2", contract="NEW", account="Desk"),
    worklog("1", author=PERSON, description=TEXT), worklog("2", issue="I2", author=PERSON, description=TEXT),
    worklog("2", issue="I2", author=PERSON, seconds=1800, description=TEXT, updated="2026-03-04T00:00:00Z"),
    *TIES,
    worklog("5", issue="I2", author="cy", description=f"Mit {NAME} besprochen"),
    worklog("6", issue="I9", author=PERSON), worklog("7", author=PERSON), deletion("7"),
]  # fmt: skip


async def fill(services):
    """The person is a member, an owner, a contact who answered, a receiver, an author, and in what failed."""
    contact = {"name": NAME, "email": EMAIL, "roles": ["approver"]}
    organization = await services.post("/v1/organizations", {"name": "Acme", "timezone": "UTC", "contacts": [contact]})
    members = [{"person_id": PERSON, "name": NAME, "email": FORMER_EMAIL, "from": "2026-01-01"}]
    team = await services.post("/v1/teams", {"name": "Team", "members": members})
    rates = {"normal": 9000, "extra_time": 9000, "weekend": 9000, "holiday": 9000}
    card = {"person_id": PERSON, "from": "2026-01-01", "currency": "EUR", "per_hour_minor": rates}
    await services.post("/v1/rate-cards", card, **{"idempotency-key": "k"})
    common = {
        "name": "Support", "organization_id": organization["id"], "start_date": "2026-01-01", "timezone": "UTC",
        "owner": {"name": NAME, "email": EMAIL}, "description": f"Bei Fragen {NAME}", "settle_days": 0,
    }  # fmt: skip
    fixed = common | {
        "code": "OLD", "type": "fixed_price", "end_date": "2026-03-31", "contracted_value_minor": 90000,
        "currency": "EUR",
        "accounts": [{"name": "Build", "planned_value_minor": 90000, "slices": [{"team_id": team["id"]}]}],
    }  # fmt: skip
    hours = common | {
        "code": "NEW",
        "type": "time_and_materials",
        "end_date": "2099-12-31",
        "contracted_hours": "40",
        "accounts": [{"name": "Desk", "planned_hours": "40", "teams": [team["id"]]}],
    }
    for body in (fixed, hours):
        await services.post("/v1/contracts", body)
        await services.post(f"/v1/contracts/{body['code']}/activate", {}, 200)
    offered = await services.post("/v1/offers", {
        "contract": "NEW", "account_id": "Desk", "period_start": "2026-01-01", "hours": "2",
        "reason": f"Wunsch von {NAME}", "valid_until": "2099-01-01T00:00:00Z",
    })  # fmt: skip
    await services.post(f"/v1/offers/{offered['id']}/accept", {"name": NAME, "email": EMAIL}, 200)
    await services.post("/v1/customer-links", {"organization_id": organization["id"], "note": f"Für {NAME}"})
    receivers = [{"kind": "owner"}, {"kind": "team", "id": team["id"]}, {"kind": "address", "email": EMAIL}]
    rule = {
        "name": "Warn", "scope": {"kind": "global"}, "receivers": receivers, "channels": ["email"],
        "trigger": {"kind": "consumed_percent", "of": "contract", "over": "whole", "at": ["1"]},
    }  # fmt: skip
    await services.relay()
    response = await services.notifier_client.post("/v1/rules", json=rule)
    assert response.status_code == 201, response.text
    async with services.pools["consumption"].acquire() as connection:
        await append(connection, FACTS, first_offset=100)
        await append(connection, [worklog("8", author=PERSON, seconds=0, description=TEXT)], first_offset=200)
        await fold(connection, datetime(2026, 5, 1, tzinfo=UTC))
        # A membership that changes later restates the closed contract.
        await services.post("/v1/contracts/OLD/close", {"reason": f"{NAME} geht"}, 200)
        await services.relay()
        response = await services.client.put(
            f"/v1/teams/{team['id']}",
            json={"name": "Team", "members": [members[0] | {"email": EMAIL, "from": "2026-03-02"}]},
        )
        assert response.status_code == 200, response.text
        await services.relay()
        await append(connection, [worklog("9", author=PERSON, updated="2026-03-09T00:00:00Z")], first_offset=300)
        await connection.execute(
            "INSERT INTO restatements (contract_id, account_id, period_start, period_end, before_seconds,"
            " after_seconds, cause, restated_at) SELECT contract_id, account_id, start_date, end_date, 1, 2, $1, now()"
            " FROM contracts JOIN accounts USING (contract_id)",
            f"membership:{team['id']}/{PERSON}",
        )
        await fold_rest(connection)
    async with services.pools["notifier"].acquire() as connection, connection.transaction():
        contract = await connection.fetchval("SELECT id::text FROM contracts WHERE terms ->> 'code' = 'NEW'")
        body = balance(contract, 10**15, consumed=20 * 3600, code="NEW", version=3)
        await services.notifier[BALANCES.name](connection, batch(BALANCES, CONTRACT_BALANCE, body))
    async with services.pools["contracts"].acquire() as connection:
        await connection.execute(
            "INSERT INTO tokens (id, name, role, created_at, revoked_at) VALUES ('t', $1, 'viewer', now(), now())", NAME
        )
        bad = batch(NOTIFICATIONS, NOTIFICATION_RAISED, {"bad": NAME})
        async with connection.transaction():
            await handle_notifications(connection, bad)
    # What has not been published yet.
    await services.client.put(f"/v1/teams/{team['id']}", json={"name": "Team 2", "members": members})
    return organization, team
