"""Examples of the public bodies and events (SPEC 2, 4), for the OpenAPI and AsyncAPI documents. Pure."""

from typing import Any

from tidemark_shared.domain.statements import statement_sha256

Example = dict[str, Any]

ORGANIZATION_ID = "5b0f2c4e-3d1a-4f5e-8c22-1f0f6b1f3a01"
TEAM_ID = "0d9a7a0e-5c38-4c35-9d3a-5f2f8c1d7b02"
SECOND_TEAM_ID = "e2c7f1d4-8a56-4b0e-b1d3-6f7a9c2e4b03"
RATE_CARD_ID = "a41f6d2c-7b9e-4e80-9c55-2d8e1f3b5c04"
CONTRACT_ID = "0da7de3a-7c3a-4cc7-a39a-1813a05cf405"
ACCOUNT_ID = "3c6e8b1f-2a4d-4d7c-8e9f-7a1b3c5d6e06"
RULE_ID = "40ada19a-0c23-40f9-8710-4f6a55a68d07"
NOTIFICATION_ID = "1c465ae6-cad8-4ee0-ba89-19e367ffa908"
OFFER_ID = "0199a4d2-7c0e-7f60-8c55-1f1b2f1f3a17"
DELIVERY_ID = "91e3c1fe-7904-4c19-9e60-69e3b0a2d409"
PERSON_ID = "3d0c1b7e-52f4-4c0d-9b6e-8f2a1d4c5b18"
RENEWED_AS = "7f3b9c5d-1e2f-4a6b-8c7d-9e0f1a2b3c10"

