"""All figures: the relations of SPEC 3, the balance of SPEC 4, and the projections as they are stored."""

from collections import defaultdict
from datetime import date, timedelta

from reference.balances import Balances
from reference.columns import COLUMNS
from reference.facts import instant
from reference.rules import (
    columns_by_type,
    consumed_units,
    day_of,
    figures,
    periods,
    planned_for_account,
    planned_for_contract,
    planned_for_slice,
    sum_stated,
)


class Model(Balances):
    """All figures, as known at a moment (that moment included; without one, now)."""

    # The relations of SPEC 3

    def relations(self):
        """Every relation of :data:`COLUMNS` by name: a set of rows, each a tuple in the order of its columns."""
        return {
            name: {tuple(row[column] for column in columns) for row in getattr(self, name)()}
            for name, columns in COLUMNS.items()
        }

    def contracts(self):
        """One row for each contract, over all periods, billable accounts only."""
        return [self._contract_row(contract) for contract in self.contracts_by_id.values()]

    def _contract_row(self, contract):
        terms = contract["terms"]
        organization = self.organizations.get(terms["organization_id"])
        plan, work = (
            sum_stated([planned_for_contract(terms, start) for start, _ in periods(terms)]),
            self.billable_work(contract),
        )
        return {
            **contract_columns(contract),
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
            **columns_by_type(terms, "remaining", None if plan is None else plan - consumed_units(terms, work)),
            "unaccounted_seconds": sum(work.seconds for work in self.unaccounted_work(contract)),
            "renewed_from": contract["renewed_from"],
            "renewed_as": contract["renewed_as"],
        }

    def contract_periods(self):
        """One row for each contract and period; percentages refer to what is available."""
        return [
            {
                **contract_columns(contract),
                **period_columns(days),
                **figures(contract["terms"], plan, work, basis=available),
                **columns_by_type(contract["terms"], "carried", carried),
                **columns_by_type(contract["terms"], "available", available),
            }
            for contract in self.contracts_by_id.values()
            for days, plan, work, carried, available in self.period_flow(contract)
        ]

    def account_consumption(self):
        """One row for each account and period, with or without work."""
        return [
            {
                **account_columns(contract, account),
                **period_columns(days),
                **figures(
                    contract["terms"],
                    planned_for_account(contract["terms"], account, days[0]),
                    self.counted_work(
                        contract_id=contract["contract_id"], account_id=account["id"], period_start=days[0]
                    ),
                ),
            }
            for contract, account in self._accounts()
            for days in periods(contract["terms"])
        ]  # fmt: skip

    def account_totals(self):
        """One row for each account, over all periods."""
        return [
            {
                **account_columns(contract, account),
                **period_columns((periods(contract["terms"])[0][0], periods(contract["terms"])[-1][1])),
                **figures(
                    contract["terms"],
                    sum_stated(
                        [
                            planned_for_account(contract["terms"], account, start)
                            for start, _ in periods(contract["terms"])
                        ]
                    ),
                    self.counted_work(contract_id=contract["contract_id"], account_id=account["id"]),
                ),
            }
            for contract, account in self._accounts()
        ]

    def slice_consumption(self):
        """One row for each slice and period; other teams and unassigned work have rows only where there is work."""
        rows = []
        for contract, account in self._accounts():
            for days in periods(contract["terms"]):
                filters = {"contract_id": contract["contract_id"], "account_id": account["id"], "period_start": days[0]}
                slice_teams = {slice_["team_id"] for slice_ in account["slices"]}
                for team_id in slice_teams | {work.team_id for work in self.counted_work(**filters)}:
                    plan = planned_for_slice(contract["terms"], account, team_id)
                    team_work = self.counted_work(**filters, team_id=team_id)
                    rows.append(
                        {
                            **without_billable(account_columns(contract, account)),
                            **self._team_columns(team_id),
                            **period_columns(days),
                            **figures(contract["terms"], plan, team_work),
                        }
                    )
        return rows

    def daily_consumption(self):
        """One row for each account, team and day of work, for both contract types."""
        rows = []
        for contract, account in self._accounts():
            filters = {"contract_id": contract["contract_id"], "account_id": account["id"]}
            for team_id, day in {(work.team_id, work.day) for work in self.counted_work(**filters)}:
                day_figures = figures(contract["terms"], None, self.counted_work(**filters, team_id=team_id, day=day))
                columns = ("consumed_seconds", "consumed_amount_minor", "worklog_count")
                rows.append(
                    {
                        **account_columns(contract, account),
                        **self._team_columns(team_id),
                        "day": day,
                        **{name: day_figures[name] for name in columns},
                    }
                )
        return rows

    def unaccounted_worklogs(self):
        """W5: one row for each worklog that does not count, with its reason."""
        columns = [name for name in COLUMNS["unaccounted_worklogs"] if name != "author_name"]
        return [
            {
                **{name: getattr(work, name) for name in columns},
                "author_name": self.author_name(work.author_id, work.started_at.date(), None),
            }
            for work in self.work
            if work.reason
        ]

    def worklogs(self):
        """One row for each worklog that counts."""
        return [
            {
                **{name: getattr(work, name) for name in COLUMNS["worklogs"] if hasattr(work, name)},
                **account_columns(contract, account),
                **self._team_columns(work.team_id),
                "issue_key": self.links[work.source, work.issue_id]["issue_key"],
                "author_name": self.author_name(work.author_id, work.day, work.team_id),
                "description": self.worklogs_by_id[work.source, work.worklog_id]["description"],
            }
            for contract, account in self._accounts()
            for work in self.counted_work(contract_id=contract["contract_id"], account_id=account["id"])
        ]

    def author_name(self, person, day, team_id):
        """A person's name on a day: in the team of the work, else in another team, else on another day; or None.

        Of several the membership with the latest first day, then the team with the lesser id.
        """
        names = [
            (
                not member["from"] <= str(day) <= (member["until"] or "9999-12-31"),
                team["id"] != team_id,
                -date.fromisoformat(member["from"]).toordinal(),
                team["id"],
                member["name"],
            )
            for team in self.teams.values()
            if not team.get("deleted")
            for member in team["members"]
            if member["person_id"] == person and member["name"]
        ]
        return min(names)[-1] if names else None

    def _accounts(self):
        return [
            (contract, account)
            for contract in self.contracts_by_id.values()
            for account in contract["terms"]["accounts"]
        ]

    def _team_columns(self, team_id):
        team = self.teams.get(team_id)
        return {"team_id": team_id, "team_name": team and team["name"]}

    # The balance (SPEC 4)

    def figure(self, contract_id, account_id, start):
        """What an account consumed in a period: seconds, and the displayed amount (None in time and materials).

        An account or a period that does not exist has consumed nothing.
        """
        work = self.counted_work(contract_id=contract_id, account_id=account_id, period_start=start)
        displayed = figures(self.contracts_by_id[contract_id]["terms"], None, work)
        return displayed["consumed_seconds"], displayed["consumed_amount_minor"]

    def is_closed(self, contract, end, moment):
        """SPEC 9: closed `settle_days` after the later of last day and first activation, or once CLOSED.

        A contract that was never activated has no closed period.
        """
        if contract["status"] == "CLOSED":
            return True
        versions, terms = self.versions[contract["contract_id"]], contract["terms"]
        activations = [
            version["occurred_at"]
            for _, version in sorted(versions.items())
            if (version["previous_status"], version["status"]) == ("DRAFT", "ACTIVE")
        ]
        if not activations:
            return False
        settled_day = max(end, day_of(instant(activations[0]), terms)) + timedelta(days=terms["settle_days"])
        return day_of(moment, terms) > settled_day

    # The projections as they are stored

    def rows(self):
        """The rows of the projections and of what does not count."""
        account_team_totals, daily_totals, unaccounted_totals = (defaultdict(lambda: [0, 0]) for _ in range(3))
        unaccounted_worklogs = set()
        for work in self.work:
            if work.reason:
                unaccounted_worklogs.add((work.source, work.worklog_id, work.reason, work.contract_id, work.account_id))
                if work.contract_id:
                    _add(unaccounted_totals[work.contract_id, work.reason], work)
            else:
                _add(account_team_totals[work.contract_id, work.account_id, work.team_id, str(work.period_start)], work)
                _add(daily_totals[work.contract_id, work.account_id, work.team_id, str(work.day)], work)
        return {
            "account_team_totals": {(*key, *sums) for key, sums in account_team_totals.items()},
            "daily_totals": {(*key, *sums) for key, sums in daily_totals.items()},
            "unaccounted_totals": {(*key, *sums) for key, sums in unaccounted_totals.items()},
            "unaccounted_worklogs": unaccounted_worklogs,
        }


def _add(sums, work):
    sums[0] += work.seconds
    sums[1] += 1


def contract_columns(contract):
    return {"contract_id": contract["contract_id"], "contract_code": contract["terms"]["code"]}


def account_columns(contract, account):
    columns = {"account_id": account["id"], "account_name": account["name"], "billable": account["billable"]}
    return {**contract_columns(contract), **columns}


def without_billable(row):
    return {name: value for name, value in row.items() if name != "billable"}


def period_columns(days):
    return {"period_start": days[0], "period_end": days[1]}
