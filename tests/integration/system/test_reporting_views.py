"""The views in `reporting` beside the figures: people, rules, changes of status, read progress, renewals, forecasts."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import asyncpg
import pytest
from event_builders import contract_event, member, record, take, team_event, terms, uid, worklog
from event_builders import link as issue_link

from tidemark_shared.domain.examples import OFFER
from tidemark_shared.messaging.topics import LIFECYCLE

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTRACT = uid("contract C1")


@pytest.fixture
async def reader(database, connection):
    del connection  # its tables are there
    reader = await asyncpg.connect(database)
    await reader.execute("SET ROLE tidemark_ops")
    yield reader
    await reader.close()


async def rows_of(reader, query):
    return [tuple(row) for row in await reader.fetch(query)]


async def insert_entity(connection, kind, name, **body):
    await connection.execute(
        "INSERT INTO contracts.directory (id, kind, version, name, body) VALUES ($1, $2, 1, $3, $4)",
        uid(name), kind, name, json.dumps({"name": name, **body}),
    )  # fmt: skip


async def test_contacts_and_members_have_one_row_each(connection, reader):
    contacts = [{"name": "Ann", "email": "ann@acme.example", "roles": ["billing", "delivery"]},
                {"name": "Bo", "email": "bo@acme.example", "roles": []}]  # fmt: skip
    await insert_entity(connection, "organization", "Acme", timezone="UTC", contacts=contacts)
    await insert_entity(connection, "team", "North", members=[member("ann", "2026-01-01", "2026-02-28", "Ann")])
    query = "SELECT organization_name, contact_name, roles FROM reporting.contacts ORDER BY contact_name"
    assert await rows_of(reader, query) == [
        ("Acme", "Ann", ["billing", "delivery"]), ("Acme", "Bo", []),
    ]  # fmt: skip
    query = "SELECT team_name, person_id, person_name, first_day, last_day FROM reporting.team_members"
    assert await rows_of(reader, query) == [("North", "ann", "Ann", date(2026, 1, 1), date(2026, 2, 28))]


async def test_status_changes_say_who_and_why(connection, reader):
    changes = [("drafted", "DRAFT", None), ("revised", "DRAFT", None), ("activated", "ACTIVE", None),
               ("suspended", "INACTIVE", "Invoice 7 is unpaid."), ("amended", "INACTIVE", "Two more hours."),
               ("resumed", "ACTIVE", "Paid.")]  # fmt: skip
    for version, (type_, status, reason) in enumerate(changes, 1):
        body = terms() if type_ in {"drafted", "amended"} else None
        await connection.execute(
            "INSERT INTO contracts.events"
            " (contract_id, version, type, data, actor, reason, occurred_at, correlation_id)"
            " VALUES ($1, $2, $3, $4, 'olga', $5, $6, '')",
            CONTRACT, version, type_, json.dumps({"status": status, "terms": body}), reason, NOW,
        )  # fmt: skip
    query = (
        "SELECT contract_code, stream_version, previous_status, status, actor, reason"
        " FROM reporting.contract_status_changes ORDER BY stream_version"
    )
    assert await rows_of(reader, query) == [
        ("C1", 1, None, "DRAFT", "olga", None),
        ("C1", 3, "DRAFT", "ACTIVE", "olga", None),
        ("C1", 4, "ACTIVE", "INACTIVE", "olga", "Invoice 7 is unpaid."),
        ("C1", 6, "INACTIVE", "ACTIVE", "olga", "Paid."),
    ]


async def test_offer_has_its_state_in_columns(connection, reader):
    body = OFFER | {"status": "accepted", "answered_by": {"name": "Ann", "email": "ann@acme.example"}, "hours": "0.25"}
    await connection.execute(
        "INSERT INTO contracts.offers"
        " (id, version, status, contract_id, account_id, period_start, created_at, updated_at, body)"
        " VALUES ($1, 2, 'accepted', $2, $3, '2026-03-01', $4, $4, $5)",
        uid("offer"), CONTRACT, uid("account"), NOW, json.dumps(body),
    )  # fmt: skip
    query = (
        "SELECT contract_code, account_name, status, seconds, hours, price_minor, made_by, answered_by_name,"
        " requested_by_name, updated_at FROM reporting.offers"
    )
    assert await rows_of(reader, query) == [
        ("ACME-SUP", "Help desk", "accepted", 900, Decimal("0.25"), 180000, "olga", "Ann", None, NOW)
    ]


async def test_rules_have_no_secrets(connection, reader):
    receivers = [
        {"kind": "owner"},
        {"kind": "webhook", "url": "https://hooks.acme.example/tidemark", "secret": "whsec_c2VjcmV0"},
        {
            "kind": "webhook",
            "format": "slack",
            "url": "https://hooks.slack.com/services/T0/B0/private",  # pragma: allowlist secret
        },
    ]
    body = {"name": "Warn", "scope": {"kind": "global", "id": None}, "trigger": {"kind": "overrun", "of": "contract"},
            "receivers": receivers, "channels": ["email", "webhook"], "remind_every_days": 7, "notify_resolved": True,
            "existing": "skip", "enabled": False}  # fmt: skip
    await connection.execute("INSERT INTO notifier.rules (body) VALUES ($1)", json.dumps(body))
    (row,) = await reader.fetch("SELECT * FROM reporting.rules")
    assert [json.loads(row["receivers"])[position].get("url") for position in range(3)] == [
        None, "https://hooks.acme.example/tidemark", "https://hooks.slack.com/********",
    ]  # fmt: skip
    assert "secret" not in str(dict(row))
    assert "private" not in str(dict(row))
    names = ("rule_name", "enabled", "scope", "scope_name", "trigger_kind", "channels", "remind_every_days", "existing")
    assert [row[name] for name in names] == ["Warn", False, "global", None, "overrun", ["email", "webhook"], 7, "skip"]


async def test_consumer_lag_is_what_is_left_to_read(connection, reader):
    for partition, next_offset in ((0, 100), (1, 7)):
        await connection.execute(
            "INSERT INTO consumer_offsets (service, cluster, topic, partition, next_offset, updated_at) "
            "VALUES ('consumption', 'c', 'worklog.events', $1, $2, now() - interval '90 seconds')",
            partition, next_offset,
        )  # fmt: skip
    await connection.execute(
        "INSERT INTO end_offsets (service, cluster, topic, partition, end_offset, checked_at) "
        "VALUES ('consumption', 'c', 'worklog.events', 0, 130, now())"
    )
    query = (
        "SELECT partition, next_offset, end_offset, lag, seconds_since_progress BETWEEN 90 AND 120"
        " FROM reporting.consumer_lag ORDER BY partition"
    )
    assert await rows_of(reader, query) == [(0, 100, 130, 30, True), (1, 7, None, None, True)]


async def test_folded_offsets_count_what_waits(connection, reader):
    await connection.execute(
        "INSERT INTO consumer_offsets (service, cluster, topic, partition, next_offset) "
        "VALUES ('consumption', 'c', 'worklog.events', 0, 12);"
        "INSERT INTO batches (cluster, topic, partition, log, first_offset, record_count) "
        "VALUES ('c', 'worklog.events', 0, 'facts', 5, 4), ('c', 'worklog.events', 0, 'facts', 9, 3)"
    )
    query = "SELECT next_offset, waiting_records, waiting_since IS NOT NULL FROM reporting.folded_offsets"
    assert await rows_of(reader, query) == [(5, 7, True)]


async def test_contracts_have_their_renewals_and_the_published_forecast(connection, reader):
    renewal = uuid4()
    event = contract_event(2, previous="DRAFT")
    renewed = record(LIFECYCLE, "tidemark.contract.renewed.v1",
                     {**json.loads(event.value), "stream_version": 3, "renewed_as": str(renewal)})  # fmt: skip
    await take(connection, [event, renewed])
    body = {"forecast": {"exhausts_on": "2026-03-20", "low": "2026-03-18", "high": None}}
    await connection.execute(
        "INSERT INTO published_balances (contract_id, attention, urgency, body) VALUES ($1, '{}', 1, $2)",
        CONTRACT, json.dumps(body),
    )  # fmt: skip
    query = "SELECT renewed_from, renewed_as, exhausts_on, exhausts_low, exhausts_high FROM reporting.contracts"
    assert await rows_of(reader, query) == [(None, renewal, date(2026, 3, 20), date(2026, 3, 18), None)]


async def test_author_name_is_that_of_the_day(connection, reader):
    members = [member("ann", "2026-01-01", "2026-01-31", "Ann Old"), member("ann", "2026-02-01", None, "Ann New")]
    await take(connection, [contract_event(2, previous="DRAFT")])
    await take(connection, [team_event("North", members)], first_offset=10)
    logs = [worklog("1", started="2026-01-15T09:00:00Z"), worklog("2", started="2026-02-15T09:00:00Z"),
            worklog("3", started="2026-02-15T09:00:00Z", author="zoe", description="<b>é</b>"),
            worklog("4", started="2028-02-15T09:00:00Z")]  # fmt: skip
    await take(connection, [issue_link(), *logs], first_offset=20)
    query = "SELECT worklog_id, author_name, issue_key, description FROM reporting.worklogs ORDER BY worklog_id"
    assert await rows_of(reader, query) == [
        ("1", "Ann Old", "SUP-I1", None), ("2", "Ann New", "SUP-I1", None), ("3", None, "SUP-I1", "<b>é</b>"),
    ]  # fmt: skip
    query = "SELECT worklog_id, author_name, reason FROM reporting.unaccounted_worklogs"
    assert await rows_of(reader, query) == [("4", "Ann New", "outside_dates")]
