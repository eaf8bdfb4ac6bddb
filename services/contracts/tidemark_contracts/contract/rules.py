"""The rules for a contract's terms (SPEC 1, C1 to C5). Pure; every violation is reported at once."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tidemark_contracts.contract import amounts
from tidemark_contracts.contract.draft import ContractInput
from tidemark_shared.domain.bodies import Account, Body, Contract
from tidemark_shared.domain.calendar import Period, split_into_periods, to_local_day
from tidemark_shared.http.problems import Violation, json_pointer

MAX_ACCOUNTS = 6
MAX_SLICES = 4
MAX_PERIODS = 240
# An event holds the whole body, a reason and its envelope, in a record of at most 1 MiB (SPEC 2).
MAX_BODY_BYTES = 950_000
_AMOUNT_PATHS = ("/type", "/contracted_hours", "/contracted_value_minor", "/currency", "/accounts")


@dataclass(frozen=True, kw_only=True)
class DecisionContext:
    """What a decision needs besides the contract: the time, the actor, and which references exist."""

    now: datetime
    actor: str
    organizations: frozenset[UUID] = frozenset()
    teams: frozenset[UUID] = frozenset()
    code_taken: bool = False


def contract_violations(contract_input: ContractInput, context: DecisionContext, *, complete: bool) -> list[Violation]:
    """All violations. ``complete`` checks all of C1 to C5, as activation and amendments do.

    A draft may leave amounts out, and they need not add up yet. A rule that needs a value with a type error is skipped.
    """
    terms = contract_input.terms
    violations = [
        *_names(terms, context),
        *_shape(terms),
        *_period_count(contract_input),
        *size_violations(terms),
        *_references(terms, context),
        *_rollover(contract_input),
        *_adjustment_references(contract_input),
    ]
    if not contract_input.has_type_error("/type"):
        violations += amounts.type_violations(terms)
    if complete and not contract_input.has_type_error(*_AMOUNT_PATHS):
        violations += amounts.sum_violations(terms)
        if not contract_input.has_type_error("/adjustments"):
            violations += amounts.adjustment_violations(terms)
    return [
        *contract_input.type_errors,
        *contract_input.without_placeholders(violations),
        *contract_input.unknown_fields,
    ]


def has_ended(terms: Contract, now: datetime) -> bool:
    """Whether the end date has passed in the contract's time zone (SPEC C7)."""
    return to_local_day(now, terms.zone) > terms.end_date


def code_taken_violation(terms: Contract) -> Violation:
    """The violation for a code that another contract has. Codes are unique (SPEC 1)."""
    message = f"Another contract has the code {terms.code}. Choose another code."
    return Violation(code="duplicate", path="/code", message=message)


def referenced_ids(terms: Contract) -> set[UUID]:
    """The ids of the organization and of all teams that the terms name."""
    return {terms.organization_id, *(team_id for _, team_id in _teams(terms))}


def size_violations(body: Body) -> Iterator[Violation]:
    """The violation of a body that does not fit in an event."""
    size = len(body.model_dump_json().encode())
    if size > MAX_BODY_BYTES:
        message = f"The body has {size:,} bytes; at most {MAX_BODY_BYTES:,} fit in an event. Shorten it."
        yield Violation(code="invalid", path="", message=message)


def _names(terms: Contract, context: DecisionContext) -> Iterator[Violation]:
    if terms.code in (".", ".."):
        message = "In a URL, . and .. lead to other resources. Choose another code."
        yield Violation(code="invalid", path="/code", message=message)
    if context.code_taken:
        yield code_taken_violation(terms)
    for path, name in _repeated((account.name, i, "name") for i, account in enumerate(terms.accounts)):
        message = f"Another account of this contract is named {name}. Choose another name."
        yield Violation(code="duplicate", path=path, message=message)
    for path, id_ in _repeated((account.id, i, "id") for i, account in enumerate(terms.accounts) if account.id):
        message = f"Another account of this contract has the id {id_}. Leave the id out to get a new one."
        yield Violation(code="duplicate", path=path, message=message)


def _repeated(members: Iterable[tuple[object, int, str]]) -> Iterator[tuple[str, object]]:
    """The path and value of each account member that repeats an earlier value."""
    seen: set[object] = set()
    for value, index, name in members:
        if value in seen:
            yield json_pointer("accounts", index, name), value
        seen.add(value)


def _shape(terms: Contract) -> Iterator[Violation]:
    """C4, and amounts that are never valid."""
    if terms.end_date < terms.start_date:
        message = f"The contract ends before it starts. Enter {terms.start_date} or a later date."
        yield Violation(code="C4.dates", path="/end_date", message=message)
    if not 1 <= len(terms.accounts) <= MAX_ACCOUNTS:
        message = f"A contract has 1 to {MAX_ACCOUNTS} accounts; this one has {len(terms.accounts)}."
        yield Violation(code="C4.accounts", path="/accounts", message=f"{message} Add or remove accounts.")
    for index, account in enumerate(terms.accounts):
        yield from _account_shape(account, json_pointer("accounts", index))


def _period_count(contract_input: ContractInput) -> Iterator[Violation]:
    """C4: a contract's figures are read together, so the number of periods is limited."""
    if contract_input.has_type_error("/start_date", "/end_date", "/recurrence"):
        return
    contract_periods = _periods(contract_input.terms)
    if len(contract_periods) > MAX_PERIODS:
        message = (
            f"The contract has {len(contract_periods):,} periods; at most {MAX_PERIODS} are allowed. "
            f"End it on {contract_periods[MAX_PERIODS - 1].end} or earlier, then renew it."
        )
        yield Violation(code="C4.dates", path="/end_date", message=message)


