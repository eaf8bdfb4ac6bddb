"""The life of a contract: given what happened, when somebody wants something, then this happens or is refused."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from itertools import count

import pytest
from given import ACME, BACK_OFFICE, NOON, SUPPORT, Stream, account, facts, form, slice_, uid
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidemark_contracts.decider import LIFE, Command, Refusal, State, decide, evolve, renewal
from tidemark_contracts.rules import has_ended

AFTER_THE_END = datetime(2027, 1, 15, 12, tzinfo=UTC)


def command(what, before=None, **changes):
    bodied = what in ("drafted", "revised", "amended")
    reason = "because" if what in ("amended", "suspended", "resumed", "closed") else None
    successor = uid("successor") if what == "renewed" else None
    return Command(what, form(before, **changes) if bodied else None, reason, renewed_as=successor)


DRAFT, ACTIVE = ["drafted"], ["drafted", "activated"]
GIVEN = {
    "new": [],
    "DRAFT": DRAFT,
    "ACTIVE": ACTIVE,
    "INACTIVE": [*ACTIVE, "suspended"],
    "CLOSED": [*ACTIVE, "closed"],
    "discarded": [*DRAFT, "discarded"],
}

# SPEC 1 and C6, read across: in this status, what may be wanted (with other terms, where it takes terms), and the
# status that follows. What is left blank is refused.
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
        for what, after in zip(head[1:], cells, strict=True):
            yield pytest.param(status, what, after, id=f"{status} {what}")


def given_a_contract(status):
    stream = Stream()
    if status == "EXPIRED":
        for what in ACTIVE:
            stream.do(command(what))
        stream.do(Command("expired"), AFTER_THE_END)
    else:
        for what in GIVEN[status]:
            stream.do(command(what))
    return stream


@pytest.mark.parametrize(("status", "what", "after"), list(rows()))
def test_life(status, what, after):
    stream = given_a_contract(status)
    version, at = stream.state.version, AFTER_THE_END if status == "EXPIRED" else NOON
    decided = stream.do(command(what, name="Another name"), at)
    if not after:
        assert isinstance(decided, Refusal)
        assert decided.violations == ()
        assert stream.state.version == version
    else:
        (event,) = decided
        assert (event.what, event.status or "gone", event.actor) == (what, after, "olga")
        assert stream.state.version == version + 1


@pytest.mark.parametrize("status", ["DRAFT", "ACTIVE", "INACTIVE", "EXPIRED"])
def test_a_change_that_changes_nothing_emits_nothing(status):
    stream = given_a_contract(status)
    at = AFTER_THE_END if status == "EXPIRED" else NOON
    what = "revised" if status == "DRAFT" else "amended"
    assert stream.do(Command(what, form(contracted_hours="40.0"), "because"), at) == []


def test_the_code_stays():
    decided = given_a_contract("DRAFT").do(command("revised", code="OTHER"))
    assert [(one.code, one.path) for one in decided.violations] == [("invalid", "/code")]
    decided = given_a_contract("ACTIVE").do(command("amended", code=None))
    assert [(one.code, one.path) for one in decided.violations] == [("invalid", "/code")]


def test_a_draft_need_not_add_up_but_activation_and_amendments_must():
    stream = Stream()
    assert not isinstance(stream.do(command("drafted", contracted_hours="41")), Refusal)
    assert [one.code for one in stream.do(command("activated")).violations] == ["C2.sum"]
    decided = given_a_contract("ACTIVE").do(command("amended", contracted_hours="41", accounts=[account(hours="1")]))
    assert [one.code for one in decided.violations] == ["C2.sum"]


# The end date is 31 December 2026 in Berlin: 23:00 UTC is midnight there.
@pytest.mark.parametrize(
    ("at", "expires"),
    [
        (datetime(2026, 12, 31, 22, 59, 59, 999999, tzinfo=UTC), False),
        (datetime(2026, 12, 31, 23, tzinfo=UTC), True),
        (datetime(2030, 1, 1, tzinfo=UTC), True),
    ],
)
def test_an_active_contract_expires_at_midnight_in_its_zone(at, expires):
    stream = given_a_contract("ACTIVE")
    decided = stream.do(Command("expired"), at)
    assert [(event.what, event.status, event.actor) for event in decided] == (
        [("expired", "EXPIRED", "tidemark")] if expires else []
    )
    assert stream.do(Command("expired"), at) == [] or isinstance(stream.do(Command("expired"), at), Refusal)


@pytest.mark.parametrize("status", ["new", "DRAFT", "INACTIVE", "EXPIRED", "CLOSED", "discarded"])
def test_nothing_else_expires(status):
    assert isinstance(given_a_contract(status).do(Command("expired"), AFTER_THE_END), Refusal)


@pytest.mark.parametrize(("status", "what"), [("DRAFT", "activated"), ("INACTIVE", "resumed")])
def test_what_becomes_active_after_its_end_expires_at_once(status, what):
    stream = given_a_contract(status)
    assert [event.what for event in stream.do(command(what), AFTER_THE_END)] == [what, "expired"]
    assert (stream.state.status, stream.events[-1].actor) == ("EXPIRED", "tidemark")


def test_an_end_amended_into_the_past_expires_at_once():
    stream = given_a_contract("ACTIVE")
    stream.do(command("amended", end_date="2026-03-01"))
    assert [(event.what, event.status) for event in stream.events[-2:]] == [
        ("amended", "ACTIVE"),
        ("expired", "EXPIRED"),
    ]


@pytest.mark.parametrize(
    ("end", "status"),
    [("2027-01-14", "EXPIRED"), ("2027-01-15", "ACTIVE"), ("2027-01-16", "ACTIVE")],
    ids=["yesterday", "today", "tomorrow"],
)
def test_an_expired_contract_lives_on_where_its_end_is_amended(end, status):
    stream = given_a_contract("EXPIRED")
    assert [event.status for event in stream.do(command("amended", end_date=end), AFTER_THE_END)] == [status]


def test_an_inactive_contract_stays_inactive_whatever_is_amended():
    stream = given_a_contract("INACTIVE")
    assert [event.status for event in stream.do(command("amended", end_date="2026-03-01"))] == ["INACTIVE"]


def test_an_amendment_may_change_everything_else():
    stream = given_a_contract("ACTIVE")
    changes = {
        "name": "N", "description": "D", "owner": {"name": "O", "email": "o@provider.example"}, "recurrence": "none",
        "start_date": "2026-02-01", "end_date": "2026-12-30", "timezone": "UTC", "contracted_hours": "7",
        "accounts": [account("New", "7", id=str(uid("new")))], "settle_days": 0,
    }  # fmt: skip
    (event,) = stream.do(command("amended", **changes))
    assert (event.terms, event.reason) == (form(**changes).terms, "because")


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
def test_the_end_is_the_last_instant_of_its_day_whatever_the_clocks_do(zone, end, midnight):
    stream = Stream()
    for what in ACTIVE:
        stream.do(command(what, start_date="2010-01-01", end_date=end, timezone=zone), datetime(2010, 1, 2, tzinfo=UTC))
    assert stream.do(Command("expired"), midnight - timedelta(microseconds=1)) == []
    assert [event.what for event in stream.do(Command("expired"), midnight)] == ["expired"]


def successor(stream, code="ACME-SUP-2"):
    """What renewing drafts."""
    numbers = count(1)
    form_ = renewal(stream.state, code).with_ids(None, lambda: uid(f"new account {next(numbers)}"))
    drafted = Stream()
    return drafted, drafted.do(Command("drafted", form_, renewed_from=uid("old")))


def test_renewing_makes_a_draft_of_the_same_shape_right_after_the_old_contract():
    stream = given_a_contract("ACTIVE")
    slices = [slice_(SUPPORT, "25"), slice_(BACK_OFFICE, "15")]
    amended = form(
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
    assert [one.id for one in new.accounts] == [uid("new account 1"), uid("new account 2")]
    assert new.adjustments == ()
    same = {"code", "start_date", "end_date", "accounts", "adjustments"}
    assert new.model_dump(exclude=same) == old.model_dump(exclude=same)
    plain = {"accounts": {"__all__": {"id"}}}
    assert new.model_dump(exclude=plain)["accounts"] == old.model_dump(exclude=plain)["accounts"]
    assert not isinstance(draft.do(Command("activated")), Refusal)


def test_a_contract_keeps_its_links_through_all_that_follows():
    stream = given_a_contract("ACTIVE")
    stream.do(command("renewed"))
    stream.do(command("suspended"))
    assert (stream.state.renewed_as, stream.state.status) == (uid("successor"), "INACTIVE")


def test_what_would_last_beyond_all_days_is_refused_at_its_place():
    stream = Stream()
    for what in ACTIVE:
        stream.do(command(what, start_date="2050-01-01", end_date="2099-12-31", recurrence=None))
    _, refused = successor(stream)
    assert [(one.code, one.path) for one in refused.violations] == [("invalid", "/end_date")]


def test_a_renewal_with_too_many_periods_is_refused_at_its_end():
    state = given_a_contract("ACTIVE").state
    # From before there was a bound.
    state = replace(state, terms=state.terms.model_copy(update={"end_date": date(2046, 1, 31)}))
    refused = decide(Command("drafted", renewal(state, "NEXT"), renewed_from=uid("old")), State(), facts())
    assert [(one.code, one.path) for one in refused.violations] == [("C4.dates", "/end_date")]


def test_a_renewal_under_a_code_that_is_taken_is_a_duplicate():
    form_ = renewal(given_a_contract("ACTIVE").state, "TAKEN")
    taken = replace(facts(), code_taken=True)
    refused = decide(Command("drafted", form_, renewed_from=uid("old")), State(), taken)
    assert [(one.code, one.path) for one in refused.violations] == [("duplicate", "/code")]


@st.composite
def bodies(draw):
    """Bodies of both types: more often than not they add up, sometimes they have too much of something."""
    fixed, off = draw(st.booleans()), draw(st.integers(0, 5)) == 0
    accounts = []
    for number in range(draw(st.integers(1, 7))):
        shares = draw(st.lists(st.integers(0, 50), max_size=5))
        planned = sum(shares) if shares else draw(st.integers(1, 50))
        slices = [slice_(team, None if fixed else str(share)) for team, share in zip(TEAMS, shares, strict=False)]
        amounts = {"hours": None, "planned_value_minor": planned} if fixed else {"hours": str(planned)}
        accounts.append(account(f"A{number}", billable=draw(st.booleans()), slices=slices, **amounts))
    total = sum(
        one["planned_value_minor"] if fixed else int(one["planned_hours"]) for one in accounts if one["billable"]
    ) + off  # fmt: skip
    contracted = FIXED | {"contracted_value_minor": total} if fixed else {"contracted_hours": str(total)}
    return contracted | {
        "accounts": accounts,
        "organization_id": str(draw(st.sampled_from([ACME] * 5 + [uid("nobody")]))),
        "end_date": draw(st.sampled_from(["2025-12-31", "2026-06-30", "2026-12-31", "2030-12-31", "2080-12-31"])),
    }


FIXED = {"type": "fixed_price", "contracted_hours": None, "currency": "EUR"}
TEAMS = [SUPPORT, BACK_OFFICE, SUPPORT, uid("nobody"), BACK_OFFICE]


class Life(RuleBasedStateMachine):
    """Anything wanted at any time, against what SPEC 1 says of every step and of every contract that counts."""

    def __init__(self):
        super().__init__()
        self.stream, self.now, self.renewals = Stream(), NOON, 0

    @rule(days=st.integers(0, 400))
    def time_passes(self, days):
        self.now = datetime.fromordinal(self.now.toordinal() + days).replace(hour=12, tzinfo=UTC)

    @rule(body=bodies())
    def somebody_drafts_or_revises(self, body):
        self.want("drafted" if not self.stream.state.version else "revised", body)

    @rule(what=st.sampled_from(["activated", "resumed"]))
    def somebody_lets_it_count(self, what):
        self.want(what, {})

    @precondition(lambda self: self.now.year < 2090)
    @rule(what=st.sampled_from(sorted(LIFE)), body=bodies())
    def somebody_wants(self, what, body):
        self.want(what, body)

    def want(self, what, body):
        before = self.stream.state
        decided = self.stream.do(command(what, before=before.terms, **body), self.now)
        if isinstance(decided, Refusal):
            assert self.stream.state == before
            discarded = before.version > 0 and before.status is None
            assert (discarded or before.status not in LIFE[what]) != bool(decided.violations)
            return
        assert [event.what for event in decided] in ([], [what], [what, "expired"], ["expired"])
        for event in decided:
            assert before.status in LIFE[event.what]
            reopened = event.what == "amended" and before.status == "EXPIRED" and event.status == "ACTIVE"
            assert reopened or event.status == LIFE[event.what][before.status]
            after = evolve(before, event)
            assert after.version == before.version + 1
            before = after
        if what == "renewed":
            self.goes_on_as_its_successor()

    def goes_on_as_its_successor(self):
        self.renewals += 1
        drafted, decided = successor(self.stream, f"ACME-SUP-{self.renewals}")
        if not isinstance(decided, Refusal):
            assert drafted.state.terms.start_date == self.stream.state.terms.end_date + timedelta(days=1)
            ids = [{one.id for one in stream.state.terms.accounts} for stream in (self.stream, drafted)]
            assert not ids[0] & ids[1]

    @invariant()
    def the_events_are_the_state(self):
        assert reduce(evolve, self.stream.events, State()) == self.stream.state
        assert self.stream.state.version == len(self.stream.events)

    @invariant()
    def nothing_active_is_past_its_end_once_the_clock_has_struck(self):
        self.stream.do(Command("expired"), self.now)
        state = self.stream.state
        assert state.status != "ACTIVE" or not has_ended(state.terms, self.now)

    @invariant()
    def no_contract_outgrows_its_shape(self):
        if terms := self.stream.state.terms:
            assert 1 <= len(terms.accounts) <= 6
            for one in terms.accounts:
                teams = [slice_.team_id for slice_ in one.slices]
                assert len(teams) == len(set(teams)) <= 4
            assert terms.code == "ACME-SUP"

    @invariant()
    def what_counts_adds_up_to_the_hundredth_and_the_cent(self):
        state = self.stream.state
        if state.status not in ("ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"):
            return
        terms = state.terms
        billable = [one for one in terms.accounts if one.billable]
        if terms.type == "fixed_price":
            assert sum(one.planned_value_minor for one in billable) == terms.contracted_value_minor > 0
            assert all(part.planned_hours is None for one in terms.accounts for part in one.slices)
        else:
            assert sum(one.planned_hours for one in billable) == terms.contracted_hours > 0
            for one in terms.accounts:
                assert not one.slices or sum(part.planned_hours for part in one.slices) == one.planned_hours


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
