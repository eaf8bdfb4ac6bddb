"""The life of a contract: given what happened, when somebody wants something, then this happens or is refused."""

from datetime import UTC, datetime

import pytest
from given import ACME, NOON, Stream, account, form, uid
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidemark_contracts.decider import LIFE, Command, Refusal, State, evolve
from tidemark_contracts.rules import has_ended

AFTER_THE_END = datetime(2027, 1, 15, 12, tzinfo=UTC)


def command(what, **changes):
    bodied = what in ("drafted", "revised", "amended")
    reason = "because" if what in ("amended", "suspended", "resumed", "closed") else None
    return Command(what, form(**changes) if bodied else None, reason)


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
           | drafted | revised | activated | amended  | suspended | resumed | closed | discarded
 new       | DRAFT   |         |           |          |           |         |        |
 DRAFT     |         | DRAFT   | ACTIVE    |          |           |         |        | gone
 ACTIVE    |         |         |           | ACTIVE   | INACTIVE  |         | CLOSED |
 INACTIVE  |         |         |           | INACTIVE |           | ACTIVE  | CLOSED |
 EXPIRED   |         |         |           | EXPIRED  |           |         | CLOSED |
 CLOSED    |         |         |           |          |           |         |        |
 discarded |         |         |           |          |           |         |        |
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


class Life(RuleBasedStateMachine):
    """Anything wanted at any time, against what SPEC 1 says of every step."""

    def __init__(self):
        super().__init__()
        self.stream, self.now = Stream(), NOON

    @rule(days=st.integers(0, 400))
    def time_passes(self, days):
        self.now = datetime.fromordinal(self.now.toordinal() + days).replace(hour=12, tzinfo=UTC)

    @precondition(lambda self: self.now.year < 2090)
    @rule(
        what=st.sampled_from(sorted(set(LIFE) - {"renewed"})),
        hours=st.sampled_from(["40", "41"]),
        end=st.sampled_from(["2025-12-31", "2026-06-30", "2026-12-31", "2030-12-31", "2099-12-31"]),
        organization=st.sampled_from([ACME, ACME, uid("nobody")]),
    )
    def somebody_wants(self, what, hours, end, organization):
        before = self.stream.state
        wanted = command(what, contracted_hours=hours, end_date=end, organization_id=str(organization))
        decided = self.stream.do(wanted, self.now)
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
            before = evolve(before, event)

    @invariant()
    def the_events_are_the_state(self):
        state = State()
        for event in self.stream.events:
            state = evolve(state, event)
        assert state == self.stream.state
        assert state.version == len(self.stream.events)

    @invariant()
    def nothing_active_is_past_its_end_once_the_clock_has_struck(self):
        self.stream.do(Command("expired"), self.now)
        state = self.stream.state
        assert state.status != "ACTIVE" or not has_ended(state.terms, self.now)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
