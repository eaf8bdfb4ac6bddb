"""The rules of SPEC 1 (C1 to C5) over a contract's terms, and SPEC 9 over a team: pure, every violation at once."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from tidemark_contracts.forms import Form
from tidemark_shared.bodies import Account, Body, Contract, Team
from tidemark_shared.calendar import day_in
from tidemark_shared.http import Violation, pointer
from tidemark_shared.quantities import format_hours

MOST_ACCOUNTS = 6
MOST_SLICES = 4
# An event holds the whole body, a reason and its frame, in a record of at most 1 MiB (SPEC 2).
MOST_BYTES = 950_000
_PLANS = ("/type", "/contracted_hours", "/contracted_value_minor", "/currency", "/accounts")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a decision rests on beside the contract: when, who, and what there is to refer to."""

    now: datetime
    actor: str
    organizations: frozenset[UUID] = frozenset()
    teams: frozenset[UUID] = frozenset()
    code_taken: bool = False


def violations(form: Form, facts: Facts, *, complete: bool) -> list[Violation]:
    """Everything that is wrong. ``complete`` asks for all of C1 to C5, as activation and amendments do.

    A draft may leave amounts out or have them not add up yet. Where a type is broken, what needs it is left out.
    """
    found = [
        *_not_supported_yet(form.terms),
        *_identity(form.terms, facts),
        *_shape(form.terms),
        *_size(form.terms),
        *_references(form.terms, facts),
    ]
    if complete and not form.breaks(*_PLANS):
        found += _amounts(form.terms)
    return [*form.broken, *form.unbroken(found)]


def has_ended(terms: Contract, now: datetime) -> bool:
    """Whether the end date has passed in the contract's own time zone (SPEC C7)."""
    return day_in(now, terms.zone) > terms.end_date


def _not_supported_yet(terms: Contract) -> Iterator[Violation]:
    """What would be counted wrongly as long as consumption does not know it."""
    if terms.type == "fixed_price":
        yield Violation(code="invalid", path="/type", message="Fixed price is not supported yet.")
    if terms.rollover.unused == "carry":
        yield Violation(code="invalid", path="/rollover/unused", message="Carrying over is not supported yet.")
    if terms.rollover.overrun == "deduct":
        yield Violation(code="invalid", path="/rollover/overrun", message="Deducting overrun is not supported yet.")
    if terms.adjustments:
        yield Violation(code="invalid", path="/adjustments", message="An adjustment is not supported yet.")


def _identity(terms: Contract, facts: Facts) -> Iterator[Violation]:
    if facts.code_taken:
        yield code_taken(terms)
    for place, name in _repeated((account.name, i, "name") for i, account in enumerate(terms.accounts)):
        yield Violation(code="duplicate", path=place, message=f"Another account of this contract is named {name}.")
    for place, id_ in _repeated((account.id, i, "id") for i, account in enumerate(terms.accounts) if account.id):
        yield Violation(code="duplicate", path=place, message=f"Another account of this contract has the id {id_}.")


def code_taken(terms: Contract) -> Violation:
    """Codes are unique (SPEC 1)."""
    return Violation(code="duplicate", path="/code", message=f"{terms.code} is the code of another contract.")


def _repeated(values: Iterable[tuple[object, int, str]]) -> Iterator[tuple[str, object]]:
    """Where in the accounts a value comes again."""
    seen: set[object] = set()
    for value, index, name in values:
        if value in seen:
            yield pointer("accounts", index, name), value
        seen.add(value)


def _shape(terms: Contract) -> Iterator[Violation]:
    """C4, and what only a whole body shows of its types."""
    if terms.end_date < terms.start_date:
        yield Violation(code="C4.dates", path="/end_date", message="The contract ends before it starts.")
    if not 1 <= len(terms.accounts) <= MOST_ACCOUNTS:
        message = f"A contract has 1 to {MOST_ACCOUNTS} accounts; this one has {len(terms.accounts)}."
        yield Violation(code="C4.accounts", path="/accounts", message=message)
    rollover = terms.rollover
    if rollover.unused == "expire":
        for name in ("cap_hours", "cap_value_minor", "lapse_after_periods"):
            if getattr(rollover, name) is not None:
                message = "Nothing is carried over, so there is nothing to limit. Leave it out."
                yield Violation(code="invalid", path=pointer("rollover", name), message=message)
    for index, account in enumerate(terms.accounts):
        yield from _shape_of(account, pointer("accounts", index))


