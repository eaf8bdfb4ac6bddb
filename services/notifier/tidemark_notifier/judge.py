"""The shell around :mod:`~tidemark_notifier.evaluate`: what comes in is stored and judged in one transaction.

Four kinds of change make a crossing visible: a contract, its balance, what many contracts rest on (rules,
organizations), and time. The first two meet in one row, whose lock makes the second wait for the first. The third is
made alone and leaves a *sweep* behind, which judges the contracts it touches in parts, each its own transaction. The
fourth is an instant in the contract's row. So of any two changes one sees the other, and no crossing falls between.
"""

import asyncio
import json
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from tidemark_notifier.evaluate import (
    Changed,
    Key,
    Known,
    Notice,
    Organization,
    Sight,
    Telling,
    Terms,
    applying,
    evaluate,
    next_day,
    skipped,
)
from tidemark_notifier.rules import REVEALED, Scope, StoredRule
from tidemark_notifier.snapshot import Addressee, Snapshot, addressees, freeze, frozen
from tidemark_shared.database import Connection, Pool, queries
from tidemark_shared.domain.bodies import Balance, Team
from tidemark_shared.domain.calendar import day_in, start_of_day
from tidemark_shared.log import correlation_id, get_logger
from tidemark_shared.messaging import outbox
from tidemark_shared.messaging.batches import Batch, dead_letter, read_events
from tidemark_shared.messaging.cloudevents import Event, OutboxRecord, outbox_record
from tidemark_shared.messaging.events import NOTIFICATION_EVENTS, ORGANIZATION_CHANGED, TEAM_CHANGED, Notification
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE, NOTIFICATIONS, Topic

_log = get_logger()
_sql = queries("tidemark_notifier")

_MOST_CONTRACTS = 500
_PAUSE_SECONDS = 0.25
_KINDS = {ORGANIZATION_CHANGED: "organization", TEAM_CHANGED: "team"}
RAISED, DELIVERED, FAILED, RESOLVED = NOTIFICATION_EVENTS


