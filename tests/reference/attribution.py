"""Every worklog with what it counts towards, or the reason why it does not (SPEC W1 to W5)."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property

from reference.facts import (
    DELETED,
    LINKED,
    ORGANIZATION,
    RATE_CARD,
    RECORDED,
    TEAM,
    current_versions,
    instant,
    newest_versions,
)
from reference.rules import (
    compute_carried,
    consumed_units,
    day_of,
    find_rate_card,
    governing_day,
    is_fixed_price,
    periods,
    planned_for_contract,
    split_by_rate,
    teams_of,
)


@dataclass(frozen=True)
class Work:
    """A worklog and its filters: where it counts, or the reason why it does not (W5)."""

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
    def workload_order(self):
        """The order in which work fills the workload of a day: `started_at`, then worklog id as bytes, then source."""
        return self.started_at, self.worklog_id.encode(), self.source.encode()


class Attributions:
    """All work, as known at a moment (that moment included; without one, now).

    ``facts`` are in the order learned; only restatements depend on it.
    """

    def __init__(self, facts, moment=None):
        self.facts = [fact for fact in facts if moment is None or fact.learned_at <= moment]
        self.versions = defaultdict(dict)
        for fact in self.facts:
            if fact.type.startswith("tidemark.contract."):
                self.versions[fact.data["contract_id"]].setdefault(fact.data["stream_version"], fact.data)
        latest = {contract_id: versions[max(versions)] for contract_id, versions in self.versions.items()}
        # A discarded draft has no status and is unknown.
        self.contracts_by_id = {
            contract_id: latest[contract_id] for contract_id in sorted(latest) if latest[contract_id]["status"]
        }
        self.organizations = newest_versions(self._of(ORGANIZATION))
        self.teams = newest_versions(self._of(TEAM))
        self.cards = [card for card in newest_versions(self._of(RATE_CARD)).values() if not card.get("deleted")]
        self.worklogs_by_id = current_versions(self._of(RECORDED, DELETED), "worklog_id")
        self.links = current_versions(self._of(LINKED), "issue_id")

    def _of(self, *types):
        return [fact for fact in self.facts if fact.type in types]

    # What work counts towards (W1, W2, W4, W5)

    def contract(self, ref):
        """A contract by reference: ids come before codes."""
        contracts_with_code = (
            contract for contract in self.contracts_by_id.values() if contract["terms"]["code"] == ref
        )
        return self.contracts_by_id.get(ref) or next(contracts_with_code, None)

    def account(self, contract, ref):
        """An account by reference: an id comes before a name; a name belongs to the last account that had it.

        An account that an amendment removed is unknown until it returns with its id.
        """
        versions = self.versions[contract["contract_id"]]
        current_accounts = {account["id"]: account for account in contract["terms"]["accounts"]}
        if any(ref == account["id"] for version in versions.values() for account in version["terms"]["accounts"]):
            return current_accounts.get(ref)
        for version in sorted(versions, reverse=True):
            for account in versions[version]["terms"]["accounts"]:
                if account["name"] == ref:
                    return current_accounts.get(account["id"])
        return None

    def is_member(self, person, team_id, day):
        """Whether a person is a member of a team on a day, first and last day included."""
        team = self.teams.get(team_id)
        if team is None or team.get("deleted"):
            return False
        return any(
            member["person_id"] == person and member["from"] <= str(day) <= (member["until"] or "9999-12-31")
            for member in team["members"]
        )

    def team(self, account, worklog, day):
        """W4: the team of the worklog, or the person's first team on that day in the order of the contract, or None."""
        teams = teams_of(account)
        if worklog["team_id"] in teams:
            return worklog["team_id"]
        return next((team_id for team_id in teams if self.is_member(worklog["author_id"], team_id, day)), None)

    def attribute(self, source, worklog):
        """A worklog with what it counts towards, not yet rated."""
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
            return replace(work, reason="outside_dates" if governing else "issue_undated")
        day = day_of(work.started_at, terms)
        return replace(work, team_id=self.team(account, worklog, day), period_start=period, day=day)

    @cached_property
    def work(self):
        """Every worklog that is not deleted, attributed; work that counts in a fixed price is rated."""
        attributed = [self.attribute(source, worklog) for (source, _), worklog in self.worklogs_by_id.items()]
        all_work, filled = [], defaultdict(int)
        for work in sorted(attributed, key=lambda work: work.workload_order):
            if work.reason or not is_fixed_price(self.contracts_by_id[work.contract_id]["terms"]):
                all_work.append(work)
                continue
            of_day = work.author_id, work.contract_id, work.day
            all_work.append(self.rate(work, filled[of_day]))
            filled[of_day] += work.seconds
        return all_work

    def rate(self, work, filled):
        """W3, fixed price: seconds times the rate of their kind; without a card 0, as unrated seconds."""
        terms = self.contracts_by_id[work.contract_id]["terms"]
        card = find_rate_card(self.cards, work.author_id, work.day, work.team_id, terms["currency"])
        if card is None:
            return replace(work, amount_exact=0, unrated_seconds=work.seconds)
        by_kind = split_by_rate(terms, card, work.day, filled, work.seconds)
        amount = sum(duration * card["per_hour_minor"][kind] for kind, duration in by_kind.items())
        return replace(work, amount_exact=amount, unrated_seconds=0)

    def counted_work(self, **filters):
        """The work that counts and has these values in members of :class:`Work`."""
        return [work for work in self.work if work.reason is None and matches(work, filters)]

    def billable_work(self, contract, **filters):
        """The same for the billable accounts of a contract, which make the rows of contracts and periods (C2)."""
        accounts = {account["id"] for account in contract["terms"]["accounts"] if account["billable"]}
        work = self.counted_work(contract_id=contract["contract_id"], **filters)
        return [worklog for worklog in work if worklog.account_id in accounts]

    def worklogs_of(self, contract_id, **filters):
        """The worklogs behind a figure of a contract or, with ``reason``, those that do not count; in order of time.

        The filters are members of :class:`Work`: ``account_id``, ``team_id``, ``period_start``, ``day``, ``reason``.
        """
        return [work for work in self.work if matches(work, {"contract_id": contract_id, "reason": None, **filters})]

    def unaccounted_work(self, contract):
        """The work that names a contract and does not count there, including `account_unknown`."""
        return [work for work in self.work if work.reason and work.contract_id == contract["contract_id"]]

    # Rollover (SPEC 1)

    def period_flow(self, contract):
        """Every period of a contract: its days, plan, billable work, carried amount and available amount."""
        terms = contract["terms"]
        days = periods(terms)
        plans = [planned_for_contract(terms, start) for start, _ in days]
        work = [self.billable_work(contract, period_start=start) for start, _ in days]
        carried = compute_carried(terms, plans, [consumed_units(terms, period_work) for period_work in work])
        available = [None if plan is None else plan + amount for plan, amount in zip(plans, carried, strict=True)]
        return list(zip(days, plans, work, carried, available, strict=True))


def matches(work, filters):
    return all(getattr(work, name) == value for name, value in filters.items())
