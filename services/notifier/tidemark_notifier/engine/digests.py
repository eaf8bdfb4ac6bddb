"""Send digests: each receiver's once on its day, by the database's clock. SPEC 10.

A rule remembers from when on its days are still to be looked at, so a day that passed while nothing ran is made up for.
Its digests, their keys and that moment commit together.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from tidemark_notifier.database.query_types import NotifierQueries
from tidemark_notifier.engine.evaluation_cases import EvaluationCase, load_cases
from tidemark_notifier.engine.notifications import raise_digest
from tidemark_notifier.evaluation.digest_schedule import find_due_day, find_next_check
from tidemark_notifier.evaluation.digests import DigestCase, build_digests
from tidemark_notifier.evaluation.snapshot import DigestFigures, Snapshot
from tidemark_notifier.rules.rule import StoredRule, parse_rule_row
from tidemark_shared.database import Connection, queries

_sql: NotifierQueries = queries("tidemark_notifier")

_BATCH_SIZE = 500


async def send_due_digests(connection: Connection, now: datetime) -> bool:
    """Send the digests of one rule, in the caller's transaction. Returns whether there was one to look at."""
    row = await _sql.digest_due(connection, now=now)
    if row is None:
        return False
    rule, since = parse_rule_row(row), row["next_digest_at"]
    zones = [zone["timezone"] async for zone in _sql.zones_in_scope(connection, scope_id=rule.scope.id)]
    # Most checks find that no day has begun, and load nothing.
    if since and any(find_due_day(rule.trigger, [ZoneInfo(zone)], since, now) for zone in zones):
        for digest in build_digests(rule, await _load_cases(connection, rule), since, now):
            await raise_digest(connection, now, rule, digest)
    await _sql.schedule_digest(connection, id=rule.id, next_digest_at=find_next_check(rule.trigger, now))
    return True


async def _load_cases(connection: Connection, rule: StoredRule) -> list[DigestCase]:
    """The contracts to which the rule applies."""
    cases: list[EvaluationCase] = []
    after: UUID | None = None
    while True:
        rows = _sql.contract_ids_in_scope(connection, scope_id=rule.scope.id, after=after, max_count=_BATCH_SIZE)
        ids = [row["id"] async for row in rows]
        cases += [case for case in await load_cases(connection, ids) if rule in case.effective_rules]
        if len(ids) < _BATCH_SIZE:
            break
        after = ids[-1]
    previous = await _load_previous(connection, rule.id, [case.contract.contract_id for case in cases])
    return [DigestCase(case.contract, case.notified, previous.get(case.contract.contract_id, {})) for case in cases]


async def _load_previous(
    connection: Connection, rule_id: UUID, contract_ids: Sequence[UUID]
) -> dict[UUID, dict[str, DigestFigures]]:
    previous: dict[UUID, dict[str, DigestFigures]] = {}
    async for row in _sql.previous_digests(connection, rule_id=rule_id, contract_ids=contract_ids):
        digest = Snapshot.model_validate_json(row["snapshot"]).digest
        if digest and row["receiver"]:
            figures = DigestFigures.model_validate(digest.model_dump(include=set(DigestFigures.model_fields)))
            previous.setdefault(row["contract_id"], {})[row["receiver"].casefold()] = figures
    return previous
