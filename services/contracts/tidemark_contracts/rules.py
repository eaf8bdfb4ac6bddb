"""The rules of SPEC 1 (C1 to C5) over a contract's terms, and SPEC 9 over a team: pure, every violation at once."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from tidemark_contracts.forms import Form
from tidemark_shared.domain.bodies import Account, Body, Contract, RateCard, Team, format_money
from tidemark_shared.domain.calendar import Period, split_into_periods, to_local_day
from tidemark_shared.domain.quantities import format_hours
from tidemark_shared.http.problems import Violation, json_pointer

MOST_ACCOUNTS = 6
MOST_SLICES = 4
MAX_PERIODS = 240
# An event holds the whole body, a reason and its frame, in a record of at most 1 MiB (SPEC 2).
MOST_BYTES = 950_000
CARD_IDENTITY = {"person_id": "/person_id", "team_id": "/team_id", "currency": "/currency", "from_": "/from"}
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
        *_identity(form.terms, facts),
        *_shape(form.terms),
        *_period_count(form),
        *_size(form.terms),
        *_references(form.terms, facts),
        *_rollover(form),
        *_adjusted(form),
    ]
    if not form.breaks("/type"):
        found += _foreign(form.terms)
    if complete and not form.breaks(*_PLANS):
        found += _amounts(form.terms)
        if not form.breaks("/adjustments"):
            found += _overdrawn(form.terms)
    return [*form.broken, *form.unbroken(found)]


def has_ended(terms: Contract, now: datetime) -> bool:
    """Whether the end date has passed in the contract's own time zone (SPEC C7)."""
    return to_local_day(now, terms.zone) > terms.end_date


def _identity(terms: Contract, facts: Facts) -> Iterator[Violation]:
    if facts.code_taken:
        yield code_taken(terms)
    for place, name in _repeated((account.name, i, "name") for i, account in enumerate(terms.accounts)):
        message = f"Another account of this contract is named {name}. Choose another name."
        yield Violation(code="duplicate", path=place, message=message)
    for place, id_ in _repeated((account.id, i, "id") for i, account in enumerate(terms.accounts) if account.id):
        message = f"Another account of this contract has the id {id_}. Leave it out to get a new one."
        yield Violation(code="duplicate", path=place, message=message)


def code_taken(terms: Contract) -> Violation:
    """Codes are unique (SPEC 1)."""
    message = f"{terms.code} is the code of another contract. Choose another one."
    return Violation(code="duplicate", path="/code", message=message)


def _repeated(values: Iterable[tuple[object, int, str]]) -> Iterator[tuple[str, object]]:
    """Where in the accounts a value comes again."""
    seen: set[object] = set()
    for value, index, name in values:
        if value in seen:
            yield json_pointer("accounts", index, name), value
        seen.add(value)


def _shape(terms: Contract) -> Iterator[Violation]:
    """C4, and what no plan may be."""
    if terms.end_date < terms.start_date:
        message = f"The contract ends before it starts. Take {terms.start_date} or later."
        yield Violation(code="C4.dates", path="/end_date", message=message)
    if not 1 <= len(terms.accounts) <= MOST_ACCOUNTS:
        message = f"A contract has 1 to {MOST_ACCOUNTS} accounts; this one has {len(terms.accounts)}."
        yield Violation(code="C4.accounts", path="/accounts", message=f"{message} Remove or add some.")
    for index, account in enumerate(terms.accounts):
        yield from _shape_of(account, json_pointer("accounts", index))


def _period_count(form: Form) -> Iterator[Violation]:
    """C4: a contract's figures are read as a whole, so their number is bounded."""
    if form.breaks("/start_date", "/end_date", "/recurrence"):
        return
    found = _periods(form.terms)
    if len(found) > MAX_PERIODS:
        message = (
            f"The contract has {len(found):,} periods; at most {MAX_PERIODS} are allowed. "
            f"End it on {found[MAX_PERIODS - 1].end} or earlier, and renew it then."
        )
        yield Violation(code="C4.dates", path="/end_date", message=message)


