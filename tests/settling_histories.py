"""Random months of one contract: work in time and late, corrections, every change of terms, while periods settle."""

from datetime import UTC, datetime, timedelta

from contract_histories import CHOICES, LAYOUTS, STATUS, TEAMS, shaped
from event_builders import contract_event, deletion, link, member, rate_card, team_event, uid, worklog
from histories import History

CONTRACT = uid("contract one")
# Facts are at most a day ahead of the timestamp of their records: all of it is before that.
BEGIN = datetime(2025, 9, 2, 9, tzinfo=UTC)
ACTIVATED = "2025-08-01T00:00:00Z"
FIRST = "2025-01-01"
GAPS = [timedelta(hours=3), timedelta(days=1), timedelta(days=4), timedelta(days=15)]
LATENESS = [timedelta(0), timedelta(hours=20), timedelta(days=20), timedelta(days=45)]
SPANS = [("2025-08-31", "2025-12-30"), ("2025-08-01", "2025-11-30"), ("2025-08-01", "2025-10-31")]
LIFE = {
    "ACTIVE": ["amended", "amended", "amended", "suspended", "expired", "closed"],
    "INACTIVE": ["resumed", "resumed", "amended"],
    "EXPIRED": ["amended", "closed"],
    "CLOSED": [None],
}
ACTIONS = [*["work"] * 8, "correct", "delete", "relink", "rates", "team", "terms", "terms"]


def settling_history(choose):
    """A contract that has run for a month, and what is learned of it in the months to come."""
    options = {
        **CHOICES, "span": SPANS, "settle_days": [5, 0, 20],
        "type": ["time_and_materials", "time_and_materials", "fixed_price"],
        "layout": [LAYOUTS[1], LAYOUTS[1], LAYOUTS[2], LAYOUTS[5]],
    }  # fmt: skip
    shape = {name: choose(choices) for name, choices in options.items()}
    terms, status, version = shaped(choose, "C1", shape), "ACTIVE", 2
    batches = [
        [
            contract_event(1, "DRAFT", change="drafted", contract=CONTRACT, terms=terms, occurred=ACTIVATED),
            contract_event(2, change="activated", contract=CONTRACT, previous="DRAFT", terms=terms, occurred=ACTIVATED),
        ],
        [
            team_event("North", [member("ann", FIRST)]),
            rate_card(first=FIRST),
            rate_card("Bob", (1, 3, 5, 7), first=FIRST),
        ],
        [drawn_link(choose, issue, account, BEGIN) for issue, account in (("I1", "Support"), ("I2", "Design"))],
    ]
    moments, moment, work = [BEGIN + timedelta(seconds=number) for number in range(3)], BEGIN, []
    for number in range(choose([16, 20, 8])):
        moment += choose(GAPS)
        time = {"updated": moment.isoformat()}
        action = choose(ACTIONS)
        if action in {"work", "correct"} or not work:
            id_ = choose(work) if action == "correct" and work else str(number)
            work.append(id_)
            records = [
                worklog(
                    id_, issue=choose(["I1", "I2"]), author=choose(["ann", "ann", "Bob"]), **time,
                    started=(moment - choose(LATENESS)).isoformat(), seconds=choose([3600, 28801, 1, 10001]),
                )
            ]  # fmt: skip
        elif action == "delete":
            records = [deletion(choose(work), deleted=moment.isoformat())]
        elif action == "relink":
            records = [drawn_link(choose, choose(["I1", "I2"]), choose(["Design", "Support", "nobody"]), moment)]
        elif action == "rates":
            records = [
                rate_card(rates=choose([(9000, 11000, 13500, 18000), (1, 3, 5, 7)]), version=number + 2, first=FIRST)
            ]
        elif action == "team":
            members = choose([[], [member("ann", "2025-10-01")], [member("Bob", FIRST)]])
            records = [team_event("North", members, number + 2, id_=TEAMS[0])]
        elif change := choose(LIFE[status]):
            previous, version = status, version + 1
            if change == "amended":
                shape = {**shape, **{name: choose(options[name]) for name in [choose(list(options))]}}
                terms = shaped(choose, "C1", shape)
            status = choose(["ACTIVE", "EXPIRED"]) if (change, status) == ("amended", "EXPIRED") else status
            status = STATUS.get(change, status)
            records = [
                contract_event(version, status, change=change, contract=CONTRACT, previous=previous, terms=terms)
            ]
        else:
            continue
        moments.append(moment)
        batches.append(records)
    return History(list(zip(moments, batches, strict=True)))


def drawn_link(choose, issue, account, moment):
    """A link; the day on which its issue was created picks the period of a fixed price."""
    created = moment - choose([timedelta(days=1), timedelta(days=30)])
    return link(issue, account=account, created=created.isoformat(), updated=moment.isoformat())
