"""Addressees: the people and webhooks that a rule's receivers resolve to on a day."""

from collections.abc import Iterator
from datetime import date
from typing import Literal
from uuid import UUID

from tidemark_notifier.evaluation.evaluation_input import EvaluationInput
from tidemark_notifier.rules.receivers import Channel, ChatFormat, Receiver, SecretUrl, SigningSecret
from tidemark_notifier.rules.rule import StoredRule
from tidemark_shared.domain.bodies import Body


class Addressee(Body):
    """A mail address or a webhook, and the receiver of the rule that resolved to it."""

    email: str | None = None
    name: str | None = None
    kind: Literal["owner", "contacts", "team", "address", "webhook"]
    role: str | None = None
    team: str | None = None
    url: str | None = None
    """As it is shown: of a chat only the host, with a checksum."""
    secret: SigningSecret | None = None
    chat_format: ChatFormat | None = None
    chat_url: SecretUrl = None

    @property
    def channel(self) -> Channel:
        """The channel that reaches this addressee."""
        return "webhook" if self.kind == "webhook" else "email"

    @property
    def receiver(self) -> str:
        """The mail address or the webhook's URL, as it is shown."""
        return self.email or self.url or ""


def resolve_addressees(
    rule: StoredRule, contract: EvaluationInput, today: date, account_id: UUID | None
) -> list[Addressee]:
    """Resolve the receivers of a rule, each address once. The first receiver that names an address wins.

    The customer's contacts are not notified of an account that is not billable.
    """
    accounts = contract.balance.accounts if contract.balance else ()
    is_internal = any(account.account_id == account_id and not account.billable for account in accounts)
    addressees: dict[str, Addressee] = {}
    for receiver in sorted(rule.receivers, key=lambda receiver: receiver.kind != "owner"):
        if is_internal and receiver.kind == "contacts":
            continue
        for addressee in _resolve_receiver(receiver, contract, today):
            addressees.setdefault(addressee.url or addressee.receiver.casefold(), addressee)
    return list(addressees.values())


def _resolve_receiver(receiver: Receiver, contract: EvaluationInput, today: date) -> Iterator[Addressee]:
    if receiver.kind == "owner":
        yield Addressee(email=contract.terms.owner.email, name=contract.terms.owner.name, kind="owner")
    elif receiver.kind == "address" and receiver.email:
        yield Addressee(email=receiver.email, name=None, kind="address")
    elif receiver.id and (team := contract.teams.get(receiver.id)):
        for member in team.members:
            if member.email and member.from_ <= today and (member.until is None or today <= member.until):
                yield Addressee(email=member.email, name=member.name, kind="team", team=team.name)
    elif receiver.kind == "webhook":
        yield Addressee(
            kind="webhook",
            url=receiver.shown_url,
            secret=receiver.secret,
            chat_format=receiver.chat_format,
            chat_url=receiver.url if receiver.chat_format else None,
        )
    for contact in contract.organization.contacts:
        if receiver.kind == "contacts" and receiver.role in contact.roles:
            yield Addressee(email=contact.email, name=contact.name, kind="contacts", role=receiver.role)
