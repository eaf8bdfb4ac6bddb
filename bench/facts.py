"""Contracts, teams, links and worklog events for measurements: the same for the same number."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from aiokafka import ConsumerRecord

from tidemark_shared.messaging.batches import Batch
from tidemark_shared.messaging.events import CONTRACT_EVENTS, ISSUE_LINKED, TEAM_CHANGED, WORKLOG_RECORDED
from tidemark_shared.messaging.topics import DIRECTORY, LIFECYCLE, WORKLOGS, Topic

CONTRACTS, ACCOUNTS, TEAMS, PEOPLE, ISSUES = 100, 4, 10, 200, 4_000
# Work is on 60 days and 400 accounts, so most of a batch touches rows of its own: a pessimistic case.
DAYS = 60
CORRECTION_EVERY = 33

_NAMESPACE = UUID("be7c0000-0000-4000-8000-000000000000")
_START = datetime(2026, 1, 5, 8, tzinfo=UTC)
_RECEIVED_MS = 1_780_000_000_000


def uid(name: str) -> str:
    """The same id for the same name."""
    return str(uuid5(_NAMESPACE, name))


def _record(topic: Topic, type_: str, data: dict[str, Any]) -> ConsumerRecord:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("ce_source", b"/tracker"),
        ("ce_type", type_.encode()),
        ("content-type", b"application/json"),
    ]
    return ConsumerRecord(
        topic=topic.name, partition=0, offset=0, timestamp=_RECEIVED_MS, timestamp_type=0, key=None,
        value=json.dumps(data).encode(), checksum=None, serialized_key_size=-1, serialized_value_size=-1,
        headers=headers,
    )  # fmt: skip


def _account(contract: str, number: int) -> dict[str, Any]:
    first, second = (number * 2 + shift for shift in range(2))
    return {
        "id": uid(f"account {contract} {number}"),
        "name": f"Account {number}",
        "billable": number > 0,
        "planned_hours": "1000",
        "slices": [
            {"team_id": uid(f"team {team % TEAMS}"), "planned_hours": "500"} for team in (first, second)
        ],
    }  # fmt: skip


def contract(code: str, *, version: int = 1, status: str = "ACTIVE") -> ConsumerRecord:
    """A contract of a year, monthly, with four accounts of two slices each."""
    terms = {
        "code": code,
        "name": code,
        "owner": {"name": "Olga", "email": "olga@provider.example"},
        "organization_id": uid("organization"),
        "type": "time_and_materials",
        "recurrence": "monthly",
        "start_date": "2026-01-01",
        "end_date": "2026-12-31",
        "timezone": "Europe/Berlin",
        "contracted_hours": "3000",
        "accounts": [_account(code, number) for number in range(ACCOUNTS)],
    }
    data = {
        "contract_id": uid(f"contract {code}"),
        "stream_version": version,
        "status": status,
        "previous_status": None,
        "terms": terms,
        "actor": "olga",
        "occurred_at": "2026-01-01T00:00:00Z",
    }
    return _record(LIFECYCLE, CONTRACT_EVENTS[0], data)


def teams() -> list[ConsumerRecord]:
    """Every person is in one team."""
    return [
        _record(
            DIRECTORY,
            TEAM_CHANGED,
            {
                "id": uid(f"team {team}"),
                "version": 1,
                "name": f"Team {team}",
                "members": [
                    {"person_id": f"person-{person}", "from": "2026-01-01"} for person in range(team, PEOPLE, TEAMS)
                ],
            },
        )
        for team in range(TEAMS)
    ]


def links(codes: Sequence[str], prefix: str = "I") -> list[ConsumerRecord]:
    """The issues, spread over the accounts of these contracts."""
    return [
        _record(
            WORKLOGS,
            ISSUE_LINKED,
            {
                "issue_id": f"{prefix}{issue}",
                "issue_key": f"SUP-{issue}",
                "contract_id": codes[issue % len(codes)],
                "account_id": f"Account {issue // len(codes) % ACCOUNTS}",
                "created_at": "2026-01-01T00:00:00Z",
                "updated_at": "2026-01-01T00:00:00Z",
            },
        )
        for issue in range(ISSUES)
    ]


def worklogs(numbers: Iterable[int], prefix: str = "I") -> list[ConsumerRecord]:
    """One record for each number; one in 33 corrects an earlier one."""
    return [_worklog(number, prefix) for number in numbers]


def _worklog(number: int, prefix: str) -> ConsumerRecord:
    corrects = number % CORRECTION_EVERY == 0 and number > CORRECTION_EVERY
    worklog = number - CORRECTION_EVERY // 2 if corrects else number
    issue = worklog * 7919 % ISSUES
    started = _START + timedelta(days=worklog * 31 % DAYS, minutes=worklog % 480)
    data = {
        "worklog_id": f"{prefix}-{worklog}",
        "issue_id": f"{prefix}{issue}",
        "author_id": f"person-{worklog * 13 % PEOPLE}",
        "started_at": started.isoformat(),
        "seconds": 60 + number % 7_200,
        "description": "Looked into it, and wrote down what was found.",
        "updated_at": (started + timedelta(days=1, seconds=number % 100)).isoformat(),
    }
    return _record(WORKLOGS, WORKLOG_RECORDED, data)


def batches(records: Sequence[ConsumerRecord], size: int, *, partitions: int = 1) -> list[Batch]:
    """The records of each partition in order, cut into batches."""
    found_batches = []
    for partition in range(partitions):
        of_partition = [
            replace(record, partition=partition, offset=offset)
            for offset, record in enumerate(records[partition::partitions])
        ]
        found_batches += [
            Batch("bench", records[0].topic, partition, of_partition[first : first + size])
            for first in range(0, len(of_partition), size)
        ]
    return found_batches
