"""A model test of the life cycle: any command at any time, checked against SPEC 1."""

from datetime import UTC, datetime, timedelta
from functools import reduce

from contract_builders import (
    ACME,
    BACK_OFFICE,
    NOON,
    SUPPORT,
    Stream,
    account,
    build_command,
    draft_renewal,
    slice_,
    uid,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidemark_contracts.contract.decider import TRANSITIONS, Command, Rejection, State, evolve
from tidemark_contracts.contract.rules import has_ended


@st.composite
def bodies(draw):
    """Bodies of both types. Most add up; some break a limit."""
    fixed, off = draw(st.booleans()), draw(st.integers(0, 5)) == 0
    accounts = []
    for number in range(draw(st.integers(1, 7))):
        shares = draw(st.lists(st.integers(0, 50), max_size=5))
        planned = sum(shares) if shares else draw(st.integers(1, 50))
        slices = [slice_(team, None if fixed else str(share)) for team, share in zip(TEAMS, shares, strict=False)]
        amounts = {"hours": None, "planned_value_minor": planned} if fixed else {"hours": str(planned)}
        accounts.append(account(f"A{number}", billable=draw(st.booleans()), slices=slices, **amounts))
    total = sum(
        account["planned_value_minor"] if fixed else int(account["planned_hours"])
        for account in accounts if account["billable"]
    ) + off  # fmt: skip
    contracted = FIXED | {"contracted_value_minor": total} if fixed else {"contracted_hours": str(total)}
    return contracted | {
        "accounts": accounts,
        "organization_id": str(draw(st.sampled_from([ACME] * 5 + [uid("nobody")]))),
        "end_date": draw(st.sampled_from(["2025-12-31", "2026-06-30", "2026-12-31", "2030-12-31", "2080-12-31"])),
    }


FIXED = {"type": "fixed_price", "contracted_hours": None, "currency": "EUR"}


TEAMS = [SUPPORT, BACK_OFFICE, SUPPORT, uid("nobody"), BACK_OFFICE]


class ContractLifecycle(RuleBasedStateMachine):
    """Any command at any time, checked against the rules of SPEC 1."""

    def __init__(self):
        super().__init__()
        self.stream, self.now, self.renewals = Stream(), NOON, 0

    @rule(days=st.integers(0, 400))
    def let_time_pass(self, days):
        self.now = datetime.fromordinal(self.now.toordinal() + days).replace(hour=12, tzinfo=UTC)

    @rule(body=bodies())
    def draft_or_revise(self, body):
        self.run_command("drafted" if not self.stream.state.version else "revised", body)

    @rule(event_type=st.sampled_from(["activated", "resumed"]))
    def activate_or_resume(self, event_type):
        self.run_command(event_type, {})

    @precondition(lambda self: self.now.year < 2090)
    @rule(event_type=st.sampled_from(sorted(TRANSITIONS)), body=bodies())
    def run_any_command(self, event_type, body):
        self.run_command(event_type, body)

    def run_command(self, event_type, body):
        before = self.stream.state
        decision = self.stream.do(build_command(event_type, before=before.terms, **body), self.now)
        if isinstance(decision, Rejection):
            assert self.stream.state == before
            discarded = before.version > 0 and before.status is None
            assert (discarded or before.status not in TRANSITIONS[event_type]) != bool(decision.violations)
            return
        assert [event.type for event in decision] in ([], [event_type], [event_type, "expired"], ["expired"])
        for event in decision:
            assert before.status in TRANSITIONS[event.type]
            reopened = event.type == "amended" and before.status == "EXPIRED" and event.status == "ACTIVE"
            assert reopened or event.status == TRANSITIONS[event.type][before.status]
            after = evolve(before, event)
            assert after.version == before.version + 1
            before = after
        if event_type == "renewed":
            self.continue_as_successor()

    def continue_as_successor(self):
        self.renewals += 1
        drafted, decision = draft_renewal(self.stream, f"ACME-SUP-{self.renewals}")
        if not isinstance(decision, Rejection):
            assert drafted.state.terms.start_date == self.stream.state.terms.end_date + timedelta(days=1)
            ids = [{account.id for account in stream.state.terms.accounts} for stream in (self.stream, drafted)]
            assert not ids[0] & ids[1]

    @invariant()
    def events_replay_to_the_state(self):
        assert reduce(evolve, self.stream.events, State()) == self.stream.state
        assert self.stream.state.version == len(self.stream.events)

    @invariant()
    def no_active_contract_has_ended_after_expiry(self):
        self.stream.do(Command("expired"), self.now)
        state = self.stream.state
        assert state.status != "ACTIVE" or not has_ended(state.terms, self.now)

    @invariant()
    def shape_stays_within_limits(self):
        if terms := self.stream.state.terms:
            assert 1 <= len(terms.accounts) <= 6
            for account in terms.accounts:
                teams = [slice_.team_id for slice_ in account.slices]
                assert len(teams) == len(set(teams)) <= 4
            assert terms.code == "ACME-SUP"

    @invariant()
    def amounts_add_up_exactly(self):
        state = self.stream.state
        if state.status not in ("ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"):
            return
        terms = state.terms
        billable = [account for account in terms.accounts if account.billable]
        if terms.type == "fixed_price":
            assert sum(account.planned_value_minor for account in billable) == terms.contracted_value_minor > 0
            assert all(part.planned_hours is None for account in terms.accounts for part in account.slices)
        else:
            assert sum(account.planned_hours for account in billable) == terms.contracted_hours > 0
            for account in terms.accounts:
                assert not account.slices or sum(part.planned_hours for part in account.slices) == account.planned_hours


TestContractLifecycle = ContractLifecycle.TestCase


TestContractLifecycle.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