def _shape_of(account: Account, path: str) -> Iterator[Violation]:
    if len(account.slices) > MOST_SLICES:
        message = f"An account has at most {MOST_SLICES} slices; this one has {len(account.slices)}."
        yield Violation(code="C4.slices", path=f"{path}/slices", message=message)
    seen: set[UUID] = set()
    for index, one in enumerate(account.slices):
        if one.team_id in seen:
            message = "Another slice of this account is this team's."
            yield Violation(code="C4.team_twice", path=f"{path}/slices/{index}/team_id", message=message)
        seen.add(one.team_id)
    for team, times in Counter(account.teams).items():
        if times > 1:
            message = f"The team {team} is named {times} times."
            yield Violation(code="duplicate", path=f"{path}/teams", message=message)
    planned = [
        ("planned_hours", account.planned_hours),
        ("planned_value_minor", account.planned_value_minor),
        *((f"slices/{index}/planned_hours", one.planned_hours) for index, one in enumerate(account.slices)),
    ]
    for name, amount in planned:
        if amount is not None and amount < 0:
            yield Violation(code="invalid", path=f"{path}/{name}", message="A plan is not below zero.")


def _references(terms: Contract, facts: Facts) -> Iterator[Violation]:
    if terms.organization_id not in facts.organizations:
        message = f"There is no organization {terms.organization_id}."
        yield Violation(code="unknown_reference", path="/organization_id", message=message)
    for path, team in _teams(terms):
        if team not in facts.teams:
            yield Violation(code="unknown_reference", path=path, message=f"There is no team {team}.")


def _teams(terms: Contract) -> Iterator[tuple[str, UUID]]:
    for index, account in enumerate(terms.accounts):
        for i, team in enumerate(account.teams):
            yield pointer("accounts", index, "teams", i), team
        for i, one in enumerate(account.slices):
            yield pointer("accounts", index, "slices", i, "team_id"), one.team_id


def references(terms: Contract) -> set[UUID]:
    """The ids of the organization and of all teams that the terms name."""
    return {terms.organization_id, *(team for _, team in _teams(terms))}


def _amounts(terms: Contract) -> Iterator[Violation]:
    """C1 to C3. An account without a planned amount plans nothing."""
    fixed = terms.type == "fixed_price"
    unit, contracted, path = (
        ("minor units", _exact(terms.contracted_value_minor), "/contracted_value_minor")
        if fixed
        else ("h", terms.contracted_hours, "/contracted_hours")
    )
    if contracted is None or contracted <= 0:
        message = "Fixed price needs a value above zero." if fixed else "Time and materials needs hours above zero."
        yield Violation(code="C1.amount", path=path, message=message)
    if fixed and terms.currency is None:
        yield Violation(code="C1.amount", path="/currency", message="A value needs its currency.")
    billable = _sum(_planned(account, fixed=fixed) for account in terms.accounts if account.billable)
    if contracted is not None and billable != contracted:
        message = (
            f"The billable accounts plan {format_hours(billable)} {unit}; "
            f"contracted are {format_hours(contracted)} {unit}."
        )
        yield Violation(code="C2.sum", path="/accounts", message=message)
    for index, account in enumerate(terms.accounts):
        yield from _slices(account, pointer("accounts", index, "slices"), fixed=fixed)


def _slices(account: Account, path: str, *, fixed: bool) -> Iterator[Violation]:
    if fixed:
        for index, one in enumerate(account.slices):
            if one.planned_hours is not None:
                message = "A slice of a fixed price names a team alone. Leave the hours out."
                yield Violation(code="C3.planned_not_allowed", path=f"{path}/{index}/planned_hours", message=message)
    elif account.slices:
        shares, planned = _sum(one.planned_hours for one in account.slices), account.planned_hours or Decimal(0)
        if shares != planned:
            message = f"The slices plan {format_hours(shares)} h; the account plans {format_hours(planned)} h."
            yield Violation(code="C3.sum", path=path, message=message)


def _planned(account: Account, *, fixed: bool) -> Decimal | None:
    return _exact(account.planned_value_minor) if fixed else account.planned_hours


def _exact(minor: int | None) -> Decimal | None:
    return None if minor is None else Decimal(minor)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def _size(body: Body) -> Iterator[Violation]:
    size = len(body.model_dump_json().encode())
    if size > MOST_BYTES:
        message = f"The body has {size:,} bytes; at most {MOST_BYTES:,} fit into an event."
        yield Violation(code="invalid", path="", message=message)


def directory_violations(body: Body) -> list[Violation]:
    """What is wrong with an organization or a team."""
    return [*_size(body), *(_memberships(body) if isinstance(body, Team) else ())]


def _memberships(team: Team) -> Iterator[Violation]:
    """Memberships end after they begin, and those of one person do not overlap (SPEC 9)."""
    taken: dict[str, date] = {}
    for index, member in sorted(enumerate(team.members), key=lambda one: one[1].from_):
        path, last = pointer("members", index), member.until or date.max
        if last < member.from_:
            yield Violation(code="invalid", path=f"{path}/until", message="It ends before it begins.")
        if member.from_ <= taken.get(member.person_id, date.min):
            message = f"{member.person_id} is a member on that day already."
            yield Violation(code="duplicate", path=path, message=message)
        taken[member.person_id] = max(last, taken.get(member.person_id, date.min))
