"""Load everything that the evaluation of contracts needs."""

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from tidemark_notifier.database.query_types import EvaluationInputsRow, NotifierQueries
from tidemark_notifier.evaluation.evaluation_input import (
    ClosedPeriod,
    ContractTerms,
    EvaluationInput,
    OrganizationDetails,
    Restatement,
    StatusChange,
)
from tidemark_notifier.evaluation.notification_history import DedupKey, NotificationKey
from tidemark_notifier.rules.rule import StoredRule, effective_rules, parse_rule_row
from tidemark_shared.database import Connection, queries
from tidemark_shared.domain.balances import Balance
from tidemark_shared.domain.bodies import Team
from tidemark_shared.domain.calendar import to_local_day

_sql: NotifierQueries = queries("tidemark_notifier")


_MAX_RESTATEMENT_DELAY = timedelta(hours=1)


class EvaluationCase(NamedTuple):
    """A contract, the rules whose scope includes it, and the keys of its notifications."""

    contract: EvaluationInput
    rules: Sequence[StoredRule]
    notified: Sequence[NotificationKey]
    row: EvaluationInputsRow

    @property
    def effective_rules(self) -> list[StoredRule]:
        """The rules that apply: for each name only the narrowest, and only if it is enabled."""
        return effective_rules(self.rules, self.contract.contract_id, self.contract.terms.organization_id)

    def local_day(self, now: datetime) -> date:
        """The day in the contract's time zone."""
        return to_local_day(now, self.contract.terms.zone)

    def contract_at(self, now: datetime, restatements_due_at: datetime | None) -> EvaluationInput:
        """The contract with the restatements to notify of now: all of them or none."""
        is_due = restatements_due_at is not None and restatements_due_at <= now
        return self.contract if is_due else self.contract._replace(restatements=())

    def restatements_due_at(self, quiet: timedelta) -> datetime | None:
        """When to notify of its restatements: ``quiet`` after the last one, so that many are one mail."""
        since, last = self.row["restated_since"], self.row["restated_at"]
        return min(last + quiet, since + _MAX_RESTATEMENT_DELAY) if last else None

    def describe_awaited(self, balance: Balance) -> str | None:
        """What is missing before another balance of the contract can be evaluated; None if nothing is."""
        return _describe_awaited_version(self.row, balance.stream_version)


async def load_cases(
    connection: Connection, contract_ids: Sequence[UUID], unsaved_rules: Sequence[StoredRule] = ()
) -> list[EvaluationCase]:
    """Load contracts for evaluation. Leaves out contracts whose terms or organization have not been received.

    Each of the ``unsaved_rules`` replaces the stored rule with its name and scope.
    """
    rows = [row async for row in _sql.evaluation_inputs(connection, contract_ids=contract_ids)]
    terms = {row["id"]: _read_terms(row["terms"]) for row in rows}
    scope_ids = [*terms, *{contract_terms.organization_id for contract_terms in terms.values()}]
    stored_rules = [parse_rule_row(row) async for row in _sql.rules_in_scopes(connection, scope_ids=scope_ids)]
    replaced = {(rule.name, rule.scope) for rule in unsaved_rules}
    rules = [*unsaved_rules, *(rule for rule in stored_rules if (rule.name, rule.scope) not in replaced)]
    balances = {row["id"]: _read_balance(row) for row in rows}
    team_ids = {receiver.id for rule in rules for receiver in rule.receivers if receiver.kind == "team"}
    for balance in balances.values():
        team_ids |= {part.team_id for account in (balance.accounts if balance else ()) for part in account.slices}
    teams = {
        row["id"]: Team.model_validate_json(row["body"])
        async for row in _sql.teams(connection, ids=[id_ for id_ in team_ids if id_])
    }
    notified: dict[UUID, list[NotificationKey]] = {}
    async for row in _sql.notification_keys(connection, contract_ids=list(terms)):
        key = DedupKey(
            row["rule_name"],
            row["trigger"],
            row["subject"],
            row["subject_id"],
            row["period_start"],
            row["threshold"],
            row["episode"],
            row["generation"],
            row["kind"],
        )
        notification_id = row["notification_id"]
        notified.setdefault(row["contract_id"], []).append(
            NotificationKey(key, row["notified_on"], notification_id is not None, notification_id)
        )
    return [
        EvaluationCase(
            EvaluationInput(
                row["id"],
                _read_status_changes(row),
                terms[row["id"]],
                _read_organization(row["organization"]),
                teams,
                balances[row["id"]],
                _describe_awaited(row),
                _read_skipped_rule_versions(row),
                tuple(ClosedPeriod.model_validate(period) for period in json.loads(row["closed_periods"])),
                tuple(Restatement.model_validate(item) for item in json.loads(row["restatements"])),
            ),
            [rule for rule in rules if rule.scope.id in (None, row["id"], terms[row["id"]].organization_id)],
            notified.get(row["id"], []),
            row,
        )
        for row in rows
    ]


# Both are immutable, and change rarely, while a balance of a contract that is worked on changes several times a second.
@lru_cache(maxsize=1_000)
def _read_terms(text: str) -> ContractTerms:
    return ContractTerms.model_validate_json(text)


@lru_cache(maxsize=1_000)
def _read_organization(text: str) -> OrganizationDetails:
    return OrganizationDetails.model_validate_json(text)


def _read_status_changes(row: EvaluationInputsRow) -> tuple[StatusChange, ...]:
    """The status changes; events that keep the status are left out."""
    changes: list[StatusChange] = []
    for version, status in json.loads(row["status_changes"]):
        if not changes or changes[-1].status != status:
            changes.append(StatusChange(version, status))
    return tuple(changes)


def _read_skipped_rule_versions(row: EvaluationInputsRow) -> dict[UUID, int] | None:
    versions = row["skipped_rule_versions"]
    return None if versions is None else {UUID(rule_id): version for rule_id, version in json.loads(versions).items()}


def _describe_awaited(row: EvaluationInputsRow) -> str | None:
    if row["balance"] is None:
        return "a balance" if row["balance_stream_version"] is None else None
    return _describe_awaited_version(row, row["balance_stream_version"])


def _describe_awaited_version(row: EvaluationInputsRow, balance_version: int) -> str | None:
    if balance_version > row["stream_version"]:
        return f"version {balance_version} of the contract: its balance is ahead"
    if balance_version < row["plan_version"]:
        return f"a balance for version {row['plan_version']} of the contract"
    return None


def _read_balance(row: EvaluationInputsRow) -> Balance | None:
    return None if _describe_awaited(row) else Balance.model_validate_json(row["balance"])
