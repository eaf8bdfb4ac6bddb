"""The balance of SPEC 4."""

from reference.attribution import Attributions
from reference.rules import (
    body_figures,
    day_of,
    is_fixed_price,
    periods,
    planned_for_account,
    planned_for_slice,
    sum_stated,
    teams_of,
    to_displayed,
)


class Balances(Attributions):
    """The balance of each contract, as known at a moment."""

    def balance(self, ref, now=None):
        """The balance of a contract without ``forecast``, ``revision`` and ``links``, with every period.

        With ``now``, as published: only the previous and the current period. The current one is the first before the
        start, and the last after the end.
        """
        contract = self.contract(ref)
        if contract is None:
            return None
        terms, flow = contract["terms"], self.period_flow(contract)
        whole = sum_stated([plan for _, plan, *_ in flow])
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
            "unit": "minor" if is_fixed_price(terms) else "seconds",
            "currency": terms["currency"] if is_fixed_price(terms) else None,
            "unaccounted_seconds": sum(work.seconds for work in self.unaccounted_work(contract)),
            "whole": body_figures(terms, whole, self.billable_work(contract)),
            "periods": [
                {
                    **body_figures(terms, plan, work, basis=available),
                    "start": str(days[0]),
                    "end": str(days[1]),
                    "carried": to_displayed(terms, carried),
                    "available": to_displayed(terms, available),
                }
                for days, plan, work, carried, available in flow
                if days[0] in visible
            ],
            "accounts": [self._account_body(contract, account, visible) for account in terms["accounts"]],
        }

    def _account_body(self, contract, account, visible):
        terms = contract["terms"]
        filters = {"contract_id": contract["contract_id"], "account_id": account["id"]}
        working_teams = {work.team_id for work in self.counted_work(**filters)}
        slice_teams = [slice_["team_id"] for slice_ in account["slices"]]
        other_teams = [
            team_id
            for team_id in dict.fromkeys([*teams_of(account), None])
            if team_id in working_teams - {*slice_teams}
        ]
        return {
            "account_id": account["id"],
            "name": account["name"],
            "billable": account["billable"],
            **self._planned_and_executed(
                terms, lambda start: planned_for_account(terms, account, start), filters, visible
            ),
            "slices": [
                self._slice_body(terms, account, filters, team_id, visible) for team_id in [*slice_teams, *other_teams]
            ],
        }

    def _slice_body(self, terms, account, filters, team_id, visible):
        """A slice shows every period; other teams and unassigned work only periods with work."""
        filters = {**filters, "team_id": team_id}
        if team_id not in {slice_["team_id"] for slice_ in account["slices"]}:
            visible = [start for start in visible if self.counted_work(**filters, period_start=start)]
        plan = planned_for_slice(terms, account, team_id)
        return {"team_id": team_id, **self._planned_and_executed(terms, lambda _: plan, filters, visible)}

    def _planned_and_executed(self, terms, plan, filters, visible):
        """The figures of all periods together, and of each visible period; ``plan`` gives the plan of a period."""
        plans = {start: plan(start) for start, _ in periods(terms)}
        return {
            "whole": body_figures(terms, sum_stated([*plans.values()]), self.counted_work(**filters)),
            "periods": [
                {
                    **body_figures(terms, plans[start], self.counted_work(**filters, period_start=start)),
                    "start": str(start),
                    "end": str(end),
                }
                for start, end in periods(terms)
                if start in visible
            ],
        }

    # What restatements compare (W7)