ORGANIZATION: Example = {
    "name": "Acme",
    "timezone": "Europe/Berlin",
    "locale": "en",
    "contacts": [{"name": "Ann", "email": "ann@acme.example", "roles": ["billing"]}],
}
TEAM: Example = {
    "name": "Support",
    "members": [{"person_id": "712020:ab", "name": None, "email": None, "from": "2026-01-01", "until": None}],
}
RATE_CARD: Example = {
    "person_id": "712020:ab",
    "team_id": None,
    "from": "2026-01-01",
    "currency": "EUR",
    "daily_workload_hours": "8",
    "per_hour_minor": {"normal": 9000, "extra_time": 11000, "weekend": 13500, "holiday": 18000},
}
ADJUSTMENT: Example = {
    "account_id": ACCOUNT_ID,
    "period_start": "2026-03-01",
    "hours": "20",
    "value_minor": None,
    "reason": "Extra package, mail of 4 March",
}
CONTRACT: Example = {
    "code": "ACME-SUP",
    "name": "Support 2026",
    "description": "",
    "owner": {"name": "Olga", "email": "olga@provider.example"},
    "organization_id": ORGANIZATION_ID,
    "type": "time_and_materials",
    "recurrence": "monthly",
    "start_date": "2026-01-01",
    "end_date": "2026-12-31",
    "timezone": "Europe/Berlin",
    "holidays": "DE-BE",
    "contracted_hours": "40",
    "contracted_value_minor": None,
    "currency": None,
    "rollover": {
        "unused": "expire",
        "cap_hours": None,
        "cap_value_minor": None,
        "lapse_after_periods": None,
        "overrun": "absorb",
    },
    "accounts": [
        {
            "id": ACCOUNT_ID,
            "name": "Help desk",
            "billable": True,
            "planned_hours": "40",
            "planned_value_minor": None,
            "teams": [],
            "slices": [
                {"team_id": TEAM_ID, "planned_hours": "25"},
                {"team_id": SECOND_TEAM_ID, "planned_hours": "15"},
            ],
        }
    ],
    "adjustments": [],
    "settle_days": 5,
}
FIGURES: Example = {
    "planned": 144000,
    "consumed": 115200,
    "remaining": 28800,
    "percent": "80.00",
    "worklogs": 12,
    "unrated_seconds": None,
}
PERIOD: Example = {**FIGURES, "start": "2026-03-01", "end": "2026-03-31"}
CONTRACT_PERIOD: Example = {**PERIOD, "carried": 0, "available": 144000}
FORECAST: Example = {"exhausts_on": "2026-03-24", "low": "2026-03-20", "high": "2026-04-02"}
BALANCE: Example = {
    "contract_id": CONTRACT_ID,
    "contract_code": "ACME-SUP",
    "status": "ACTIVE",
    "stream_version": 4,
    "revision": 17,
    "unit": "seconds",
    "currency": None,
    "unaccounted_seconds": 0,
    "forecast": FORECAST,
    "whole": FIGURES,
    "periods": [CONTRACT_PERIOD],
    "accounts": [
        {
            "account_id": ACCOUNT_ID,
            "name": "Help desk",
            "billable": True,
            "whole": FIGURES,
            "periods": [PERIOD],
            "slices": [{"team_id": TEAM_ID, "whole": FIGURES, "periods": [PERIOD]}],
        }
    ],
}
# The same with three hours more.
FIGURES_AFTER: Example = {**FIGURES, "consumed": 126000, "remaining": 18000, "percent": "87.50", "worklogs": 13}
BALANCE_AFTER: Example = {
    **BALANCE,
    "revision": 18,
    "whole": FIGURES_AFTER,
    "periods": [{**CONTRACT_PERIOD, **FIGURES_AFTER}],
    "accounts": [
        {
            **BALANCE["accounts"][0],
            "whole": FIGURES_AFTER,
            "periods": [{**PERIOD, **FIGURES_AFTER}],
            "slices": [{"team_id": TEAM_ID, "whole": FIGURES_AFTER, "periods": [{**PERIOD, **FIGURES_AFTER}]}],
        }
    ],
}
CHANGED_BALANCE: Example = {"before": BALANCE, "after": BALANCE_AFTER}
CROSSING: Example = {
    "rule_id": RULE_ID,
    "rule_name": "Warn at 85 %",
    "contract_id": CONTRACT_ID,
    "contract_code": "ACME-SUP",
    "trigger": "consumed_percent",
    "subject": "contract",
    "subject_id": CONTRACT_ID,
    "name": None,
    "period_start": "2026-03-01",
    "threshold": "85",
    "text": "35 h of 40 h used in March 2026 (85 % reached).",
    "receivers": ["olga@provider.example", "ann@acme.example"],
}
CONTRACT_CHANGED: Example = {
    "contract_id": CONTRACT_ID,
    "stream_version": 2,
    "status": "ACTIVE",
    "previous_status": "DRAFT",
    "terms": CONTRACT,
    "actor": "olga",
    "reason": None,
    "occurred_at": "2026-01-02T08:15:00.000000Z",
    "renewed_from": None,
    "renewed_as": None,
}
OFFER: Example = {
    "status": "open",
    "contract_id": CONTRACT_ID,
    "contract_code": "ACME-SUP",
    "organization_id": ORGANIZATION_ID,
    "account_id": ACCOUNT_ID,
    "account_name": "Help desk",
    "period_start": "2026-03-01",
    "hours": "20",
    "value_minor": None,
    "currency": None,
    "reason": "Extra package for the migration",
    "price_minor": 180000,
    "price_currency": "EUR",
    "note": None,
    "valid_until": "2026-03-31T21:59:59.000000Z",
    "made_by": "olga",
    "notification_id": None,
    "requested_by": None,
    "answered_by": None,
    "remark": None,
    "refusal": None,
    "stream_version": None,
}
OFFER_CHANGED: Example = {
    **OFFER,
    "offer_id": OFFER_ID,
    "version": 1,
    "actor": "olga",
    "occurred_at": "2026-03-20T08:15:00.000000Z",
}
_STATEMENT_FIGURES: Example = {**FIGURES, "seconds": 115200, "amount_minor": None}
STATEMENT_TODAY: Example = {
    "contract_id": CONTRACT_ID,
    "contract_code": "ACME-SUP",
    "contract_name": "Support 2026",
    "organization_id": ORGANIZATION_ID,
    "organization_name": "Acme",
    "unit": "seconds",
    "currency": None,
    "figures": {**CONTRACT_PERIOD, "seconds": 115200, "amount_minor": None},
    "accounts": [
        {
            "account_id": ACCOUNT_ID,
            "name": "Help desk",
            "billable": True,
            **_STATEMENT_FIGURES,
            "slices": [{"team_id": TEAM_ID, "team_name": "Support", **_STATEMENT_FIGURES}],
        }
    ],
    "adjustments": [],
}
STATEMENT: Example = {
    **STATEMENT_TODAY,
    "number": 3,
    "as_of": "2026-04-05T16:20:31.004211Z",
    "closed_at": "2026-04-05T22:00:03.120514Z",
    "restatements": [],
}
STATEMENT["sha256"] = statement_sha256(STATEMENT)
PERIOD_RESTATED: Example = {
    "restatement": 12,
    "contract_id": CONTRACT_ID,
    "contract_code": "ACME-SUP",
    "statement_number": 3,
    "statement_sha256": STATEMENT["sha256"],
    "period_start": "2026-03-01",
    "period_end": "2026-03-31",
    "account_id": ACCOUNT_ID,
    "account_name": "Help desk",
    "billable": True,
    "before_seconds": 115200,
    "after_seconds": 118800,
    "before_amount_minor": None,
    "after_amount_minor": None,
    "currency": None,
    "cause": "worklog:/jira/example/10087",
    "restated_at": "2026-04-12T10:02:00.000000Z",
}
NOTIFICATION_CHANGED: Example = {
    "notification_id": NOTIFICATION_ID,
    "contract_id": CONTRACT_ID,
    "contract_code": "ACME-SUP",
    "rule_id": RULE_ID,
    "rule_name": "Warn at 80 %",
    "subject": "contract",
    "subject_id": CONTRACT_ID,
    "threshold": "80",
    "period_start": "2026-03-01",
    "raised_at": "2026-03-15T09:30:00.000000Z",
    "delivery_id": None,
    "channel": None,
    "receiver": None,
    "error": None,
    "offer": None,
    "offer_id": None,
}

