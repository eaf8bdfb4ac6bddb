"""Figures at a moment and restatements of the reference, computed by hand from the specification."""

from datetime import UTC, date, datetime, timedelta

from event_builders import (
    account,
    contract_event,
    deletion,
    facts_of,
    link,
    member,
    rate_card,
    team_event,
    terms,
    uid,
    worklog,
)
from reference.reports import Model
from reference.restatements import restatements
from reference_cases import DESIGN, NORTH, SUPPORT, H, activated, fixed

JUNE = datetime(2026, 6, 1, 12, tzinfo=UTC)


def replay(*steps):
    """Restatements of records that were learned a second apart, on 1 June 2026."""
    moments = [JUNE + timedelta(seconds=number) for number in range(len(steps))]
    return restatements(
        [fact for moment, records in zip(moments, steps, strict=True) for fact in facts_of(records, moment)]
    )


def brief(rows):
    return [
        (
            str(row["period_start"]), row["before_seconds"], row["after_seconds"], row["before_amount_minor"],
            row["after_amount_minor"], row["cause"],
        )
        for row in rows
    ]  # fmt: skip


def test_figures_at_a_moment_include_that_moment():
    facts = facts_of([contract_event(), link()], JUNE)
    facts += facts_of([worklog("1")], JUNE + timedelta(hours=1))
    facts += facts_of([deletion("1")], JUNE + timedelta(hours=2))
    counts = [
        Model(facts, JUNE + timedelta(minutes=minutes)).contracts()[0]["consumed_seconds"]
        for minutes in (0, 59, 60, 119, 120)
    ]
    assert counts == [0, 0, H, H, 0]
    assert Model(facts, JUNE - timedelta(seconds=1)).contracts() == []


def test_late_work_and_correction_restate_closed_period():
    later = worklog("1", seconds=60, started="2026-05-30T09:00:00Z", updated="2026-03-05T00:00:00Z")
    rows = replay(activated(), [link()], [worklog("1")], [worklog("1")], [later], [deletion("1")])
    # May is not settled on 1 June.
    assert brief(rows) == [
        ("2026-03-01", 0, H, None, None, "worklog:/tracker/1"),
        ("2026-03-01", H, 0, None, None, "worklog:/tracker/1"),
    ]
    assert rows[0]["restated_at"] == JUNE + timedelta(seconds=2)
    assert (rows[0]["period_end"], rows[0]["contract_code"], rows[0]["account_id"]) == (
        date(2026, 3, 31),
        "C1",
        SUPPORT,
    )


def test_relinking_restates_old_and_new_account():
    two = terms(accounts=[account("Support", "20"), account("Design", "20")])
    moved = link(account="Design", updated="2026-03-05T00:00:00Z")
    rows = replay(activated(terms=two), [link(), worklog("1")], [moved])
    by_account = sorted([(DESIGN, 0, H), (SUPPORT, H, 0)])
    assert [(row["account_id"], row["before_seconds"], row["after_seconds"]) for row in rows[1:]] == by_account
    assert {row["cause"] for row in rows[1:]} == {"issue:/tracker/I1"}


def test_team_change_restates_once_per_person():
    body = fixed(accounts=[account("Support", value=100_000, teams=[NORTH])])
    cards = [
        *(rate_card(person, rates=(100, 0, 0, 0)) for person in ("ann", "Bob", "zoë")),
        *(rate_card(person, rates=(150, 0, 0, 0), team=NORTH) for person in ("ann", "Bob")),
    ]
    work = [worklog(person, author=person) for person in ("ann", "Bob", "zoë")]
    everybody = team_event("North", [member("ann"), member("Bob"), member("zoë")])
    nobody = team_event("North", [member("ann")], 2, deleted=True)
    rows = replay(activated(terms=body), cards, [link()], work, [everybody], [nobody], [everybody])
    of_teams = [row for row in brief(rows) if row[5].startswith("membership")]
    assert of_teams == [
        ("2026-01-01", 3 * H, 3 * H, 300, 350, f"membership:{NORTH}/Bob"),
        ("2026-01-01", 3 * H, 3 * H, 350, 400, f"membership:{NORTH}/ann"),
        ("2026-01-01", 3 * H, 3 * H, 400, 350, f"membership:{NORTH}/Bob"),
        ("2026-01-01", 3 * H, 3 * H, 350, 300, f"membership:{NORTH}/ann"),
    ]


