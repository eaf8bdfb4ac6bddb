"""Events, balances, rules and evaluation inputs for the tests of the notifier."""

import json
from datetime import date
from itertools import count
from uuid import UUID, uuid4, uuid5

from aiokafka import ConsumerRecord

from tidemark_notifier.evaluation.evaluation_input import (
    ContractTerms,
    EvaluationInput,
    OrganizationDetails,
    StatusChange,
)
from tidemark_notifier.rules.rule import StoredRule
from tidemark_shared.domain.balances import Balance
from tidemark_shared.domain.bodies import Team
from tidemark_shared.messaging.batches import Batch

NAMESPACE = UUID("0b5e6a52-0000-4000-8000-000000000000")
HOUR = 3600

_offsets = count(1)


def uid(name):
    """A UUID that depends on the name alone."""
    return str(uuid5(NAMESPACE, name))


def organization(
    name="Acme", contacts=(("ann@acme.example.com", "billing"),), *, id_=None, version=1, timezone="Europe/Berlin"
):
    return {
        "id": id_ or uid(name), "version": version, "deleted": False, "name": name, "timezone": timezone,
        "contacts": [{"name": email.split("@")[0].title(), "email": email, "roles": [role]}
                     for email, role in contacts],
    }  # fmt: skip


def terms(code="ACME-SUP", *, hours="40", start="2026-01-01", end="2026-12-31", organization="Acme",
          recurrence="monthly", owner="olga@provider.example.com", **more):  # fmt: skip
    return {
        "code": code, "name": "Support 2026", "owner": {"name": "Olga", "email": owner},
        "organization_id": organization if "-" in organization else uid(organization),
        "type": "time_and_materials", "recurrence": recurrence, "start_date": start, "end_date": end,
        "timezone": "Europe/Berlin", "contracted_hours": hours,
        "currency": None,
        "accounts": [
            {"id": uid("Help desk"), "name": "Help desk", "billable": True, "planned_hours": hours, "slices": []}
        ],
        **more,
    }  # fmt: skip


def contract_event(contract_id, version=1, status="ACTIVE", *, terms):
    return {
        "contract_id": contract_id, "stream_version": version, "status": status, "previous_status": None,
        "terms": terms, "actor": "olga", "occurred_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip


def offer(contract_id, version=1, status="open", **changes):
    """An offer of 20 h more for Help desk in March 2026, as its events have it."""
    return {
        "offer_id": uid("offer"), "version": version, "status": status, "contract_id": contract_id,
        "contract_code": "ACME-SUP", "organization_id": uid("Acme"), "account_id": uid("Help desk"),
        "account_name": "Help desk", "period_start": "2026-03-01", "hours": "20", "reason": "Extra package",
        "price_minor": 180000, "price_currency": "EUR", "valid_until": "2026-03-31T21:59:59Z", "made_by": "olga",
        "actor": "olga", "occurred_at": "2026-03-15T08:00:00Z", **changes,
    }  # fmt: skip


def figures(planned, consumed):
    return {
        "planned": planned, "consumed": consumed, "remaining": planned and planned - consumed, "percent": None,
        "worklogs": 1, "unrated_seconds": None,
    }  # fmt: skip


def account(name, planned, consumed, *, period, billable=True):
    period_figures = figures(planned, consumed)
    return {
        "account_id": uid(name), "name": name, "billable": billable, "whole": period_figures,
        "periods": [{**period_figures, "start": period[0], "end": period[1]}], "slices": [],
    }  # fmt: skip


def balance(contract_id, revision=1, *, planned=40 * HOUR, consumed=0, carried=0, version=1, accounts=None,
            period=("2026-03-01", "2026-03-31"), code="ACME-SUP", unit="seconds", currency=None):  # fmt: skip
    """A balance of one period, whose figures are also those of the whole."""
    start, end = period
    return {
        "contract_id": contract_id, "contract_code": code, "status": "ACTIVE", "stream_version": version,
        "revision": revision, "unit": unit, "currency": currency, "unaccounted_seconds": 0, "forecast": None,
        "whole": figures(planned, consumed),
        "periods": [{**figures(planned, consumed), "start": start, "end": end, "carried": carried,
                     "available": planned + carried}],
        "accounts": [account("Help desk", planned, consumed, period=period)] if accounts is None else accounts,
    }  # fmt: skip


def rule(name="Warn", *at, scope=None, of="contract", over="period", receivers=({"kind": "owner"},), trigger=None,
         **more):  # fmt: skip
    percentage = {"kind": "consumed_percent", "of": of, "over": over, "at": list(at) or ["80"]}
    return {
        "name": name, "scope": scope or {"kind": "global"}, "trigger": trigger or percentage,
        "receivers": list(receivers), "channels": ["email"], **more,
    }  # fmt: skip


def limit_trigger(kind, *at, of="contract", over="period", **more):
    """The trigger of a limit; ``overrun`` has no thresholds."""
    return {"kind": kind, "of": of, "over": over, **({"at": list(at)} if at else {}), **more}


def stored_rule(body, *, version=1, id_=None):
    return StoredRule.model_validate({**body, "id": id_ or str(uuid4()), "version": version})


def evaluation_input(balance_body, *, terms_body=None, status="ACTIVE", version=1, organization_body=None,
                     skipped_rule_versions=None, teams=()):  # fmt: skip
    return EvaluationInput(
        UUID(balance_body["contract_id"]),
        (StatusChange(version, status),) if status else (),
        ContractTerms.model_validate(terms_body or terms()),
        OrganizationDetails.model_validate(organization_body or organization()),
        {UUID(team["id"]): Team.model_validate(team) for team in teams},
        Balance.model_validate_json(json.dumps(balance_body)),
        None,
        skipped_rule_versions or {},
    )


def record(topic, type_, data, *, offset=None, key=None):
    headers = [
        ("ce_specversion", b"1.0"), ("ce_id", uuid4().hex.encode()), ("ce_source", b"/test"),
        ("ce_type", type_.encode()), ("content-type", b"application/json"),
    ]  # fmt: skip
    value = data if isinstance(data, bytes) or data is None else json.dumps(data).encode()
    return ConsumerRecord(
        topic=topic.name, partition=0, offset=next(_offsets) if offset is None else offset,
        timestamp=1_780_000_000_000, timestamp_type=0, key=key, value=value, checksum=None,
        serialized_key_size=-1, serialized_value_size=-1, headers=headers,
    )  # fmt: skip


def batch(topic, type_, *data):
    return Batch("test", topic.name, 0, [record(topic, type_, body) for body in data])


MID_MARCH = date(2026, 3, 15)
