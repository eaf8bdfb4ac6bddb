"""Evaluate contracts: after their events, when their time comes, and after changes of rules or organizations.

Four kinds of change can make a crossing visible: a contract, its balance, the configuration (rules and organizations),
and time. A contract and its balance share one row, so the one that is stored second sees the first. The configuration
changes under an exclusive lock and leaves a request for *re-evaluation*: the affected contracts are evaluated in
batches, each in its own transaction. For time, the contract's row has the instant of its next evaluation. So of any two
changes one sees the other, and no crossing is lost.

A new version of a contract is evaluated with its balance: what an activation or amendment raises then has its figures,
and is one message to each receiver. If no balance comes within a few seconds, it is evaluated without.
"""

import asyncio
import json
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from time import perf_counter
from typing import NoReturn
from uuid import UUID

from tidemark_notifier.database.query_types import NotifierQueries
from tidemark_notifier.engine.digests import send_due_digests
from tidemark_notifier.engine.evaluation_cases import load_cases
from tidemark_notifier.engine.notifications import raise_notifications
from tidemark_notifier.engine.offers import notify_due_offers
from tidemark_notifier.engine.saved_reports import mail_due_report
from tidemark_notifier.evaluation.evaluation_input import EvaluationInput
from tidemark_notifier.evaluation.evaluator import (
    PendingNotification,
    evaluate,
    find_next_evaluation_day,
    find_skipped_rule_versions,
)
from tidemark_notifier.rules.rule import Scope
from tidemark_shared import metrics
from tidemark_shared.chunks import chunks
from tidemark_shared.database import Connection, Pool, queries
from tidemark_shared.domain.calendar import start_of_day
from tidemark_shared.settings import RESTATEMENT_QUIET_SECONDS

_sql: NotifierQueries = queries("tidemark_notifier")

_EVALUATED = metrics.counter(
    "tidemark_evaluated_contracts_total",
    "Contracts whose rules were evaluated; those that await a balance are not counted.",
)
_EVALUATION_SECONDS = metrics.histogram(
    "tidemark_evaluation_duration_seconds",
    "Time to evaluate a batch of contracts: to lock and load them, to evaluate, and to raise their notifications.",
    buckets=metrics.SECONDS,
)

_BATCH_SIZE = 500
# Fewer, because nobody waits for a re-evaluation: a balance waits for at most one such batch, by the lock of its row
# or for the processor, and for none during the pause that follows each.
_REEVALUATION_BATCH_SIZE = 10
_POLL_SECONDS = 0.25
# A contract that is due for longer makes the service not ready.
_MAX_DELAY = timedelta(minutes=1)


class Evaluator:
    """Evaluates contracts and raises notifications, once it has started.

    A new instance only stores events until it has read the lifecycle and directory topics to their ends.
    """

    def __init__(
        self, *, is_started: bool = False, restatement_quiet: timedelta = timedelta(seconds=RESTATEMENT_QUIET_SECONDS)
    ) -> None:
        self.is_started, self._restatement_quiet = is_started, restatement_quiet

    async def start(self, pool: Pool) -> None:
        """Start to evaluate, and evaluate all contracts once: events were stored without evaluation until now."""
        self.is_started = True
        async with pool.acquire() as connection, connection.transaction():
            # This waits for transactions that still store without evaluating.
            await lock_configuration(connection)
            await _sql.request_reevaluation(connection, scope_ids=[None])

    async def run(self, pool: Pool) -> NoReturn:
        """Evaluate what is due and what needs re-evaluation, again and again."""
        while True:
            await self.evaluate_due(pool)
            await asyncio.sleep(_POLL_SECONDS)

    async def find_problems(self, connection: Connection, now: datetime | None = None) -> list[str]:
        """What keeps notifications from being raised, for ``/readyz``."""
        if not self.is_started:
            return ["The contracts and the directory are still being read. Rules are not evaluated yet."]
        moment: datetime = now or await _sql.current_time(connection)
        row = await _sql.overdue_contract(connection, before=moment - _MAX_DELAY)
        if row is None:
            return []
        problem = f"Contract {row['code']} should have been evaluated at {row['due_at'].isoformat()}."
        return [f"{problem} The log of this service has the reason as task_restarted; remove it."]

    async def evaluate_due(self, pool: Pool, now: datetime | None = None) -> None:
        """Evaluate all contracts that are due ``now`` (default: the database's time) or need re-evaluation.

        Then notify of the offers that are due, send the digests, and mail the saved reports.

        Each batch is its own transaction, so balances are handled meanwhile, and a crash costs one batch. Any number of
        instances may do this at once.
        """
        while await self._evaluate_batch(pool, now):
            pass

    async def _evaluate_batch(self, pool: Pool, now: datetime | None) -> bool:
        started = perf_counter()
        async with pool.acquire() as connection, connection.transaction():
            await _sql.lock_configuration_shared(connection)
            if not self.is_started:
                return False
            moment: datetime = now or await _sql.current_time(connection)
            ids = [row["id"] async for row in _sql.contracts_due(connection, now=moment, max_count=_BATCH_SIZE)]
            reevaluation = None if ids else await _sql.next_reevaluation(connection)
            if reevaluation:
                id_, scope_id, after = reevaluation["id"], reevaluation["scope_id"], reevaluation["last_contract_id"]
                rows = _sql.contract_ids_in_scope(
                    connection, scope_id=scope_id, after=after, max_count=_REEVALUATION_BATCH_SIZE
                )
                ids = [row["id"] async for row in rows]
                if len(ids) == _REEVALUATION_BATCH_SIZE:
                    await _sql.advance_reevaluation(connection, id=id_, last_contract_id=ids[-1])
                else:
                    await _sql.finish_reevaluation(connection, id=id_)
            if ids:
                await _evaluate_contracts(connection, ids, moment, self._restatement_quiet)
            is_busy = (
                bool(ids or reevaluation)
                or await notify_due_offers(connection, moment)
                or await send_due_digests(connection, moment)
                or await mail_due_report(connection, moment)
            )
        if reevaluation:
            # As long as the batch took: half of the process and of the database is left to balances.
            await asyncio.sleep(perf_counter() - started)
        return is_busy

    async def evaluate_stored(self, connection: Connection, ids: Collection[UUID], now: datetime | None) -> None:
        """Evaluate contracts whose events were stored in this transaction, unless this instance has not started."""
        # The caller holds the configuration lock, which start() waits for.
        if self.is_started:
            moment: datetime = now or await _sql.current_time(connection)
            for batch in chunks(sorted(ids), _BATCH_SIZE):
                await _evaluate_contracts(connection, batch, moment, self._restatement_quiet)


