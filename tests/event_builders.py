"""Builders of events and records, for tests of their readers."""

import json
from datetime import UTC, datetime
from itertools import count
from uuid import UUID, uuid5

from aiokafka import ConsumerRecord
from reference.facts import Fact

from tidemark_consumption.app import handlers
from tidemark_consumption.projection import fold
from tidemark_shared.messaging.batches import Batch
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE, WORKLOGS

NAMESPACE = UUID("5a1f0c1e-0000-4000-8000-000000000000")
RECEIVED_MS = 1_780_000_000_000  # 2026-05-28: the record's timestamp; facts of the tests lie before it
RECEIVED = datetime.fromtimestamp(RECEIVED_MS / 1000, UTC)
SOURCE = "/tracker"

_ids = count(1)


def uid(name):
    """The same id for the same name."""
    return str(uuid5(NAMESPACE, name))


def record(topic, type_, data, *, offset=0, partition=0, source=SOURCE, key=None, timestamp=RECEIVED_MS):
    """A CloudEvent in binary mode, as the consumer receives it."""
    value = data if isinstance(data, bytes) else json.dumps(data).encode()
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(next(_ids)).encode()),
        ("ce_source", source.encode()),
        ("ce_type", type_.encode()),
        ("content-type", b"application/json"),
    ]
    return ConsumerRecord(
        topic=topic.name, partition=partition, offset=offset, timestamp=timestamp, timestamp_type=0,
        key=key, value=value, checksum=None, serialized_key_size=-1, serialized_value_size=-1, headers=headers,
    )  # fmt: skip


def worklog(worklog_id, *, issue="I1", author="ann", started="2026-03-02T09:00:00+01:00", seconds=3600,
            team=None, description=None, updated="2026-03-03T00:00:00Z", source=SOURCE):  # fmt: skip
    data = {
        "worklog_id": worklog_id, "issue_id": issue, "author_id": author, "started_at": started,
        "seconds": seconds, "team_id": team, "description": description, "updated_at": updated,
    }  # fmt: skip
    return record(WORKLOGS, "tidemark.worklog.recorded.v1", data, source=source)


def deletion(worklog_id, *, issue="I1", deleted="2026-03-04T00:00:00Z", source=SOURCE):
    data = {"worklog_id": worklog_id, "issue_id": issue, "deleted_at": deleted}
    return record(WORKLOGS, "tidemark.worklog.deleted.v1", data, source=source)


def link(issue="I1", *, contract="C1", account="Support", updated="2026-03-01T00:00:00Z",
         created="2026-01-01T00:00:00Z", source=SOURCE):  # fmt: skip
    data = {
        "issue_id": issue, "issue_key": f"SUP-{issue}", "summary": "", "contract_id": contract,
        "account_id": account, "created_at": created, "updated_at": updated,
    }  # fmt: skip
    return record(WORKLOGS, "tidemark.issue.linked.v1", data, source=source)


def account(name, hours=None, *, value=None, id_=None, billable=True, slices=(), teams=()):
    return {
        "id": id_ or uid(f"account {name}"), "name": name, "billable": billable, "planned_hours": hours,
        "planned_value_minor": value, "teams": list(teams),
        "slices": [{"team_id": team, "planned_hours": share} for team, share in slices],
    }  # fmt: skip


def rollover(unused="expire", overrun="absorb", *, cap_hours=None, cap_value=None, lapse=None):
    return {
        "unused": unused, "cap_hours": cap_hours, "cap_value_minor": cap_value, "lapse_after_periods": lapse,
        "overrun": overrun,
    }  # fmt: skip


def adjustment(account, period_start, hours=None, *, value=None):
    return {
        "account_id": account, "period_start": period_start, "hours": hours, "value_minor": value,
        "reason": "extra package",
    }  # fmt: skip


def terms(code="C1", *, accounts=None, start="2026-01-01", end="2026-12-31", recurrence="monthly",
          timezone="Europe/Berlin", hours="40", value=None, currency=None, **more):  # fmt: skip
    """Time and materials of some hours or, with a ``value``, fixed price; ``more`` replaces members of the body."""
    if value is not None:
        hours, currency = None, currency or "EUR"
    return {
        "code": code, "name": f"Contract {code}", "description": "",
        "owner": {"name": "Olga", "email": "olga@provider.example.com"}, "organization_id": uid("Acme"),
        "type": "time_and_materials" if value is None else "fixed_price", "recurrence": recurrence,
        "start_date": start, "end_date": end, "timezone": timezone, "holidays": None, "contracted_hours": hours,
        "contracted_value_minor": value, "currency": currency, "rollover": None,
        "accounts": [account("Support", hours, value=value)] if accounts is None else accounts,
        "adjustments": [], "settle_days": 5, **more,
    }  # fmt: skip


