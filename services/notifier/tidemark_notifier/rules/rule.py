"""The body of a notification rule (SPEC 4, 5)."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tidemark_notifier.database.query_types import RuleRow
from tidemark_notifier.rules.body import TaggedBody, require_distinct
from tidemark_notifier.rules.placeholders import require_known_placeholders
from tidemark_notifier.rules.receivers import WITH_SECRETS, Channel, Receiver
from tidemark_notifier.rules.triggers import Trigger
from tidemark_shared.domain.bodies import VERSIONED_MEMBERS, Body, Name, RuleOffer, Text

_NARROWEST_FIRST = ("contract", "organization", "global")


def _replace_null(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


def _check_offer(offer: RuleOffer) -> RuleOffer:
    amounts = [amount for amount in (offer.hours, offer.value_minor) if amount is not None]
    if len(amounts) != 1 or not amounts[0]:
        raise PydanticCustomError(
            "invalid", 'An offer needs either "hours", such as "20", or "value_minor", such as 50000; not 0.'
        )
    if (offer.price_minor is None) != (offer.price_currency is None):
        raise PydanticCustomError("invalid", 'The price of an offer needs "price_minor" and "price_currency".')
    return offer


class Scope(TaggedBody):
    """Where a rule applies: to all contracts, to one organization's contracts, or to one contract."""

    kind: Literal["global", "organization", "contract"]
    id: UUID | None = None

    @model_validator(mode="after")
    def _check_id(self) -> "Scope":
        if (self.kind == "global") == (self.id is not None):
            raise PydanticCustomError(
                "invalid",
                "A global scope must not have an id."
                if self.kind == "global"
                else 'The scope needs an id: {"kind": "organization" or "contract", "id": "…"}.',
            )
        return self


class Rule(Body):
    """A notification rule as a client sends it."""

    answer_members = VERSIONED_MEMBERS
    model_config = ConfigDict(title="RuleInput")

    name: Name
    scope: Scope
    trigger: Trigger
    receivers: Annotated[
        tuple[Receiver, ...],
        Field(max_length=50),
        AfterValidator(require_distinct),
    ]
    channels: Annotated[
        tuple[Channel, ...],
        AfterValidator(require_distinct),
    ]
    remind_every_days: Annotated[int, Field(strict=True, ge=1, le=366)] | None = None
    notify_resolved: Annotated[bool, _replace_null(default=False), Field(strict=True)] = False
    existing: Annotated[Literal["notify", "skip"], _replace_null("notify")] = "notify"
    subject: Annotated[Name, AfterValidator(require_known_placeholders)] | None = None
    opening: Annotated[Text, AfterValidator(require_known_placeholders)] | None = None
    offer: Annotated[RuleOffer, AfterValidator(_check_offer)] | None = None
    enabled: Annotated[bool, _replace_null(default=True), Field(strict=True)] = True

    @field_validator("channels")
    @classmethod
    def _match_receivers(cls, channels: tuple[Channel, ...], info: ValidationInfo) -> tuple[Channel, ...]:
        required = {receiver.channel for receiver in info.data.get("receivers", ())}
        if required and required != set(channels):
            raise PydanticCustomError(
                "invalid",
                "The channels must match the receivers: {required}. Webhooks use webhook, all other receivers email.",
                {"required": " and ".join(sorted(required))},
            )
        return channels

    @model_validator(mode="after")
    def _check_digest(self) -> "Rule":
        if self.trigger.kind == "digest":
            options = ("remind_every_days", "notify_resolved", "subject", "opening", "offer")
            used = next((name for name in options if getattr(self, name)), None)
            if used or self.channels != ("email",):
                raise PydanticCustomError(
                    "invalid",
                    "A digest is one mail for each receiver: it has no {name}. Remove it.",
                    {"name": used or "webhooks"},
                )
        return self

    def to_stored_json(self) -> str:
        """The rule with its secrets. Only the database gets this."""
        return self.model_dump_json(context=WITH_SECRETS)


class StoredRule(Rule):
    """A rule as the API returns it."""

    model_config = ConfigDict(title="Rule")

    id: UUID
    version: int


def parse_rule_row(row: RuleRow) -> StoredRule:
    """Read a row of ``rules``."""
    return StoredRule.model_validate({**json.loads(row["body"]), "id": row["id"], "version": row["version"]})


def restore_secrets(rule: Rule, previous: Rule | None = None) -> Rule:
    """Fill in secrets that the client left out or sent back masked, from the same URL in ``previous``.

    A secret stays None, and the URL of a chat masked, if ``previous`` has none for that URL.
    """
    receivers = {receiver.secret_key: receiver for receiver in previous.receivers} if previous else {}
    restored = (receiver.restore_secrets(receivers.get(receiver.secret_key)) for receiver in rule.receivers)
    return rule.model_copy(update={"receivers": tuple(restored)})


def find_rules_in_scope(rules: Iterable[StoredRule], contract_id: UUID, organization_id: UUID) -> list[StoredRule]:
    """The rules whose scope includes the contract, the narrowest first, including rules that others replace."""
    ids = {"global": None, "organization": organization_id, "contract": contract_id}
    included = [rule for rule in rules if rule.scope.id == ids[rule.scope.kind]]
    return sorted(included, key=lambda rule: _NARROWEST_FIRST.index(rule.scope.kind))


def effective_rules(rules: Iterable[StoredRule], contract_id: UUID, organization_id: UUID) -> list[StoredRule]:
    """The rules that apply to a contract: for each name only the narrowest, and only if it is enabled."""
    narrowest: dict[str, StoredRule] = {}
    for rule in find_rules_in_scope(rules, contract_id, organization_id):
        narrowest.setdefault(rule.name, rule)
    return [rule for rule in narrowest.values() if rule.enabled]