class Judge:
    """Takes what Kafka brings and what rules change; raises notifications."""

    def __init__(self, *, judging: bool = False) -> None:
        # A new instance stores and does not judge until it has read lifecycle and directory to their ends.
        self.judging = judging

    async def lifecycle(self, connection: Connection, batch: Batch) -> None:
        """The handler of ``contracts.lifecycle``."""
        read = sorted(await _read(connection, LIFECYCLE, batch), key=lambda event: event.data.stream_version)
        changes: dict[UUID, list[Changed]] = {}
        for event in read:
            changes.setdefault(event.data.contract_id, []).append(Changed(event.data.stream_version, event.data.status))
        found = _newest(read, "contract_id", "stream_version")
        await _sql.share_frame(connection)
        await _sql.store_contracts(
            connection,
            ids=list(found),
            versions=[event.data.stream_version for event in found.values()],
            changes=[json.dumps(changes[id_]) for id_ in found],
            terms=[event.data.terms.model_dump_json() for event in found.values()],
        )
        await self._judge(connection, found, batch.learned_at)

    async def balances(self, connection: Connection, batch: Batch) -> None:
        """The handler of ``consumption.balances``."""
        found = _newest(await _read(connection, BALANCES, batch), "contract_id", "revision")
        await _sql.share_frame(connection)
        await _sql.store_balances(
            connection,
            ids=list(found),
            revisions=[event.data.revision for event in found.values()],
            versions=[event.data.stream_version for event in found.values()],
            bodies=[event.data.model_dump_json() for event in found.values()],
        )
        await self._judge(connection, found, batch.learned_at)

    async def directory(self, connection: Connection, batch: Batch) -> None:
        """The handler of ``contracts.directory``: a contract waits for its organization."""
        read = [event for event in await _read(connection, DIRECTORY, batch) if event.type in _KINDS]
        found = _newest(read, "id", "version")
        await _sql.change_frame(connection)
        await _sql.store_directory(
            connection,
            ids=list(found),
            kinds=[_KINDS[event.type] for event in found.values()],
            versions=[event.data.version for event in found.values()],
            bodies=[event.data.model_dump_json() for event in found.values()],
        )
        await _sql.sweep(connection, scopes=[id_ for id_, event in found.items() if event.type == ORGANIZATION_CHANGED])

    async def rules_changed(self, connection: Connection, scopes: Iterable[Scope]) -> None:
        """Have judged what a change of rules touches, in the transaction that began with :func:`change_frame`."""
        await _sql.sweep(connection, scopes=[scope.id for scope in scopes])

    async def begin(self, pool: Pool) -> None:
        """Judge from now on, and everything once: what was stored before, or changed while no one judged."""
        self.judging = True
        async with pool.acquire() as connection, connection.transaction():
            # Whoever stored without judging has committed once this lock is granted.
            await change_frame(connection)
            await _sql.sweep(connection, scopes=[None])

    async def run(self, pool: Pool) -> NoReturn:
        """Judge what no event brings, for ever: what is due, and what sweeps ask for."""
        while True:
            await self.catch_up(pool)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def catch_up(self, pool: Pool, now: datetime | None = None) -> None:
        """Judge all that is due ``now`` (None: by the database's clock) and all that sweeps ask for.

        In parts, each its own transaction: balances go on meanwhile, and after a crash the next part follows. Any
        number of instances may do so at once.
        """
        while await self._part(pool, now):
            pass

    async def _part(self, pool: Pool, now: datetime | None) -> bool:
        async with pool.acquire() as connection, connection.transaction():
            await _sql.share_frame(connection)
            if not self.judging:
                return False
            now = now or await _sql.now(connection)
            ids = [row["id"] async for row in _sql.due(connection, now=now, most=_MOST_CONTRACTS)]
            sweep = None if ids else await _sql.next_sweep(connection)
            if sweep:
                scope, after = sweep["scope_id"], sweep["after"]
                rows = _sql.to_sweep(connection, scope=scope, after=after, most=_MOST_CONTRACTS)
                ids = [row["id"] async for row in rows]
                if len(ids) == _MOST_CONTRACTS:
                    await _sql.swept(connection, id=sweep["id"], after=ids[-1])
                else:
                    await _sql.end_sweep(connection, id=sweep["id"])
            if ids:
                await _judge(connection, ids, now)
            return bool(ids or sweep)

    async def _judge(self, connection: Connection, ids: Collection[UUID], now: datetime | None) -> None:
        # Read under the lock of the frame, which begin() waits for.
        if self.judging:
            now = now or await _sql.now(connection)
            for some in _parts(sorted(ids)):
                await _judge(connection, some, now)


async def change_frame(connection: Connection) -> None:
    """Keep out, to the end of the transaction, all who store or judge: rules are about to change."""
    await _sql.change_frame(connection)


async def _read(connection: Connection, topic: Topic, batch: Batch) -> list[Event]:
    received, dead_letters = read_events(topic, batch.records)
    await dead_letter(connection, batch, dead_letters)
    return [event for _, event in received]


def _newest(found: Iterable[Event], id_: str, version: str) -> dict[UUID, Event]:
    """Of each id the newest version, in the order of ids."""
    ordered = sorted(found, key=lambda event: (getattr(event.data, id_), getattr(event.data, version)))
    return {getattr(event.data, id_): event for event in ordered}


def _parts(ids: Sequence[UUID]) -> Iterable[Sequence[UUID]]:
    return (ids[index : index + _MOST_CONTRACTS] for index in range(0, len(ids), _MOST_CONTRACTS))


class Case(NamedTuple):
    """A contract, the rules whose scope holds it, and what was told of it."""

    known: Known
    rules: Sequence[StoredRule]
    told: Sequence[Telling]
    row: Any

    @property
    def holding(self) -> list[StoredRule]:
        """The rules that hold: of each name the narrowest, where it is on."""
        return applying(self.rules, self.known.id, self.known.terms.organization_id)

    def today(self, now: datetime) -> date:
        """The contract's own day."""
        return day_in(now, self.known.terms.zone)