def _shape_of(account: Account, path: str) -> Iterator[Violation]:
    if len(account.slices) > MOST_SLICES:
        message = f"An account has at most {MOST_SLICES} slices; this one has {len(account.slices)}. Remove some."
        yield Violation(code="C4.slices", path=f"{path}/slices", message=message)
    seen: set[UUID] = set()
    for index, one in enumerate(account.slices):
        if one.team_id in seen:
            message = "Another slice of this account is this team's. Put both into one, or name another team."
            yield Violation(code="C4.team_twice", path=f"{path}/slices/{index}/team_id", message=message)
        seen.add(one.team_id)
        if one.planned_value_minor is not None:
            message = "A slice states no value. Leave it out."
            place = f"{path}/slices/{index}/planned_value_minor"
            yield Violation(code="C3.planned_not_allowed", path=place, message=message)
    for team, times in Counter(account.teams).items():
        if times > 1:
            message = f"The team {team} is named {times} times. Name it once."
            yield Violation(code="duplicate", path=f"{path}/teams", message=message)
    planned = [
        ("planned_hours", account.planned_hours),
        ("planned_value_minor", account.planned_value_minor),
        *((f"slices/{index}/planned_hours", one.planned_hours) for index, one in enumerate(account.slices)),
    ]
    for name, amount in planned:
        if amount is not None and amount < 0:
            message = "A plan is not below zero. State zero or more."
            yield Violation(code="invalid", path=f"{path}/{name}", message=message)


def _foreign(terms: Contract) -> Iterator[Violation]:
    """What is stated and belongs to a contract of the other type, and adjustments by nothing."""
    fixed = terms.type == "fixed_price"
    own, other = ("value_minor", "hours") if fixed else ("hours", "value_minor")
    stated: list[tuple[str, Body, str]] = [
        ("", terms, f"contracted_{other}"),
        ("/rollover", terms.rollover, f"cap_{other}"),
        *((json_pointer("accounts", i), one, f"planned_{other}") for i, one in enumerate(terms.accounts)),
        *((json_pointer("adjustments", i), one, other) for i, one in enumerate(terms.adjustments)),
    ]
    foreign, kind = ("time and materials", "a fixed price") if fixed else ("a fixed price", "time and materials")
    for path, body, name in stated:
        if getattr(body, name) is not None:
            message = f"This belongs to {foreign}; the contract is {kind}. Leave it out."
            yield Violation(code="invalid", path=f"{path}/{name}", message=message)
    for index, one in enumerate(terms.adjustments):
        if getattr(one, own) is None:
            message = "An adjustment states how much it adds or takes away. State it."
            yield Violation(code="invalid", path=json_pointer("adjustments", index, own), message=message)


def _rollover(form: Form) -> Iterator[Violation]:
    """Rollover needs months to roll over, and limits need something that is carried (SPEC 9)."""
    rollover = form.terms.rollover
    if form.terms.recurrence == "none" and not form.breaks("/recurrence"):
        for name, plain in (("unused", "expire"), ("overrun", "absorb")):
            if getattr(rollover, name) != plain:
                message = f"Without monthly recurrence nothing rolls over. Take {plain}, or monthly recurrence."
                yield Violation(code="invalid", path=json_pointer("rollover", name), message=message)
    for name in ("cap_hours", "cap_value_minor", "lapse_after_periods"):
        limit = getattr(rollover, name)
        if limit is None:
            continue
        if rollover.unused == "expire" and not form.breaks("/rollover/unused"):
            message = "Nothing is carried over, so there is nothing to limit. Leave it out, or carry."
            yield Violation(code="invalid", path=json_pointer("rollover", name), message=message)
        if limit < 0:
            message = "A cap is not below zero. State zero or more, or leave it out for none."
            yield Violation(code="invalid", path=json_pointer("rollover", name), message=message)


