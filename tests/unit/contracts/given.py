"""A contract to start from, and what a decision rests on."""

from datetime import UTC, datetime
from itertools import count
from uuid import UUID, uuid5

from pydantic import TypeAdapter

from tidemark_contracts.decider import Refusal, State, decide, evolve
from tidemark_contracts.forms import ContractForm
from tidemark_contracts.rules import Facts

_read = TypeAdapter(ContractForm).validate_python
_NAMESPACE = UUID("5a1f0c1e-0000-4000-8000-000000000000")

NOON = datetime(2026, 3, 2, 11, tzinfo=UTC)


def uid(name):
    """The same id for the same name."""
    return uuid5(_NAMESPACE, name)


ACME, SUPPORT, BACK_OFFICE = uid("Acme"), uid("Support"), uid("Back office")


def facts(now=NOON, **changes):
    return Facts(
        now=now, actor="olga", organizations=frozenset({ACME}), teams=frozenset({SUPPORT, BACK_OFFICE})
    ) if not changes else Facts(now=now, actor="olga", **changes)  # fmt: skip


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


def form(before=None, **changes):
    """A body as the API reads it; its accounts' ids are those before, else new."""
    numbers = count(1)
    return read(body(**changes)).with_ids(before, lambda: uid(f"account {next(numbers)}"))


def read(value):
    return _read(value)


class Stream:
    """A contract's events so far: `given` some commands, `when` one more, `then` what it makes."""

    def __init__(self, state=None):
        self.state, self.events = state or State(), []

    def do(self, command, at=NOON):
        decided = decide(command, self.state, facts(at))
        if not isinstance(decided, Refusal):
            self.events += decided
            for event in decided:
                self.state = evolve(self.state, event)
        return decided
