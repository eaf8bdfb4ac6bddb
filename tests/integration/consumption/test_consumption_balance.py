"""The figures of SQL: the percentage is Python's, the balance is the public body, and it says what the tables say."""

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from effort import repeat
from event_builders import account, contract_event, link, member, take, team_event, terms, uid, worklog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from reference.rules import compute_carried

from tidemark_shared.database import queries
from tidemark_shared.domain.balances import Balance
from tidemark_shared.domain.bodies import Contract
from tidemark_shared.domain.calendar import find_period_index, split_into_periods, start_of_day, to_local_day
from tidemark_shared.domain.quantities import compute_percent
from tidemark_shared.messaging.cloudevents import decode_event
from tidemark_shared.messaging.events import CONTRACT_BALANCE
from tidemark_shared.messaging.topics import BALANCES

on_one_database = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


amounts = st.integers(0, 10**15)


@on_one_database
@given(st.lists(st.tuples(amounts, st.integers(-5, 10**15)), min_size=1, max_size=50))
@example([(1, 20_000), (3, 20_000), (5, 20_000), (7, 20_000), (2, 3), (115_200, 144_000), (0, 0), (1, 0), (1, -1)])
@example([(10**15, 1), (10**15, 7), (10**15 - 1, 3)])
async def test_sql_percentage_equals_python_percentage(connection: Any, pairs: list[tuple[int, int]]) -> None:
    rows = await connection.fetch(
        "SELECT percent(p.consumed, p.planned) AS percent "
        "FROM unnest($1::numeric[], $2::numeric[]) WITH ORDINALITY AS p (consumed, planned, number) ORDER BY number",
        *zip(*((Decimal(consumed), Decimal(planned)) for consumed, planned in pairs), strict=True),
    )
    percentages = [row["percent"] for row in rows]
    assert percentages == [compute_percent(consumed, planned) for consumed, planned in pairs]
    assert all(percentage is None or percentage.as_tuple().exponent == -2 for percentage in percentages)


async def test_percentage_without_plan_is_null(connection: Any) -> None:
    assert await connection.fetchval("SELECT percent(1, NULL)") is None


@on_one_database
@given(st.tuples(st.integers(-(10**15), 10**15), st.integers(1, 10**6)))
@example((-3, 2))
@example((5, 2))
async def test_half_even_rounds_negative_quotients(connection: Any, pair: tuple[int, int]) -> None:
    dividend, divisor = pair
    quotient = await connection.fetchval("SELECT half_even($1, $2)", Decimal(dividend), Decimal(divisor))
    assert quotient == round(Fraction(dividend, divisor))


small = st.integers(0, 12)


@on_one_database
@given(
    st.lists(st.tuples(small, small), min_size=1, max_size=8),
    st.sampled_from(["expire", "carry"]),
    st.none() | small,
    st.none() | st.integers(1, 4),
    st.sampled_from(["absorb", "deduct"]),
)
@example([(5, 12), (5, 0), (5, 0)], "carry", 1, None, "deduct")
@example([(5, 0), (5, 0), (5, 0), (5, 7)], "carry", 7, 1, "absorb")
async def test_rollover_equals_reference(
    connection: Any, of_periods: list[tuple[int, int]], unused: str, cap: int | None, lapse: int | None, overrun: str
) -> None:
    plans, used = (list(part) for part in zip(*of_periods, strict=True))
    rows = await connection.fetch(
        "SELECT carried FROM rollover($1, $2, $3, $4, $5, $6) ORDER BY number",
        [*map(Decimal, plans)], [*map(Decimal, used)], unused, None if cap is None else Decimal(cap), lapse, overrun,
    )  # fmt: skip
    rollover = {
        "unused": unused, "cap_hours": None, "cap_value_minor": None, "lapse_after_periods": lapse, "overrun": overrun,
    }  # fmt: skip
    # The reference reads a cap in hours.
    contract_terms = {"type": "time_and_materials", "recurrence": "monthly", "rollover": rollover}
    if cap is not None:
        rollover["cap_hours"] = str(cap)
        plans, used = [amount * 3600 for amount in plans], [amount * 3600 for amount in used]
        rows = [{"carried": row["carried"] * 3600} for row in rows]
    assert [int(row["carried"]) for row in rows] == compute_carried(contract_terms, plans, used)


async def test_new_day_marks_balances_of_active_contracts(connection: Any) -> None:
    await take(connection, [contract_event(timezone="Pacific/Auckland"), contract_event(1, "DRAFT", code="C2")])
    query = "SELECT revision, day FROM balances JOIN contracts USING (contract_id) ORDER BY code"
    (active, draft) = await connection.fetch(query)
    midnight = start_of_day(active["day"] + timedelta(days=1), ZoneInfo("Pacific/Auckland"))
    sql = queries("tidemark_consumption")
    before, after = midnight - timedelta(microseconds=1), midnight + timedelta(hours=9)
    revisions = []
    for now in (before, midnight, after):
        await sql.begin_days(connection, now=now, correlation_id="c")
        rows = await connection.fetch(query)
        assert rows[1]["revision"] == draft["revision"]
        revisions.append(rows[0]["revision"])
    assert revisions[0] == active["revision"] < revisions[1] == revisions[2]


