"""The frozen copy of what a notification saw (N3), and whom it is for: pure."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from tidemark_notifier.evaluate import Known, Level, Notice, Occasion, Sight
from tidemark_notifier.rules import Channel, Receiver, Secret, StoredRule, Trigger
from tidemark_notifier.words import day, days, quantity, span
from tidemark_shared.domain.bodies import AccountBalance, Balance, Body, Figures, Forecast, Status
from tidemark_shared.domain.quantities import format_hours, percent, seconds


class Addressee(Body):
    """One who is told: a mail address or a webhook, and by which receiver of the rule it was found."""

    email: str | None = None
    name: str | None = None
    kind: Literal["owner", "contacts", "team", "address", "webhook"]
    role: str | None = None
    team: str | None = None
    url: str | None = None
    secret: Secret | None = None

    @property
    def channel(self) -> Channel:
        """The one by which it is told."""
        return "webhook" if self.kind == "webhook" else "email"

    @property
    def receiver(self) -> str:
        """The mail address or the webhook's URL."""
        return self.email or self.url or ""


class Line(Body):
    """The figures of one account."""

    name: str
    billable: bool
    judged: bool
    planned: int | None
    consumed: int


class Snapshot(Body):
    """What the judge saw when it raised a notification: a mail is made from this alone.

    Amounts are in ``unit``: whole seconds, or minor units of ``currency``. What a trigger does not look at may be
    null: a contract that expires may have no balance yet.
    """

    occasion: Literal["crossing", "reminder", "resolved", "test"]
    trigger: str
    """The kind of the rule's trigger (SPEC 5)."""
    reason: str
    """Why, in one sentence that a customer may read."""
    contract_code: str
    contract_name: str
    organization_name: str
    timezone: str
    status: Status
    contract_start: date
    contract_end: date
    days_left: int
    """From the day it was raised to the last day of the contract; negative after it."""
    revision: int | None
    rule_name: str
    rule_version: int
    scope: str
    threshold: str | None
    """As the rule has it; null for triggers that have none."""
    threshold_text: str
    """As people say it: ``80 %``, ``8 h``, ``500.00 EUR``, ``30 days``; empty where there is none."""
    subject_kind: Literal["contract", "account", "slice"]
    account_name: str | None
    team_name: str | None
    period_start: date | None
    period_end: date | None
    unit: Literal["seconds", "minor"]
    currency: str | None
    planned: int | None
    available: int | None
    consumed: int | None
    remaining: int | None
    percent: str | None
    """Consumed of available, with at most two decimals; null where nothing is available."""
    unaccounted_seconds: int | None
    forecast: Forecast | None
    accounts: tuple[Line, ...]
    subject: str | None
    """The rule's own subject of the mail."""
    opening: str | None


def freeze(notice: Notice, known: Known, today: date) -> Snapshot:
    """What ``notice`` saw, ``today`` in the contract's zone."""
    return frozen(notice.occasion, notice.sight, Level(notice.threshold, reached=True), known, today)


def frozen(occasion: Occasion | Literal["test"], sight: Sight, level: Level, known: Known, today: date) -> Snapshot:
    """What a rule sees of a subject, told for one of its thresholds."""
    rule, subject, terms, balance = sight.rule, sight.subject, known.terms, known.balance
    start, end = subject.period or (None, None)
    planned, available = subject.planned, subject.available
    consumed = subject.figures.consumed if subject.figures else None
    share = None if consumed is None or available is None else percent(consumed, available)
    return Snapshot(
        occasion=occasion,
        trigger=rule.trigger.kind,
        reason=reason(sight, level, known, today, resolved=occasion == "resolved"),
        contract_code=terms.code,
        contract_name=terms.name,
        organization_name=known.organization.name,
        timezone=terms.timezone,
        status=known.status or "DRAFT",
        contract_start=terms.start_date,
        contract_end=terms.end_date,
        days_left=(terms.end_date - today).days,
        revision=balance and balance.revision,
        rule_name=rule.name,
        rule_version=rule.version,
        scope=rule.scope.kind,
        threshold=level.threshold,
        threshold_text=said(rule.trigger, level.threshold, terms.currency),
        subject_kind=subject.kind,
        account_name=_account_name(sight, known),
        team_name=_team_name(sight, known),
        period_start=start,
        period_end=end,
        unit="seconds" if terms.type == "time_and_materials" else "minor",
        currency=currency(known),
        planned=planned,
        available=available,
        consumed=consumed,
        remaining=None if consumed is None or available is None else available - consumed,
        percent=None if share is None else format_hours(share),
        unaccounted_seconds=balance and balance.unaccounted_seconds,
        forecast=balance and balance.forecast,
        accounts=tuple(_lines(balance, subject.account, start)) if balance else (),
        subject=rule.subject,
        opening=rule.opening,
    )


