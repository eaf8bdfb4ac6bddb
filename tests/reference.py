"""What the projections must be: SPEC W1, W2, W4, W5 and W6 in plain Python, slow and obvious.

It imports nothing of Tidemark and reads the public bodies alone. Every call works everything out from the facts.
"""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


def winners(facts):
    """The version of each fact that holds: the latest; at equal times deletion, then the greater content."""
    held = {}
    for key, changed_at, deleted, content, data in facts:
        rank = (changed_at, deleted, content)
        if key not in held or rank > held[key][0]:
            held[key] = (rank, data)
    return {key: data for key, (rank, data) in held.items() if not rank[1]}


def add_months(day, months):
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month, min(day.day, last))


def periods(terms):
    start, end = date.fromisoformat(terms["start_date"]), date.fromisoformat(terms["end_date"])
    if terms["recurrence"] == "none":
        return [(start, end)]
    found, k = [], 0
    while add_months(start, k) <= end:
        found.append((add_months(start, k), min(end, add_months(start, k + 1) - timedelta(days=1))))
        k += 1
    return found


class Model:
    """Facts in, rows out."""

    def __init__(self, contract_events, team_events, worklog_facts, link_facts):
        self.versions = defaultdict(dict)
        for event in contract_events:
            self.versions[event["contract_id"]][event["stream_version"]] = event
        self.contracts = {
            contract_id: versions[max(versions)]
            for contract_id, versions in self.versions.items()
            if versions[max(versions)]["status"] is not None
        }
        teams = {}
        for team in sorted(team_events, key=lambda team: team["version"]):
            teams[team["id"]] = team
        self.members = [
            (team_id, member)
            for team_id, team in teams.items()
            if not team.get("deleted")
            for member in team["members"]
        ]
        self.worklogs = winners(worklog_facts)
        self.links = winners(link_facts)

    def contract(self, ref):
        if ref in self.contracts:
            return self.contracts[ref]
        return next((one for one in self.contracts.values() if one["terms"]["code"] == ref), None)

    def account(self, contract, ref):
        now = {account["id"]: account for account in contract["terms"]["accounts"]}
        versions = self.versions[contract["contract_id"]]
        ever = {account["id"] for one in versions.values() for account in one["terms"]["accounts"]}
        if ref in ever:
            return now.get(ref)
        for version in sorted(versions, reverse=True):
            for account in versions[version]["terms"]["accounts"]:
                if account["name"] == ref:
                    return now.get(account["id"])
        return None

    def team(self, account, worklog, day):
        teams = [one["team_id"] for one in account["slices"]] or account["teams"]
        if worklog["team_id"] in teams:
            return worklog["team_id"]
        for team_id in teams:
            for of_team, member in self.members:
                first, last = member["from"], member["until"] or "9999-12-31"
                if of_team == team_id and member["person_id"] == worklog["author_id"] and first <= str(day) <= last:
                    return team_id
        return None

    def place(self, source, worklog):
        """(reason, contract, account, team, period start, day), as far as they are known."""
        link = self.links.get((source, worklog["issue_id"]))
        if link is None or link["contract_id"] is None:
            return "issue_not_linked", None, None, None, None, None
        contract = self.contract(link["contract_id"])
        if contract is None:
            return "contract_unknown", None, None, None, None, None
        contract_id, terms = contract["contract_id"], contract["terms"]
        account = self.account(contract, link["account_id"])
        if account is None:
            return "account_unknown", contract_id, None, None, None, None
        started = datetime.fromisoformat(worklog["started_at"])
        day = started.astimezone(UTC).astimezone(ZoneInfo(terms["timezone"])).date()
        reason = {"DRAFT": "contract_draft", "INACTIVE": "contract_inactive"}.get(contract["status"])
        period = next((start for start, end in periods(terms) if start <= day <= end), None)
        if reason or period is None:
            return reason or "outside_dates", contract_id, account["id"], None, None, None
        return None, contract_id, account["id"], self.team(account, worklog, day), period, day

    def rows(self):
        """The rows of the projections and of what does not count."""
        shares, days, unaccounted = (defaultdict(lambda: [0, 0]) for _ in range(3))
        listed = set()
        for (source, worklog_id), worklog in self.worklogs.items():
            reason, contract, account, team, period, day = self.place(source, worklog)
            if reason:
                listed.add((source, worklog_id, reason, contract, account))
                if contract:
                    _add(unaccounted[contract, reason], worklog)
            else:
                _add(shares[contract, account, team, str(period)], worklog)
                _add(days[contract, account, team, str(day)], worklog)
        return {
            "shares": {(*key, *sums) for key, sums in shares.items()},
            "days": {(*key, *sums) for key, sums in days.items()},
            "unaccounted": {(*key, *sums) for key, sums in unaccounted.items()},
            "listed": listed,
        }


def _add(sums, worklog):
    sums[0] += worklog["seconds"]
    sums[1] += 1