async def cases(connection: Connection, ids: Sequence[UUID], also: Sequence[StoredRule] = ()) -> list[Case]:
    """What is needed to judge these contracts; what waits for its terms or organization is left out.

    ``also`` are rules that are not kept: each stands for the kept one of its name and scope.
    """
    rows = [row async for row in _sql.known(connection, ids=ids)]
    terms = {row["id"]: Terms.model_validate_json(row["terms"]) for row in rows}
    scopes = [*terms, *{one.organization_id for one in terms.values()}]
    kept = [stored_rule(row) async for row in _sql.rules_for(connection, ids=scopes)]
    replaced = {(rule.name, rule.scope) for rule in also}
    rules = [*also, *(rule for rule in kept if (rule.name, rule.scope) not in replaced)]
    balances = {row["id"]: _balance(row) for row in rows}
    named = {receiver.id for rule in rules for receiver in rule.receivers if receiver.kind == "team"}
    for balance in balances.values():
        named |= {one.team_id for account in (balance.accounts if balance else ()) for one in account.slices}
    teams = {
        row["id"]: Team.model_validate_json(row["body"])
        async for row in _sql.teams(connection, ids=[id_ for id_ in named if id_])
    }
    told: dict[UUID, list[Telling]] = {}
    async for row in _sql.told(connection, ids=list(terms)):
        contract_id, *key, told_on, notification_id = row
        told.setdefault(contract_id, []).append(
            Telling(Key(*key), told_on, notification_id is not None, notification_id)
        )
    return [
        Case(
            Known(
                row["id"],
                _changes(row),
                terms[row["id"]],
                Organization.model_validate_json(row["organization"]),
                teams,
                balances[row["id"]],
                _waits(row),
                row["skipped"] and {UUID(id_): version for id_, version in json.loads(row["skipped"]).items()},
            ),
            [rule for rule in rules if rule.scope.id in (None, row["id"], terms[row["id"]].organization_id)],
            told.get(row["id"], []),
            row,
        )
        for row in rows
    ]


def _changes(row: Any) -> tuple[Changed, ...]:
    """Of events that leave the status as it is only the first counts."""
    found: list[Changed] = []
    for version, status in json.loads(row["changes"]):
        if not found or found[-1].status != status:
            found.append(Changed(version, status))
    return tuple(found)


def _waits(row: Any) -> str | None:
    if row["balance"] is None:
        return "a balance" if row["balance_stream_version"] is None else None
    if row["balance_stream_version"] > row["stream_version"]:
        return f"version {row['balance_stream_version']} of the contract, which its balance knows already"
    if row["balance_stream_version"] < row["plan_version"]:
        return f"a balance by version {row['plan_version']} of the contract"
    return None


def _balance(row: Any) -> Balance | None:
    return None if _waits(row) else Balance.model_validate_json(row["balance"])


async def _judge(connection: Connection, ids: Sequence[UUID], now: datetime) -> None:
    """Judge contracts, whose rows it locks in the order of their ids, and write what is to be told."""
    async for _ in _sql.lock_contracts(connection, ids=ids):
        pass
    notices: list[tuple[Known, date, Notice]] = []
    judged: list[tuple[UUID, str, str, datetime | None]] = []
    for case in await cases(connection, ids):
        known, holding, today = case.known, case.holding, case.today(now)
        fresh = evaluate(holding, known, case.told, today)
        notices += [(known, today, notice) for notice in fresh]
        told = [*case.told, *(one for notice in fresh for one in notice.tellings(today))]
        day = next_day(holding, known, told, today)
        due = start_of_day(day, known.terms.zone) if day else None
        skips = skipped(holding, known)
        changes = json.dumps(known.changes[-1:])
        if (changes, skips, due) != (case.row["changes"], known.skipped, case.row["due_at"]):
            judged.append((known.id, changes, json.dumps({str(id_): one for id_, one in skips.items()}), due))
    if judged:
        of, statuses, looked, dues = zip(*judged, strict=True)
        await _sql.set_judged(connection, ids=of, changes=statuses, skipped=looked, due=dues)
    if notices:
        await _tell(connection, now, notices)