def said(trigger: Trigger, threshold: str | None, in_currency: str | None) -> str:
    """A threshold as people say it; empty where there is none."""
    if threshold is None:
        return "100 %" if trigger.kind == "overrun" else ""
    if trigger.kind == "consumed_percent":
        return f"{threshold} %"
    if trigger.kind in ("remaining_hours", "unaccounted_work"):
        return quantity(seconds(Decimal(threshold)), None)
    if trigger.kind == "remaining_amount":
        return quantity(int(threshold), in_currency)
    return threshold if trigger.kind == "status_changed" else days(int(threshold))


def reason(sight: Sight, level: Level, known: Known, today: date, *, resolved: bool = False) -> str:
    """Why it is told, in one sentence; ``resolved`` says that what was told has passed."""
    trigger, terms, balance = sight.rule.trigger, known.terms, known.balance
    threshold, ending = said(trigger, level.threshold, terms.currency), day(terms.end_date)
    forecast = balance.forecast if balance else None
    found = {
        "expires_in_days": f"The contract ends on {ending}: {days((terms.end_date - today).days)} left.",
        "expired": f"The contract is {known.status} again, and ends on {ending}."
        if resolved
        else f"The contract ended on {ending}.",
        "status_changed": f"The contract is {'no longer ' if resolved else ''}{trigger.to}.",
        "unaccounted_work": f"{quantity(balance.unaccounted_seconds if balance else 0, None)} of work do not count, "
        f"{'less than' if resolved else 'at least'} {threshold}.",
        "forecast_exhausts": f"At its present pace it runs out on {day(forecast.exhausts_on)}."
        if forecast and forecast.exhausts_on
        else "At its present pace it does not run out.",
    }
    return found.get(trigger.kind) or f"{used(sight, known)}: {_compared(trigger.kind, threshold, resolved=resolved)}."


def _compared(kind: str, threshold: str, *, resolved: bool) -> str:
    if kind == "overrun":
        return "no longer more than 100 %" if resolved else "more than 100 %"
    if kind == "consumed_percent":
        return f"{threshold} is no longer reached" if resolved else f"{threshold} is reached"
    return f"more than {threshold} are left again" if resolved else f"{threshold} or less are left"


def used(sight: Sight, known: Known) -> str:
    """The figures of what is judged, such as ``32 h of 40 h are used in March 2026``."""
    subject, unit = sight.subject, currency(known)
    start, end = subject.period or (known.terms.start_date, known.terms.end_date)
    consumed = quantity(subject.figures.consumed if subject.figures else 0, unit)
    period = span(start, end)
    within = "from" if " to " in period else "in"
    return f"{consumed} of {quantity(subject.available or 0, unit)} are used {within} {period}"


def currency(known: Known) -> str | None:
    """Of what the contract's amounts are minor units; None where they are seconds."""
    return known.terms.currency if known.terms.type == "fixed_price" else None


def subject_name(sight: Sight, known: Known) -> str | None:
    """The account's name, with the team's where it is a slice; None for the contract."""
    account, team = _account_name(sight, known), _team_name(sight, known)
    return f"{account}, {team}" if team else account


def _account_name(sight: Sight, known: Known) -> str | None:
    return next((one.name for one in known.terms.accounts if one.id == sight.subject.account), None)


def _team_name(sight: Sight, known: Known) -> str | None:
    team = known.teams.get(sight.subject.team) if sight.subject.team else None
    return team.name if team else None


def _lines(balance: Balance, judged: UUID | None, start: date | None) -> Iterator[Line]:
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


def addressees(rule: StoredRule, known: Known, today: date, account: UUID | None) -> list[Addressee]:
    """Whom the receivers of a rule resolve to today, each address once: the first that names it decides the mail.

    Of an ``account`` that is not billed the customer's contacts are not told.
    """
    accounts = known.balance.accounts if known.balance else ()
    internal = any(one.account_id == account and not one.billable for one in accounts)
    found: dict[str, Addressee] = {}
    for receiver in sorted(rule.receivers, key=lambda receiver: receiver.kind != "owner"):
        if internal and receiver.kind == "contacts":
            continue
        for addressee in _resolve(receiver, known, today):
            found.setdefault(addressee.url or addressee.receiver.casefold(), addressee)
    return list(found.values())


def _resolve(receiver: Receiver, known: Known, today: date) -> Iterator[Addressee]:
    if receiver.kind == "owner":
        yield Addressee(email=known.terms.owner.email, name=known.terms.owner.name, kind="owner")
    elif receiver.kind == "address" and receiver.email:
        yield Addressee(email=receiver.email, name=None, kind="address")
    elif receiver.id and (team := known.teams.get(receiver.id)):
        for member in team.members:
            if member.email and member.from_ <= today and (member.until is None or today <= member.until):
                yield Addressee(email=member.email, name=member.name, kind="team", team=team.name)
    elif receiver.kind == "webhook":
        yield Addressee(kind="webhook", url=receiver.url, secret=receiver.secret)
    for contact in known.organization.contacts:
        if receiver.kind == "contacts" and receiver.role in contact.roles:
            yield Addressee(email=contact.email, name=contact.name, kind="contacts", role=receiver.role)
