"""The rules for organizations, teams and rate cards (SPEC 9). Pure."""

from collections.abc import Container, Iterator
from datetime import date
from uuid import UUID

from tidemark_contracts.contract.rules import size_violations
from tidemark_shared.domain.bodies import Body, RateCard, Team
from tidemark_shared.http.problems import Violation, json_pointer

_RATE_CARD_IDENTITY = {"person_id": "/person_id", "team_id": "/team_id", "currency": "/currency", "from_": "/from"}


def entity_violations(body: Body, previous: Body | None = None, team_ids: Container[UUID] = ()) -> list[Violation]:
    """The violations of a new body that replaces ``previous``. ``team_ids`` are the existing teams that it names."""
    violations = list(size_violations(body))
    if isinstance(body, Team):
        violations += _membership_violations(body)
    if isinstance(body, RateCard):
        violations += _rate_card_violations(body, previous, team_ids)
    return violations


def _rate_card_violations(card: RateCard, previous: Body | None, team_ids: Container[UUID]) -> Iterator[Violation]:
    """Person, team, currency and first day identify a rate card and cannot change (SPEC 9)."""
    if card.team_id and card.team_id not in team_ids:
        message = f"No team with id {card.team_id}. Enter the id of an existing team."
        yield Violation(code="unknown_reference", path="/team_id", message=message)
    for name, path in _RATE_CARD_IDENTITY.items():
        if previous and getattr(card, name) != getattr(previous, name):
            message = "Person, team, currency and first day identify a rate card. Create another rate card instead."
            yield Violation(code="invalid", path=path, message=message)


def _membership_violations(team: Team) -> Iterator[Violation]:
    """Memberships end after they start, and those of one person do not overlap (SPEC 9)."""
    last_days: dict[str, date] = {}
    for index, member in sorted(enumerate(team.members), key=lambda item: item[1].from_):
        path, last_day = json_pointer("members", index), member.until or date.max
        if last_day < member.from_:
            message = "The membership ends before it starts. Enter a later last day."
            yield Violation(code="invalid", path=f"{path}/until", message=message)
        if member.from_ <= last_days.get(member.person_id, date.min):
            message = f"{member.person_id} is already a member on that day. End one membership before the next starts."
            yield Violation(code="duplicate", path=path, message=message)
        last_days[member.person_id] = max(last_day, last_days.get(member.person_id, date.min))
