"""Builders for contract bodies and decision contexts."""

from datetime import UTC, datetime
from functools import reduce
from itertools import count
from uuid import UUID, uuid5

from pydantic import TypeAdapter

from tidemark_contracts.contract.decider import Command, Rejection, State, decide, evolve, renewal_draft
from tidemark_contracts.contract.draft import ContractBody
from tidemark_contracts.contract.rules import DecisionContext, contract_violations

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
        decision = decide(command, self.state, decision_context(at))
        if not isinstance(decision, Rejection):
            self.append(decision)
        return decision

    def append(self, events):
        self.events += events
        self.state = reduce(evolve, events, self.state)


def build_command(event_type, before=None, **changes):
    """A command with the body and reason that it needs."""
    has_body = event_type in ("drafted", "revised", "amended")
    reason = "because" if event_type in ("amended", "suspended", "resumed", "closed") else None
    successor = uid("successor") if event_type == "renewed" else None
    return Command(event_type, contract_input(before, **changes) if has_body else None, reason, renewed_as=successor)


def draft_renewal(stream, code="ACME-SUP-2"):
    """Draft the renewal of a contract."""
    numbers = count(1)
    draft = renewal_draft(stream.state, code).with_account_ids(None, lambda: uid(f"new account {next(numbers)}"))
    drafted = Stream()
    return drafted, drafted.do(Command("drafted", draft, renewed_from=uid("old")))


def find_violations(changes, *, complete):
    return [
        (violation.code, violation.path)
        for violation in contract_violations(parse_contract(body(**changes)), decision_context(), complete=complete)
    ]
