"""Random histories over every rule of counting: what happened, and how Tidemark came to learn of it.

A history is drawn by a function ``choose`` that takes one of some options: Hypothesis draws small ones that shrink
(:func:`histories`), a seed draws large ones (:func:`seeded`). There are few persons, issues, contracts, days and times,
so that facts meet. Contracts are as the contracts service would have made them (C1 to C5 hold, but for drafts).
"""

import random
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from reference import Fact, periods
from world import (
    account,
    adjustment,
    contract_event,
    data_of,
    deletion,
    facts_of,
    link,
    member,
    organization_event,
    rate_card,
    rollover,
    team_event,
    terms,
    uid,
    worklog,
)

SOURCES = ["/tracker", "/tracker", "/tracker", "/other"]
ISSUES = ["I1", "I1", "I1", "I2", "I2", "I3"]
WORKLOGS = ["2", "10", "b", "A", "1"]  # as bytes: 1, 10, 2, A, b
PERSONS = ["ann", "Bob", "zoë"]  # as bytes: Bob, ann, zoë
AUTHORS = [*["ann"] * 6, *["Bob"] * 3, "zoë"]
TEAMS = [uid("team North"), uid("team South")]
# Mostly one after the other; three are one time to the microsecond, where the canonical content decides.
CHANGED = [
    *(f"2026-05-{day:02}T00:00:00Z" for day in range(1, 21)),
    "2026-05-22T00:00:00Z",
    "2026-05-22T02:00:00+02:00",
    "2026-05-22T00:00:00.0000009Z",
    "2026-05-27T00:00:00.000001Z",
]

