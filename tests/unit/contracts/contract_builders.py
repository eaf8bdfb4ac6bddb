"""Builders for contract bodies and decision contexts."""

from datetime import UTC, datetime
from itertools import count
from uuid import UUID, uuid5

from pydantic import TypeAdapter

from tidemark_contracts.contract.decider import Rejection, State, decide, evolve
from tidemark_contracts.contract.draft import ContractBody
from tidemark_contracts.contract.rules import DecisionContext

_read = TypeAdapter(ContractBody).validate_python
_NAMESPACE = UUID("5a1f0c1e-0000-4000-8000-000000000000")

NOON = datetime(2026, 3, 2, 11, tzinfo=UTC)


def uid(name):
    """The same id for the same name."""
    return uuid5(_NAMESPACE, name)


ACME, SUPPORT, BACK_OFFICE = uid("Acme"), uid("Support"), uid("Back office")


def decision_context(now=NOON, **changes):
    return DecisionContext(
        now=now, actor="olga", organizations=frozenset({ACME}), teams=frozenset({SUPPORT, BACK_OFFICE})
    ) if not changes else DecisionContext(now=now, actor="olga", **changes)  # fmt: skip


def slice_(team=SUPPORT, hours=None, **changes):
    return {"team_id": str(team), "planned_hours": hours, **changes}


def account(name="Help desk", hours="40", **changes):
    return {"name": name, "billable": True, "planned_hours": hours, **changes}


def body(**changes):
    return {
        "code": "ACME-SUP", "name": "Support 2026", "owner": {"name": "Olga", "email": "olga@provider.example"},
        "organization_id": str(ACME), "type": "time_and_materials", "recurrence": "monthly",
        "start_date": "2026-01-01", "end_date": "2026-12-31", "timezone": "Europe/Berlin",
        "contracted_hours": "40", "accounts": [account()], **changes,
    }  # fmt: skip


def contract_input(before=None, **changes):
    """A parsed body. Accounts keep their previous ids, or get new ones."""
    numbers = count(1)
    return parse_contract(body(**changes)).with_account_ids(before, lambda: uid(f"account {next(numbers)}"))


def parse_contract(value):
    return _read(value)


class Stream:
    """A contract's state and events; each command appends to them."""

    def __init__(self, state=None):
        self.state, self.events = state or State(), []

    def do(self, command, at=NOON):
        decided = decide(command, self.state, decision_context(at))
        if not isinstance(decided, Rejection):
            self.events += decided
            for event in decided:
                self.state = evolve(self.state, event)
        return decided
