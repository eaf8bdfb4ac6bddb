"""The life cycle of a contract: events so far, a command, and the events or the rejection that follow."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from itertools import count

import pytest
from contract_builders import (
    ACME,
    BACK_OFFICE,
    NOON,
    SUPPORT,
    Stream,
    account,
    contract_input,
    decision_context,
    slice_,
    uid,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidemark_contracts.contract.decider import TRANSITIONS, Command, Rejection, State, decide, evolve, renewal_draft
from tidemark_contracts.contract.rules import has_ended

AFTER_THE_END = datetime(2027, 1, 15, 12, tzinfo=UTC)


def command(event_type, before=None, **changes):
    has_body = event_type in ("drafted", "revised", "amended")
    reason = "because" if event_type in ("amended", "suspended", "resumed", "closed") else None
    successor = uid("successor") if event_type == "renewed" else None
    return Command(event_type, contract_input(before, **changes) if has_body else None, reason, renewed_as=successor)


DRAFT, ACTIVE = ["drafted"], ["drafted", "activated"]
EVENTS_BY_STATUS = {
    "new": [],
    "DRAFT": DRAFT,
    "ACTIVE": ACTIVE,
    "INACTIVE": [*ACTIVE, "suspended"],
    "CLOSED": [*ACTIVE, "closed"],
    "discarded": [*DRAFT, "discarded"],
}

# SPEC 1 and C6: the status that follows each command, by the status before. Commands that take terms send changed
# terms. An empty cell means that the command is rejected.
TABLE = """
           | drafted | revised | activated | amended  | suspended | resumed | closed | renewed  | discarded
 new       | DRAFT   |         |           |          |           |         |        |          |
 DRAFT     |         | DRAFT   | ACTIVE    |          |           |         |        |          | gone
 ACTIVE    |         |         |           | ACTIVE   | INACTIVE  |         | CLOSED | ACTIVE   |
 INACTIVE  |         |         |           | INACTIVE |           | ACTIVE  | CLOSED | INACTIVE |
 EXPIRED   |         |         |           | EXPIRED  |           |         | CLOSED | EXPIRED  |
 CLOSED    |         |         |           |          |           |         |        | CLOSED   |
 discarded |         |         |           |          |           |         |        |          |
