"""The other customers of the demo, with months of believable work, so that every page has something to show."""

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tidemark.demo.contracts import (
    CURRENCY,
    CUSTOMERS,
    HOURLY_RATES_MINOR,
    TEAMS,
    TIME_ZONE,
    DemoAccount,
    DemoContract,
    build_contracts,
)
from tidemark_client import Client, Json, contract_path
from tidemark_shared.chunks import chunks
from tidemark_shared.domain.calendar import Period, split_into_periods
from tidemark_shared.domain.quantities import SECONDS_PER_HOUR

SOURCE = "https://tracker.provider.example"
_SUMMARIES = (
    "Printer queue stuck", "Weekly sync", "Password resets", "Release 4.2", "Upgrade of the wiki", "Slow report",
    "Access for new colleagues", "Invoice import fails",
)  # fmt: skip
_SATURDAY = 5
_WEEKEND_PERCENT = 8
_QUARTER_SECONDS = 15 * 60
# A person logs about this much at a time.
_WORKLOG_SECONDS = 10 * _QUARTER_SECONDS
_EVENTS_PER_REQUEST = 500


def load(api: Client, now: datetime) -> None:
    """Create customers, teams, rates, rules and contracts unless they exist, and publish the work."""
    today = now.astimezone(ZoneInfo(TIME_ZONE)).date()
    contracts = build_contracts(today)
    organization_ids = {name: _create_organization(api, name) for name in CUSTOMERS}
    first_day = min(contract.start for contract in contracts)
    team_ids = {name: _create_team(api, name, first_day) for name in TEAMS}
    _create_rate_cards(api, first_day)
    _create_rules(api)
    for contract in contracts:
        path = contract_path(contract.code)
        entity = api.get(path) or api.post("contracts", contract.body(organization_ids[contract.customer], team_ids))
        if entity.body["status"] == "DRAFT" and not contract.is_draft:
            entity = api.post(f"{path}/activate", {}, etag=entity.etag)
        for events in chunks(list(build_events(contract, today)), _EVENTS_PER_REQUEST):
            api.post("worklogs", events)
        if contract.last_action and entity.body["status"] in ("ACTIVE", "EXPIRED"):
            reason = {"reason": "The customer asked for it"}
            api.post(f"{path}/{contract.last_action}", reason, etag=entity.etag)


def build_events(contract: DemoContract, today: date) -> Iterator[Json]:
    """The links and worklogs of a contract as CloudEvents. The same contract and day give the same events."""
    draw = random.Random(contract.code)  # noqa: S311 - believable work, no secret
    periods = split_into_periods(contract.recurrence, contract.start, contract.end)
    planned = [
        (period, percent, name)
        for period, percent in zip(periods, contract.used_percent, strict=False)
        for name in contract.accounts
    ]
    # Fixed price counts in the period in which the issue was created, so each period has issues of its own.
    for number, (period, percent, name) in enumerate(planned, 1):
        issue, account = f"{contract.code}-{number}", contract.accounts[name]
        yield _link(contract, issue, name, draw.choice(_SUMMARIES), period.start)
        seconds = _worked_seconds(contract, account, percent)
        for day, part in _distribute(seconds, _working_days(period, today, draw), draw):
            yield _worklog(draw, day, issue, _choose_person(account, draw), part)
    if contract.has_unknown_account:
        issue = f"{contract.code}-99"
        yield _link(contract, issue, "Helpdesk", "Moved printers", today)
        for days_ago in range(3):
            day = today - timedelta(days=days_ago)
            yield _worklog(draw, day, issue, "ada", 6 * _QUARTER_SECONDS)


def _worked_seconds(contract: DemoContract, account: DemoAccount, percent: int) -> int:
    planned = account.planned * SECONDS_PER_HOUR
    if contract.is_fixed_price:
        [team] = account.teams
        planned = planned * 100 // HOURLY_RATES_MINOR[team]
    return planned * percent // 100


def _working_days(period: Period, today: date, draw: random.Random) -> list[date]:
    days = [period.start + timedelta(days=number) for number in range((min(period.end, today) - period.start).days + 1)]
    return [day for day in days if day.weekday() < _SATURDAY or draw.randrange(100) < _WEEKEND_PERCENT]


