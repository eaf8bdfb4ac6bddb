"""Lifecycle and directory events to the rows that placement joins."""

from typing import Any
from uuid import UUID

from tidemark_consumption.projection.rows import (
    account_ref_rows,
    activation_rows,
    contract_refs,
    contract_rows,
    membership_rows,
    organization_row,
    team_row,
)
from tidemark_shared.messaging.events import ContractChanged, OrganizationChanged, TeamChanged

CONTRACT, OTHER = UUID(int=1), UUID(int=2)
HELP, INTERNAL = UUID(int=11), UUID(int=12)
NORTH, SOUTH = UUID(int=21), UUID(int=22)

TERMS: dict[str, Any] = {
    "code": "ACME-SUP",
    "name": "Support",
    "owner": {"name": "Olga", "email": "olga@provider.example"},
    "organization_id": str(UUID(int=31)),
    "type": "time_and_materials",
    "recurrence": "monthly",
    "start_date": "2026-01-31",
    "end_date": "2026-03-15",
    "timezone": "Europe/Berlin",
    "contracted_hours": "40.01",
    "accounts": [
        {
            "id": str(HELP),
            "name": "Help desk",
            "planned_hours": "40.01",
            "teams": [str(NORTH)],
            "slices": [
                {"team_id": str(SOUTH), "planned_hours": "25.5"},
                {"team_id": str(NORTH), "planned_hours": "14.51"},
            ],
        },
        {
            "id": str(INTERNAL),
            "name": "Internal",
            "billable": False,
            "teams": [str(SOUTH), str(NORTH), str(SOUTH)],
        },
    ],
}


def event(version: int = 4, status: str | None = "ACTIVE", **changes: Any) -> ContractChanged:
    return ContractChanged.model_validate(
        {
            "contract_id": str(CONTRACT),
            "stream_version": version,
            "status": status,
            "previous_status": None,
            "terms": {**TERMS, **changes},
            "actor": "olga",
            "occurred_at": "2026-01-02T10:00:00+01:00",
        }
    )


def test_contract_row_has_hours_as_seconds() -> None:
    assert contract_rows(event()).contract == {
        "contract_id": str(CONTRACT),
        "stream_version": 4,
        "status": "ACTIVE",
        "code": "ACME-SUP",
        "name": "Support",
        "organization_id": str(UUID(int=31)),
        "owner_name": "Olga",
        "owner_email": "olga@provider.example",
        "type": "time_and_materials",
        "recurrence": "monthly",
        "start_date": "2026-01-31",
        "end_date": "2026-03-15",
        "timezone": "Europe/Berlin",
        "holidays": None,
        "currency": None,
        "currency_digits": None,
        "scale_divisor": 1,
        "contracted": 144_036,
        "unused": "expire",
        "cap": None,
        "lapse_after": None,
        "overrun": "absorb",
        "settle_days": 5,
        "changed_at": "2026-01-02T09:00:00.000000Z",
        "renewed_from": None,
        "renewed_as": None,
    }


def test_missing_draft_values_are_null() -> None:
    rows = contract_rows(event(status="DRAFT", contracted_hours=None, accounts=[]))
    assert rows.contract["contracted"] is None
    assert (rows.accounts, rows.account_teams) == ([], [])


def test_discarded_draft_has_no_status() -> None:
    assert contract_rows(event(status=None)).contract["status"] is None


def test_accounts_keep_their_order() -> None:
    values = [
        (row["account_id"], row["position"], row["name"], row["billable"], row["planned"])
        for row in contract_rows(event()).accounts
    ]
    assert values == [(str(HELP), 0, "Help desk", True, 144_036), (str(INTERNAL), 1, "Internal", False, None)]


def test_account_teams_come_from_slices_or_account() -> None:
    values = [
        (row["account_id"], row["team_id"], row["position"], row["is_slice"], row["planned"])
        for row in contract_rows(event()).account_teams
    ]
    assert values == [
        (str(HELP), str(SOUTH), 0, True, 91_800),
        (str(HELP), str(NORTH), 1, True, 52_236),
        (str(INTERNAL), str(SOUTH), 0, False, None),
        (str(INTERNAL), str(NORTH), 1, False, None),
    ]