# A contract as it may be, and work on it.

TEAMS = [uid("team North"), uid("team South"), uid("team West")]
STATUSES = ["DRAFT", "ACTIVE", "ACTIVE", "INACTIVE", "EXPIRED", "CLOSED"]
hours = st.integers(1, 100_000).map(lambda hundredths: f"{hundredths // 100}.{hundredths % 100:02}")
teams_of_an_account = st.lists(st.sampled_from(TEAMS), max_size=3, unique=True)


@st.composite
def accounts_drawn(draw: st.DrawFn) -> list[dict[str, Any]]:
    accounts = []
    for number in range(draw(st.integers(0, 3))):
        chosen = draw(teams_of_an_account)
        sliced = draw(st.booleans())
        accounts.append(
            account(
                f"A{number}",
                draw(st.none() | hours),
                billable=draw(st.booleans()),
                slices=[(team, draw(st.none() | hours)) for team in chosen] if sliced else (),
                teams=() if sliced else chosen,
            )
        )
    return accounts


SPANS = [("2026-01-31", "2026-06-15"), ("2026-03-01", "2026-03-31"), ("2026-02-10", "2026-04-09")]
contracts = st.builds(
    lambda status, accounts, span, recurrence, planned, zone: contract_event(
        1,
        status,
        terms=terms(accounts=accounts, start=span[0], end=span[1], recurrence=recurrence, hours=planned, timezone=zone),
    ),
    st.sampled_from(STATUSES),
    accounts_drawn(),
    st.sampled_from(SPANS),
    st.sampled_from(["none", "monthly"]),
    st.none() | hours,
    st.sampled_from(["Europe/Berlin", "Pacific/Auckland", "America/Sao_Paulo"]),
)
worklogs = st.builds(
    worklog,
    st.integers(1, 12).map(str),
    issue=st.sampled_from(["I0", "I1", "I2"]),
    author=st.sampled_from(["ann", "bob", "eve"]),
    started=st.sampled_from(
        [
            *("2026-01-31T01:00:00Z", "2026-02-28T23:30:00Z", "2026-03-15T09:00:00Z", "2026-03-31T22:30:00Z"),
            *("2026-04-20T12:00:00Z", "2026-07-01T12:00:00Z"),
        ]
    ),
    seconds=st.integers(1, 100_000),
    team=st.sampled_from([None, *TEAMS]),
)
LINKS = [link(f"I{number}", account=f"A{number}") for number in range(3)]
MEMBERSHIPS = [
    team_event("North", [member("ann"), member("bob", "2026-03-01")]),
    team_event("South", [member("bob", until="2026-02-28")]),
    team_event("West", []),
]
moments = st.datetimes(
    datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2026-08-01"), timezones=st.just(UTC)
)
CONTRACT = uid("contract C1")


async def body_of(connection: Any, moment: datetime, *, complete: bool) -> Any:
    return json.loads(await connection.fetchval("SELECT balance($1, $2, $3)", CONTRACT, moment, complete))


def of_row(row: asyncpg.Record, **more: Any) -> dict[str, Any]:
    """A row of a reporting view, as figures of the body."""
    planned, consumed = row["planned_seconds"], row["consumed_seconds"]
    return {
        "planned": planned,
        "consumed": consumed,
        "remaining": None if planned is None else planned - consumed,
        "percent": None if row["percent"] is None else str(row["percent"]),
        "worklogs": row["worklog_count"],
        "unrated_seconds": row["unrated_seconds"],
        **more,
    }


def of_period(row: asyncpg.Record, **more: Any) -> dict[str, Any]:
    return of_row(row, start=str(row["period_start"]), end=str(row["period_end"]), **more)


async def view(connection: Any, name: str) -> list[asyncpg.Record]:
    return list(await connection.fetch(f"SELECT * FROM reporting.{name} WHERE contract_id = $1", CONTRACT))  # noqa: S608


async def shown_by_the_tables(connection: Any) -> dict[str, Any]:
    """The whole balance, put together from the views that operations teams read."""
    (whole,) = await view(connection, "contracts")
    in_periods = defaultdict(list)
    for row in sorted(await view(connection, "account_consumption"), key=lambda row: row["period_start"]):
        in_periods[row["account_id"]].append(of_period(row))
    return {
        "contract_code": whole["contract_code"],
        "status": whole["status"],
        "unaccounted_seconds": whole["unaccounted_seconds"],
        "whole": of_row(whole),
        "periods": [
            of_period(row, carried=row["carried_seconds"], available=row["available_seconds"])
            for row in sorted(await view(connection, "contract_periods"), key=lambda row: row["period_start"])
        ],
        "accounts": {
            str(row["account_id"]): {
                "name": row["account_name"],
                "billable": row["billable"],
                "whole": of_row(row),
                "periods": in_periods[row["account_id"]],
            }
            for row in await view(connection, "account_totals")
        },
    }


