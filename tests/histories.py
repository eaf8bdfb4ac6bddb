"""Random histories that cover every rule of counting: what happened, and in which order Tidemark learned it.

A function ``choose`` picks one of several options: Hypothesis draws small histories that shrink (:func:`histories`), a
seed draws large ones (:func:`seeded`). There are few persons, issues, contracts, days and times, so that facts affect
each other.
"""

import random
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from contract_histories import DESIGN, SUPPORT, TEAMS, contract_streams, names_of
from event_builders import (
    data_of,
    deletion,
    facts_of,
    link,
    member,
    organization_event,
    rate_card,
    team_event,
    uid,
    worklog,
)
from hypothesis import strategies as st
from reference.facts import Fact
from reference.rules import periods

SOURCES = ["/tracker", "/tracker", "/tracker", "/other"]
ISSUES = ["I1", "I1", "I1", "I2", "I2", "I3"]
WORKLOGS = ["2", "10", "b", "A", "1"]  # as bytes: 1, 10, 2, A, b
PERSONS = ["ann", "Bob", "zoë"]  # as bytes: Bob, ann, zoë
AUTHORS = [*["ann"] * 6, *["Bob"] * 3, "zoë"]
# Mostly one after the other; three are one time to the microsecond, where the canonical content decides.
CHANGED = [
    *(f"2026-05-{day:02}T00:00:00Z" for day in range(1, 21)),
    "2026-05-22T00:00:00Z",
    "2026-05-22T02:00:00+02:00",
    "2026-05-22T00:00:00.0000009Z",
    "2026-05-27T00:00:00.000001Z",
]

# Holidays of DE-BE (one on a weekend, one of Berlin alone), DST changes, a Saturday and a Sunday.
DAYS = [
    "2026-04-03",
    "2026-05-01",
    "2026-03-08",
    "2026-03-29",
    "2026-04-05",
    "2018-11-04",
    "2018-12-25",
    "2026-05-23",
    "2026-05-24",
]
CLOCK = ["09:00:00", "09:00:00", "00:00:00", "23:59:59", "00:29:59", "02:30:00", "14:00:00.000001"]
SECONDS = [3600, 1, 1800, 14400, 28799, 28800, 28801, 10001]

ACCOUNT_REFS = [*["Support", SUPPORT] * 10, *["Design", DESIGN] * 3, "Help", "Ops", "nobody", None]

GAPS = [timedelta(seconds=1), timedelta(hours=1), timedelta(days=1), timedelta(days=6), timedelta(days=31)]
FIRST_LEARNED = datetime(2026, 5, 20, 21, tzinfo=UTC)


class History(NamedTuple):
    """Records as they were learned: batches of one topic each, with their moment; some records come twice."""

    batches: list[tuple[datetime, list]]

    @property
    def facts(self) -> list[Fact]:
        """As the reference takes them."""
        return [fact for moment, records in self.batches for fact in facts_of(records, moment)]

    def __repr__(self):
        """A line a fact: whole, it is more than Hypothesis shows where a property does not hold."""
        return "\n".join(
            f"{fact.learned_at:%m-%d %H:%M:%S} {fact.type.split('.')[1:-1]} {fact.source} {brief(fact.data)}"[:400]
            for fact in self.facts
        )


UNIFORM_MEMBERS = {
    "terms", "actor", "reason", "renewed_from", "renewed_as", "name", "description", "owner", "organization_id",
}  # fmt: skip


def brief(data):
    """The data of an event without members that are the same in all events."""
    terms_of = data.get("terms") or {}
    members = {
        name: value for name, value in {**data, **terms_of}.items() if name not in UNIFORM_MEMBERS and value is not None
    }
    return str(members).replace("'", "")


@st.composite
def histories(draw, size=1):
    """A small history; it shrinks to the first of each options."""
    return history(lambda options: draw(st.sampled_from(options)), size)


def seeded(seed, size=3):
    """The same history for the same seed; ``size`` multiplies the facts."""
    return history(random.Random(seed).choice, size)


