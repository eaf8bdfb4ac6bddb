"""The rules for a contract's amounts (SPEC 1, C1 to C3): hours or a value, their sums, and adjustments. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal
from uuid import UUID

from tidemark_shared.domain.bodies import Account, Body, Contract, format_money
from tidemark_shared.domain.quantities import MinorUnits, format_hours
from tidemark_shared.http.problems import Violation, json_pointer


def type_violations(terms: Contract) -> Iterator[Violation]:
    """Amounts that belong to a contract of the other type, and adjustments without an amount."""
    fixed_price = terms.type == "fixed_price"
    unit, other_unit = ("value_minor", "hours") if fixed_price else ("hours", "value_minor")
    members: list[tuple[str, Body, str]] = [
        ("", terms, f"contracted_{other_unit}"),
        ("/rollover", terms.rollover, f"cap_{other_unit}"),
        *((json_pointer("accounts", i), account, f"planned_{other_unit}") for i, account in enumerate(terms.accounts)),
        *((json_pointer("adjustments", i), adjustment, other_unit) for i, adjustment in enumerate(terms.adjustments)),
    ]
    contract_type, other_type = "time and materials", "fixed price"
    if fixed_price:
        contract_type, other_type = other_type, contract_type
    for path, body, name in members:
        if getattr(body, name) is not None:
            message = f"This applies to {other_type} contracts only; this contract is {contract_type}. Leave it out."
            yield Violation(code="invalid", path=f"{path}/{name}", message=message)
    for index, adjustment in enumerate(terms.adjustments):
        if getattr(adjustment, unit) is None:
            message = "An adjustment needs an amount. Enter how much it adds or deducts."
            yield Violation(code="invalid", path=json_pointer("adjustments", index, unit), message=message)


def sum_violations(terms: Contract) -> Iterator[Violation]:
    """C1 to C3. An account without a planned amount plans zero."""
    fixed_price = terms.type == "fixed_price"
    contracted, format_amount = _amount(terms, "contracted", fixed_price=fixed_price), _amount_format(terms)
    if contracted is None or contracted <= 0:
        path = "/contracted_value_minor" if fixed_price else "/contracted_hours"
        message = (
            "A fixed price contract needs a value above zero. Enter the contracted value."
            if fixed_price
            else "A time and materials contract needs hours above zero. Enter the contracted hours."
        )
        yield Violation(code="C1.amount", path=path, message=message)
    if fixed_price and terms.currency is None:
        message = "A contracted value needs a currency. Enter one, such as EUR."
        yield Violation(code="C1.amount", path="/currency", message=message)
    billable = _sum(
        _amount(account, "planned", fixed_price=fixed_price) for account in terms.accounts if account.billable
    )
    if contracted is not None and billable != contracted:
        message = (
            f"The billable accounts add up to {format_amount(billable)}; the contracted amount is "
            f"{format_amount(contracted)}. Make them equal."
        )
        yield Violation(code="C2.sum", path="/accounts", message=message)
    for index, account in enumerate(terms.accounts):
        yield from _slice_violations(account, json_pointer("accounts", index, "slices"), fixed_price=fixed_price)


def adjustment_violations(terms: Contract) -> Iterator[Violation]:
    """C2 for adjustments: those of one account and period together may not deduct more than is planned there.

    The contract's plan is the sum of its billable accounts, so this covers the contract too.
    """
    fixed_price, format_amount = terms.type == "fixed_price", _amount_format(terms)
    unit = "value_minor" if fixed_price else "hours"
    accounts = {account.id: account for account in terms.accounts}
    totals: dict[tuple[UUID, date], Decimal] = defaultdict(Decimal)
    paths: dict[tuple[UUID, date], str] = {}
    for index, adjustment in enumerate(terms.adjustments):
        key = adjustment.account_id, adjustment.period_start
        amount = _exact(getattr(adjustment, unit)) or Decimal(0)
        totals[key] += amount
        if amount < 0:
            paths[key] = json_pointer("adjustments", index, unit)
    for (account_id, start), path in paths.items():
        if account := accounts.get(account_id):
            planned = _amount(account, "planned", fixed_price=fixed_price) or Decimal(0)
            adjusted = planned + totals[account_id, start]
            if adjusted < 0:
                message = (
                    f"With its adjustments, {account.name} plans {format_amount(adjusted)} in the period from {start}. "
                    f"Deduct at most {format_amount(planned)}."
                )
                yield Violation(code="C2.adjustment", path=path, message=message)


def _slice_violations(account: Account, path: str, *, fixed_price: bool) -> Iterator[Violation]:
    if fixed_price:
        for index, slice_ in enumerate(account.slices):
            if slice_.planned_hours is not None:
                message = "A slice of a fixed price contract names a team only. Leave the hours out."
                yield Violation(code="C3.planned_not_allowed", path=f"{path}/{index}/planned_hours", message=message)
    elif account.slices:
        total, planned = _sum(slice_.planned_hours for slice_ in account.slices), account.planned_hours or Decimal(0)
        if total != planned:
            message = (
                f"The slices add up to {format_hours(total)} h; the account plans {format_hours(planned)} h. "
                "Make them equal."
            )
            yield Violation(code="C3.sum", path=path, message=message)


def _amount(body: Body, prefix: str, *, fixed_price: bool) -> Decimal | None:
    """The amount in the unit of this contract type: minor units, or hours."""
    return _exact(getattr(body, f"{prefix}_value_minor" if fixed_price else f"{prefix}_hours"))


def _exact(amount: Decimal | int | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)


def _amount_format(terms: Contract) -> Callable[[Decimal], str]:
    """A function that formats an amount of this contract."""
    if terms.type == "time_and_materials":
        return lambda amount: f"{format_hours(amount)} h"
    return lambda amount: format_money(MinorUnits(int(amount)), terms.currency)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal(0))
