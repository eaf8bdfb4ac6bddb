"""Examples of the bodies, by the names of their schemas in the OpenAPI document."""

from tidemark_shared.domain import examples
from tidemark_shared.domain.examples import FORECAST, NOTIFICATION_CHANGED

_REASON = "32 h of 40 h used in March 2026 (80 % reached)."
_ACCOUNT = {"name": "Help desk", "billable": True, "evaluated": False, "planned": 144000, "consumed": 115200}
_FIGURES = {
    "unit": "seconds",
    "currency": None,
    "planned": 144000,
    "available": 144000,
    "consumed": 115200,
    "remaining": 28800,
    "percent": "80",
    "unaccounted_seconds": 0,
    "forecast": FORECAST,
    "accounts": [_ACCOUNT],
}
_NAMES = {
    "contract_name": "Support 2026",
    "organization_name": "Acme",
    "account_name": None,
    "team_name": None,
    "status": "ACTIVE",
    "contract_end": "2026-12-31",
    "period_end": "2026-03-31",
}
_RULE = {
    "name": "Warn at 80 %",
    "scope": {"kind": "global"},
    "trigger": {"kind": "consumed_percent", "of": "contract", "over": "period", "at": ["80", "100"]},
    "receivers": [
        {"kind": "owner"},
        {"kind": "contacts", "role": "billing"},
        {"kind": "address", "email": "x@y.example"},
    ],
    "channels": ["email"],
    "remind_every_days": None,
    "notify_resolved": False,
    "existing": "notify",
    "subject": None,
    "opening": None,
    "offer": None,
    "enabled": True,
}
_DELIVERY = {
    "delivery_id": examples.DELIVERY_ID,
    "message_id": examples.DELIVERY_ID,
    "channel": "email",
    "receiver": "ann@acme.example",
    "status": "delivered",
    "attempts": 1,
    "last_error": None,
    "delivered_at": "2026-03-15T09:30:01Z",
}
_SNAPSHOT = {
    **_FIGURES,
    **_NAMES,
    "kind": "crossing",
    "trigger": "consumed_percent",
    "reason": _REASON,
    "contract_code": "ACME-SUP",
    "organization_id": examples.ORGANIZATION_ID,
    "timezone": "Europe/Berlin",
    "locale": "en",
    "owner_name": "Olga",
    "owner_email": "olga@provider.example",
    "contract_start": "2026-01-01",
    "days_left": 291,
    "revision": 17,
    "rule_name": "Warn at 80 %",
    "rule_version": 1,
    "scope": "all contracts",
    "threshold": "80",
    "threshold_text": "80 %",
    "subject_kind": "contract",
    "period_start": "2026-03-01",
    "subject": None,
    "opening": None,
    "offer": None,
    "digest": None,
    "corrections": [],
}
_EVALUATED = {
    "subject": "contract",
    "subject_id": examples.CONTRACT_ID,
    "name": None,
    "period_start": "2026-03-01",
    "threshold": "80",
    "text": _REASON,
}
_PREVIEW = {
    **_EVALUATED,
    "day": "2026-03-15",
    "contract_id": examples.CONTRACT_ID,
    "contract_code": "ACME-SUP",
    "kind": "consumed_percent",
    "receivers": ["olga@provider.example", "ann@acme.example"],
    "offer": None,
}
_FIRED = {
    "notification_id": examples.NOTIFICATION_ID,
    "raised_at": "2026-03-15T09:30:00Z",
    "receivers": [{"receiver": "ann@acme.example", "status": "delivered"}],
}
_NOTIFICATION = {name: NOTIFICATION_CHANGED[name] for name in (
    "contract_id", "contract_code", "rule_id", "rule_name", "subject", "subject_id", "threshold", "period_start",
    "raised_at", "offer_id",
)}  # fmt: skip

_REPORT = {
    "name": "Monthly report",
    "organization_id": examples.ORGANIZATION_ID,
    "contracts": ["ACME-SUP"],
    "accounts": [],
    "range": "last-month",
    "first_day": None,
    "last_day": None,
    "hours": None,
    "people": False,
    "internal": False,
    "schedule": {"every": "month", "on": 1, "receivers": [{"kind": "contacts", "role": "billing"}], "xlsx": True},
}
EXAMPLES = {
    "SavedReportInput": _REPORT,
    "SavedReport": {**_REPORT, "id": examples.RULE_ID, "version": 1, "next_mail_on": "2026-04-01"},
    "SentReport": {"mails": 1},
    "ReportMail": {
        "id": examples.DELIVERY_ID,
        "email": "ann@acme.example",
        "first_day": "2026-03-01",
        "last_day": "2026-03-31",
        "status": "delivered",
        "attempts": 1,
        "last_error": None,
        "raised_at": "2026-03-31T22:00:00Z",
        "delivered_at": "2026-03-31T22:00:03Z",
    },
    "RuleInput": _RULE,
    "Rule": {**_RULE, "id": examples.RULE_ID, "version": 1},
    "DryRun": {"items": [_PREVIEW], "complete": True},
    "RulePreviewRequest": {"rule": _RULE, "contract": "ACME-SUP"},
    "NotificationPreview": _PREVIEW,
    "ChangedBalance": examples.CHANGED_BALANCE,
    "Crossing": examples.CROSSING,
    "RuleTestRequest": {"email": "olga@provider.example", "contract": "ACME-SUP"},
    "RuleTestResult": {"notification_id": examples.NOTIFICATION_ID},
    "ExplainedRule": {
        "rule_id": examples.RULE_ID,
        "rule_name": "Warn at 80 %",
        "version": 1,
        "scope": _RULE["scope"],
        "trigger": _RULE["trigger"],
        "state": "fired",
        "text": _REASON,
        "thresholds": [{**_EVALUATED, "period_end": "2026-03-31", "state": "fired", "fired": _FIRED}],
    },
    "EmptyBody": {},
    "Notification": {
        **_NOTIFICATION,
        "id": examples.NOTIFICATION_ID,
        "snapshot": _SNAPSHOT,
        "deliveries": [_DELIVERY],
    },
    "WebhookPayload": {
        "type": "tidemark.notification.raised.v1",
        "timestamp": "2026-03-15T09:30:00Z",
        "data": {
            **NOTIFICATION_CHANGED,
            **_NAMES,
            "delivery_id": examples.DELIVERY_ID,
            "channel": "webhook",
            "receiver": "https://hooks.example.com/tidemark",
            "kind": "crossing",
            "trigger": "consumed_percent",
            "headline": "80 % used",
            "reason": _REASON,
            "link": "https://tidemark.example.com/contracts/ACME-SUP",
            "figures": _FIGURES,
        },
    },
}