def history(choose, size):
    """What happened, each entity's versions in their order; then how it was learned."""
    streams = contract_streams(choose)
    all_terms = [data_of(event)["terms"] for stream in streams for event in stream]
    moments = busy_moments(choose, all_terms)
    names = [*(name for stream in streams for name in names_of(stream))] * 8 + [None, "nowhere"]
    ids = WORKLOGS + [str(100 + number) for number in range(5 * (size - 1))]
    tracker = [
        *(drawn_link(choose, names, moments) for _ in range(8 * size)),
        *(drawn_worklog(choose, ids, moments) for _ in range(9 * size)),
        *(drawn_deletion(choose, ids) for _ in range(size)),
    ]
    queues = [
        *streams,
        *(team_stream(choose, name) for name in ("North", "South")),
        *(card_stream(choose, person, size) for person in PERSONS[:2]),
        [organization_event(version=1), organization_event("Acme & Co", 2, id_=uid("Acme"))],
        *(tracker[start::4] for start in range(4)),
    ]
    return History(learned(choose, [queue for queue in queues if queue]))


def learned(choose, queues):
    """Any order between queues; within one mostly its own order, with some records late and some twice."""
    batches, delivered, moment = [], [], FIRST_LEARNED
    while queues:
        queue = choose(queues)
        next_record = queue.pop(min(choose([0, 0, 0, 0, 1]), len(queue) - 1))
        queues = [queue for queue in queues if queue]
        delivered.append(next_record)
        for record in [next_record, *choose([[], [], [], [], [choose(delivered)]])]:
            if not batches or batches[-1][1][0].topic != record.topic or choose([True, False]):
                moment += choose(GAPS)
                batches.append((moment, []))
            batches[-1][1].append(record)
    return batches


# Directory


def team_stream(choose, name):
    """Versions of a team: who is in it, and when; memberships of one person do not overlap."""
    spans = [
        [("2018-01-01", None)],
        [],
        [("2026-01-01", "2026-03-29"), ("2026-03-31", None)],
        [("2026-04-03", "2026-05-23")],
    ]
    events = []
    for version in range(1, choose([3, 1, 5]) + 1):
        members = [
            member(person, *span, name=f"{person} {name} {span[0]}" if person != "Bob" and version % 2 else None)
            for person in PERSONS
            for span in choose(spans)
        ]
        called, deleted = choose([name, f"New {name}"]), rarely(choose)
        events.append(team_event(called, members, version, id_=uid(f"team {name}"), deleted=deleted))
    return events


def card_stream(choose, person, size):
    """Cards of a person, changed and deleted; person, team, currency and first day identify one, and stay."""
    events = []
    for team in [None, *(choose(TEAMS) for _ in range(size))]:
        card = {"team": team, "first": choose(["2018-01-01", "2018-01-01", "2026-03-29"])}
        currency = choose([*["EUR"] * 6, "JPY"])
        for version in range(1, choose([1, 2, 3]) + 1):
            rates, workload = choose([(9000, 11000, 13500, 18000), (1, 3, 5, 7)]), choose(["8", "7.99", "0"])
            events.append(
                rate_card(person, rates, version, **card, currency=currency, workload=workload, deleted=rarely(choose))
            )
    return list({(card["id"], card["version"]): record for record in events for card in [data_of(record)]}.values())


def rarely(choose):
    return choose([False] * 5 + [True])


# The tracker


def busy_moments(choose, all_terms):
    """A few moments on which all work falls: days about the edges of periods, times about the edges of days."""
    edges = {
        day + timedelta(days=offset)
        for terms in all_terms
        for days in periods(terms)
        for day in days
        for offset in (-1, 0, 1)
    }
    inside = [day for day in map(date.fromisoformat, DAYS) if min(edges) < day < max(edges)]
    days = [choose(choose([sorted(edges), inside or sorted(edges)])) for _ in range(4)]
    zones = [ZoneInfo(terms["timezone"]) for terms in all_terms]
    return [
        datetime.combine(day, time.fromisoformat(choose(CLOCK)), choose(zones)).isoformat()
        for day in days
        for _ in range(3)
    ]


def drawn_link(choose, names, moments):
    return link(
        choose(ISSUES), contract=choose(names), account=choose(ACCOUNT_REFS), updated=choose(CHANGED),
        created=choose([*moments, None]), source=choose(SOURCES),
    )  # fmt: skip


def drawn_worklog(choose, ids, moments):
    return worklog(
        choose(ids), issue=choose(ISSUES), author=choose(AUTHORS), started=choose(moments),
        seconds=choose(SECONDS), team=choose([*[None] * 5, *TEAMS, "nobody"]), description=choose([None, "x", "é"]),
        updated=choose(CHANGED), source=choose(SOURCES),
    )  # fmt: skip


def drawn_deletion(choose, ids):
    return deletion(
        choose(ids), issue=choose(ISSUES), deleted=choose(CHANGED[:-1]), source=choose(SOURCES)
    )  # fmt: skip