def shown_by_the_body(body: Any) -> dict[str, Any]:
    accounts = {
        account["account_id"]: {name: account[name] for name in ("name", "billable", "whole", "periods")}
        for account in body["accounts"]
    }
    names = ("contract_code", "status", "unaccounted_seconds", "whole", "periods")
    return {**{name: body[name] for name in names}, "accounts": accounts}


async def slices_by_the_tables(connection: Any) -> dict[Any, Any]:
    return {
        (str(row["account_id"]), row["team_id"] and str(row["team_id"]), str(row["period_start"])): of_period(row)
        for row in await view(connection, "slice_consumption")
    }


def slices_by_the_body(body: Any) -> dict[Any, Any]:
    return {
        (account["account_id"], share["team_id"], period["start"]): period
        for account in body["accounts"]
        for share in account["slices"]
        for period in share["periods"]
    }


async def fill(connection: Any, contract: Any, work: list[Any]) -> None:
    for batch in ([contract], MEMBERSHIPS, LINKS + work):
        await take(connection, batch)


@settings(on_one_database, max_examples=repeat(25, long=60))
@given(contracts, st.lists(worklogs, max_size=15), moments)
async def test_balance_matches_public_body_and_tables(
    connection: Any, contract: Any, work: list[Any], moment: datetime
) -> None:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await fill(connection, contract, work)
        complete = await body_of(connection, moment, complete=True)
        brief = await body_of(connection, moment, complete=False)
        tables, slices = await shown_by_the_tables(connection), await slices_by_the_tables(connection)
    finally:
        await transaction.rollback()
    for body in (complete, brief):
        assert Balance.model_validate_json(json.dumps(body)).model_dump(mode="json") == body
    assert shown_by_the_body(complete) == tables
    in_the_body = slices_by_the_body(complete)
    assert {key: in_the_body[key] for key in slices} == slices
    # Where a view leaves a row out (no slice, no work), the body has zeros.
    assert all(in_the_body[key]["consumed"] == 0 for key in in_the_body.keys() - slices.keys())
    for account_body in complete["accounts"]:
        for level in (account_body, *account_body["slices"]):
            for figure in ("consumed", "worklogs"):
                assert level["whole"][figure] == sum(period[figure] for period in level["periods"])
        assert account_body["whole"]["consumed"] == sum(
            slice_["whole"]["consumed"] for slice_ in account_body["slices"]
        )
    expect_brief(Contract.model_validate(json.loads(contract.value)["terms"]), moment, complete, brief)


def expect_brief(contract: Contract, moment: datetime, complete: Any, brief: Any) -> None:
    """On the topic: the previous and the current period, nothing else left out."""
    periods = split_into_periods(contract.recurrence, contract.start_date, contract.end_date)
    now = find_period_index(periods, to_local_day(moment, ZoneInfo(contract.timezone)))
    visible_starts = {str(percentage.start) for percentage in periods[max(now - 1, 0) : now + 1]}

    def cut(body: Any) -> Any:
        match body:
            case {"periods": of_level, **rest}:
                visible_periods = [period for period in of_level if period["start"] in visible_starts]
                return {"periods": visible_periods, **{name: cut(value) for name, value in rest.items()}}
            case dict():
                return {name: cut(value) for name, value in body.items()}
            case list():
                return [cut(item) for item in body]
        return body

    assert cut(complete) == brief


async def test_discarded_draft_has_no_balance(connection: Any) -> None:
    await take(connection, [contract_event(1, "DRAFT"), contract_event(2, None)])
    assert await connection.fetchval("SELECT balance($1, now(), TRUE)", CONTRACT) is None


async def test_balance_is_a_valid_event(connection: Any) -> None:
    await fill(connection, contract_event(accounts=[account("A1", "40")]), [worklog("1", issue="I1", seconds=115_200)])
    body = json.dumps(await body_of(connection, datetime(2026, 3, 5, tzinfo=UTC), complete=False)).encode()
    headers = [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_source", "/consumption"), ("ce_type", CONTRACT_BALANCE)]
    balance = decode_event(BALANCES, [(name, value.encode()) for name, value in headers], body).data
    assert [(str(period.start), period.consumed, period.percent) for period in balance.periods] == [
        ("2026-02-01", 0, "0.00"),
        ("2026-03-01", 115_200, "80.00"),
    ]
    assert balance.revision > (datetime.now(UTC) - timedelta(days=1)).timestamp() * 1000
