"""What Tidemark must show: SPEC 1, 3, 4 and 9 in plain Python, slow and obvious.

It imports nothing of Tidemark and reads the public events alone. Every model works everything out from the facts, and
every rule stands once, named after the sentence it comes from.

Amounts are exact integers. Time and materials is held in seconds; fixed price in seconds times minor units an hour, so
3600 of these are one minor unit. ``exact`` in a name means this unit; it is divided once, when shown (W3).
"""

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache, cached_property
from hashlib import sha256
from itertools import product
from typing import NamedTuple
from zoneinfo import ZoneInfo

import holidays

HOUR = 3600
SATURDAY = 5

RECORDED, DELETED, LINKED = (
    "tidemark.worklog.recorded.v1",
    "tidemark.worklog.deleted.v1",
    "tidemark.issue.linked.v1",
)
ORGANIZATION, TEAM, RATE_CARD = (f"tidemark.{what}.changed.v1" for what in ("organization", "team", "rate_card"))

FIGURES = (
    "planned_seconds", "consumed_seconds", "unrated_seconds", "planned_amount_minor", "consumed_amount_minor",
    "currency", "percent", "worklog_count",
)  # fmt: skip
_CONTRACT, _ACCOUNT, _TEAM = (
    ("contract_id", "contract_code"),
    ("account_id", "account_name"),
    ("team_id", "team_name"),
)
_PERIOD = ("period_start", "period_end")

# The relations of SPEC 3 and the columns that others rely on; `updated_at` depends on when things were learned.
COLUMNS = {
    "contracts": (
        *_CONTRACT, "contract_name", "organization_id", "organization_name", "owner_name", "owner_email", "type",
        "recurrence", "start_date", "end_date", "timezone", "status", *FIGURES, "remaining_seconds",
        "remaining_amount_minor", "unaccounted_seconds",
    ),
    "contract_periods": (
        *_CONTRACT, *_PERIOD, *FIGURES, "carried_seconds", "available_seconds", "carried_amount_minor",
        "available_amount_minor",
    ),
    "account_consumption": (*_CONTRACT, *_ACCOUNT, "billable", *_PERIOD, *FIGURES),
    "account_totals": (*_CONTRACT, *_ACCOUNT, "billable", *_PERIOD, *FIGURES),
    "slice_consumption": (*_CONTRACT, *_ACCOUNT, *_TEAM, *_PERIOD, *FIGURES),
    "daily_consumption": (
        *_CONTRACT, *_ACCOUNT, *_TEAM, "day", "consumed_seconds", "consumed_amount_minor", "worklog_count",
    ),
    "unaccounted_worklogs": (
        "source", "worklog_id", "issue_id", "author_id", "started_at", "seconds", "reason", "contract_id", "account_id",
        "contract_ref", "account_ref",
    ),
}  # fmt: skip


# Facts (SPEC 2, 9)


class Fact(NamedTuple):
    """One record: when Tidemark learned it, the event's type and source, and its data as JSON reads it."""

    learned_at: datetime
    type: str
    source: str
    data: dict


MEMBERS = {
    RECORDED: (
        "worklog_id", "issue_id", "author_id", "started_at", "seconds", "team_id", "description", "updated_at",
    ),
    DELETED: ("worklog_id", "issue_id", "deleted_at"),
    LINKED: ("issue_id", "issue_key", "summary", "contract_id", "account_id", "created_at", "updated_at"),
}  # fmt: skip


def instant(text):
    """Times count to the microsecond, finer digits are cut."""
    return datetime.fromisoformat(text).astimezone(UTC)


def canonical(fact):
    """RFC 8785 JSON of the data, absent optional members as null, times in UTC with six fraction digits and Z."""
    members = {name: fact.data.get(name) for name in MEMBERS[fact.type]}
    for name, text in members.items():
        if name.endswith("_at") and text is not None:
            members[name] = instant(text).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def rank(fact):
    """W6: the later wins; at equal times deletion wins, then the greater SHA-256 of the canonical content."""
    deleted = fact.type == DELETED
    return instant(fact.data["deleted_at" if deleted else "updated_at"]), deleted, sha256(canonical(fact)).digest()


