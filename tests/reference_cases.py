"""Contracts and models that tests of the reference share."""

from event_builders import (
    account,
    contract_event,
    facts_of,
    terms,
    uid,
)
from reference.reports import Model

H = 3600
C1, SUPPORT, DESIGN = uid("contract C1"), uid("account Support"), uid("account Design")
NORTH, SOUTH = TEAMS = [uid("team North"), uid("team South")]


ACCOUNTS = [
    [account("Support", "40", slices=[(TEAMS[0], "25"), (TEAMS[1], "15")])],
    [account("Support", "30", teams=[TEAMS[1], TEAMS[0]]), account("Design", "10")],
    [account("Design", "40", id_=uid("account Support"))],
]


def model(*records):
    return Model(facts_of(records))


def activated(**changes):
    """A contract that was drafted and is ACTIVE since 1 January 2026."""
    return [contract_event(1, "DRAFT", **changes), contract_event(2, previous="DRAFT", **changes)]


def fixed(value=100_000, **changes):
    return terms(**{"value": value, "accounts": [account("Support", value=value)], **changes})