def test_membership_does_not_restate_time_and_materials():
    body = terms(accounts=[account("Support", "40", teams=[NORTH])])
    rows = replay(activated(terms=body), [link(), worklog("1")], [team_event("North", [member("ann")])])
    assert [row["cause"] for row in rows] == ["worklog:/tracker/1"]


def test_late_rate_card_restates_amount():
    rows = replay(activated(terms=fixed()), [link(), worklog("1")], [rate_card()], [rate_card(version=2, deleted=True)])
    card = f"rate_card:{uid('card ann None EUR 2026-01-01')}"
    assert brief(rows) == [
        ("2026-01-01", 0, H, 0, 0, "worklog:/tracker/1"),
        ("2026-01-01", H, H, 0, 9000, card),
        ("2026-01-01", H, H, 9000, 0, card),
    ]


def test_suspension_and_resume_restate_their_work():
    rows = replay(
        activated(),
        [link(), worklog("1")],
        [contract_event(3, "INACTIVE", previous="ACTIVE")],
        [contract_event(4, "ACTIVE", previous="INACTIVE")],
    )
    assert brief(rows)[1:] == [
        ("2026-03-01", H, 0, None, None, "contract:3"),
        ("2026-03-01", 0, H, None, None, "contract:4"),
    ]


def test_period_closes_after_settle_days_and_activation_restates_nothing():
    late = [contract_event(1, "DRAFT"), contract_event(2, previous="DRAFT", occurred="2026-05-26T22:00:00Z")]
    assert replay([link(), worklog("1")], *([row] for row in late), [worklog("2")]) == []
    early = [contract_event(1, "DRAFT"), contract_event(2, previous="DRAFT", occurred="2026-05-26T21:59:59Z")]
    assert brief(replay([link(), worklog("1")], *([row] for row in early), [worklog("2")])) == [
        ("2026-03-01", H, 2 * H, None, None, "worklog:/tracker/2")
    ]


def test_change_of_type_restates_only_consumed_figures():
    rows = replay(activated(), [link(), worklog("1")], [contract_event(3, previous="ACTIVE", terms=fixed())])
    # The issue was created in January, so that fixed price has its work there.
    assert brief(rows)[1:] == [
        ("2026-01-01", 0, H, None, 0, "contract:3"),
        ("2026-03-01", H, 0, None, 0, "contract:3"),
    ]
    # The same seconds in the same period, and no money: no other figure.
    march = link(created="2026-03-01T00:00:00Z")
    unrated = replay(activated(), [march, worklog("1")], [contract_event(3, previous="ACTIVE", terms=fixed())])
    assert brief(unrated)[1:] == []


def test_closed_contract_has_only_closed_periods():
    closed = contract_event(3, "CLOSED", previous="ACTIVE")
    future = worklog("1", started="2026-12-01T09:00:00Z")
    assert [row["period_start"] for row in replay(activated(), [link()], [closed], [future])] == [date(2026, 12, 1)]


def test_added_account_is_restated_from_zero():
    accounts = [account("Support", "20"), account("Design", "20")]
    added = contract_event(3, previous="ACTIVE", accounts=accounts)
    rows = replay(activated(), [link(account="Design"), worklog("1")], [added])
    assert brief(rows) == [("2026-03-01", 0, H, None, None, "contract:3")]
    assert rows[0]["account_id"] == DESIGN


def test_removed_account_is_restated_to_zero():
    shorter = contract_event(3, previous="ACTIVE", start="2026-03-02", accounts=[account("Design", "40")])
    rows = replay(activated(), [link(), worklog("1")], [shorter], [deletion("1")])
    assert brief(rows)[1:] == [("2026-03-01", H, 0, None, None, "contract:3")]