def that_hold(facts, id_name):
    """The version of each fact that holds, by source and id; absent members are null."""
    versions = defaultdict(list)
    for fact in facts:
        versions[fact.source, fact.data[id_name]].append(fact)
    held = {key: max(found, key=rank) for key, found in versions.items()}
    return {
        key: {name: fact.data.get(name) for name in MEMBERS[fact.type]}
        for key, fact in held.items()
        if fact.type != DELETED
    }


def newest(facts):
    """The greatest version of each entity of the directory, by id. Of one version there is one state."""
    versions = defaultdict(list)
    for fact in facts:
        versions[fact.data["id"]].append(fact.data)
    return {id_: max(found, key=lambda data: data["version"]) for id_, found in versions.items()}


# The calendar (SPEC 1: recurrence, W1, W3)


def add_months(day, months):
    """The same day some months on, clamped to the month's end."""
    years, month = divmod(day.month - 1 + months, 12)
    after = date(day.year + years + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    last = after - timedelta(days=1)
    return last.replace(day=min(day.day, last.day))


def periods(terms):
    """First and last day of every period; period k of a monthly contract starts k months after the first day."""
    start, end = date.fromisoformat(terms["start_date"]), date.fromisoformat(terms["end_date"])
    if terms["recurrence"] != "monthly":
        return [(start, end)]
    found = []
    while add_months(start, len(found)) <= end:
        k = len(found)
        found.append((add_months(start, k), min(end, add_months(start, k + 1) - timedelta(days=1))))
    return found


def day_of(moment, terms):
    """The day that a moment falls on in the contract's time zone."""
    return moment.astimezone(ZoneInfo(terms["timezone"])).date()


@cache
def calendar(code, year):
    """The public holidays of a year, observed days included."""
    country, _, subdivision = code.partition("-")
    return holidays.country_holidays(
        country, subdiv=subdivision or None, years=year, observed=True, categories=(holidays.PUBLIC,), expand=False
    )


def kind_of_day(terms, day):
    """`holiday` if it is one in the contract's calendar, else `weekend` on Saturday and Sunday; else None."""
    if terms["holidays"] and day in calendar(terms["holidays"], day.year):
        return "holiday"
    return "weekend" if day.weekday() >= SATURDAY else None


# Planned and executed, in exact amounts


def is_fixed(terms):
    return terms["type"] == "fixed_price"


def seconds(hours):
    """C5: at most two decimals, so whole seconds."""
    return int(Decimal(hours) * HOUR)


def exact(terms, hours, value_minor):
    """What the terms state, of the contract's own type; None where they leave it out."""
    if is_fixed(terms):
        return None if value_minor is None else value_minor * HOUR
    return None if hours is None else seconds(hours)


def shown(terms, amount):
    """An exact amount as people see it: seconds as they are, money divided once, half-even."""
    if amount is None:
        return None
    return round(Fraction(amount, HOUR)) if is_fixed(terms) else amount


def percent(consumed, plan):
    """Two decimals, half-even; None where the plan is not above zero."""
    if plan is None or plan <= 0:
        return None
    return Decimal(round(Fraction(consumed * 10_000, plan))).scaleb(-2)


def adjustments(terms, account, start):
    """What each adjustment of an account adds to a period."""
    return [
        exact(terms, one["hours"], one["value_minor"]) or 0
        for one in terms["adjustments"]
        if one["account_id"] == account["id"] and one["period_start"] == str(start)
    ]


def account_plan(terms, account, start):
    """What is planned for an account in a period, adjustments included; None where neither says anything."""
    return total(
        [exact(terms, account["planned_hours"], account["planned_value_minor"]), *adjustments(terms, account, start)]
    )


def contract_plan(terms, start):
    """What is planned for a contract in a period: the contracted amount, and its billable accounts' adjustments."""
    stated = exact(terms, terms["contracted_hours"], terms["contracted_value_minor"])
    billable = [account for account in terms["accounts"] if account["billable"]]
    return None if stated is None else stated + sum(sum(adjustments(terms, one, start)) for one in billable)


def slice_plan(terms, account, team_id):
    """A slice's own hours in a period, adjustments or not; None for what is no slice, and for fixed price."""
    stated = {one["team_id"]: one["planned_hours"] for one in account["slices"]}
    return None if is_fixed(terms) else exact(terms, stated.get(team_id), None)


def total(amounts):
    """The sum of what is stated; None where nothing is."""
    stated = [amount for amount in amounts if amount is not None]
    return sum(stated) if stated else None


def consumed(terms, work):
    """W3: time and materials consumes seconds, fixed price seconds times rates."""
    return sum(one.amount_exact if is_fixed(terms) else one.seconds for one in work)


def carried(terms, plans, used):
    """What is carried into each period (SPEC 1 rollover, SPEC 9), given each period's plan and consumption.

    What is left keeps the period it was left in. Entering a period, first what is too old lapses, then the cap cuts,
    the oldest first. Consumption uses the oldest first: carried before own. An overrun finds nothing left, so a
    deduction and something left are never carried together.
    """
    rollover = terms["rollover"] or {}
    if terms["recurrence"] != "monthly" or None in plans:
        return [0 for _ in plans]
    cap = exact(terms, rollover.get("cap_hours"), rollover.get("cap_value_minor"))
    lapse = rollover.get("lapse_after_periods")
    found, lots, overrun = [], [], 0  # a lot: the period it was left in, and what is left of it
    for k, plan in enumerate(plans):
        lots = [(origin, left) for origin, left in lots if lapse is None or k - origin <= lapse]
        over_cap = 0 if cap is None else max(0, sum(left for _, left in lots) - cap)
        lots, _ = take(lots, over_cap)
        found.append(sum(left for _, left in lots) - overrun)
        lots, beyond = take([*lots, (k, plan)], used[k] + overrun)
        lots = lots if rollover.get("unused") == "carry" else []
        overrun = beyond if rollover.get("overrun") == "deduct" else 0
    return found


def take(lots, amount):
    """Take an amount from lots, the oldest first: what is left of them, and what of the amount they did not hold."""
    left_over = []
    for origin, left in lots:
        taken = min(left, amount)
        amount -= taken
        left_over.append((origin, left - taken))
    return left_over, amount


def figures(terms, plan, work, *, of=None):
    """``figures`` of SPEC 3: those of the other contract type are null. A percentage of ``of``, else of the plan."""
    fixed, used = is_fixed(terms), consumed(terms, work)
    return {
        "planned_seconds": None if fixed else plan,
        "consumed_seconds": sum(one.seconds for one in work),
        "unrated_seconds": sum(one.unrated_seconds for one in work) if fixed else None,
        "planned_amount_minor": shown(terms, plan) if fixed else None,
        "consumed_amount_minor": shown(terms, used) if fixed else None,
        "currency": terms["currency"] if fixed else None,
        "percent": percent(used, plan if of is None else of),
        "worklog_count": len(work),
    }


def both_units(terms, name, amount):
    """A quantity in the column of the contract's type; the other's is null."""
    fixed = is_fixed(terms)
    return {
        f"{name}_seconds": None if fixed else amount,
        f"{name}_amount_minor": shown(terms, amount) if fixed else None,
    }


def body_figures(terms, plan, work, *, of=None):
    """F of SPEC 4, in the unit of the balance; what remains is less than ``of``, else the plan."""
    used, of = consumed(terms, work), plan if of is None else of
    share = percent(used, of)
    return {
        "planned": shown(terms, plan),
        "consumed": shown(terms, used),
        "remaining": None if of is None else shown(terms, of - used),
        "percent": None if share is None else str(share),
        "worklogs": len(work),
        "unrated_seconds": sum(one.unrated_seconds for one in work) if is_fixed(terms) else None,
    }


# Rates (W3, SPEC 9)


def card_for(cards, person, day, team_id, currency):
    """The team's own card before the general, then the latest `from`; another currency's does not fit.

    Unassigned work takes general cards alone. Of two with one first day, which the rules forbid, the lesser id.
    """
    fitting = [
        card
        for card in cards
        if card["person_id"] == person
        and card["team_id"] in {team_id, None}
        and card["currency"] == currency
        and card["from"] <= str(day)
    ]
    best = sorted(fitting, key=lambda card: card["id"])
    return max(best, key=lambda card: (card["team_id"] is not None, card["from"]), default=None)


def parts(terms, card, day, filled, duration):
    """A worklog's seconds by kind, where ``filled`` seconds of that person's day came before it.

    It is split to the second where its own card's daily workload is reached.
    """
    kind = kind_of_day(terms, day)
    if kind:
        return {kind: duration}
    workload = seconds(card["daily_workload_hours"] or "8")
    normal = min(duration, max(0, workload - filled))
    return {"normal": normal, "extra_time": duration - normal}


@dataclass(frozen=True)
class Work:
    """A worklog and its place: where it counts, or the reason why it does not (W5)."""

    source: str
    worklog_id: str
    issue_id: str
    author_id: str
    started_at: datetime
    seconds: int
    contract_ref: str | None = None
    account_ref: str | None = None
    reason: str | None = None
    contract_id: str | None = None
    account_id: str | None = None
    team_id: str | None = None
    period_start: date | None = None
    day: date | None = None
    amount_exact: int | None = None
    unrated_seconds: int | None = None

    @property
    def turn(self):
        """The order in which a day's workload fills: `started_at`, then worklog id as bytes, then the source."""
        return self.started_at, self.worklog_id.encode(), self.source.encode()


class Model:
    """All figures, as known at a moment (that moment included; without one, now): facts in, rows out.

    ``facts`` are in the order learned; only restatements depend on it.
    """

    def __init__(self, facts, moment=None):
        self.facts = [fact for fact in facts if moment is None or fact.learned_at <= moment]
        self.versions = defaultdict(dict)
        for fact in self.facts:
            if fact.type.startswith("tidemark.contract."):
                self.versions[fact.data["contract_id"]].setdefault(fact.data["stream_version"], fact.data)
        latest = {contract_id: versions[max(versions)] for contract_id, versions in self.versions.items()}
        # A discarded draft has no status, and is unknown.
        self.known = {
            contract_id: latest[contract_id] for contract_id in sorted(latest) if latest[contract_id]["status"]
        }
        self.organizations = newest(self._of(ORGANIZATION))
        self.teams = newest(self._of(TEAM))
        self.cards = [card for card in newest(self._of(RATE_CARD)).values() if not card.get("deleted")]
        self.worklogs = that_hold(self._of(RECORDED, DELETED), "worklog_id")
        self.links = that_hold(self._of(LINKED), "issue_id")

    def _of(self, *types):
        return [fact for fact in self.facts if fact.type in types]

    # Where work belongs (W1, W2, W4, W5)

    def contract(self, ref):
        """A contract by what a link calls it: ids before codes."""
        by_code = (one for one in self.known.values() if one["terms"]["code"] == ref)
        return self.known.get(ref) or next(by_code, None)

    def account(self, contract, ref):
        """An account by what a link calls it: an id it ever had before a name; a name is its latest holder's.

        What an amendment removed is unknown, until it returns under its id.
        """
        versions = self.versions[contract["contract_id"]]
        now = {account["id"]: account for account in contract["terms"]["accounts"]}
        if any(ref == account["id"] for one in versions.values() for account in one["terms"]["accounts"]):
            return now.get(ref)
        for version in sorted(versions, reverse=True):
            for account in versions[version]["terms"]["accounts"]:
                if account["name"] == ref:
                    return now.get(account["id"])
        return None

    def is_member(self, person, team_id, day):
        """Whether a person is in a team on a day; both days of a membership count. A deleted team has nobody."""
        team = self.teams.get(team_id)
        if team is None or team.get("deleted"):
            return False
        return any(
            member["person_id"] == person and member["from"] <= str(day) <= (member["until"] or "9999-12-31")
            for member in team["members"]
        )

    def team(self, account, worklog, day):
        """W4: the worklog's own team, else the person's on that day, in the contract's order; else unassigned."""
        teams = teams_of(account)
        if worklog["team_id"] in teams:
            return worklog["team_id"]
        return next((one for one in teams if self.is_member(worklog["author_id"], one, day)), None)

    def placed(self, source, worklog):
        """A worklog in its place, not yet rated."""
        work = Work(
            source, worklog["worklog_id"], worklog["issue_id"], worklog["author_id"],
            instant(worklog["started_at"]), worklog["seconds"],
        )  # fmt: skip
        link = self.links.get((source, work.issue_id))
        if link is None or link["contract_id"] is None:
            return replace(work, reason="issue_not_linked")
        work = replace(work, contract_ref=link["contract_id"], account_ref=link["account_id"])
        contract = self.contract(link["contract_id"])
        if contract is None:
            return replace(work, reason="contract_unknown")
        work = replace(work, contract_id=contract["contract_id"])
        account = self.account(contract, link["account_id"])
        if account is None:
            return replace(work, reason="account_unknown")
        work = replace(work, account_id=account["id"])
        if contract["status"] in {"DRAFT", "INACTIVE"}:
            return replace(work, reason=f"contract_{contract['status'].lower()}")
        terms = contract["terms"]
        governing = governing_day(terms, work.started_at, link)
        period = next((start for start, end in periods(terms) if governing and start <= governing <= end), None)
        if period is None:
            return replace(work, reason="outside_dates")
        day = day_of(work.started_at, terms)
        return replace(work, team_id=self.team(account, worklog, day), period_start=period, day=day)

    @cached_property
    def work(self):
        """Every worklog that is not deleted, in its place; what counts in fixed price is rated."""
        placed = [self.placed(source, worklog) for (source, _), worklog in self.worklogs.items()]
        found, filled = [], defaultdict(int)
        for one in sorted(placed, key=lambda one: one.turn):
            if one.reason or not is_fixed(self.known[one.contract_id]["terms"]):
                found.append(one)
                continue
            of_day = one.author_id, one.contract_id, one.day
            found.append(self.rated(one, filled[of_day]))
            filled[of_day] += one.seconds
        return found

    def rated(self, work, filled):
        """W3, fixed price: seconds times the rate of their kind; without a card nothing, and shown as unrated."""
        terms = self.known[work.contract_id]["terms"]
        card = card_for(self.cards, work.author_id, work.day, work.team_id, terms["currency"])
        if card is None:
            return replace(work, amount_exact=0, unrated_seconds=work.seconds)
        by_kind = parts(terms, card, work.day, filled, work.seconds)
        amount = sum(duration * card["per_hour_minor"][kind] for kind, duration in by_kind.items())
        return replace(work, amount_exact=amount, unrated_seconds=0)

    def counted(self, **place):
        """The work that counts in a place: members of :class:`Work` and their values."""
        return [one for one in self.work if one.reason is None and lies_in(one, place)]

    def billable(self, contract, **place):
        """The same, of a contract's billable accounts alone: what contract and period rows are made of (C2)."""
        accounts = {account["id"] for account in contract["terms"]["accounts"] if account["billable"]}
        work = self.counted(contract_id=contract["contract_id"], **place)
        return [one for one in work if one.account_id in accounts]

    def worklogs_of(self, contract_id, **place):
        """The worklogs behind a figure of a contract, or (``reason=…``) what does not count; in order of time.

        The places are those of :class:`Work`: ``account_id``, ``team_id``, ``period_start``, ``day``, ``reason``.
        """
        return [one for one in self.work if lies_in(one, {"contract_id": contract_id, "reason": None, **place})]

    def unaccounted(self, contract):
        """The work that names a contract and does not count there, `account_unknown` included."""
        return [one for one in self.work if one.reason and one.contract_id == contract["contract_id"]]

    # Rollover (SPEC 1)

    def flow(self, contract):
        """Every period of a contract: its days, its plan, its billable work, what is carried into it, and available."""
        terms = contract["terms"]
        days = periods(terms)
        plans = [contract_plan(terms, start) for start, _ in days]
        work = [self.billable(contract, period_start=start) for start, _ in days]
        into = carried(terms, plans, [consumed(terms, one) for one in work])
        available = [None if plan is None else plan + one for plan, one in zip(plans, into, strict=True)]
        return list(zip(days, plans, work, into, available, strict=True))

    # The relations of SPEC 3

    def relations(self):
        """Every relation of :data:`COLUMNS` by its name: a set of rows, each a tuple in the order of its columns."""
        return {
            name: {tuple(row[column] for column in columns) for row in getattr(self, name)()}
            for name, columns in COLUMNS.items()
        }

    def contracts(self):
        """One row a contract, over all periods, of billable accounts alone."""
        return [self._contract_row(contract) for contract in self.known.values()]

    def _contract_row(self, contract):
        terms = contract["terms"]
        organization = self.organizations.get(terms["organization_id"])
        plan, work = total([contract_plan(terms, start) for start, _ in periods(terms)]), self.billable(contract)
        return {
            **named(contract),
            "contract_name": terms["name"],
            "organization_id": terms["organization_id"],
            "organization_name": organization and organization["name"],
            "owner_name": terms["owner"]["name"],
            "owner_email": terms["owner"]["email"],
            "type": terms["type"],
            "recurrence": terms["recurrence"],
            "start_date": date.fromisoformat(terms["start_date"]),
            "end_date": date.fromisoformat(terms["end_date"]),
            "timezone": terms["timezone"],
            "status": contract["status"],
            **figures(terms, plan, work),
            **both_units(terms, "remaining", None if plan is None else plan - consumed(terms, work)),
            "unaccounted_seconds": sum(one.seconds for one in self.unaccounted(contract)),
        }

    def contract_periods(self):
        """One row a contract and period; percentages refer to the available."""
        return [
            {
                **named(contract),
                **in_period(days),
                **figures(contract["terms"], plan, work, of=available),
                **both_units(contract["terms"], "carried", into),
                **both_units(contract["terms"], "available", available),
            }
            for contract in self.known.values()
            for days, plan, work, into, available in self.flow(contract)
        ]

    def account_consumption(self):
        """One row an account and period, with zeros too."""
        return [
            {
                **of_account(contract, account),
                **in_period(days),
                **figures(
                    contract["terms"],
                    account_plan(contract["terms"], account, days[0]),
                    self.counted(
                        contract_id=contract["contract_id"], account_id=account["id"], period_start=days[0]
                    ),
                ),
            }
            for contract, account in self._accounts()
            for days in periods(contract["terms"])
        ]  # fmt: skip

    def account_totals(self):
        """One row an account, over all periods."""
        return [
            {
                **of_account(contract, account),
                **in_period((periods(contract["terms"])[0][0], periods(contract["terms"])[-1][1])),
                **figures(
                    contract["terms"],
                    total([account_plan(contract["terms"], account, start) for start, _ in periods(contract["terms"])]),
                    self.counted(contract_id=contract["contract_id"], account_id=account["id"]),
                ),
            }
            for contract, account in self._accounts()
        ]

    def slice_consumption(self):
        """One row a slice and period, with zeros too; other teams and the unassigned share only where work is."""
        found = []
        for contract, account in self._accounts():
            for days in periods(contract["terms"]):
                place = {"contract_id": contract["contract_id"], "account_id": account["id"], "period_start": days[0]}
                slices = {one["team_id"] for one in account["slices"]}
                for team_id in slices | {one.team_id for one in self.counted(**place)}:
                    plan, work = slice_plan(contract["terms"], account, team_id), self.counted(**place, team_id=team_id)
                    found.append(
                        {
                            **without_billable(of_account(contract, account)),
                            **self._of_team(team_id),
                            **in_period(days),
                            **figures(contract["terms"], plan, work),
                        }
                    )
        return found

    def daily_consumption(self):
        """One row an account, team and day of work, for both types; days without work have none."""
        found = []
        for contract, account in self._accounts():
            place = {"contract_id": contract["contract_id"], "account_id": account["id"]}
            for team_id, day in {(one.team_id, one.day) for one in self.counted(**place)}:
                summed = figures(contract["terms"], None, self.counted(**place, team_id=team_id, day=day))
                columns = ("consumed_seconds", "consumed_amount_minor", "worklog_count")
                found.append(
                    {
                        **without_billable(of_account(contract, account)),
                        **self._of_team(team_id),
                        "day": day,
                        **{name: summed[name] for name in columns},
                    }
                )
        return found

    def unaccounted_worklogs(self):
        """W5: one row a worklog that does not count, with its reason."""
        return [
            {name: getattr(one, name) for name in COLUMNS["unaccounted_worklogs"]} for one in self.work if one.reason
        ]

    def _accounts(self):
        return [(contract, account) for contract in self.known.values() for account in contract["terms"]["accounts"]]

    def _of_team(self, team_id):
        team = self.teams.get(team_id)
        return {"team_id": team_id, "team_name": team and team["name"]}

    # The balance (SPEC 4)

    def balance(self, ref, now=None):
        """A contract's balance without ``forecast``, ``revision`` and ``links``; every period, or as on the topic.

        With ``now`` it shows the previous and the current period: before the start the first, after the end the last.
        """
        contract = self.contract(ref)
        if contract is None:
            return None
        terms, flow = contract["terms"], self.flow(contract)
        whole = total([plan for _, plan, *_ in flow])
        visible = [start for start, _ in periods(terms)]
        if now is not None:
            ended = sum(end < day_of(now, terms) for _, end in periods(terms))
            current = min(ended, len(visible) - 1)
            visible = visible[max(0, current - 1) : current + 1]
        return {
            "contract_id": contract["contract_id"],
            "contract_code": terms["code"],
            "status": contract["status"],
            "stream_version": contract["stream_version"],
            "unit": "minor" if is_fixed(terms) else "seconds",
            "currency": terms["currency"] if is_fixed(terms) else None,
            "unaccounted_seconds": sum(one.seconds for one in self.unaccounted(contract)),
            "whole": body_figures(terms, whole, self.billable(contract)),
            "periods": [
                {
                    **body_figures(terms, plan, work, of=available),
                    "start": str(days[0]),
                    "end": str(days[1]),
                    "carried": shown(terms, into),
                    "available": shown(terms, available),
                }
                for days, plan, work, into, available in flow
                if days[0] in visible
            ],
            "accounts": [self._account_body(contract, account, visible) for account in terms["accounts"]],
        }

    def _account_body(self, contract, account, visible):
        terms = contract["terms"]
        place = {"contract_id": contract["contract_id"], "account_id": account["id"]}
        worked = {one.team_id for one in self.counted(**place)}
        slices = [one["team_id"] for one in account["slices"]]
        others = [team_id for team_id in dict.fromkeys([*teams_of(account), None]) if team_id in worked - {*slices}]
        return {
            "account_id": account["id"],
            "name": account["name"],
            "billable": account["billable"],
            **self._planned_and_executed(terms, lambda start: account_plan(terms, account, start), place, visible),
            "slices": [self._slice_body(terms, account, place, team_id, visible) for team_id in [*slices, *others]],
        }

    def _slice_body(self, terms, account, place, team_id, visible):
        """A slice shows every period; another team and the unassigned share only those where work is."""
        place = {**place, "team_id": team_id}
        if team_id not in {one["team_id"] for one in account["slices"]}:
            visible = [start for start in visible if self.counted(**place, period_start=start)]
        plan = slice_plan(terms, account, team_id)
        return {"team_id": team_id, **self._planned_and_executed(terms, lambda _: plan, place, visible)}

    def _planned_and_executed(self, terms, plan, place, visible):
        """The whole, and the periods that are to be seen; ``plan`` gives what is planned in the period of a start."""
        plans = {start: plan(start) for start, _ in periods(terms)}
        return {
            "whole": body_figures(terms, total([*plans.values()]), self.counted(**place)),
            "periods": [
                {
                    **body_figures(terms, plans[start], self.counted(**place, period_start=start)),
                    "start": str(start),
                    "end": str(end),
                }
                for start, end in periods(terms)
                if start in visible
            ],
        }

    # What restatements compare (W7)

    def figure(self, contract_id, account_id, start):
        """What an account consumed in a period: seconds, and the amount shown (None in time and materials).

        An account or a period that is not there has consumed nothing.
        """
        work = self.counted(contract_id=contract_id, account_id=account_id, period_start=start)
        found = figures(self.known[contract_id]["terms"], None, work)
        return found["consumed_seconds"], found["consumed_amount_minor"]

    def is_closed(self, contract, end, moment):
        """SPEC 9: `settle_days` after a period's last day or the first activation, the later; or once CLOSED.

        What was never activated has no closed period.
        """
        if contract["status"] == "CLOSED":
            return True
        versions, terms = self.versions[contract["contract_id"]], contract["terms"]
        activations = [
            one["occurred_at"]
            for _, one in sorted(versions.items())
            if (one["previous_status"], one["status"]) == ("DRAFT", "ACTIVE")
        ]
        if not activations:
            return False
        settled = max(end, day_of(instant(activations[0]), terms)) + timedelta(days=terms["settle_days"])
        return day_of(moment, terms) > settled

    # The projections as they are stored

    def rows(self):
        """The rows of the projections and of what does not count."""
        shares, days, unaccounted = (defaultdict(lambda: [0, 0]) for _ in range(3))
        listed = set()
        for one in self.work:
            if one.reason:
                listed.add((one.source, one.worklog_id, one.reason, one.contract_id, one.account_id))
                if one.contract_id:
                    _add(unaccounted[one.contract_id, one.reason], one)
            else:
                _add(shares[one.contract_id, one.account_id, one.team_id, str(one.period_start)], one)
                _add(days[one.contract_id, one.account_id, one.team_id, str(one.day)], one)
        return {
            "account_team_totals": {(*key, *sums) for key, sums in shares.items()},
            "daily_totals": {(*key, *sums) for key, sums in days.items()},
            "unaccounted_totals": {(*key, *sums) for key, sums in unaccounted.items()},
            "unaccounted_worklogs": listed,
        }


def _add(sums, work):
    sums[0] += work.seconds
    sums[1] += 1


def teams_of(account):
    """W4: the teams of its slices or, where it has none, its own."""
    return [one["team_id"] for one in account["slices"]] or account["teams"]


def governing_day(terms, started_at, link):
    """W1: the day the work started (T&M), or the day the issue was created (fixed price); None where unknown."""
    if not is_fixed(terms):
        return day_of(started_at, terms)
    return None if link["created_at"] is None else day_of(instant(link["created_at"]), terms)


def lies_in(work, place):
    return all(getattr(work, name) == value for name, value in place.items())


def named(contract):
    return {"contract_id": contract["contract_id"], "contract_code": contract["terms"]["code"]}


def of_account(contract, account):
    of = {"account_id": account["id"], "account_name": account["name"], "billable": account["billable"]}
    return {**named(contract), **of}


def without_billable(row):
    return {name: value for name, value in row.items() if name != "billable"}


def in_period(days):
    return {"period_start": days[0], "period_end": days[1]}


# Restatements (W7, SPEC 9): the facts replayed one at a time


def restatements(facts, moment=None):
    """``reporting.restatements``, in the order learned; those of one change by contract, account and period."""
    found, known = [], []
    before = Model([])
    for fact in facts:
        if moment is not None and fact.learned_at > moment:
            continue
        for cause, step in changes(before, fact):
            after = Model([*known, step])
            found += restated(before, after, cause, fact.learned_at)
            before = after
        known.append(fact)
    return found


def changes(before, fact):
    """What a record changes, and why: a team's as one membership a person, in the order of their ids."""
    data = fact.data
    if fact.type in {RECORDED, DELETED}:
        return [(f"worklog:{fact.source}/{data['worklog_id']}", fact)]
    if fact.type == LINKED:
        return [(f"issue:{fact.source}/{data['issue_id']}", fact)]
    if fact.type == RATE_CARD:
        return [(f"rate_card:{data['id']}", fact)]
    if fact.type == TEAM:
        old, new = members(before.teams.get(data["id"])), members(data)
        persons = sorted({member["person_id"] for member in [*old, *new]}, key=str.encode)
        return [
            (f"membership:{data['id']}/{person}", fact._replace(data={**data, "deleted": False, "members": mixed}))
            for person in persons
            for mixed in [
                [one for one in new if one["person_id"].encode() <= person.encode()]
                + [one for one in old if one["person_id"].encode() > person.encode()]
            ]
        ]
    if fact.type == ORGANIZATION:
        return []
    return [(f"contract:{data['stream_version']}", fact)]


def members(team):
    return [] if team is None or team.get("deleted") else team["members"]


def restated(before, after, cause, moment):
    """One row an account and period, where the period was there and closed before, and the figure is another after."""
    for contract_id, contract in before.known.items():
        closed = [days for days in periods(contract["terms"]) if before.is_closed(contract, days[1], moment)]
        terms = (model.known[contract_id]["terms"] for model in (before, after) if closed)
        accounts = sorted({account["id"] for one in terms for account in one["accounts"]})
        for account_id, days in product(accounts, closed):
            old, new = (model.figure(contract_id, account_id, days[0]) for model in (before, after))
            # Another type alone, where money was not counted before or is not any more, is no other figure.
            if (old[0], old[1] or 0) != (new[0], new[1] or 0):
                yield {
                    **named(contract),
                    "account_id": account_id,
                    **in_period(days),
                    "before_seconds": old[0],
                    "after_seconds": new[0],
                    "before_amount_minor": old[1],
                    "after_amount_minor": new[1],
                    "cause": cause,
                    "restated_at": moment,
                }