# Half an hour of daylight saving, half an hour of offset, midnights that daylight saving skipped (2018, 2026).
ZONES = [
    "Europe/Berlin",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "Asia/Beirut",
]
SPANS = [
    ("2026-01-31", "2026-05-30"),
    ("2026-03-28", "2026-04-27"),
    ("2026-05-20", "2026-09-19"),
    ("2018-10-04", "2019-02-03"),
    ("2025-12-31", "2026-02-28"),
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

SUPPORT, DESIGN, OPS = (uid(f"account {name}") for name in ("Support", "Design", "Ops"))
# Accounts added, removed, renamed; names swapped; a name that is another account's id.
LAYOUTS = [
    [(SUPPORT, "Support", True)],
    [(SUPPORT, "Support", True), (DESIGN, "Design", True)],
    [(SUPPORT, "Support", True), (DESIGN, "Design", False)],
    [(DESIGN, "Support", True), (SUPPORT, "Design", True)],
    [(SUPPORT, "Support", False), (DESIGN, "Design", True), (OPS, "Ops", True)],
    [(DESIGN, "Design", True), (OPS, "Ops", False)],
    [(SUPPORT, "Help", True), (OPS, SUPPORT, True)],
]
ACCOUNT_REFS = [*["Support", SUPPORT] * 10, *["Design", DESIGN] * 3, "Help", "Ops", "nobody", None]

CHOICES = {
    "type": ["time_and_materials", "fixed_price", "fixed_price"],
    "recurrence": ["monthly", "monthly", "none"],
    "timezone": ZONES,
    "holidays": ["DE-BE", None, "US"],
    "currency": [*["EUR"] * 6, "JPY"],
    "layout": LAYOUTS,
    "hours": [["40", "10.25", "8"], ["0.5", "0.01", "0"], ["2", "1", "0"]],
    "values": [[100_000, 333, 1], [1, 50, 0], [900, 1800, 0]],
    "teams": ["none", "slices", "teams", "one slice"],
    "rollover": [
        None,
        rollover("carry"),
        rollover("carry", "deduct", lapse=1),
        rollover(overrun="deduct"),
        {"cap": ("12.5", 150), "lapse": None},
        {"cap": ("0.25", 40), "lapse": 2},
    ],
    "adjustments": ["none", "none", "more", "less", "not billable"],
    "settle_days": [5, 0, 60],
}
# Work of drafts and what they leave out.
LEFT_OUT = [(), (), ("contracted_hours", "contracted_value_minor", "currency")]

LIFE = {
    "DRAFT": [*["activated"] * 9, "revised", "revised", "discarded"],
    "ACTIVE": [*["amended"] * 6, "suspended", "suspended", "expired", "closed"],
    "INACTIVE": [*["resumed"] * 4, "amended", "closed"],
    "EXPIRED": ["amended", "closed"],
    "CLOSED": [],
    None: [],
}
STATUS = {"activated": "ACTIVE", "suspended": "INACTIVE", "resumed": "ACTIVE", "expired": "EXPIRED", "closed": "CLOSED"}
OCCURRED = ["2026-01-05T10:00:00Z", "2026-05-26T23:30:00Z"]
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


def brief(data):
    """An event's data without what is the same in all."""
    terms_of = data.get("terms") or {}
    dull = {"terms", "actor", "reason", "renewed_from", "renewed_as", "name", "description", "owner", "organization_id"}
    shown = {name: value for name, value in {**data, **terms_of}.items() if name not in dull and value is not None}
    return str(shown).replace("'", "")


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
    all_terms = [data_of(one)["terms"] for stream in streams for one in stream]
    moments = busy_moments(choose, all_terms)
    names = [*(name for stream in streams for name in called(stream))] * 8 + [None, "nowhere"]
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
    """Any order between queues; within one mostly its own, but sometimes the older comes late; some come twice."""
    batches, come, moment = [], [], FIRST_LEARNED
    while queues:
        queue = choose(queues)
        one = queue.pop(min(choose([0, 0, 0, 0, 1]), len(queue) - 1))
        queues = [queue for queue in queues if queue]
        come.append(one)
        for record in [one, *choose([[], [], [], [], [choose(come)]])]:
            if not batches or batches[-1][1][0].topic != record.topic or choose([True, False]):
                moment += choose(GAPS)
                batches.append((moment, []))
            batches[-1][1].append(record)
    return batches


# Contracts


def contract_streams(choose):
    """One contract or two; the code of a discarded draft may be another's; one code is the other's id."""
    spans = [choose(SPANS)] * 4 + [choose(SPANS)]
    streams = [contract_stream(choose, "one", "C1", spans)]
    if choose([True, False]):
        discarded = data_of(streams[0][-1])["status"] is None
        code = "C1" if discarded else choose(["C2", "C2", uid("contract one")])
        streams.append(contract_stream(choose, "two", code, spans))
    return streams


def called(stream):
    """What a link may call a contract."""
    return data_of(stream[0])["contract_id"], data_of(stream[0])["terms"]["code"]


def contract_stream(choose, name, code, spans):
    """A contract's life, as the contracts service decides it."""
    choices = {**CHOICES, "span": spans}
    shape = {key: choose(options) for key, options in choices.items()}
    status, stream, longest = "DRAFT", [], choose([5, 4, 3, 8, 1])
    body = shaped(choose, code, shape)
    draft = {**body, **dict.fromkeys(choose(LEFT_OUT))}
    stream.append(contract_event(1, status, what="drafted", contract=uid(f"contract {name}"), terms=draft))
    while LIFE[status] and len(stream) < longest:
        what, previous = choose(LIFE[status]), status
        if what in {"amended", "revised"}:
            changed = [choose(list(choices)), choose(list(choices))]
            shape = {**shape, **{key: choose(choices[key]) for key in changed}}
            body = shaped(choose, code, shape)
        if what == "amended" and previous == "EXPIRED":
            status = choose(["ACTIVE", "EXPIRED"])
        status = None if what == "discarded" else STATUS.get(what, status)
        stream.append(
            contract_event(
                len(stream) + 1, status, what=what, contract=uid(f"contract {name}"), previous=previous, terms=body,
                occurred=choose(OCCURRED),
            )
        )  # fmt: skip
    return stream


def shaped(choose, code, shape):
    """The terms of a shape: C1 to C3 hold, adjustments name what there is and take no plan below zero."""
    fixed, (start, end) = shape["type"] == "fixed_price", shape["span"]
    accounts = [
        shaped_account(shape, id_, name, billable, hours, value)
        for (id_, name, billable), hours, value in zip(shape["layout"], shape["hours"], shape["values"], strict=False)
    ]
    billable = [one for one in accounts if one["billable"]]
    body = terms(
        code, accounts=accounts, start=start, end=end, recurrence=shape["recurrence"], timezone=shape["timezone"],
        hours=None if fixed else str(sum(Decimal(one["planned_hours"]) for one in billable)),
        value=sum(one["planned_value_minor"] for one in billable) if fixed else None,
        currency=shape["currency"] if fixed else None, holidays=shape["holidays"], settle_days=shape["settle_days"],
    )  # fmt: skip
    monthly = shape["recurrence"] == "monthly"
    return {
        **body,
        "rollover": shaped_rollover(shape) if monthly else None,
        "adjustments": adjusted(choose, body, shape),
    }


def shaped_account(shape, id_, name, billable, hours, value):
    fixed, teams = shape["type"] == "fixed_price", shape["teams"]
    half = Decimal(hours) / 2
    first = half.quantize(Decimal("0.01"))
    shares = {"slices": [first, Decimal(hours) - first], "one slice": [Decimal(hours)]}.get(teams, [])
    slices = [(team, None if fixed else str(share)) for team, share in zip(TEAMS, shares, strict=False)]
    return account(
        name, None if fixed else hours, value=value if fixed else None, id_=id_, billable=billable, slices=slices,
        teams=TEAMS[::-1] if teams in {"teams", "slices"} else [],
    )  # fmt: skip


def shaped_rollover(shape):
    """A cap is of the contract's own type."""
    drawn = shape["rollover"]
    if drawn is None or "cap" not in drawn:
        return drawn
    cap_hours, cap_value = drawn["cap"]
    cap = {"cap_value": cap_value} if shape["type"] == "fixed_price" else {"cap_hours": cap_hours}
    return rollover("carry", "deduct", **cap, lapse=drawn["lapse"])


def adjusted(choose, body, shape):
    wanted = [one for one in body["accounts"] if one["billable"] != (shape["adjustments"] == "not billable")]
    if shape["adjustments"] == "none" or not wanted:
        return []
    of, (start, _) = wanted[-1], choose(periods(body))
    if shape["type"] == "fixed_price":
        amount = {"value": -of["planned_value_minor"] if shape["adjustments"] == "less" else 777}
    else:
        amount = {"hours": str(-Decimal(of["planned_hours"])) if shape["adjustments"] == "less" else "20.25"}
    return [adjustment(of["id"], str(start), **amount)]


# Directory


def team_stream(choose, name):
    """Versions of a team: who is in it, and when; memberships of one person do not overlap."""
    spans = [
        [("2018-01-01", None)],
        [],
        [("2026-01-01", "2026-03-29"), ("2026-03-31", None)],
        [("2026-04-03", "2026-05-23")],
    ]
    found = []
    for version in range(1, choose([3, 1, 5]) + 1):
        members = [member(person, *span) for person in PERSONS for span in choose(spans)]
        called, deleted = choose([name, f"New {name}"]), rarely(choose)
        found.append(team_event(called, members, version, id_=uid(f"team {name}"), deleted=deleted))
    return found


def card_stream(choose, person, size):
    """Cards of a person, changed and deleted; person, team, currency and first day identify one, and stay."""
    found = []
    for team in [None, *(choose(TEAMS) for _ in range(size))]:
        card = {"team": team, "first": choose(["2018-01-01", "2018-01-01", "2026-03-29"])}
        currency = choose([*["EUR"] * 6, "JPY"])
        for version in range(1, choose([1, 2, 3]) + 1):
            rates, workload = choose([(9000, 11000, 13500, 18000), (1, 3, 5, 7)]), choose(["8", "7.99", "0"])
            found.append(
                rate_card(person, rates, version, **card, currency=currency, workload=workload, deleted=rarely(choose))
            )
    return list({(one["id"], one["version"]): record for record in found for one in [data_of(record)]}.values())


def rarely(choose):
    return choose([False] * 5 + [True])


# The tracker


def busy_moments(choose, all_terms):
    """A few moments on which all work falls: days about the edges of periods, times about the edges of days."""
    edges = {
        day + timedelta(days=more) for one in all_terms for days in periods(one) for day in days for more in (-1, 0, 1)
    }
    inside = [day for day in map(date.fromisoformat, DAYS) if min(edges) < day < max(edges)]
    days = [choose(choose([sorted(edges), inside or sorted(edges)])) for _ in range(4)]
    zones = [ZoneInfo(one["timezone"]) for one in all_terms]
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