def test_period_rows_cover_the_contract() -> None:
    values = [(row["period_start"], row["period_end"]) for row in contract_rows(event()).periods]
    assert values == [("2026-01-31", "2026-02-27"), ("2026-02-28", "2026-03-15")]
    (whole,) = contract_rows(event(recurrence="none")).periods
    assert whole == {"contract_id": str(CONTRACT), "period_start": "2026-01-31", "period_end": "2026-03-15"}


def test_every_row_has_its_contract() -> None:
    rows = contract_rows(event())
    assert {row["contract_id"] for part in rows[1:] for row in part} == {str(CONTRACT)}


def test_account_refs_are_permanent_id_and_versioned_name() -> None:
    values = {row["ref"]: (row["account_id"], row["stream_version"]) for row in account_ref_rows(event(4))}
    assert values["Help desk"] == (str(HELP), 4)
    assert values["Internal"] == (str(INTERNAL), 4)
    assert values[str(HELP)][0] == str(HELP)
    assert values[str(HELP)][1] > 2**31


def test_contract_refs_are_id_and_code() -> None:
    assert contract_refs(event()) == [str(CONTRACT), "ACME-SUP"]


def test_fixed_price_amounts_are_exact_units() -> None:
    changes = {
        "type": "fixed_price", "contracted_hours": None, "contracted_value_minor": 100_000, "currency": "JPY",
        "rollover": {"unused": "carry", "cap_value_minor": 7},
        "accounts": [
            {
                "id": str(HELP), "name": "Help desk", "planned_value_minor": 100_000,
                "slices": [{"team_id": str(NORTH)}],
            },
        ],
        "adjustments": [
            {"account_id": str(HELP), "period_start": "2026-01-31", "value_minor": -5, "reason": "a credit"}
        ],
    }  # fmt: skip
    rows = contract_rows(event(**changes))
    expected = {
        "scale_divisor": 3600, "contracted": 360_000_000, "cap": 25_200, "currency": "JPY", "currency_digits": 0,
    }  # fmt: skip
    assert {name: rows.contract[name] for name in expected} == expected
    assert [row["planned"] for row in rows.accounts] == [360_000_000]
    assert [row["planned"] for row in rows.account_teams] == [None]
    assert [row["planned"] for row in rows.adjustments] == [-18_000]


def test_time_and_materials_has_no_currency() -> None:
    row = contract_rows(event(currency="EUR")).contract
    assert (row["currency"], row["currency_digits"]) == (None, None)


def test_leaving_draft_gives_activation_row() -> None:
    left, resumed = (event().model_copy(update={"previous_status": previous}) for previous in ("DRAFT", "INACTIVE"))
    assert activation_rows([left, resumed]) == [
        {"contract_id": str(CONTRACT), "activated_at": "2026-01-02T09:00:00.000000Z"}
    ]


def test_organization_becomes_row() -> None:
    body = {"id": str(OTHER), "version": 3, "name": "Acme", "timezone": "UTC"}
    assert organization_row(OrganizationChanged.model_validate(body)) == {
        "organization_id": str(OTHER),
        "version": 3,
        "name": "Acme",
    }


MEMBERS = [
    {"person_id": "ann", "from": "2026-01-01", "until": "2026-06-30"},
    {"person_id": "ann", "from": "2026-08-01"},
]


def team(*, deleted: bool = False) -> TeamChanged:
    body = {"id": str(NORTH), "version": 2, "deleted": deleted, "name": "North", "members": MEMBERS}
    return TeamChanged.model_validate(body)


def test_team_and_memberships_become_rows() -> None:
    assert team_row(team()) == {"team_id": str(NORTH), "version": 2, "name": "North"}
    values = [(row["person_id"], row["team_id"], row["first_day"], row["last_day"]) for row in membership_rows(team())]
    assert values == [
        ("ann", str(NORTH), "2026-01-01", "2026-06-30"),
        ("ann", str(NORTH), "2026-08-01", "infinity"),
    ]


def test_deleted_team_has_no_memberships() -> None:
    assert membership_rows(team(deleted=True)) == []