def _references(terms: Contract, facts: Facts) -> Iterator[Violation]:
    if terms.organization_id not in facts.organizations:
        message = f"There is no organization {terms.organization_id}. Take the id of one that there is."
        yield Violation(code="unknown_reference", path="/organization_id", message=message)
    for path, team in _teams(terms):
        if team not in facts.teams:
            message = f"There is no team {team}. Take the id of one that there is."
            yield Violation(code="unknown_reference", path=path, message=message)


def _teams(terms: Contract) -> Iterator[tuple[str, UUID]]:
    for index, account in enumerate(terms.accounts):
        for i, team in enumerate(account.teams):
            yield json_pointer("accounts", index, "teams", i), team
        for i, one in enumerate(account.slices):
            yield json_pointer("accounts", index, "slices", i, "team_id"), one.team_id


def references(terms: Contract) -> set[UUID]:
    """The ids of the organization and of all teams that the terms name."""
    return {terms.organization_id, *(team for _, team in _teams(terms))}


def _adjusted(form: Form) -> Iterator[Violation]:
    """Adjustments name an account and the start of a period that exist (SPEC 9)."""
    terms = form.terms
    accounts = {account.id for account in terms.accounts}
    # An id that could not be read is perhaps the one that is named.
    all_ids = not form.breaks(*(json_pointer("accounts", index, "id") for index in range(max(1, len(terms.accounts)))))
    starts = [] if form.breaks("/start_date", "/end_date", "/recurrence") else [one.start for one in _periods(terms)]
    for index, one in enumerate(terms.adjustments):
        if all_ids and one.account_id not in accounts:
            message = "An adjustment names one of the contract's accounts. Take the id of one of them."
            yield Violation(
                code="unknown_reference", path=json_pointer("adjustments", index, "account_id"), message=message
            )
        nearest = starts[max(0, bisect_right(starts, one.period_start) - 1)] if starts else one.period_start
        if nearest != one.period_start:
            message = f"No period of the contract starts on {one.period_start}. Take a first day such as {nearest}."
            yield Violation(
                code="unknown_reference", path=json_pointer("adjustments", index, "period_start"), message=message
            )


def _periods(terms: Contract) -> list[Period]:
    return (
        split_into_periods(terms.recurrence, terms.start_date, terms.end_date)
        if terms.start_date <= terms.end_date
        else []
    )


def _amounts(terms: Contract) -> Iterator[Violation]:
    """C1 to C3. An account without a planned amount plans nothing."""
    fixed = terms.type == "fixed_price"
    contracted, shown = _own(terms, "contracted", fixed=fixed), _shown(terms)
    if contracted is None or contracted <= 0:
        path = "/contracted_value_minor" if fixed else "/contracted_hours"
        message = (
            "Fixed price needs a value above zero. State the contracted value."
            if fixed
            else "Time and materials needs hours above zero. State the contracted hours."
        )
        yield Violation(code="C1.amount", path=path, message=message)
    if fixed and terms.currency is None:
        yield Violation(code="C1.amount", path="/currency", message="A value needs its currency. Name one such as EUR.")
    billable = _sum(_own(account, "planned", fixed=fixed) for account in terms.accounts if account.billable)
    if contracted is not None and billable != contracted:
        message = f"The billable accounts plan {shown(billable)}; contracted are {shown(contracted)}. Make them equal."
        yield Violation(code="C2.sum", path="/accounts", message=message)
    for index, account in enumerate(terms.accounts):
        yield from _slices(account, json_pointer("accounts", index, "slices"), fixed=fixed)


