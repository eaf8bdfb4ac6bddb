"""Several customers, teams and months of believable work, for the browser tests and the screenshots.

All days are relative to ``today``, and the work is made from a fixed seed, so each run shows the same.
"""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import httpx
from dateutil.relativedelta import relativedelta

ZONE = "Europe/Berlin"
SOURCE = "https://tracker.provider.example"
TEAMS = {
    "Support": {"sam": "Sam Sorensen", "sue": "Sue Abara", "tom": "Tom Lindqvist"},
    "Engineering": {"eve": "Eve Castellanos", "eli": "Eli Brandt"},
    "Design": {"dan": "Dan Whitfield", "dia": "Dia Moreau"},
}
CUSTOMERS = ("Acme Logistics", "Nordwind Energie", "Blue Harbour Hotels", "Kestrel Insurance", "Meridian Foods")
OWNERS = {"Olga Owner": "olga@provider.example", "Piet Jansen": "piet@provider.example"}
SUMMARIES = ("Printer queue stuck", "Weekly sync", "Password resets", "Release 4.2", "Upgrade of the wiki",
             "Slow report", "Access for new colleagues", "Invoice import fails")  # fmt: skip
_SATURDAY = 5


class Showcase:
    """Creates everything through the public API; ``client`` may write."""

    def __init__(self, client: httpx.Client, today: date) -> None:
        self.client, self.today = client, today
        self.month = today.replace(day=1)
        self._random = random.Random(7)
        self._number = 0

    def create(self) -> None:
        """Create customers, teams, contracts and rules, and log the work."""
        self.customers = {name: self._post("organizations", {"name": name, "timezone": ZONE, "contacts": [
            {"name": "Ann Ardent", "email": "ann@customer.example", "roles": ["billing"]}]})["id"]
            for name in CUSTOMERS}  # fmt: skip
        self.teams = {name: self._post("teams", {"name": name, "members": [
            {"person_id": person, "name": full, "from": str(self.month - relativedelta(years=2))}
            for person, full in people.items()]})["id"] for name, people in TEAMS.items()}  # fmt: skip
        self._rules()
        self._contracts()
        self._past_contracts()

    def _contracts(self) -> None:
        start = self.month - relativedelta(months=5)
        self._contract("ACME-SUP", "Support and changes", "Acme Logistics", "Olga Owner", start, 12, hours=40,
            accounts={"Help desk": (25, {"Support": 18, "Engineering": 7}), "Changes": (15, {"Engineering": 15}),
                      "Coordination": (5, {}, False)},
            shares=(0.82, 0.95, 0.7, 1.0, 0.9, 1.3), unaccounted=3)  # fmt: skip
        self._contract("NORD-OPS", "Operations of the grid portal", "Nordwind Energie", "Piet Jansen", start, 12,
            hours=80, rollover={"unused": "carry", "cap_hours": "40"},
            accounts={"Operations": (60, {"Support": 40, "Engineering": 20}), "Reports": (20, {"Engineering": 20})},
            shares=(0.8, 0.7, 0.95, 0.85, 0.8, 0.75))  # fmt: skip
        self._contract("BLUE-WEB", "Website relaunch", "Blue Harbour Hotels", "Olga Owner",
            self.today - timedelta(days=80), 0, end=self.today + timedelta(days=19), hours=320, recurrence="none",
            accounts={"Design": (120, {"Design": 120}), "Build": (200, {"Engineering": 160, "Design": 40})},
            shares=(0.86,))  # fmt: skip
        self._contract("KEST-DEV", "Claims API", "Kestrel Insurance", "Piet Jansen", self.month, 6, hours=100,
            accounts={"Development": (100, {"Engineering": 100})}, shares=(0.45,))  # fmt: skip
        self._contract("MERI-SUP", "Shop support", "Meridian Foods", "Olga Owner", start, 12, hours=16,
            accounts={"Support": (16, {"Support": 16})}, shares=(0.5, 0.6, 0.4, 0.7, 0.55, 0.4))  # fmt: skip
        self._contract("MERI-CON", "Consulting day rate", "Meridian Foods", "Piet Jansen",
            self.month - relativedelta(months=2), 12, hours=24,
            accounts={"Consulting": (24, {"Design": 12, "Engineering": 12})}, shares=(0.9, 1.0, 0.84))  # fmt: skip
        self._contract("NORD-DRAFT", "Smart meters, phase two", "Nordwind Energie", "Piet Jansen",
            self.month + relativedelta(months=1), 6, hours=60, accounts={"Development": (60, {})},
            activate=False)  # fmt: skip

    def _past_contracts(self) -> None:
        start = self.month - relativedelta(months=14)
        self._contract("KEST-OLD", "Claims desk", "Kestrel Insurance", "Olga Owner", start, 12, hours=20,
            accounts={"Claims desk": (20, {"Support": 20})}, shares=(0.9,) * 12)  # fmt: skip
        self._contract("BLUE-SUP", "Hotel desk", "Blue Harbour Hotels", "Piet Jansen", start, 12, hours=12,
            accounts={"Desk": (12, {"Support": 12})}, shares=(0.8,) * 12, then="close")  # fmt: skip
        self._contract("ACME-LAB", "Warehouse lab", "Acme Logistics", "Piet Jansen", start, 18, hours=10,
            accounts={"Lab": (10, {"Design": 10})}, shares=(0.6,) * 6, then="suspend")  # fmt: skip

    def _contract(self, code, name, customer, owner, start, months, *, hours, accounts, shares=(), end=None,
                  recurrence="monthly", activate=True, then=None, unaccounted=0, **more) -> None:  # fmt: skip
        end = end or start + relativedelta(months=months, days=-1)
        body = {
            "code": code, "name": name, "owner": {"name": owner, "email": OWNERS[owner]},
            "organization_id": self.customers[customer], "type": "time_and_materials", "recurrence": recurrence,
            "start_date": str(start), "end_date": str(end), "timezone": ZONE, "holidays": "DE-BE",
            "contracted_hours": str(hours), **more,
            "accounts": [
                {"name": account, "planned_hours": str(hours), "billable": not rest, "slices": [
                    {"team_id": self.teams[team], "planned_hours": str(part)} for team, part in slices.items()
                ]}
                for account, (hours, slices, *rest) in accounts.items()
            ],
        }  # fmt: skip
        contract = self._post("contracts", body)
        if activate:
            self._post(f"contracts/{contract['id']}/activate", {})
        events = list(self._work(code, start, end, recurrence, accounts, shares)) if shares else []
        if unaccounted:
            events += self._unaccounted(code, unaccounted)
        for first in range(0, len(events), 500):
            self._post("worklogs", events[first : first + 500])
        if then:
            reason = {"reason": "The customer asked for it"}
            self._post(f"contracts/{contract['id']}/{then}", reason)

    def _work(self, code, start, end, recurrence, accounts, shares) -> Iterator[dict]:
        issues = {account: f"{code}-{number}" for number, account in enumerate(accounts, 1)}
        for account, issue in issues.items():
            yield self._event("issue.linked", {
                "issue_id": issue, "issue_key": issue, "summary": self._random.choice(SUMMARIES), "contract_id": code,
                "account_id": account, "updated_at": _instant(start),
            })  # fmt: skip
        for number, share in enumerate(shares):
            first = start if recurrence == "none" else start + relativedelta(months=number)
            last = end if recurrence == "none" else first + relativedelta(months=1, days=-1)
            days = [first + timedelta(days=day) for day in range((min(last, self.today) - first).days + 1)]
            days = [day for day in days if day.weekday() < _SATURDAY or self._random.random() < 0.08]
            for account, (hours, slices, *_) in accounts.items():
                yield from self._log(issues[account], days, int(hours * share * 3600), slices or {"Support": 1})

    def _log(self, issue, days, seconds, slices) -> Iterator[dict]:
        worked = sorted(self._random.sample(days, min(len(days), max(1, seconds // 9000)))) if days else []
        for index, day in enumerate(worked):
            quarters, rest = divmod(seconds // 900, len(worked))
            team = self._random.choices(list(slices), list(slices.values()))[0]
            yield self._worklog(issue, self._random.choice(list(TEAMS[team])), day, 900 * (quarters + (index < rest)))

    def _unaccounted(self, code, count) -> list[dict]:
        link = {"issue_id": f"{code}-X", "issue_key": f"{code}-99", "summary": "Moved printers", "contract_id": code,
                "account_id": "Helpdesk", "updated_at": _instant(self.month)}  # fmt: skip
        logs = [self._worklog(f"{code}-X", "sue", self.today - timedelta(days=day), 5400) for day in range(count)]
        return [self._event("issue.linked", link), *logs]

    def _worklog(self, issue, person, day, seconds) -> dict:
        self._number += 1
        started = datetime.combine(day, time(9), ZoneInfo(ZONE)) + timedelta(minutes=15 * (self._number % 24))
        return self._event("worklog.recorded", {
            "worklog_id": f"w{self._number}", "issue_id": issue, "author_id": person, "seconds": seconds,
            "started_at": started.isoformat(), "updated_at": _instant(day),
            "description": self._random.choice(SUMMARIES),
        })  # fmt: skip

    def _event(self, kind, data) -> dict:
        self._number += 1
        return {"specversion": "1.0", "id": f"e{self._number}", "source": SOURCE, "type": f"tidemark.{kind}.v1",
                "data": data}  # fmt: skip

    def _rules(self) -> None:
        common = {"scope": {"kind": "global"}, "channels": ["email"], "receivers": [{"kind": "owner"}]}
        percent = {"kind": "consumed_percent", "over": "period"}
        self._post("rules", {**common, "name": "The month's hours run out", "trigger": percent | {
            "of": "contract", "at": ["80", "100"]}, "existing": "skip"})  # fmt: skip
        self._post("rules", {**common, "name": "An account is used up", "trigger": percent | {
            "of": "account", "at": ["100"]}})  # fmt: skip

    def _post(self, path, body) -> dict:
        response = self.client.post(f"/v1/{path}", json=body, headers={"if-match": "*"})
        assert response.is_success, f"{path}: {response.text}"
        return response.json()


def _instant(day: date) -> str:
    return datetime.combine(day, time(12), UTC).isoformat()
