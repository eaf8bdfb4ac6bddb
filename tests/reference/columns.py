"""The relations of SPEC 3 and the columns that others rely on, without `updated_at`."""

FIGURES = (
    "planned_seconds", "consumed_seconds", "unrated_seconds", "planned_amount_minor", "consumed_amount_minor",
    "currency", "percent", "worklog_count",
)  # fmt: skip
_CONTRACT, _ACCOUNT, _TEAM = (
    ("contract_id", "contract_code"),
    ("account_id", "account_name"),
    ("team_id", "team_name"),
)
_PERIOD = ("period_start", "period_end")

COLUMNS = {
    "contracts": (
        *_CONTRACT, "contract_name", "organization_id", "organization_name", "owner_name", "owner_email", "type",
        "recurrence", "start_date", "end_date", "timezone", "status", *FIGURES, "remaining_seconds",
        "remaining_amount_minor", "unaccounted_seconds", "renewed_from", "renewed_as",
    ),
    "contract_periods": (
        *_CONTRACT, *_PERIOD, *FIGURES, "carried_seconds", "available_seconds", "carried_amount_minor",
        "available_amount_minor",
    ),
    "account_consumption": (*_CONTRACT, *_ACCOUNT, "billable", *_PERIOD, *FIGURES),
    "account_totals": (*_CONTRACT, *_ACCOUNT, "billable", *_PERIOD, *FIGURES),
    "slice_consumption": (*_CONTRACT, *_ACCOUNT, *_TEAM, *_PERIOD, *FIGURES),
    "daily_consumption": (
        *_CONTRACT, *_ACCOUNT, *_TEAM, "billable", "day", "consumed_seconds", "consumed_amount_minor", "worklog_count",
    ),
    "unaccounted_worklogs": (
        "source", "worklog_id", "issue_id", "author_id", "started_at", "seconds", "reason", "contract_id", "account_id",
        "contract_ref", "account_ref", "author_name",
    ),
    "worklogs": (
        "source", "worklog_id", "issue_id", "issue_key", *_CONTRACT, *_ACCOUNT, *_TEAM, "author_id", "author_name",
        "billable", "period_start", "day", "started_at", "seconds", "amount_exact", "description",
    ),
}  # fmt: skip
