"""The frozen copy of what a notification saw (N3), and whom it is for: pure."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Literal
from uuid import UUID

from tidemark_notifier.evaluate import Known, Notice, Organization, Terms
from tidemark_notifier.rules import Receiver
from tidemark_shared.bodies import AccountBalance, Balance, Body, Figures


class Addressee(Body):
    """One who is told: the address, and by which receiver of the rule it was found."""

    email: str
    name: str | None
    kind: Literal["owner", "contacts", "address"]
    role: str | None = None


class Line(Body):
    """The figures of one account."""

    name: str
    billable: bool
    judged: bool
    planned: int | None
    consumed: int


class Snapshot(Body):
    """What the judge saw when it raised a notification: a mail is made from this alone."""

    contract_code: str
    contract_name: str
    organization_name: str
    timezone: str
    revision: int
    rule_name: str
    rule_version: int
    scope: str
    threshold: str
    account_name: str | None
    period_start: date | None
    period_end: date | None
    contract_start: date
    contract_end: date
    unit: Literal["seconds", "minor"]
    currency: str | None
    planned: int
    available: int
    consumed: int
    accounts: tuple[Line, ...]
    subject: str | None
    opening: str | None


def freeze(notice: Notice, known: Known) -> Snapshot:
    """What ``notice`` saw."""
    rule, subject, terms, balance = notice.rule, notice.subject, known.terms, notice.balance
    start, end = subject.period or (None, None)
    return Snapshot(
        contract_code=terms.code,
        contract_name=terms.name,
        organization_name=known.organization.name,
        timezone=terms.timezone,
        revision=balance.revision,
        rule_name=rule.name,
        rule_version=rule.version,
        scope=rule.scope.kind,
        threshold=notice.threshold,
        account_name=next((one.name for one in balance.accounts if one.account_id == subject.id), None),
        period_start=start,
        period_end=end,
        contract_start=terms.start_date,
        contract_end=terms.end_date,
        unit=balance.unit,
        currency=balance.currency,
        planned=subject.planned,
        available=subject.available,
        consumed=subject.figures.consumed,
        accounts=tuple(_lines(balance, subject.id, start)),
        subject=rule.subject,
        opening=rule.opening,
    )


def _lines(balance: Balance, judged: UUID, start: date | None) -> Iterator[Line]:
    for account in balance.accounts:
        figures = _figures(account, start)
        yield Line(
            name=account.name,
            billable=account.billable,
            judged=account.account_id == judged,
            planned=figures.planned,
            consumed=figures.consumed,
        )


def _figures(account: AccountBalance, start: date | None) -> Figures:
    return next((one for one in account.periods if one.start == start), account.whole)


def addressees(receivers: Iterable[Receiver], terms: Terms, organization: Organization) -> list[Addressee]:
    """Whom the receivers of a rule resolve to, each address once: the first that names it decides the mail."""
    found: dict[str, Addressee] = {}
    for receiver in sorted(receivers, key=lambda receiver: receiver.kind != "owner"):
        for addressee in _resolve(receiver, terms, organization):
            found.setdefault(addressee.email.casefold(), addressee)
    return list(found.values())


def _resolve(receiver: Receiver, terms: Terms, organization: Organization) -> Iterator[Addressee]:
    if receiver.kind == "owner":
        yield Addressee(email=terms.owner.email, name=terms.owner.name, kind="owner")
    elif receiver.kind == "address" and receiver.email:
        yield Addressee(email=receiver.email, name=None, kind="address")
    for contact in organization.contacts:
        if receiver.kind == "contacts" and receiver.role in contact.roles:
            yield Addressee(email=contact.email, name=contact.name, kind="contacts", role=receiver.role)
