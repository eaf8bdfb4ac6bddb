"""The evaluation of one contract's rules with a minimal shell in memory, which evaluates only after input and in time.

The shell stores what the SQL of the notifier stores; each method is one transaction.
"""

import json
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

from notification_model import BALANCE_WAIT, planned_terms
from notifier_bodies import organization

from tidemark_notifier.evaluation.evaluation_input import (
    ContractTerms,
    EvaluationInput,
    OrganizationDetails,
    StatusChange,
)
from tidemark_notifier.evaluation.evaluator import evaluate, find_next_evaluation_day, find_skipped_rule_versions
from tidemark_notifier.rules.rule import StoredRule, effective_rules
from tidemark_shared.domain.balances import Balance
from tidemark_shared.domain.calendar import start_of_day, to_local_day

ORGANIZATION = OrganizationDetails.model_validate(organization())
NEVER = datetime.max.replace(tzinfo=UTC)


@cache
def _parse_terms(text):
    return ContractTerms.model_validate_json(text)


@cache
def _parse_rule(text):
    return StoredRule.model_validate_json(text)


class PureNotifier:
    """Rules, keys and notifications of one contract. A notification is as in :class:`NotificationModel`."""

    def __init__(self, contract_id):
        self.contract_id = UUID(contract_id)
        self.rules, self.rule_count = {}, 0
        self.keys, self.notifications, self.next_evaluation = [], [], NEVER
        self.contract, self.status_changes, self.plan_version, self.balance = None, [], 0, None
        self.skipped_rule_versions, self.awaited_until = None, NEVER

    def save_rule(self, scope, body):
        previous = self.rules.get((scope, body["name"]))
        self.rule_count += previous is None
        id_, version = (previous.id, previous.version + 1) if previous else (UUID(int=self.rule_count), 1)
        self.rules[scope, body["name"]] = _parse_rule(json.dumps({**body, "id": str(id_), "version": version}))

    def store_lifecycle(self, events, now):
        version = self.contract["stream_version"] if self.contract else 0
        self.status_changes = self.status_changes + [
            StatusChange(event["stream_version"], event["status"])
            for event in sorted(events, key=lambda event: event["stream_version"])
            if event["stream_version"] > version
        ]
        newest = max(events, key=lambda event: event["stream_version"])
        if newest["stream_version"] > version:
            if self.contract and planned_terms(newest["terms"]) != planned_terms(self.contract["terms"]):
                self.plan_version = newest["stream_version"]
            self.contract, self.awaited_until = newest, now + BALANCE_WAIT
        self.evaluate(now)

    def store_balances(self, balances, now):
        candidates = [*balances, *([self.balance] if self.balance else [])]
        self.balance = max(candidates, key=lambda balance: balance["revision"])
        self.evaluate(now)

    def evaluate_due(self, now):
        if now >= self.next_evaluation:
            self.evaluate(now)

    def evaluate(self, now):
        if not self.contract:
            return
        version, balance = self.contract["stream_version"], self.balance
        if (not balance or balance["stream_version"] < version) and now < self.awaited_until:
            self.next_evaluation = self.awaited_until
            return
        contract = self.evaluation_input()
        today = to_local_day(now, contract.terms.zone)
        rules = effective_rules(self.rules.values(), self.contract_id, contract.terms.organization_id)
        for notification in evaluate(rules, contract, self.keys, today):
            self.keys = [*self.keys, *notification.notification_keys(today)]
            if notification.notify:
                _, trigger, subject, _, period_start, threshold, *_ = notification.keys[-1]
                self.notifications = [
                    *self.notifications,
                    (notification.kind, notification.rule.name, trigger, subject, period_start, threshold),
                ]
        next_day = find_next_evaluation_day(rules, contract, self.keys, today)
        self.next_evaluation = start_of_day(next_day, contract.terms.zone) if next_day else NEVER
        self.skipped_rule_versions = find_skipped_rule_versions(rules, contract)
        self.status_changes = list(contract.status_changes[-1:])

    def evaluation_input(self):
        """The contract as rules see it."""
        version, balance = self.contract["stream_version"], self.balance
        is_current = balance and self.plan_version <= balance["stream_version"] <= version
        changes = [
            change
            for number, change in enumerate(self.status_changes)
            if not number or self.status_changes[number - 1].status != change.status
        ]
        return EvaluationInput(
            self.contract_id,
            tuple(changes),
            _parse_terms(json.dumps(self.contract["terms"])),
            ORGANIZATION,
            {},
            Balance.model_validate_json(json.dumps(balance)) if is_current else None,
            None,
            self.skipped_rule_versions,
        )