async def lock_configuration(connection: Connection) -> None:
    """Wait for all transactions that store or evaluate, and keep new ones out until this transaction ends."""
    await _sql.lock_configuration(connection)


async def request_reevaluation(connection: Connection, scopes: Iterable[Scope]) -> None:
    """Request the re-evaluation of changed rules' scopes. The transaction holds :func:`lock_configuration`."""
    await _sql.request_reevaluation(connection, scope_ids=[scope.id for scope in scopes])


async def _evaluate_contracts(
    connection: Connection, ids: Sequence[UUID], now: datetime, restatement_quiet: timedelta
) -> None:
    """Lock the rows of contracts in the order of their ids, evaluate them, and raise the notifications.

    A contract whose balance is awaited is left as it is until the balance comes, or is awaited no longer.
    """
    started = perf_counter()
    async for _ in _sql.lock_contracts(connection, ids=ids):
        pass
    pending: list[tuple[EvaluationInput, date, PendingNotification]] = []
    evaluated: list[EvaluationInput] = []
    updates: list[tuple[UUID, str, str | None, datetime | None]] = []
    for case in await load_cases(connection, ids):
        restatements_due_at = case.restatements_due_at(restatement_quiet)
        contract, rules, today = case.contract_at(now, restatements_due_at), case.effective_rules, case.local_day(now)
        awaited_until = case.row["awaited_until"]
        if awaited_until and now < awaited_until:
            status_changes = json.dumps(contract.status_changes)
            updates.append((contract.contract_id, status_changes, case.row["skipped_rule_versions"], awaited_until))
            continue
        _EVALUATED.inc()
        evaluated.append(contract)
        notifications = evaluate(rules, contract, case.notified, today)
        pending += [(contract, today, notification) for notification in notifications]
        new_keys = (key for notification in notifications for key in notification.notification_keys(today))
        next_day = find_next_evaluation_day(rules, contract, [*case.notified, *new_keys], today)
        next_times = [restatements_due_at] if restatements_due_at and not contract.restatements else []
        next_times += [start_of_day(next_day, contract.terms.zone)] if next_day else []
        next_evaluation = min(next_times, default=None)
        skipped = find_skipped_rule_versions(rules, contract)
        status_changes = json.dumps(contract.status_changes[-1:])
        stored = (case.row["status_changes"], contract.skipped_rule_versions, case.row["next_evaluation_at"])
        if (status_changes, skipped, next_evaluation) != stored:
            versions = json.dumps({str(rule_id): version for rule_id, version in skipped.items()})
            updates.append((contract.contract_id, status_changes, versions, next_evaluation))
    await _drop_evaluated(connection, evaluated)
    if updates:
        contract_ids, status_changes_, skipped_, next_evaluations = zip(*updates, strict=True)
        await _sql.update_evaluated(
            connection,
            ids=contract_ids,
            status_changes=status_changes_,
            skipped_rule_versions=skipped_,
            next_evaluations=next_evaluations,
        )
    if pending:
        await raise_notifications(connection, now, pending)
    _EVALUATION_SECONDS.observe(perf_counter() - started)


async def _drop_evaluated(connection: Connection, contracts: Sequence[EvaluationInput]) -> None:
    """Keep only the newest statement of each contract, and no restatement."""
    if ids := [contract.contract_id for contract in contracts if len(contract.closed_periods) > 1]:
        await _sql.keep_newest_closed_period(connection, ids=ids)
    if ids := [contract.contract_id for contract in contracts if contract.restatements]:
        await _sql.clear_restatements(connection, ids=ids)
