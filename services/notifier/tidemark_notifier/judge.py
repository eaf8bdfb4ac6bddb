"""The shell around :mod:`~tidemark_notifier.evaluate`: what comes in is stored and judged in one transaction.

Three kinds of change make a crossing visible: a contract, its balance, and what many contracts rest on (rules,
organizations). The first two meet in one row, whose lock makes the second wait for the first; the third is made
alone. So of any two changes one sees the other, and no crossing falls between them.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from tidemark_notifier.evaluate import Key, Known, Notice, Organization, Terms, applying, evaluate
from tidemark_notifier.rules import Scope, StoredRule
from tidemark_notifier.snapshot import addressees, freeze
from tidemark_shared import events, outbox
from tidemark_shared.bodies import Balance
from tidemark_shared.calendar import day_in
from tidemark_shared.consumer import Batch, Refusal, refuse
from tidemark_shared.database import Connection, Pool, queries
from tidemark_shared.log import correlation_id, get_logger

_log = get_logger()
_sql = queries("tidemark_notifier")

_MOST_CONTRACTS = 500
_KINDS = {events.ORGANIZATION_CHANGED: "organization", events.TEAM_CHANGED: "team"}
RAISED, DELIVERED, FAILED, _ = events.NOTIFICATION_EVENTS


class Judge:
    """Takes what Kafka brings and what rules change; raises notifications."""

    def __init__(self, *, judging: bool = False) -> None:
        # A new instance stores and does not judge until it has read lifecycle and directory to their ends.
        self.judging = judging

    async def lifecycle(self, connection: Connection, batch: Batch) -> None:
        """The handler of ``contracts.lifecycle``."""
        found = _newest(await _read(connection, events.LIFECYCLE, batch), "contract_id", "stream_version")
        await _sql.share_frame(connection)
        await _sql.store_contracts(
            connection,
            ids=list(found),
            versions=[event.data.stream_version for event in found.values()],
            statuses=[event.data.status for event in found.values()],
            terms=[event.data.terms.model_dump_json() for event in found.values()],
        )
        await self._judge(connection, found)

    async def balances(self, connection: Connection, batch: Batch) -> None:
        """The handler of ``consumption.balances``."""
        found = _newest(await _read(connection, events.BALANCES, batch), "contract_id", "revision")
        await _sql.share_frame(connection)
        await _sql.store_balances(
            connection,
            ids=list(found),
            revisions=[event.data.revision for event in found.values()],
            versions=[event.data.stream_version for event in found.values()],
            bodies=[event.data.model_dump_json() for event in found.values()],
        )
        await self._judge(connection, found)

    async def directory(self, connection: Connection, batch: Batch) -> None:
        """The handler of ``contracts.directory``: a contract waits for its organization."""
        read = [event for event in await _read(connection, events.DIRECTORY, batch) if event.type in _KINDS]
        found = _newest(read, "id", "version")
        await _sql.change_frame(connection)
        await _sql.store_directory(
            connection,
            ids=list(found),
            kinds=[_KINDS[event.type] for event in found.values()],
            versions=[event.data.version for event in found.values()],
            bodies=[event.data.model_dump_json() for event in found.values()],
        )
        await self._judge_scope(connection, everywhere=False, ids=list(found))

    async def rules_changed(self, connection: Connection, scopes: Iterable[Scope]) -> None:
        """Judge what a change of rules touches, in the transaction that began with :func:`change_frame`."""
        ids = [scope.id for scope in scopes]
        await self._judge_scope(connection, everywhere=None in ids, ids=[id_ for id_ in ids if id_])

    async def begin(self, pool: Pool) -> None:
        """Judge from now on, and everything once: what was stored before, or changed while no one judged."""
        self.judging = True
        async with pool.acquire() as connection:
            async with connection.transaction():
                # Whoever stored without judging has committed once this lock is granted.
                await change_frame(connection)
            ids = [row["id"] async for row in _sql.contracts_in_scope(connection, everywhere=True, ids=[])]
            for some in _parts(ids):
                async with connection.transaction():
                    await _sql.share_frame(connection)
                    await _judge(connection, some)

    async def _judge_scope(self, connection: Connection, *, everywhere: bool, ids: Sequence[UUID]) -> None:
        rows = _sql.contracts_in_scope(connection, everywhere=everywhere, ids=ids)
        await self._judge(connection, [row["id"] async for row in rows])

    async def _judge(self, connection: Connection, ids: Collection[UUID]) -> None:
        # Read under the lock of the frame, which begin() waits for.
        if self.judging:
            for some in _parts(sorted(ids)):
                await _judge(connection, some)


async def change_frame(connection: Connection) -> None:
    """Keep out, to the end of the transaction, all who store or judge: rules are about to change."""
    await _sql.change_frame(connection)


async def _read(connection: Connection, topic: events.Topic, batch: Batch) -> list[events.Event]:
    found, refusals = [], []
    for record in batch.records:
        if record.value is None and topic.retention == "compacted":
            continue  # what compaction leaves of a key that is gone
        try:
            found.append(events.read(topic, record.headers, record.value))
        except events.Unreadable as reason:
            refusals.append(Refusal(record, str(reason)))
    await refuse(connection, batch, refusals)
    return found


def _newest(found: Iterable[events.Event], id_: str, version: str) -> dict[UUID, events.Event]:
    """Of each id the newest version, in the order of ids."""
    ordered = sorted(found, key=lambda event: (getattr(event.data, id_), getattr(event.data, version)))
    return {getattr(event.data, id_): event for event in ordered}


def _parts(ids: Sequence[UUID]) -> Iterable[Sequence[UUID]]:
    return (ids[index : index + _MOST_CONTRACTS] for index in range(0, len(ids), _MOST_CONTRACTS))


async def _judge(connection: Connection, ids: Sequence[UUID]) -> None:
    """Judge contracts, whose rows it locks in the order of their ids, and write what is to be told."""
    contracts = [_known(row) async for row in _sql.to_judge(connection, ids=ids)]
    rules = [
        stored_rule(row)
        async for row in _sql.rules_for(
            connection, ids=[*ids, *{contract.terms.organization_id for contract in contracts}]
        )
    ]
    told: dict[UUID, set[Key]] = {}
    async for row in _sql.told(connection, ids=[contract.id for contract in contracts]):
        contract_id, *key = row
        told.setdefault(contract_id, set()).add(Key(*key))
    now = (await _sql.moment(connection, count=0))["now"]
    notices: list[tuple[Known, Notice]] = []
    skipped: dict[UUID, str] = {}
    for known in contracts:
        holding = applying(rules, known.id, known.terms.organization_id)
        today = day_in(now, known.terms.zone)
        notices += [(known, notice) for notice in evaluate(holding, known, told.get(known.id, set()), today)]
        skips = {rule.id: rule.version for rule in holding if rule.existing == "skip"}
        if skips != known.skipped:
            skipped[known.id] = json.dumps({str(id_): version for id_, version in skips.items()})
    if skipped:
        await _sql.set_skipped(connection, ids=list(skipped), skipped=list(skipped.values()))
    if notices:
        await _tell(connection, now, notices)


def stored_rule(row: Any) -> StoredRule:
    """A row of ``rules``."""
    return StoredRule.model_validate({**json.loads(row["body"]), "id": row["id"], "version": row["version"]})


def _known(row: Any) -> Known:
    return Known(
        row["id"],
        row["status"],
        Terms.model_validate_json(row["terms"]),
        Organization.model_validate_json(row["organization"]),
        Balance.model_validate_json(row["balance"]) if row["balance"] else None,
        row["skipped"] and {UUID(id_): version for id_, version in json.loads(row["skipped"]).items()},
    )


async def _tell(connection: Connection, now: datetime, notices: Sequence[tuple[Known, Notice]]) -> None:
    """Count the notices as told; raise those that had not been, with their deliveries and events."""
    ids: list[UUID] = (await _sql.moment(connection, count=len(notices)))["ids"]
    keys = [
        {**key._asdict(), "contract_id": known.id, "notification_id": id_ if notice.tell else None}
        for id_, (known, notice) in zip(ids, notices, strict=True)
        for key in notice.keys
    ]
    fresh = {(row["notification_id"], row["threshold"]) async for row in _sql.tell(connection, rows=_json(keys))}
    raised = [
        (_event(id_, known, notice, now), known, notice)
        for id_, (known, notice) in zip(ids, notices, strict=True)
        if (id_, notice.threshold) in fresh
    ]
    if raised:
        await _sql.insert_notifications(connection, rows=_json([_row(*one) for one in raised]))
        await _sql.insert_deliveries(connection, rows=_json([row for one in raised for row in _deliveries(*one)]))
        await outbox.put(connection, [to_publish(RAISED, event, now) for event, _, _ in raised])
        _log.info("raised", count=len(raised))


def _event(id_: UUID, known: Known, notice: Notice, now: datetime) -> events.Notification:
    furthest = notice.keys[-1]
    return events.Notification(
        notification_id=id_,
        contract_id=known.id,
        contract_code=known.terms.code,
        rule_id=notice.rule.id,
        rule_name=notice.rule.name,
        subject=furthest.subject,
        subject_id=furthest.subject_id,
        threshold=furthest.threshold,
        period_start=furthest.period_start and furthest.period_start.isoformat(),
        raised_at=now,
    )


def _row(event: events.Notification, known: Known, notice: Notice) -> dict[str, Any]:
    snapshot = freeze(notice, known).model_dump(mode="json")
    return {**event.model_dump(mode="json"), "id": event.notification_id, "snapshot": snapshot}


def _deliveries(event: events.Notification, known: Known, notice: Notice) -> list[dict[str, Any]]:
    """One for each receiver and channel; one for nobody where the receivers resolve to nobody."""
    found: list[Any] = [one.model_dump() for one in addressees(notice.rule.receivers, known.terms, known.organization)]
    return [
        {"notification_id": event.notification_id, "channel": channel, "addressee": addressee}
        for channel in notice.rule.channels
        for addressee in found or [None]
    ]


def to_publish(type_: str, data: events.Notification, now: datetime) -> events.Outgoing:
    """An event of ``notifier.notifications``."""
    return events.outgoing(
        events.NOTIFICATIONS,
        str(data.contract_id),
        type_,
        data,
        source="/notifier",
        time=now,
        correlation_id=correlation_id(),
    )


def _json(rows: Sequence[dict[str, Any]]) -> str:
    return json.dumps(rows, default=_plain)


def _plain(value: UUID | date) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