def _distribute(seconds: int, days: list[date], draw: random.Random) -> Iterator[tuple[date, int]]:
    """Distribute time in quarters of an hour over some of the days."""
    quarters = seconds // _QUARTER_SECONDS
    count = min(len(days), max(1, seconds // _WORKLOG_SECONDS), quarters)
    for index, day in enumerate(sorted(draw.sample(days, count))):
        yield day, (quarters // count + (index < quarters % count)) * _QUARTER_SECONDS


def _choose_person(account: DemoAccount, draw: random.Random) -> str:
    teams = list(account.teams) or ["Service desk"]
    [team] = draw.choices(teams, [account.teams.get(team) or 1 for team in teams])
    return draw.choice(list(TEAMS[team]))


def _link(contract: DemoContract, issue: str, account: str, summary: str, day: date) -> Json:
    created_at = _noon(day)
    return _event(
        "issue.linked",
        f"{issue}-link",
        {
            "issue_id": issue, "issue_key": issue, "summary": summary, "contract_id": contract.code,
            "account_id": account, "created_at": created_at, "updated_at": created_at,
        },
    )  # fmt: skip


def _worklog(draw: random.Random, day: date, issue: str, person: str, seconds: int) -> Json:
    """A worklog; a person logs at most one a day on an issue, so these are its id."""
    worklog_id = f"{issue}/{day}/{person}"
    started_at = datetime.combine(day, time(8), ZoneInfo(TIME_ZONE)) + timedelta(minutes=15 * draw.randrange(16))
    return _event(
        "worklog.recorded",
        worklog_id,
        {
            "worklog_id": worklog_id, "issue_id": issue, "author_id": person, "started_at": started_at.isoformat(),
            "seconds": seconds, "description": draw.choice(_SUMMARIES), "updated_at": _noon(day),
        },
    )  # fmt: skip


def _event(kind: str, id_: str, data: Json) -> Json:
    return {"specversion": "1.0", "id": id_, "source": SOURCE, "type": f"tidemark.{kind}.v1", "data": data}


def _noon(day: date) -> str:
    return datetime.combine(day, time(12), UTC).isoformat()


def _create_organization(api: Client, name: str) -> str:
    contact = {"name": "Ann Ardent", "email": f"ann@{name.split(maxsplit=1)[0].lower()}.example", "roles": ["billing"]}
    body = {"name": name, "timezone": TIME_ZONE, "contacts": [contact]}
    return (api.find("organizations", name) or api.post("organizations", body)).id


def _create_team(api: Client, name: str, first_day: date) -> str:
    members = [
        {"person_id": person, "name": full_name, "from": first_day.isoformat()}
        for person, full_name in TEAMS[name].items()
    ]
    return (api.find("teams", name) or api.post("teams", {"name": name, "members": members})).id


def _create_rate_cards(api: Client, first_day: date) -> None:
    existing = {card["person_id"] for card in api.list("rate-cards")}
    for team, people in TEAMS.items():
        rate = HOURLY_RATES_MINOR[team]
        for person in people.keys() - existing:
            api.post(
                "rate-cards",
                {
                    "person_id": person,
                    "from": first_day.isoformat(),
                    "currency": CURRENCY,
                    "per_hour_minor": {
                        "normal": rate,
                        "extra_time": rate * 5 // 4,
                        "weekend": rate * 3 // 2,
                        "holiday": rate * 2,
                    },
                },
            )


def _create_rules(api: Client) -> None:
    """The rules of the story have the same names, so they hold alone for its contract."""
    common = {"scope": {"kind": "global"}, "channels": ["email"], "receivers": [{"kind": "owner"}], "existing": "skip"}
    percent = {"kind": "consumed_percent", "over": "period"}
    rules: tuple[Mapping[str, object], ...] = (
        {"name": "The month's hours run out", "trigger": percent | {"of": "contract", "at": ["80", "100"]}},
        {"name": "An account's hours are used up", "trigger": percent | {"of": "account", "at": ["100"]}},
    )
    existing = {rule["name"] for rule in api.list("rules") if rule["scope"]["kind"] == "global"}
    for rule in rules:
        if rule["name"] not in existing:
            api.post("rules", {**common, **rule})
