"""The response bodies: the public balance with a link from every figure to its worklogs. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from tidemark_shared.domain.balances import AccountBalance, Balance, ContractPeriodFigures, Figures, PeriodFigures
from tidemark_shared.domain.bodies import Body, Day
from tidemark_shared.domain.reasons import Reason


class Links(Body):
    """Related resources."""

    worklogs: str


class LinkedFigures(Figures):
    """Figures, and the worklogs that make them: their sum is what is consumed."""

    links: Links


class LinkedPeriod(PeriodFigures, LinkedFigures):
    """The figures of one period."""


class LinkedContractPeriod(ContractPeriodFigures, LinkedFigures):
    """The figures of a contract's period, with what is carried into it."""


class LinkedSlice(Body):
    """The figures of a team in an account; ``team_id`` is null for unassigned work."""

    team_id: UUID | None
    whole: LinkedFigures
    periods: tuple[LinkedPeriod, ...]


class LinkedAccount(AccountBalance):
    """An account's figures."""

    whole: LinkedFigures
    periods: tuple[LinkedPeriod, ...]
    slices: tuple[LinkedSlice, ...]  # type: ignore[assignment]


class LinkedBalance(Balance):
    """A contract's full state, every period of it."""

    whole: LinkedFigures
    periods: tuple[LinkedContractPeriod, ...]
    accounts: tuple[LinkedAccount, ...]


class CurveDay(Body):
    """What was consumed by the end of a day, by day of work; ``period`` is the one that holds the day."""

    day: Day
    whole: Figures
    period: ContractPeriodFigures | None


class Worklog(Body):
    """A worklog and what it counts towards.

    ``amount_exact``: fixed price, seconds times minor units an hour; these add up exactly.
    """

    source: str
    worklog_id: str
    issue_id: str
    issue_key: str | None
    summary: str | None
    author_id: str
    started_at: datetime
    seconds: int
    day: Day | None
    account_id: UUID | None
    account_name: str | None
    billable: bool | None
    team_id: UUID | None
    team_name: str | None
    period_start: Day | None
    reason: Reason | None
    amount_exact: int | None
    unrated_seconds: int | None
    description: str | None
    updated_at: datetime


def add_links(body: Mapping[str, Any], as_of: datetime | None) -> dict[str, Any]:
    """A balance with a link from every figure to its worklogs."""
    contract_id = body["contract_id"]

    def link(figures: Mapping[str, Any], **selection: str) -> dict[str, Any]:
        period = {"period": figures["start"]} if "start" in figures else {}
        query = urlencode({**selection, **period, **({"as_of": as_of.isoformat()} if as_of else {})})
        return {**figures, "links": {"worklogs": f"/v1/contracts/{contract_id}/worklogs?{query}"}}

    def link_all(part: Mapping[str, Any], **selection: str) -> dict[str, Any]:
        return {
            **part,
            "whole": link(part["whole"], **selection),
            "periods": [link(period, **selection) for period in part["periods"]],
        }

    return {
        **link_all(body, billable="true"),
        "accounts": [
            {
                **link_all(account, account=account["account_id"]),
                "slices": [
                    link_all(slice_, account=account["account_id"], team=slice_["team_id"] or "unassigned")
                    for slice_ in account["slices"]
                ],
            }
            for account in body["accounts"]
        ],
    }
