"""Examples of the bodies, by the names of their schemas in the OpenAPI document."""

from typing import Any

from tidemark_consumption.api.responses import add_links
from tidemark_shared.domain import examples
from tidemark_shared.domain.examples import (
    BALANCE,
    CONTRACT,
    CONTRACT_PERIOD,
    EVENTS,
    FIGURES,
    FORECAST,
    ORGANIZATION,
    PERIOD,
    TEAM,
)

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

_WORK = {
    "seconds": 115200, "hours": "32.0000", "consumed": 115200, "amount": None, "unrated_seconds": None, "worklogs": 12,
}  # fmt: skip
_NO_WORK = {**_WORK, "seconds": 0, "hours": "0.0000", "consumed": 0, "worklogs": 0}
_TEAM = {"team_id": examples.TEAM_ID, "team_name": TEAM["name"]}
_LOAD = {
    "capacity_seconds": 144000, "billable_seconds": 115200, "non_billable_seconds": 14400, "unaccounted_seconds": 0,
}  # fmt: skip
_ACCOUNT = BALANCE["accounts"][0]
_DELIVERY = {
    **{name: value for name, value in _SUMMARY.items() if name in _CONTRACT_MEMBERS and name != "organization_id"},
    **{name: BALANCE[name] for name in ("contract_id", "contract_code", "status", "unit", "currency", "whole")},
    "contract_name": CONTRACT["name"],
    "periods": [{**CONTRACT_PERIOD, "planned_to_date": 432000}],
    "accounts": [
        {
            **_ACCOUNT,
            "slices": [{**_TEAM, "whole": FIGURES, "periods": [PERIOD]}],
            "work": _WORK,
            "teams": [{**_TEAM, "work": _WORK}],
        }
    ],
    "billable": _WORK,
    "non_billable": _NO_WORK,
    "consumed_before": 230400,
    "days": [{"day": "2026-03-02", "seconds": 28800, "consumed": 28800, "cumulative": 259200}],
    "teams": [{**_TEAM, "billable": _WORK, "non_billable": _NO_WORK}],
    "people": [{"person_id": "712020:ab", "person_name": "Kim", "billable": _WORK, "non_billable": _NO_WORK}],
    "unaccounted": [{"reason": "outside_dates", "seconds": 3600, "hours": "1.0000", "worklogs": 1}],
    "restatements": [
        {
            "account_id": examples.ACCOUNT_ID,
            "account_name": "Help desk",
            "period_start": "2026-02-01",
            "period_end": "2026-02-28",
            "before_seconds": 111600,
            "after_seconds": 115200,
            "before_amount_minor": None,
            "after_amount_minor": None,
            "cause": "worklog:/jira/example/10087",
            "restated_at": "2026-03-12T10:02:00Z",
        }
    ],
    "forecast": FORECAST,
    "outlook": [
        {
            "start": "2026-03-01",
            "end": "2026-03-31",
            "contracted": 144000,
            "expected": 158400,
            "low": 129600,
            "high": 187200,
            "cumulative": 388800,
            "contracted_to_date": 432000,
        }
    ],
}

