"""The life cycle of a contract: events so far, a command, and the events or the rejection that follow."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from contract_builders import (
    BACK_OFFICE,
    NOON,
    SUPPORT,
    Stream,
    account,
    build_command,
    contract_input,
    decision_context,
    draft_renewal,
    slice_,
    uid,
)

from tidemark_contracts.contract.decider import Command, Rejection, State, decide, renewal_draft

AFTER_THE_END = datetime(2027, 1, 15, 12, tzinfo=UTC)


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
            stream.do(build_command(event_type))
        stream.do(Command("expired"), AFTER_THE_END)
    else:
        for event_type in EVENTS_BY_STATUS[status]:
            stream.do(build_command(event_type))
    return stream


@pytest.mark.parametrize(("status", "event_type", "after"), list(rows()))
def test_each_command_leads_to_the_status_of_the_table(status, event_type, after):
    stream = stream_in_status(status)
    version, at = stream.state.version, AFTER_THE_END if status == "EXPIRED" else NOON
    decision = stream.do(build_command(event_type, name="Another name"), at)
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
    decision = stream_in_status("DRAFT").do(build_command("revised", code="OTHER"))
    assert [(violation.code, violation.path) for violation in decision.violations] == [("invalid", "/code")]
    decision = stream_in_status("ACTIVE").do(build_command("amended", code=None))
    assert [(violation.code, violation.path) for violation in decision.violations] == [("invalid", "/code")]


def test_sums_are_checked_on_activation_and_amendment_only():
    stream = Stream()
    assert not isinstance(stream.do(build_command("drafted", contracted_hours="41")), Rejection)
    assert [violation.code for violation in stream.do(build_command("activated")).violations] == ["C2.sum"]
    decision = stream_in_status("ACTIVE").do(
        build_command("amended", contracted_hours="41", accounts=[account(hours="1")])
    )
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
    assert [event.type for event in stream.do(build_command(event_type), AFTER_THE_END)] == [event_type, "expired"]
    assert (stream.state.status, stream.events[-1].actor) == ("EXPIRED", "tidemark")


def test_end_date_amended_into_the_past_expires_the_contract():
    stream = stream_in_status("ACTIVE")
    stream.do(build_command("amended", end_date="2026-03-01"))
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
    assert [event.status for event in stream.do(build_command("amended", end_date=end), AFTER_THE_END)] == [status]


def test_amended_inactive_contract_stays_inactive():
    stream = stream_in_status("INACTIVE")
    assert [event.status for event in stream.do(build_command("amended", end_date="2026-03-01"))] == ["INACTIVE"]


def test_amendment_can_change_everything_but_the_code():
    stream = stream_in_status("ACTIVE")
    changes = {
        "name": "N", "description": "D", "owner": {"name": "O", "email": "o@provider.example"}, "recurrence": "none",
        "start_date": "2026-02-01", "end_date": "2026-12-30", "timezone": "UTC", "contracted_hours": "7",
        "accounts": [account("New", "7", id=str(uid("new")))], "settle_days": 0,
    }  # fmt: skip
    (event,) = stream.do(build_command("amended", **changes))
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
            build_command(event_type, start_date="2010-01-01", end_date=end, timezone=zone),
            datetime(2010, 1, 2, tzinfo=UTC),
        )
    assert stream.do(Command("expired"), midnight - timedelta(microseconds=1)) == []
    assert [event.type for event in stream.do(Command("expired"), midnight)] == ["expired"]


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
    (renewed,) = stream.do(build_command("renewed"))
    assert (renewed.terms, renewed.renewed_as, renewed.renewed_from) == (None, uid("successor"), None)
    draft, (drafted,) = draft_renewal(stream)
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
    stream.do(build_command("renewed"))
    stream.do(build_command("suspended"))
    assert (stream.state.renewed_as, stream.state.status) == (uid("successor"), "INACTIVE")


def test_renewal_beyond_the_date_range_is_rejected_at_end_date():
    stream = Stream()
    for event_type in ACTIVE:
        stream.do(build_command(event_type, start_date="2050-01-01", end_date="2099-12-31", recurrence=None))
    _, refused = draft_renewal(stream)
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