def contract_event(version=1, status="ACTIVE", *, change="amended", contract=None, previous=None,
                   occurred="2026-01-01T00:00:00Z", **changes):  # fmt: skip
    body = changes.pop("terms", None) or terms(**changes)
    data = {
        "contract_id": contract or uid(f"contract {body['code']}"), "stream_version": version, "status": status,
        "previous_status": previous, "terms": body, "actor": "olga", "reason": None,
        "occurred_at": occurred, "renewed_from": None, "renewed_as": None,
    }  # fmt: skip
    return record(LIFECYCLE, f"tidemark.contract.{change}.v1", data)


def member(person, first="2026-01-01", until=None, name=None):
    return {"person_id": person, "name": name, "email": None, "from": first, "until": until}


def team_event(name, members, version=1, *, id_=None, deleted=False):
    data = {
        "id": id_ or uid(f"team {name}"), "version": version, "deleted": deleted, "name": name, "members": members,
    }  # fmt: skip
    return record(DIRECTORY, "tidemark.team.changed.v1", data)


def organization_event(name="Acme", version=1, *, id_=None, deleted=False):
    data = {
        "id": id_ or uid(name), "version": version, "deleted": deleted, "name": name, "timezone": "Europe/Berlin",
        "contacts": [],
    }  # fmt: skip
    return record(DIRECTORY, "tidemark.organization.changed.v1", data)


def rate_card(person="ann", rates=(9000, 11000, 13500, 18000), version=1, *, team=None, first="2026-01-01",
              currency="EUR", workload="8", id_=None, deleted=False):  # fmt: skip
    """``rates`` are minor units an hour: normal, extra time, weekend, holiday."""
    kinds = ("normal", "extra_time", "weekend", "holiday")
    data = {
        "id": id_ or uid(f"card {person} {team} {currency} {first}"), "version": version, "deleted": deleted,
        "person_id": person, "team_id": team, "from": first, "currency": currency, "daily_workload_hours": workload,
        "per_hour_minor": dict(zip(kinds, rates, strict=True)),
    }  # fmt: skip
    return record(DIRECTORY, "tidemark.rate_card.changed.v1", data)


def data_of(record):
    return json.loads(record.value)


def facts_of(records, learned_at=RECEIVED):
    """Records in binary mode as the reference takes them."""
    facts = []
    for record in records:
        headers = {name: value.decode() for name, value in record.headers}
        facts.append(Fact(learned_at, headers["ce_type"], headers["ce_source"], data_of(record)))
    return facts


HANDLERS = handlers()


async def append(connection, records, *, partition=0, first_offset=0, cluster="test"):
    """Append records of one topic to the log as one batch, in a transaction of its own."""
    numbered = [
        record.__class__(**{**record.__dict__, "offset": first_offset + index, "partition": partition})
        for index, record in enumerate(records)
    ]
    async with connection.transaction():
        await HANDLERS[records[0].topic](connection, Batch(cluster, records[0].topic, partition, numbered))


async def take(connection, records, *, learned_at=None, **where):
    """Append records of one topic as one batch, and fold them."""
    await append(connection, records, **where)
    await fold.fold(connection, learned_at or datetime.now(UTC))


async def fold_rest(connection):
    """Fold what others left because somebody else was folding."""
    while await fold.fold(connection, datetime.now(UTC)):
        pass


PROJECTIONS = {
    "account_team_totals": "SELECT contract_id, account_id, team_id, period_start, seconds, worklog_count "
    "FROM account_team_totals",
    "daily_totals": "SELECT contract_id, account_id, team_id, day, seconds, worklog_count FROM daily_totals",
    "unaccounted_totals": "SELECT contract_id, reason, seconds, worklog_count FROM unaccounted_totals",
    "unaccounted_worklogs": "SELECT source, worklog_id, reason, contract_id, account_id FROM worklogs "
    "WHERE reason IS NOT NULL",
}


async def projections(connection):
    """The rows of the projections, in the form of ``reference.Model.rows``."""
    return {name: {_plain(row) for row in await connection.fetch(query)} for name, query in PROJECTIONS.items()}


def _plain(row):
    return tuple(value if value is None or isinstance(value, int) else str(value) for value in row)