def _overdrawn(terms: Contract) -> Iterator[Violation]:
    """C2 of adjustments: what those of one account and period take away together is planned there.

    So is what they take from the contract, whose plan is the sum of its billable accounts'.
    """
    fixed, shown = terms.type == "fixed_price", _shown(terms)
    accounts = {account.id: account for account in terms.accounts}
    total: dict[tuple[UUID, date], Decimal] = defaultdict(Decimal)
    place: dict[tuple[UUID, date], str] = {}
    for index, one in enumerate(terms.adjustments):
        key, amount = (one.account_id, one.period_start), _exact(one.value_minor if fixed else one.hours) or Decimal(0)
        total[key] += amount
        if amount < 0:
            place[key] = json_pointer("adjustments", index, "value_minor" if fixed else "hours")
    for (account_id, start), path in place.items():
        if account := accounts.get(account_id):
            planned = _own(account, "planned", fixed=fixed) or Decimal(0)
            left = planned + total[account_id, start]
            if left < 0:
                message = (
                    f"With its adjustments {account.name} plans {shown(left)} in the period from {start}. "
                    f"Take away at most {shown(planned)}."
                )
                yield Violation(code="C2.adjustment", path=path, message=message)


def _slices(account: Account, path: str, *, fixed: bool) -> Iterator[Violation]:
    if fixed:
        for index, one in enumerate(account.slices):
            if one.planned_hours is not None:
                message = "A slice of a fixed price names a team alone. Leave the hours out."
                yield Violation(code="C3.planned_not_allowed", path=f"{path}/{index}/planned_hours", message=message)
    elif account.slices:
        shares, planned = _sum(one.planned_hours for one in account.slices), account.planned_hours or Decimal(0)
        if shares != planned:
            message = (
                f"The slices plan {format_hours(shares)} h; the account plans {format_hours(planned)} h. "
                "Make them equal."
            )
            yield Violation(code="C3.sum", path=path, message=message)


def _own(body: Body, what: str, *, fixed: bool) -> Decimal | None:
    """The amount that a contract of this type states: hours, or minor units."""
    return _exact(getattr(body, f"{what}_value_minor" if fixed else f"{what}_hours"))


def _exact(amount: Decimal | int | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)


def _shown(terms: Contract) -> Callable[[Decimal], str]:
    """How an amount of this contract reads."""
    if terms.type == "time_and_materials":
        return lambda amount: f"{format_hours(amount)} h"
    return lambda amount: format_money(int(amount), terms.currency)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def _size(body: Body) -> Iterator[Violation]:
    size = len(body.model_dump_json().encode())
    if size > MOST_BYTES:
        message = f"The body has {size:,} bytes; at most {MOST_BYTES:,} fit into an event. Make it shorter."
        yield Violation(code="invalid", path="", message=message)


def directory_violations(body: Body, before: Body | None = None, teams: Container[UUID] = ()) -> list[Violation]:
    """What is wrong with an organization, a team or a rate card that shall take the place of ``before``.

    ``teams`` are those there are, among those that the body names.
    """
    found = list(_size(body))
    if isinstance(body, Team):
        found += _memberships(body)
    if isinstance(body, RateCard):
        found += _card(body, before, teams)
    return found


def _card(card: RateCard, before: Body | None, teams: Container[UUID]) -> Iterator[Violation]:
    """Person, team, currency and first day identify a card and stay (SPEC 9)."""
    if card.team_id and card.team_id not in teams:
        message = f"There is no team {card.team_id}. Take the id of one that there is."
        yield Violation(code="unknown_reference", path="/team_id", message=message)
    for name, path in CARD_IDENTITY.items():
        if before and getattr(card, name) != getattr(before, name):
            message = "A card is known by its person, team, currency and first day. Make another card for this."
            yield Violation(code="invalid", path=path, message=message)


def _memberships(team: Team) -> Iterator[Violation]:
    """Memberships end after they begin, and those of one person do not overlap (SPEC 9)."""
    taken: dict[str, date] = {}
    for index, member in sorted(enumerate(team.members), key=lambda one: one[1].from_):
        path, last = json_pointer("members", index), member.until or date.max
        if last < member.from_:
            yield Violation(code="invalid", path=f"{path}/until", message="It ends before it begins. Take a later day.")
        if member.from_ <= taken.get(member.person_id, date.min):
            message = f"{member.person_id} is a member on that day already. Let one end before the other begins."
            yield Violation(code="duplicate", path=path, message=message)
        taken[member.person_id] = max(last, taken.get(member.person_id, date.min))
