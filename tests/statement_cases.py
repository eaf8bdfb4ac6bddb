"""A contract with work in a period that settles."""

from datetime import UTC, datetime, timedelta

from event_builders import (
    account,
    contract_event,
    facts_of,
    link,
    take,
    terms,
    uid,
    worklog,
)

CONTRACT = uid("contract C1")
MARCH = "2026-03-03T09:00:00Z"
LEARNED = datetime(2026, 3, 20, tzinfo=UTC)
SETTLED = datetime(2026, 4, 7, tzinfo=UTC)
TODAY = datetime(2026, 5, 20, tzinfo=UTC)


async def learn(connection, *steps):
    """Take batches of records, each with its moment. Returns the facts."""
    facts = []
    for number, (moment, records) in enumerate(steps):
        await take(connection, records, first_offset=100 * number, learned_at=moment)
        facts += facts_of(records, moment)
    return facts


def begun(**more):
    """A contract of 40 h a month from February to April 2026, with two hours of work in March."""
    accounts = [account("Support", "30"), account("Design", "10")]
    body = terms(accounts=accounts, start="2026-02-01", end="2026-04-30", **more)
    return body, [
        (LEARNED, [contract_event(1, "DRAFT", terms=body), contract_event(2, previous="DRAFT", terms=body)]),
        (LEARNED + timedelta(seconds=1), [link(), worklog("1", started=MARCH, seconds=7200)]),
    ]


BODY, BEGUN = begun()
WITHOUT_SUPPORT = terms(start="2026-02-01", end="2026-04-30", accounts=[account("Design", "40")])
