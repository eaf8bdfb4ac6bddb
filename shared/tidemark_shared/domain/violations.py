"""The codes of violations: the rule behind each code, when it applies, and an example message (SPEC 1).

`make docs` generates ``docs/violations.md`` from this table.
"""

from typing import Literal, NamedTuple, TypeAlias

ViolationCode: TypeAlias = Literal[
    "C1.amount",
    "C2.sum",
    "C2.adjustment",
    "C3.sum",
    "C3.planned_not_allowed",
    "C4.accounts",
    "C4.slices",
    "C4.team_twice",
    "C4.dates",
    "C5.precision",
    "unknown_reference",
    "duplicate",
    "unknown_field",
    "invalid",
]


class ViolationRule(NamedTuple):
    """The rule behind a code, the requests that it applies to, and an example message."""

    rule: str
    when: str
    example: str


_ALWAYS = "drafting, editing, activating, amending"
_COMPLETE = "activating, amending"

VIOLATION_CODES: dict[ViolationCode, ViolationRule] = {
    "C1.amount": ViolationRule(
        "Time and materials has contracted hours above zero; fixed price has a contracted value above zero and a "
        "currency.",
        _COMPLETE,
        "A time and materials contract needs hours above zero. Enter the contracted hours.",
    ),
    "C2.sum": ViolationRule(
        "The planned amounts of the billable accounts sum exactly to the contracted amount.",
        _COMPLETE,
        "The billable accounts add up to 39.99 h; the contracted amount is 40 h. Make them equal.",
    ),
    "C2.adjustment": ViolationRule(
        "The adjustments of an account and a period, taken together, leave its planned amount at zero or above.",
        _COMPLETE,
        "With its adjustments, Help desk plans -1 h in the period from 2026-03-01. Deduct at most 40 h.",
    ),
    "C3.sum": ViolationRule(
        "In time and materials the slices of an account, where it has any, sum exactly to its planned hours.",
        _COMPLETE,
        "The slices add up to 25 h; the account plans 40 h. Make them equal.",
    ),
    "C3.planned_not_allowed": ViolationRule(
        "A slice has no value; in fixed price it has no hours either, only a team.",
        f"{_COMPLETE}; a value: {_ALWAYS}",
        "A slice of a fixed price contract names a team only. Leave the hours out.",
    ),
    "C4.accounts": ViolationRule(
        "A contract has 1 to 6 accounts.",
        _ALWAYS,
        "A contract has 1 to 6 accounts; this one has 7. Add or remove accounts.",
    ),
    "C4.slices": ViolationRule(
        "An account has at most 4 slices.", _ALWAYS, "An account has at most 4 slices; this one has 5. Remove some."
    ),
    "C4.team_twice": ViolationRule(
        "The slices of an account belong to different teams.",
        _ALWAYS,
        "This team already has a slice in this account. Merge the two slices, or name another team.",
    ),
    "C4.dates": ViolationRule(
        "A contract has a start and an end date, ends on or after its start, and has at most 240 periods.",
        _ALWAYS,
        "The contract has 241 periods; at most 240 are allowed. End it on 2045-12-31 or earlier, then renew it.",
    ),
    "C5.precision": ViolationRule("Hours have at most two decimals.", _ALWAYS, "Hours have at most two decimals."),
    "unknown_reference": ViolationRule(
        "Every reference exists: the organization, each team, an adjustment's account and the start of its period, the "
        "scope of a notification rule.",
        "every creation and change",
        "The adjustment does not name an account of this contract. Enter the id of one of its accounts.",
    ),
    "duplicate": ViolationRule(
        "These are unique: a contract's code; the names and ids of its accounts; the teams of an account; a person's "
        "membership of a team on any day; a notification rule's name in its scope; an Idempotency-Key; each member of "
        "an object, and each query parameter that takes one value.",
        "every creation and change",
        "Another account of this contract is named Help desk. Choose another name.",
    ),
    "unknown_field": ViolationRule(
        "A body has only members, and a request only query parameters, that the API knows. The members that an answer "
        "adds, such as `id` and `version`, may be sent back.",
        "every request",
        "Unknown field 'cap_hour'. Did you mean 'cap_hours'?",
    ),
    "invalid": ViolationRule(
        "Each member has the type and range that its body defines, and fits the contract's type and recurrence.",
        "every request",
        "This applies to fixed price contracts only; this contract is time and materials. Leave it out.",
    ),
}