def stored_rule(row: Any) -> StoredRule:
    """A row of ``rules``."""
    return StoredRule.model_validate({**json.loads(row["body"]), "id": row["id"], "version": row["version"]})


async def _tell(connection: Connection, now: datetime, notices: Sequence[tuple[Known, date, Notice]]) -> None:
    """Count the notices as told; raise those that had not been."""
    ids = await _new_ids(connection, len(notices))
    keys = [
        {
            **key._asdict(),
            "contract_id": known.id,
            "told_on": today,
            "notification_id": id_ if notice.tell else None,
        }
        for id_, (known, today, notice) in zip(ids, notices, strict=True)
        for key in notice.keys
    ]
    fresh = {(row["notification_id"], row["threshold"]) async for row in _sql.tell(connection, rows=_json(keys))}
    raised = [
        Raised(
            id_,
            known,
            notice.sight,
            freeze(notice, known, today),
            addressees(notice.rule, known, today, notice.sight.subject.account),
        )
        for id_, (known, today, notice) in zip(ids, notices, strict=True)
        if (id_, notice.threshold) in fresh
    ]
    if raised:
        await _raise(connection, now, raised)
        _log.info("raised", count=len(raised))


class Raised(NamedTuple):
    """A notification with all that it holds (N3)."""

    id: UUID
    known: Known
    sight: Sight
    snapshot: Snapshot
    addressees: Sequence[Addressee]


async def raise_test(connection: Connection, now: datetime, known: Known, sight: Sight, to: str | None) -> UUID:
    """A notification that is no more than a sample, to the rule's receivers or ``to`` an address; its id.

    It counts as told nowhere.
    """
    today = day_in(now, known.terms.zone)
    [id_] = await _new_ids(connection, 1)
    receivers = (
        [Addressee(email=to, name=None, kind="address")]
        if to
        else addressees(sight.rule, known, today, sight.subject.account)
    )
    snapshot = frozen("test", sight, sight.levels[-1], known, today)
    await _raise(connection, now, [Raised(id_, known, sight, snapshot, receivers)])
    return id_


async def _new_ids(connection: Connection, count: int) -> list[UUID]:
    return [row["id"] async for row in _sql.new_ids(connection, count=count)]


async def _raise(connection: Connection, now: datetime, raised: Sequence[Raised]) -> None:
    """Write notifications with their deliveries and their events."""
    told = [(_event(one, now), one) for one in raised]
    rows = [
        {**event.model_dump(mode="json"), "id": one.id, "snapshot": one.snapshot.model_dump(mode="json")}
        for event, one in told
    ]
    await _sql.insert_notifications(connection, rows=_json(rows))
    await _sql.insert_deliveries(connection, rows=_json([row for one in raised for row in _deliveries(one)]))
    kinds = {"resolved": RESOLVED}
    await outbox.put(
        connection, [to_publish(kinds.get(one.snapshot.occasion, RAISED), event, now) for event, one in told]
    )


def _event(one: Raised, now: datetime) -> Notification:
    subject = one.sight.subject
    return Notification(
        notification_id=one.id,
        contract_id=one.known.id,
        contract_code=one.known.terms.code,
        rule_id=one.sight.rule.id,
        rule_name=one.sight.rule.name,
        subject=subject.kind,
        subject_id=subject.id,
        threshold=one.snapshot.threshold,
        period_start=subject.period and subject.period.start.isoformat(),
        raised_at=now,
    )


def _deliveries(one: Raised) -> list[dict[str, Any]]:
    """One for each receiver, by its channel; where the receivers resolve to nobody one for nobody."""
    told: list[tuple[str, Any]] = [
        (addressee.channel, addressee.model_dump(context=REVEALED)) for addressee in one.addressees
    ]
    return [
        {"notification_id": one.id, "channel": channel, "addressee": addressee}
        for channel, addressee in told or [(channel, None) for channel in one.sight.rule.channels]
    ]


def to_publish(type_: str, data: Notification, now: datetime) -> OutboxRecord:
    """An event of ``notifier.notifications``."""
    return outbox_record(
        NOTIFICATIONS,
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