def _account_shape(account: Account, path: str) -> Iterator[Violation]:
    if len(account.slices) > MAX_SLICES:
        message = f"An account has at most {MAX_SLICES} slices; this one has {len(account.slices)}. Remove some."
        yield Violation(code="C4.slices", path=f"{path}/slices", message=message)
    seen: set[UUID] = set()
    for index, slice_ in enumerate(account.slices):
        if slice_.team_id in seen:
            message = "This team already has a slice in this account. Merge the two slices, or name another team."
            yield Violation(code="C4.team_twice", path=f"{path}/slices/{index}/team_id", message=message)
        seen.add(slice_.team_id)
        if slice_.planned_value_minor is not None:
            yield Violation(
                code="C3.planned_not_allowed",
                path=f"{path}/slices/{index}/planned_value_minor",
                message="A slice has no planned value. Leave it out.",
            )
    for team_id, count in Counter(account.teams).items():
        if count > 1:
            message = f"The team {team_id} is listed {count} times. List it once."
            yield Violation(code="duplicate", path=f"{path}/teams", message=message)
    planned_amounts = [
        ("planned_hours", account.planned_hours),
        ("planned_value_minor", account.planned_value_minor),
        *((f"slices/{index}/planned_hours", slice_.planned_hours) for index, slice_ in enumerate(account.slices)),
    ]
    for name, amount in planned_amounts:
        if amount is not None and amount < 0:
            message = "A planned amount cannot be negative. Enter zero or more."
            yield Violation(code="invalid", path=f"{path}/{name}", message=message)


def _rollover(contract_input: ContractInput) -> Iterator[Violation]:
    """Rollover needs monthly recurrence, and limits need carrying (SPEC 9)."""
    rollover = contract_input.terms.rollover
    if contract_input.terms.recurrence == "none" and not contract_input.has_type_error("/recurrence"):
        for name, default in (("unused", "expire"), ("overrun", "absorb")):
            if getattr(rollover, name) != default:
                message = f"Without monthly recurrence nothing rolls over. Use {default}, or monthly recurrence."
                yield Violation(code="invalid", path=json_pointer("rollover", name), message=message)
    for name in ("cap_hours", "cap_value_minor", "lapse_after_periods"):
        limit = getattr(rollover, name)
        if limit is None:
            continue
        if rollover.unused == "expire" and not contract_input.has_type_error("/rollover/unused"):
            message = "Nothing is carried over, so there is nothing to limit. Leave it out, or use carry for unused."
            yield Violation(code="invalid", path=json_pointer("rollover", name), message=message)
        if limit < 0:
            message = "A cap cannot be negative. Enter zero or more, or leave it out for no cap."
            yield Violation(code="invalid", path=json_pointer("rollover", name), message=message)


def _references(terms: Contract, context: DecisionContext) -> Iterator[Violation]:
    if terms.organization_id not in context.organizations:
        message = f"No organization with id {terms.organization_id}. Enter the id of an existing organization."
        yield Violation(code="unknown_reference", path="/organization_id", message=message)
    for path, team_id in _teams(terms):
        if team_id not in context.teams:
            message = f"No team with id {team_id}. Enter the id of an existing team."
            yield Violation(code="unknown_reference", path=path, message=message)


def _teams(terms: Contract) -> Iterator[tuple[str, UUID]]:
    """The path and id of each team that the terms name."""
    for account_index, account in enumerate(terms.accounts):
        for index, team_id in enumerate(account.teams):
            yield json_pointer("accounts", account_index, "teams", index), team_id
        for index, slice_ in enumerate(account.slices):
            yield json_pointer("accounts", account_index, "slices", index, "team_id"), slice_.team_id


def _adjustment_references(contract_input: ContractInput) -> Iterator[Violation]:
    """Adjustments name an account of the contract, and the first day of one of its periods (SPEC 9)."""
    terms = contract_input.terms
    account_ids = {account.id for account in terms.accounts}
    # An account id with a type error could be the one that the adjustment names.
    ids_are_valid = not contract_input.has_type_error(
        *(json_pointer("accounts", index, "id") for index in range(max(1, len(terms.accounts))))
    )
    dates_are_valid = not contract_input.has_type_error("/start_date", "/end_date", "/recurrence")
    starts = [period.start for period in _periods(terms)] if dates_are_valid else []
    for index, adjustment in enumerate(terms.adjustments):
        if ids_are_valid and adjustment.account_id not in account_ids:
            path = json_pointer("adjustments", index, "account_id")
            message = "The adjustment does not name an account of this contract. Enter the id of one of its accounts."
            yield Violation(code="unknown_reference", path=path, message=message)
        start = adjustment.period_start
        nearest = starts[max(0, bisect_right(starts, start) - 1)] if starts else start
        if nearest != start:
            path = json_pointer("adjustments", index, "period_start")
            message = f"No period of the contract starts on {start}. Enter the first day of one, such as {nearest}."
            yield Violation(code="unknown_reference", path=path, message=message)


def _periods(terms: Contract) -> list[Period]:
    return (
        split_into_periods(terms.recurrence, terms.start_date, terms.end_date)
        if terms.start_date <= terms.end_date
        else []
    )
