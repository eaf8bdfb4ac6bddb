"""The three resources of the directory: how each is named, sorted and published."""

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel

from tidemark_shared.domain.bodies import Body, Organization, RateCard, Team
from tidemark_shared.messaging.events import (
    ORGANIZATION_CHANGED,
    RATE_CARD_CHANGED,
    TEAM_CHANGED,
    OrganizationChanged,
    RateCardChanged,
    TeamChanged,
)


class Resource(NamedTuple):
    """A kind of entity: its body, the text that lists are sorted by, and the event that publishes a change."""

    kind: str
    path: str
    body: type[Body]
    sort_key: Callable[[Any], str]
    event_type: str
    event_data: type[BaseModel]

    @property
    def label(self) -> str:
        """Its name for people."""
        return self.kind.replace("_", " ")


class Entity(NamedTuple):
    """An entity with its current version and body."""

    id: UUID
    version: int
    body: Body


def _name(body: Organization | Team) -> str:
    return body.name


def _person_and_day(card: RateCard) -> str:
    return f"{card.person_id} {card.from_}"


ORGANIZATION = Resource("organization", "organizations", Organization, _name, ORGANIZATION_CHANGED, OrganizationChanged)
TEAM = Resource("team", "teams", Team, _name, TEAM_CHANGED, TeamChanged)
RATE_CARD = Resource("rate_card", "rate-cards", RateCard, _person_and_day, RATE_CARD_CHANGED, RateCardChanged)
RESOURCES = {resource.event_type: resource for resource in (ORGANIZATION, TEAM, RATE_CARD)}