"""


def rows():
    head, *lines = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip("\n").splitlines()]
    for status, *cells in lines:
        for event_type, after in zip(head[1:], cells, strict=True):
            yield pytest.param(status, event_type, after, id=f"{status} {event_type}")


def stream_in_status(status):
    stream = Stream()
    if status == "EXPIRED":
        for event_type in ACTIVE:
            stream.do(command(event_type))
        stream.do(Command("expired"), AFTER_THE_END)
    else:
        for event_type in EVENTS_BY_STATUS[status]:
            stream.do(command(event_type))
    return stream


@pytest.mark.parametrize(("status", "event_type", "after"), list(rows()))
def test_each_command_leads_to_the_status_of_the_table(status, event_type, after):
    stream = stream_in_status(status)
    version, at = stream.state.version, AFTER_THE_END if status == "EXPIRED" else NOON
    decision = stream.do(command(event_type, name="Another name"), at)
    if not after:
        assert isinstance(decision, Rejection)
        assert decision.violations == ()
        assert stream.state.version == version
    else:
        (event,) = decision
        assert (event.type, event.status or "gone", event.actor) == (event_type, after, "olga")
        assert stream.state.version == version + 1


@pytest.mark.parametrize("status", ["DRAFT", "ACTIVE", "INACTIVE", "EXPIRED"])
def test_change_without_effect_emits_no_event(status):
    stream = stream_in_status(status)
    at = AFTER_THE_END if status == "EXPIRED" else NOON
    event_type = "revised" if status == "DRAFT" else "amended"
    assert stream.do(Command(event_type, contract_input(contracted_hours="40.0"), "because"), at) == []


def test_code_cannot_change():
    decision = stream_in_status("DRAFT").do(command("revised", code="OTHER"))
    assert [(violation.code, violation.path) for violation in decision.violations] == [("invalid", "/code")]
    decision = stream_in_status("ACTIVE").do(command("amended", code=None))
    assert [(violation.code, violation.path) for violation in decision.violations] == [("invalid", "/code")]


def test_sums_are_checked_on_activation_and_amendment_only():
    stream = Stream()
    assert not isinstance(stream.do(command("drafted", contracted_hours="41")), Rejection)
    assert [violation.code for violation in stream.do(command("activated")).violations] == ["C2.sum"]
    decision = stream_in_status("ACTIVE").do(command("amended", contracted_hours="41", accounts=[account(hours="1")]))
    assert [violation.code for violation in decision.violations] == ["C2.sum"]


# The end date is 31 December 2026 in Berlin: 23:00 UTC is midnight there.
@pytest.mark.parametrize(
    ("at", "expires"),
    [
        (datetime(2026, 12, 31, 22, 59, 59, 999999, tzinfo=UTC), False),
        (datetime(2026, 12, 31, 23, tzinfo=UTC), True),
        (datetime(2030, 1, 1, tzinfo=UTC), True),
    ],
)
def test_active_contract_expires_at_midnight_in_its_time_zone(at, expires):
    stream = stream_in_status("ACTIVE")
    decision = stream.do(Command("expired"), at)
    assert [(event.type, event.status, event.actor) for event in decision] == (
        [("expired", "EXPIRED", "tidemark")] if expires else []
    )
    assert stream.do(Command("expired"), at) == [] or isinstance(stream.do(Command("expired"), at), Rejection)


@pytest.mark.parametrize("status", ["new", "DRAFT", "INACTIVE", "EXPIRED", "CLOSED", "discarded"])
def test_contract_in_another_status_does_not_expire(status):
    assert isinstance(stream_in_status(status).do(Command("expired"), AFTER_THE_END), Rejection)


@pytest.mark.parametrize(("status", "event_type"), [("DRAFT", "activated"), ("INACTIVE", "resumed")])
def test_contract_activated_after_its_end_expires_immediately(status, event_type):
    stream = stream_in_status(status)
    assert [event.type for event in stream.do(command(event_type), AFTER_THE_END)] == [event_type, "expired"]
    assert (stream.state.status, stream.events[-1].actor) == ("EXPIRED", "tidemark")


def test_end_date_amended_into_the_past_expires_the_contract():
    stream = stream_in_status("ACTIVE")
    stream.do(command("amended", end_date="2026-03-01"))
    assert [(event.type, event.status) for event in stream.events[-2:]] == [
        ("amended", "ACTIVE"),
        ("expired", "EXPIRED"),
    ]


@pytest.mark.parametrize(
    ("end", "status"),
    [("2027-01-14", "EXPIRED"), ("2027-01-15", "ACTIVE"), ("2027-01-16", "ACTIVE")],
    ids=["yesterday", "today", "tomorrow"],
)
def test_expired_contract_becomes_active_when_its_end_is_extended(end, status):
    stream = stream_in_status("EXPIRED")
    assert [event.status for event in stream.do(command("amended", end_date=end), AFTER_THE_END)] == [status]


def test_amended_inactive_contract_stays_inactive():
    stream = stream_in_status("INACTIVE")
    assert [event.status for event in stream.do(command("amended", end_date="2026-03-01"))] == ["INACTIVE"]


def test_amendment_can_change_everything_but_the_code():
    stream = stream_in_status("ACTIVE")
    changes = {
        "name": "N", "description": "D", "owner": {"name": "O", "email": "o@provider.example"}, "recurrence": "none",
        "start_date": "2026-02-01", "end_date": "2026-12-30", "timezone": "UTC", "contracted_hours": "7",
        "accounts": [account("New", "7", id=str(uid("new")))], "settle_days": 0,
    }  # fmt: skip
    (event,) = stream.do(command("amended", **changes))
    assert (event.terms, event.reason) == (contract_input(**changes).terms, "because")


@pytest.mark.parametrize(
    ("zone", "end", "midnight"),
    [
        ("Europe/Berlin", "2026-03-28", datetime(2026, 3, 28, 23, tzinfo=UTC)),
        ("Europe/Berlin", "2026-03-29", datetime(2026, 3, 29, 22, tzinfo=UTC)),
        ("Europe/Berlin", "2026-10-25", datetime(2026, 10, 25, 23, tzinfo=UTC)),
        ("America/Sao_Paulo", "2018-11-03", datetime(2018, 11, 4, 3, tzinfo=UTC)),  # the next day begins at 01:00
        ("America/Havana", "2025-11-01", datetime(2025, 11, 2, 4, tzinfo=UTC)),  # its midnight comes twice
        ("Asia/Kathmandu", "2026-06-30", datetime(2026, 6, 30, 18, 15, tzinfo=UTC)),
        ("Pacific/Apia", "2011-12-29", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # the next day was left out
        ("Pacific/Kiritimati", "2026-06-30", datetime(2026, 6, 30, 10, tzinfo=UTC)),
    ],
)
def test_contract_expires_after_its_last_day_across_clock_changes(zone, end, midnight):
    stream = Stream()
    for event_type in ACTIVE:
        stream.do(
            command(event_type, start_date="2010-01-01", end_date=end, timezone=zone), datetime(2010, 1, 2, tzinfo=UTC)
        )
    assert stream.do(Command("expired"), midnight - timedelta(microseconds=1)) == []
    assert [event.type for event in stream.do(Command("expired"), midnight)] == ["expired"]


def successor(stream, code="ACME-SUP-2"):
    """Draft the renewal of a contract."""
    numbers = count(1)
    draft = renewal_draft(stream.state, code).with_account_ids(None, lambda: uid(f"new account {next(numbers)}"))
    drafted = Stream()
    return drafted, drafted.do(Command("drafted", draft, renewed_from=uid("old")))


def test_renewal_drafts_the_same_shape_starting_the_day_after():
    stream = stream_in_status("ACTIVE")
    slices = [slice_(SUPPORT, "25"), slice_(BACK_OFFICE, "15")]
    amended = contract_input(
        description="All of it", holidays="DE-BE", settle_days=9, end_date="2026-06-30",
        rollover={"unused": "carry", "cap_hours": "5", "lapse_after_periods": 2, "overrun": "deduct"},
        accounts=[account(id=str(uid("a")), slices=slices), account("Travel", None, id=str(uid("b")), billable=False)],
        adjustments=[{"account_id": str(uid("a")), "period_start": "2026-03-01", "hours": "1", "reason": "r"}],
    )  # fmt: skip
    stream.do(Command("amended", amended, "because"))
    (renewed,) = stream.do(command("renewed"))
    assert (renewed.terms, renewed.renewed_as, renewed.renewed_from) == (None, uid("successor"), None)
    draft, (drafted,) = successor(stream)
    assert (drafted.status, drafted.renewed_from, draft.state.renewed_from) == ("DRAFT", uid("old"), uid("old"))
    old, new = amended.terms, drafted.terms
    assert (new.code, new.start_date, new.end_date) == ("ACME-SUP-2", date(2026, 7, 1), date(2026, 12, 31))
    assert [account.id for account in new.accounts] == [uid("new account 1"), uid("new account 2")]
    assert new.adjustments == ()
    same = {"code", "start_date", "end_date", "accounts", "adjustments"}
    assert new.model_dump(exclude=same) == old.model_dump(exclude=same)
    plain = {"accounts": {"__all__": {"id"}}}
    assert new.model_dump(exclude=plain)["accounts"] == old.model_dump(exclude=plain)["accounts"]
    assert not isinstance(draft.do(Command("activated")), Rejection)


def test_later_events_keep_the_renewal_links():
    stream = stream_in_status("ACTIVE")
    stream.do(command("renewed"))
    stream.do(command("suspended"))
    assert (stream.state.renewed_as, stream.state.status) == (uid("successor"), "INACTIVE")


def test_renewal_beyond_the_date_range_is_rejected_at_end_date():
    stream = Stream()
    for event_type in ACTIVE:
        stream.do(command(event_type, start_date="2050-01-01", end_date="2099-12-31", recurrence=None))
    _, refused = successor(stream)
    assert [(violation.code, violation.path) for violation in refused.violations] == [("invalid", "/end_date")]


def test_renewal_with_too_many_periods_is_rejected_at_end_date():
    state = stream_in_status("ACTIVE").state
    # From before there was a bound.
    state = replace(state, terms=state.terms.model_copy(update={"end_date": date(2046, 1, 31)}))
    refused = decide(
        Command("drafted", renewal_draft(state, "NEXT"), renewed_from=uid("old")), State(), decision_context()
    )
    assert [(violation.code, violation.path) for violation in refused.violations] == [("C4.dates", "/end_date")]


def test_renewal_with_a_taken_code_is_a_duplicate():
    draft = renewal_draft(stream_in_status("ACTIVE").state, "TAKEN")
    taken = replace(decision_context(), code_taken=True)
    refused = decide(Command("drafted", draft, renewed_from=uid("old")), State(), taken)
    assert [(violation.code, violation.path) for violation in refused.violations] == [("duplicate", "/code")]


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
        decision = self.stream.do(command(event_type, before=before.terms, **body), self.now)
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
        drafted, decision = successor(self.stream, f"ACME-SUP-{self.renewals}")
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
