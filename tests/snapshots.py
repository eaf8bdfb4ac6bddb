"""Snapshots for the tests of mails and webhooks."""

from datetime import date

from notifier_bodies import HOUR, uid

from tidemark_notifier.evaluation.reasons import describe_reason
from tidemark_notifier.evaluation.snapshot import Snapshot


def make_snapshot(**changes):
    """A month of 40 h, 80 % of which is used."""
    snapshot = Snapshot.model_validate({
        "kind": "crossing", "trigger": "consumed_percent",
        "reason": "",
        "contract_code": "ACME-SUP", "contract_name": "Support 2026", "organization_name": "Acme",
        "organization_id": uid("Acme"),
        "timezone": "Europe/Berlin", "status": "ACTIVE", "contract_start": date(2026, 1, 1),
        "contract_end": date(2026, 12, 31), "days_left": 291, "revision": 17, "rule_name": "Warn <b>",
        "rule_version": 1, "scope": "global", "threshold": "80", "threshold_text": "80 %", "subject_kind": "contract",
        "account_name": None, "team_name": None, "period_start": date(2026, 3, 1), "period_end": date(2026, 3, 31),
        "unit": "seconds", "currency": None, "planned": 40 * HOUR, "available": 40 * HOUR, "consumed": 32 * HOUR,
        "remaining": 8 * HOUR, "percent": "80", "unaccounted_seconds": 0, "forecast": None,
        "accounts": [account_line("Help desk", 40 * HOUR, 32 * HOUR)], "subject": None, "opening": None,
        "owner_name": "Olga", "owner_email": "olga@provider.example.com", **changes,
    })  # fmt: skip
    return snapshot.model_copy(update={"reason": describe_reason(snapshot)})


def account_line(name, planned, consumed, *, billable=True, evaluated=False):
    return {"name": name, "billable": billable, "evaluated": evaluated, "planned": planned, "consumed": consumed}