PERSON_FORGOTTEN: Example = {
    "id": PERSON_ID,
    "version": 1,
    "key": "9f" * 32,
    "person_digest": "1c" * 32,
    "digests": ["7e" * 32],
    "forgotten_at": "2026-03-04T10:12:00Z",
}
EVENTS: dict[str, Example] = {
    "WorklogRecorded": {
        "worklog_id": "10100",
        "issue_id": "10001",
        "author_id": "712020:ab",
        "started_at": "2026-03-02T09:00:00+01:00",
        "seconds": 28800,
        "team_id": None,
        "description": "Restore of the mail server",
        "updated_at": "2026-03-02T16:05:11.123Z",
    },
    "WorklogDeleted": {"worklog_id": "10100", "issue_id": "10001", "deleted_at": "2026-03-03T08:00:00Z"},
    "IssueLinked": {
        "issue_id": "10001",
        "issue_key": "SUP-1",
        "summary": "Mail server",
        "contract_id": "ACME-SUP",
        "account_id": "Help desk",
        "created_at": "2026-03-01T10:00:00Z",
        "updated_at": "2026-03-02T09:00:00Z",
    },
    "ContractChanged": CONTRACT_CHANGED,
    "OrganizationChanged": {**ORGANIZATION, "id": ORGANIZATION_ID, "version": 1, "deleted": False},
    "TeamChanged": {**TEAM, "id": TEAM_ID, "version": 1, "deleted": False},
    "RateCardChanged": {**RATE_CARD, "id": RATE_CARD_ID, "version": 1, "deleted": False},
    "PersonForgotten": PERSON_FORGOTTEN,
    "Balance": BALANCE,
    "OfferChanged": OFFER_CHANGED,
    "Statement": STATEMENT,
    "PeriodRestated": PERIOD_RESTATED,
    "NotificationChanged": NOTIFICATION_CHANGED,
}
"""The data of each event, by the name of its model."""

_DEAD_LETTER: Example = {
    "id": 17,
    "service": "consumption",
    "topic": "worklog.events",
    "partition": 2,
    "record_offset": 4711,
    "reason": "tidemark.worklog.recorded.v1: seconds: Input should be greater than or equal to 1",
    "received_at": "2026-03-15T09:30:00Z",
    "replayed_at": None,
}
OPERATIONS: dict[str, Example] = {
    "ServiceStatus": {
        "service": "consumption",
        "problems": [],
        "topics": [
            {
                "topic": "worklog.events",
                "partitions": 4,
                "lag": 0,
                "seconds_since_progress": 12,
                "checked_at": "2026-03-15T09:30:00Z",
            }
        ],
        "queues": [
            {"name": "outbox", "length": 0, "oldest_at": None},
            {"name": "unfolded_records", "length": 250, "oldest_at": "2026-03-15T09:29:59Z"},
        ],
        "dead_letter_count": 1,
        "verification": {
            "started_at": "2026-03-15T03:00:00Z",
            "finished_at": "2026-03-15T03:00:42Z",
            "row_count": 120000,
            "difference_count": 0,
        },
    },
    "DeadLetterSummary": _DEAD_LETTER,
    "DeadLetterDetails": {
        **_DEAD_LETTER,
        "key": {"text": "10001", "hex": None},
        "headers": [{"name": "ce_type", "content": {"text": "tidemark.worklog.recorded.v1", "hex": None}}],
        "value": {"text": '{"worklog_id":"10100","seconds":0}', "hex": None},
    },
    "EmptyBody": {},
}
"""Bodies of the routes that every service has, by the name of their schema."""