_CHECK = {
    "source": "/jira/example",
    "issue_id": "SUP-1",
    "author_id": "712020:ab",
    "started_at": None,
    "day": "2026-03-15",
    "seconds": 10800,
    "team_id": None,
    "worklog_id": None,
}
_ATTRIBUTION = {
    "contract_id": examples.CONTRACT_ID,
    "contract_code": "ACME-SUP",
    "account_id": examples.ACCOUNT_ID,
    "account_name": "Help desk",
    **_TEAM,
    "period_start": "2026-03-01",
    "period_end": "2026-03-31",
}
_CHECKED = {
    **_ATTRIBUTION,
    **{name: _CHECK[name] for name in ("source", "seconds")},
    "counts": True,
    "reason": None,
    "remedy": None,
    "issue_id": "10001",
    "started_at": "2026-03-15T22:59:59.999999Z",
    "contract_name": CONTRACT["name"],
    "billable": True,
    "day": "2026-03-15",
    "rates": [],
    "amount_exact": None,
    "amount_minor": None,
    "unrated_seconds": None,
    "levels": [
        {
            **_ATTRIBUTION,
            "level": "slice",
            "unit": "seconds",
            "currency": None,
            "before": {**FIGURES, "available": 144000},
            "after": {**examples.FIGURES_AFTER, "available": 144000},
        }
    ],
    "balances": [examples.CHANGED_BALANCE],
    "crossings": [examples.CROSSING],
}
_CUSTOMER_FIGURES = ("planned", "consumed", "remaining", "percent")
_OF_CUSTOMER = {
    **{name: CONTRACT[name] for name in ("type", "recurrence", "start_date", "end_date", "timezone")},
    **{name: BALANCE[name] for name in ("contract_id", "contract_code", "status", "unit", "currency")},
    "contract_name": CONTRACT["name"],
    "exhausts_on": FORECAST["exhausts_on"],
    "whole": {name: FIGURES[name] for name in _CUSTOMER_FIGURES},
    "updated_at": "2026-03-15T09:30:00Z",
}
_CUSTOMER_PERIOD = {
    name: CONTRACT_PERIOD[name] for name in (*_CUSTOMER_FIGURES, "start", "end", "carried", "available")
}
_CUSTOMER_ACCOUNT = {
    "account_id": examples.ACCOUNT_ID,
    "name": _ACCOUNT["name"],
    "whole": _OF_CUSTOMER["whole"],
    "periods": [{name: PERIOD[name] for name in (*_CUSTOMER_FIGURES, "start", "end")}],
}
_CUSTOMER_LINE = {
    **{name: FIGURES[name] for name in _CUSTOMER_FIGURES}, "account_id": examples.ACCOUNT_ID, "name": "Help desk",
}  # fmt: skip
_CUSTOMER_STATEMENT = {
    **{name: examples.STATEMENT[name] for name in (
        "contract_code", "contract_name", "number", "unit", "currency", "closed_at", "sha256")},
    "figures": _CUSTOMER_PERIOD,
    "accounts": [_CUSTOMER_LINE],
    "adjustments": [{"account_id": examples.ACCOUNT_ID, "amount": 72000}],
    "corrections": [],
}  # fmt: skip
_CUSTOMER_RESTATEMENT = {
    "period_start": "2026-03-01", "account_id": examples.ACCOUNT_ID, "account_name": "Help desk", "before": 115200,
    "after": 118800, "restated_at": "2026-04-12T10:02:00.000000Z",
}  # fmt: skip

EXAMPLES = {
    "CustomerContractSummary": {**_OF_CUSTOMER, "period": _CUSTOMER_PERIOD},
    "CustomerContract": {**_OF_CUSTOMER, "periods": [_CUSTOMER_PERIOD], "accounts": [_CUSTOMER_ACCOUNT]},
    "CustomerStatement": _CUSTOMER_STATEMENT,
    "CustomerStatementNow": {
        "statement": _CUSTOMER_STATEMENT,
        "restatements": [_CUSTOMER_RESTATEMENT],
        "today": {"figures": _CUSTOMER_PERIOD, "accounts": [_CUSTOMER_LINE]},
    },
    "CustomerDay": {"day": "2026-03-02", "consumed": 259200, "period_start": "2026-03-01", "period_consumed": 28800},
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
    "WorklogCheck": _CHECK,
    "CheckedWorklog": _CHECKED,
    "BalancePage": {"items": [_SUMMARY], "next": None, "statuses": {"ACTIVE": 1}, "attention": {"nearly_used": 1}},
    "Revision": {"contract_id": examples.CONTRACT_ID, "revision": 17},
    "DeliveryReport": {
        "organization_id": examples.ORGANIZATION_ID,
        "organization_name": ORGANIZATION["name"],
        "from": "2026-03-01",
        "to": "2026-03-31",
        "moment": "2026-03-15T09:30:00Z",
        "contracts": [_DELIVERY],
        "teams": [
            {**_TEAM, "billable_seconds": 115200, "non_billable_seconds": 0, "billable_percent": "100.00"},
        ],
    },
    "PeopleReport": {
        "from": "2026-03-02",
        "to": "2026-03-08",
        "people": [
            {
                "person_id": "712020:ab",
                "person_name": "Kim",
                "teams": [_TEAM],
                **_LOAD,
                "weeks": [{"start": "2026-03-02", **_LOAD}],
                "contracts": [
                    {
                        **{name: BALANCE[name] for name in ("contract_id", "contract_code")},
                        "contract_name": CONTRACT["name"],
                        "billable_seconds": 115200,
                        "non_billable_seconds": 14400,
                        "unaccounted_seconds": 0,
                    }
                ],
            }
        ],
    },
    "Statement": examples.STATEMENT,
    "StatementNow": {
        "statement": examples.STATEMENT,
        "restatements": [examples.PERIOD_RESTATED],
        "restatement_count": 1,
        "today": examples.STATEMENT_TODAY,
    },
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
