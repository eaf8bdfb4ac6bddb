"""Events as their publishers make them, for tests of what reads them."""

import json
from itertools import count
from uuid import UUID, uuid5

from aiokafka import ConsumerRecord

from tidemark_consumption import fold
from tidemark_shared.consumer import Batch
from tidemark_shared.events import DIRECTORY, LIFECYCLE, WORKLOGS

NAMESPACE = UUID("5a1f0c1e-0000-4000-8000-000000000000")
RECEIVED_MS = 1_780_000_000_000  # 2026-05-28: the record's timestamp; facts of the tests lie before it
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


def link(issue="I1", *, contract="C1", account="Support", updated="2026-03-01T00:00:00Z", source=SOURCE):
    data = {
        "issue_id": issue, "issue_key": f"SUP-{issue}", "summary": "", "contract_id": contract,
        "account_id": account, "created_at": "2026-01-01T00:00:00Z", "updated_at": updated,
    }  # fmt: skip
    return record(WORKLOGS, "tidemark.issue.linked.v1", data, source=source)


def account(name, hours, *, id_=None, billable=True, slices=(), teams=()):
    return {
        "id": id_ or uid(f"account {name}"), "name": name, "billable": billable, "planned_hours": hours,
        "planned_value_minor": None, "teams": list(teams),
        "slices": [{"team_id": team, "planned_hours": share} for team, share in slices],
    }  # fmt: skip


def terms(code="C1", *, accounts=None, start="2026-01-01", end="2026-12-31", recurrence="monthly",
          timezone="Europe/Berlin", hours="40"):  # fmt: skip
    return {
        "code": code, "name": f"Contract {code}", "description": "",
        "owner": {"name": "Olga", "email": "olga@provider.example.com"}, "organization_id": uid("Acme"),
        "type": "time_and_materials", "recurrence": recurrence, "start_date": start, "end_date": end,
        "timezone": timezone, "holidays": None, "contracted_hours": hours, "contracted_value_minor": None,
        "currency": None, "rollover": None,
        "accounts": [account("Support", hours)] if accounts is None else accounts,
        "adjustments": [], "settle_days": 5,
    }  # fmt: skip


def contract_event(version=1, status="ACTIVE", *, contract=None, **changes):
    body = changes.pop("terms", None) or terms(**changes)
    data = {
        "contract_id": contract or uid(f"contract {body['code']}"), "stream_version": version, "status": status,
        "previous_status": None, "terms": body, "actor": "olga", "reason": None,
        "occurred_at": "2026-01-01T00:00:00Z", "renewed_from": None, "renewed_as": None,
    }  # fmt: skip
    return record(LIFECYCLE, "tidemark.contract.amended.v1", data)


def member(person, first="2026-01-01", until=None):
    return {"person_id": person, "name": None, "email": None, "from": first, "until": until}


def team_event(name, members, version=1, *, deleted=False):
    data = {"id": uid(f"team {name}"), "version": version, "deleted": deleted, "name": name, "members": members}
    return record(DIRECTORY, "tidemark.team.changed.v1", data)


def data_of(one):
    return json.loads(one.value)


HANDLERS = {
    WORKLOGS.name: fold.fold_worklogs,
    LIFECYCLE.name: fold.fold_lifecycle,
    DIRECTORY.name: fold.fold_directory,
}


async def take(connection, records, *, partition=0, first_offset=0, cluster="test"):
    """Fold records of one topic as one batch, in a transaction of its own."""
    numbered = [
        one.__class__(**{**one.__dict__, "offset": first_offset + index, "partition": partition})
        for index, one in enumerate(records)
    ]
    async with connection.transaction():
        await HANDLERS[records[0].topic](connection, Batch(cluster, records[0].topic, partition, numbered))


async def projections(connection):
    """The projection rows, in the form of ``reference.Model.rows``."""
    shares = await connection.fetch(
        "SELECT contract_id, account_id, team_id, period_start, seconds, worklogs FROM shares"
    )
    days = await connection.fetch("SELECT contract_id, account_id, team_id, day, seconds, worklogs FROM days")
    unaccounted = await connection.fetch("SELECT contract_id, reason, seconds, worklogs FROM unaccounted")
    listed = await connection.fetch(
        "SELECT source, worklog_id, reason, contract_id, account_id FROM worklogs WHERE reason IS NOT NULL"
    )
    return {
        "shares": {_plain(row) for row in shares},
        "days": {_plain(row) for row in days},
        "unaccounted": {_plain(row) for row in unaccounted},
        "listed": {_plain(row) for row in listed},
    }


def _plain(row):
    return tuple(value if value is None or isinstance(value, int) else str(value) for value in row)
