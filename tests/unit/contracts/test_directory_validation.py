"""The rules for organizations, teams and rate cards (SPEC 9)."""

import pytest
from contract_builders import (
    SUPPORT,
    uid,
)
from pydantic import ValidationError

from tidemark_contracts.directory.validation import entity_violations
from tidemark_shared.domain.bodies import Organization, RateCard, Team


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([("ann", "2026-01-01", "2026-01-31"), ("ann", "2026-02-01", None)], []),
        ([("ann", "2026-01-01", None), ("bob", "2026-01-01", None)], []),
        ([("ann", "2026-01-01", "2026-01-31"), ("ann", "2026-01-31", None)], [("duplicate", "/members/1")]),
        ([("ann", "2026-02-01", None), ("ann", "2026-01-01", None)], [("duplicate", "/members/0")]),
        (
            [("ann", "2026-01-01", None), ("ann", "2026-02-01", "2026-02-02"), ("ann", "2026-03-01", None)],
            [("duplicate", "/members/1"), ("duplicate", "/members/2")],
        ),
        ([("ann", "2026-01-02", "2026-01-01")], [("invalid", "/members/0/until")]),
    ],
)
def test_overlapping_memberships_are_duplicates(members, expected):
    team = Team.model_validate(
        {"name": "T", "members": [{"person_id": p, "from": first, "until": last} for p, first, last in members]}
    )
    assert [(violation.code, violation.path) for violation in entity_violations(team)] == expected


def test_locale_is_one_that_mails_are_written_in():
    body = {"name": "Acme", "timezone": "UTC"}
    assert (
        Organization.model_validate(body).locale == Organization.model_validate({**body, "locale": None}).locale == "en"
    )
    assert Organization.model_validate({**body, "locale": "de-AT"}).locale == "de-AT"
    with pytest.raises(
        ValidationError, match=r"'fr' is not a supported locale. Use one of en, en-GB, en-US, de, de-AT"
    ):
        Organization.model_validate({**body, "locale": "fr"})


CARD = {
    "person_id": "ann", "from": "2026-01-01", "currency": "EUR", "team_id": str(SUPPORT),
    "per_hour_minor": {"normal": 1, "extra_time": 2, "weekend": 3, "holiday": 4},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"daily_workload_hours": "7.5", "per_hour_minor": CARD["per_hour_minor"] | {"normal": 0}}, []),
        ({"person_id": "bob"}, [("invalid", "/person_id")]),
        ({"team_id": None}, [("invalid", "/team_id")]),
        ({"from": "2026-01-02"}, [("invalid", "/from")]),
        ({"currency": "CHF"}, [("invalid", "/currency")]),
        ({"team_id": str(uid("x"))}, [("unknown_reference", "/team_id"), ("invalid", "/team_id")]),
    ],
)
def test_rate_card_identity_cannot_change(changes, expected):
    before, after = RateCard.model_validate(CARD), RateCard.model_validate(CARD | changes)
    assert [(violation.code, violation.path) for violation in entity_violations(after, before, {SUPPORT})] == expected
