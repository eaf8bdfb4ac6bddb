"""The figures of the delivery report beside those of the tables."""

from collections import Counter


async def table(connection, query, *arguments):
    return [dict(row) for row in await connection.fetch(query, *arguments)]


def shown(row, unit):
    """A row of a table as the figures of the API."""
    kind = "seconds" if unit == "seconds" else "amount_minor"
    return {
        "planned": row[f"planned_{kind}"],
        "consumed": row[f"consumed_{kind}"],
        "percent": None if row["percent"] is None else str(row["percent"]),
        "worklogs": row["worklog_count"],
        "unrated_seconds": row["unrated_seconds"],
    }


def same(figures, row, unit):
    expected = shown(row, unit)
    return {name: figures[name] for name in expected} == expected


async def compare_periods(connection, delivery, first, last):
    """Periods, accounts and slices are those of the tables that overlap the range."""
    contract_id, unit = delivery["contract_id"], delivery["unit"]
    overlap = "contract_id = $1 AND period_start <= $2 AND period_end >= $3"
    for view, parts in {
        "contract_periods": {(): delivery["periods"]},
        "account_consumption": {(part["account_id"],): part["periods"] for part in delivery["accounts"]},
        "slice_consumption": {
            (part["account_id"], slice_["team_id"]): slice_["periods"]
            for part in delivery["accounts"]
            for slice_ in part["slices"]
        },
    }.items():
        rows = await table(connection, f"SELECT * FROM reporting.{view} WHERE {overlap}", contract_id, last, first)  # noqa: S608
        keys = ["account_id", "team_id"][: {"contract_periods": 0, "account_consumption": 1}.get(view, 2)]
        periods = {(*key, period["start"]): period for key, listed in parts.items() for period in listed}
        assert len(periods) == len(rows), view
        for row in rows:
            key = (*(row[name] and str(row[name]) for name in keys), str(row["period_start"]))
            assert same(periods[key], row, unit), (view, key)


async def compare_work(connection, delivery, first, last):
    """Work of the range is the sum of the daily table; of people, of the worklogs."""
    rows = await table(
        connection,
        "SELECT * FROM reporting.daily_consumption WHERE contract_id = $1 AND day BETWEEN $2 AND $3",
        delivery["contract_id"], first, last,
    )  # fmt: skip
    worklogs = await table(
        connection,
        "SELECT * FROM reporting.worklogs WHERE contract_id = $1 AND day BETWEEN $2 AND $3",
        delivery["contract_id"], first, last,
    )  # fmt: skip
    by_team, by_account, by_account_team, by_person, by_day = (Counter() for _ in range(5))
    for row in rows:
        team = row["team_id"] and str(row["team_id"])
        by_team[team, row["billable"]] += row["consumed_seconds"]
        by_account[str(row["account_id"])] += row["consumed_seconds"]
        by_account_team[str(row["account_id"]), team] += row["consumed_seconds"]
        by_day[str(row["day"])] += row["consumed_seconds"] if row["billable"] else 0
    for row in worklogs:
        by_person[row["author_id"], row["billable"]] += row["seconds"]
    kinds = (("billable", True), ("non_billable", False))
    assert +by_team == +Counter({
        (team["team_id"], flag): team[kind]["seconds"] for team in delivery["teams"] for kind, flag in kinds
    })  # fmt: skip
    assert +by_person == +Counter({
        (person["person_id"], flag): person[kind]["seconds"] for person in delivery["people"] for kind, flag in kinds
    })  # fmt: skip
    assert +by_account == +Counter({part["account_id"]: part["work"]["seconds"] for part in delivery["accounts"]})
    assert by_account_team == Counter({
        (part["account_id"], team["team_id"]): team["work"]["seconds"]
        for part in delivery["accounts"] for team in part["teams"]
    })  # fmt: skip
    assert +by_day == Counter({day["day"]: day["seconds"] for day in delivery["days"]})
    exact = sum(row["amount_exact"] or 0 for row in worklogs if row["billable"])
    seconds = sum(row["seconds"] for row in worklogs if row["billable"])
    amount = divmod(2 * exact + 3600, 7200)
    half_even = amount[0] - (amount[1] == 0 and amount[0] % 2)
    assert delivery["billable"]["consumed"] == (seconds if delivery["unit"] == "seconds" else half_even)
    # The curve ends where the table does.
    if delivery["days"]:
        (total,) = await table(
            connection,
            "SELECT coalesce(sum(amount_exact), 0) AS exact, sum(seconds) AS seconds FROM reporting.worklogs"
            " WHERE contract_id = $1 AND billable AND day <= $2",
            delivery["contract_id"], last,
        )  # fmt: skip
        expected = total["seconds"] if delivery["unit"] == "seconds" else round(float(total["exact"]) / 3600)
        assert abs(delivery["days"][-1]["cumulative"] - expected) <= (0 if delivery["unit"] == "seconds" else 1)


async def compare_reasons_and_restatements(connection, delivery, first, last):
    rows = await table(
        connection,
        "SELECT reason, sum(seconds) AS seconds, count(*) AS worklogs FROM reporting.unaccounted_worklogs"
        " WHERE contract_id = $1 GROUP BY reason",
        delivery["contract_id"],
    )
    assert {(row["reason"], row["seconds"], row["worklogs"]) for row in rows} == {
        (row["reason"], row["seconds"], row["worklogs"]) for row in delivery["unaccounted"]
    }
    rows = await table(
        connection,
        "SELECT r.* FROM reporting.restatements AS r JOIN reporting.contracts AS c USING (contract_id)"
        " WHERE contract_id = $1 AND (restated_at AT TIME ZONE c.timezone)::date BETWEEN $2 AND $3"
        " AND restated_at <= now() ORDER BY restatement",
        delivery["contract_id"], first, last,
    )  # fmt: skip
    names = ("before_seconds", "after_seconds", "before_amount_minor", "after_amount_minor", "cause")
    assert [[row[name] for name in names] for row in rows] == [
        [row[name] for name in names] for row in delivery["restatements"]
    ]
