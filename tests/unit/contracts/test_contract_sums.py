"""Sums and adjustments of a contract body, for random plans (SPEC 1, C2 and C3)."""

from decimal import Decimal

from contract_builders import BACK_OFFICE, SUPPORT, account, find_violations, slice_, uid
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 12), st.integers(-50, 50)), max_size=6),
    st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_adjusted_plans_are_never_negative(drawn, billable):
    ids = [str(uid(f"account {number}")) for number in range(3)]
    accounts = [
        account(f"A{n}", "40", id=account_id, billable=counts)
        for n, (account_id, counts) in enumerate(zip(ids, billable, strict=True))
    ]
    adjustments = [
        {"account_id": ids[n], "period_start": f"2026-{month:02}-01", "hours": str(hours), "reason": "r"}
        for n, month, hours in drawn
    ]
    total = 40 * sum(billable)
    violations = find_violations(
        {"accounts": accounts, "adjustments": adjustments, "contracted_hours": str(total)}, complete=True
    )

    def planned(numbers, month):
        return 40 * len(numbers) + sum(hours for n, m, hours in drawn if n in numbers and m == month)

    each = [planned({n}, month) for n in range(3) for month in range(1, 13)]
    assert [code for code, _ in violations if code == "C2.adjustment"] == ["C2.adjustment"] * sum(
        hours < 0 for hours in each
    )
    if "C2.adjustment" not in [code for code, _ in violations]:
        # The contract's own plan, where it is billable, is the sum of what is checked.
        assert all(planned({n for n in range(3) if billable[n]}, month) >= 0 for month in range(1, 13))


hundredths = st.integers(0, 10**8).map(lambda amount: Decimal(amount) / 100)


@st.composite
def planned(draw):
    """Accounts with and without slices, and the sum of the billable ones."""
    accounts = []
    for number in range(draw(st.integers(1, 6))):
        shares = draw(st.lists(hundredths, max_size=2))
        hours = sum(shares) if shares else draw(hundredths)
        slices = [slice_(team, str(share)) for team, share in zip((SUPPORT, BACK_OFFICE), shares, strict=False)]
        accounts.append(account(f"A{number}", str(hours), billable=draw(st.booleans()), slices=slices))
    total = sum(Decimal(account["planned_hours"]) for account in accounts if account["billable"])
    return accounts, total


@settings(deadline=None)
@given(planned(), st.sampled_from([Decimal("-0.01"), Decimal("0.01")]))
def test_account_sums_are_exact_to_two_decimals(plan, nudge):
    accounts, total = plan
    codes = [code for code, _ in find_violations({"accounts": accounts, "contracted_hours": str(total)}, complete=True)]
    assert codes == ([] if total > 0 else ["C1.amount"])
    codes = [
        code
        for code, _ in find_violations({"accounts": accounts, "contracted_hours": str(total + nudge)}, complete=True)
    ]
    assert "C2.sum" in codes


@settings(deadline=None)
@given(planned(), st.data())
def test_slice_sums_are_exact_to_two_decimals(plan, data):
    accounts, total = plan
    sliced = [index for index, account in enumerate(accounts) if account["slices"]]
    if sliced:
        index = data.draw(st.sampled_from(sliced))
        share = accounts[index]["slices"][0]
        share["planned_hours"] = str(Decimal(share["planned_hours"]) + Decimal("0.01"))
        violations = find_violations({"accounts": accounts, "contracted_hours": str(total)}, complete=True)
        assert ("C3.sum", f"/accounts/{index}/slices") in violations
