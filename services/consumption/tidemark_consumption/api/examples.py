"""Examples of the bodies, by the names of their schemas in the OpenAPI document."""

from typing import Any

from tidemark_consumption.api.responses import add_links
from tidemark_shared.domain import examples
from tidemark_shared.domain.examples import BALANCE, CONTRACT, CONTRACT_PERIOD, EVENTS, FIGURES, ORGANIZATION

_BALANCE: dict[str, Any] = add_links(BALANCE, as_of=None)
_CONTRACT_MEMBERS = ("organization_id", "owner", "type", "recurrence", "start_date", "end_date", "timezone")
_SUMMARY = {
    **{name: value for name, value in BALANCE.items() if name not in ("stream_version", "periods", "accounts")},
    **{name: CONTRACT[name] for name in _CONTRACT_MEMBERS},
    "contract_name": CONTRACT["name"],
    "organization_name": ORGANIZATION["name"],
    "attention": ["nearly_used"],
    "period": CONTRACT_PERIOD,
}

EXAMPLES = {
    # The body of a request that is one of several schemas has the name of its operation.
    "publish_worklogs": {
        "specversion": "1.0",
        "id": "10100-1",
        "source": "/jira/example",
        "type": "tidemark.worklog.recorded.v1",
        "time": "2026-03-02T16:05:12Z",
        "data": EVENTS["WorklogRecorded"],
    },
    "Accepted": {"accepted": 1},
    "BalancePage": {"items": [_SUMMARY], "next": None, "statuses": {"ACTIVE": 1}, "attention": {"nearly_used": 1}},
    "Revision": {"contract_id": examples.CONTRACT_ID, "revision": 17},
    "LinkedBalance": _BALANCE,
    "LinkedContractPeriod": _BALANCE["periods"][0],
    "CurveDay": {"day": "2026-03-15", "whole": FIGURES, "period": CONTRACT_PERIOD},
    "Worklog": {
        "source": "/jira/example",
        "worklog_id": "10100",
        "issue_id": "10001",
        "issue_key": "SUP-1",
        "summary": "Mail server",
        "author_id": "712020:ab",
        "started_at": "2026-03-02T08:00:00Z",
        "seconds": 28800,
        "day": "2026-03-02",
        "account_id": examples.ACCOUNT_ID,
        "account_name": "Help desk",
        "billable": True,
        "team_id": examples.TEAM_ID,
        "team_name": "Support",
        "period_start": "2026-03-01",
        "reason": None,
        "amount_exact": None,
        "unrated_seconds": None,
        "description": "Restore of the mail server",
        "updated_at": "2026-03-02T16:05:11.123000Z",
    },
}
