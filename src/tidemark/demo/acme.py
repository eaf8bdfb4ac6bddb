"""The contract of the demo's story, with its rules and its work: 40 hours of support are bought, and 60 are worked."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from tidemark_client import Client, Entity, Json, contract_path

CODE = "ACME-SUP"
CUSTOMER, CUSTOMER_EMAIL = "Ann Ardent", "ann@acme.example"
OWNER, OWNER_EMAIL = "Olga Owner", "olga@provider.example"
TIME_ZONE = "Europe/Berlin"
# The contract started this long ago, so that all the work is in its month and in the past.
DAYS = 20
# Any 20 consecutive days have at least this many working days.
WORKING_DAYS = 14
# After these, 32 hours are worked: 80 % of 40.
DAYS_BEFORE_OFFER = 8
_SATURDAY = 5

TEAMS = {"Support": ("Sam", "Sue"), "Engineering": ("Eve", "Eli")}
ACCOUNTS: dict[str, dict[str, Any]] = {
    "Help desk": {"billable": True, "hours": 25, "slices": {"Support": 18, "Engineering": 7}},
    "Changes": {"billable": True, "hours": 15, "slices": {"Support": 3, "Engineering": 12}},
    "Coordination": {"billable": False, "hours": 5, "slices": {"Support": 5}},
}
ISSUES = {name: f"SUP-{number}" for number, name in enumerate(ACCOUNTS, 1)}
OFFER_RULE, STATEMENT_RULE = "The month's hours run out", "The month is settled"


class Work(NamedTuple):
    """Time of a person on an account."""

    account: str
    person: str
    minutes: int


# Additional work by number of the working day.
_ADDITIONAL_WORK = {
    8: Work("Help desk", "Eve", 90),
    10: Work("Changes", "Sue", 60),
    12: Work("Help desk", "Eve", 90),
}
LATE_WORK = Work("Help desk", "Sue", 90)
"""What somebody remembers after the month was settled."""


def seed(api: Client, now: datetime) -> Entity[Json]:
    """Create the customer, the teams, the contract and its rules, unless they exist. Returns the contract."""
    organization = api.find("organizations", "Acme") or api.post(
        "organizations",
        {
            "name": "Acme",
            "timezone": TIME_ZONE,
            "contacts": [{"name": CUSTOMER, "email": CUSTOMER_EMAIL, "roles": ["billing"]}],
        },
    )
    start = now.astimezone(ZoneInfo(TIME_ZONE)).date() - timedelta(days=DAYS)
    team_ids = {name: (api.find("teams", name) or api.post("teams", _team(name, start))).id for name in TEAMS}
    path = contract_path(CODE)
    contract = api.get(path) or api.post("contracts", _contract(organization.id, team_ids, start))
    existing = {rule["name"] for rule in api.list("rules") if rule["scope"].get("id") == contract.id}
    for rule in _rules(contract.id):
        if rule["name"] not in existing:
            api.post("rules", rule)
    if contract.body["status"] == "DRAFT":
        contract = api.post(f"{path}/activate", {}, etag=contract.etag)
    return contract


def work(start: date) -> Iterator[tuple[date, list[Work]]]:
    """The work of the month's first working days. 60 hours are billable, and each account has what it gets at most."""
    days = [day for day in (start + timedelta(days=number) for number in range(DAYS)) if day.weekday() < _SATURDAY]
    for number, day in enumerate(days[:WORKING_DAYS]):
        logs = [
            Work("Help desk", TEAMS["Support"][number % 2], 180),
            Work("Changes", TEAMS["Engineering"][number % 2], 60),
        ]
        if number in _ADDITIONAL_WORK:
            logs.append(_ADDITIONAL_WORK[number])
        if number % 4 == 0:
            logs.append(Work("Coordination", "Sam", 60))
        yield day, logs


def _team(name: str, start: date) -> Json:
    members = [
        {"person_id": person, "name": person, "email": f"{person.lower()}@provider.example", "from": start.isoformat()}
        for person in TEAMS[name]
    ]
    return {"name": name, "members": members}


def _contract(organization_id: str, team_ids: dict[str, str], start: date) -> Json:
    return {
        "code": CODE,
        "name": f"Support {start:%B} {start.year}",
        "owner": {"name": OWNER, "email": OWNER_EMAIL},
        "organization_id": organization_id,
        "type": "time_and_materials",
        "recurrence": "monthly",
        "start_date": start.isoformat(),
        "end_date": (start + relativedelta(months=1, days=-1)).isoformat(),
        "timezone": TIME_ZONE,
        "contracted_hours": "40",
        "accounts": [
            {
                "name": name,
                "billable": account["billable"],
                "planned_hours": str(account["hours"]),
                "slices": [
                    {"team_id": team_ids[team], "planned_hours": str(hours)}
                    for team, hours in account["slices"].items()
                ],
            }
            for name, account in ACCOUNTS.items()
        ],
    }


def _rules(contract_id: str) -> Iterator[Json]:
    common = {"scope": {"kind": "contract", "id": contract_id}, "channels": ["email"]}
    both = [{"kind": "owner"}, {"kind": "contacts", "role": "billing"}]
    yield {
        **common,
        "name": OFFER_RULE,
        "trigger": {"kind": "consumed_percent", "of": "contract", "over": "period", "at": ["80"]},
        "receivers": both,
        "offer": {"account": "Help desk", "hours": "20"},
    }
    yield {
        **common,
        "name": "An account's hours are used up",
        "trigger": {"kind": "consumed_percent", "of": "account", "over": "period", "at": ["100"]},
        "receivers": [{"kind": "owner"}],
    }
    yield {**common, "name": STATEMENT_RULE, "trigger": {"kind": "period_closed"}, "receivers": both}
