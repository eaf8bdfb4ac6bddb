"""What the digest of a receiver says: pure. SPEC 10.

A digest has all contracts of its receiver that are running, and those that have ended since the last one. It is sent if
one of them has changed since, or needs attention. Each contract is a notification of its own, and all are one mail.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from tidemark_notifier.evaluation.addressees import Addressee, resolve_addressees
from tidemark_notifier.evaluation.digest_schedule import find_due_day
from tidemark_notifier.evaluation.evaluation_input import EvaluationInput
from tidemark_notifier.evaluation.notification_history import DedupKey, NotificationKey
from tidemark_notifier.evaluation.rule_evaluation import LATE_DAYS
from tidemark_notifier.evaluation.snapshot import (
    Attention,
    DigestDetails,
    DigestFigures,
    Snapshot,
    freeze_contract,
)
from tidemark_notifier.rules.rule import StoredRule
from tidemark_shared.domain.balances import ContractPeriodFigures
from tidemark_shared.domain.calendar import find_period_index, to_local_day
from tidemark_shared.domain.quantities import compute_percent, format_hours

_ENDS_SOON_DAYS = 30


class DigestCase(NamedTuple):
    """A contract in the scope of a digest, the keys of its notifications, and its last digests by receiver."""

    contract: EvaluationInput
    notified: Sequence[NotificationKey]
    previous: Mapping[str, DigestFigures]


class DigestEntry(NamedTuple):
    """A contract in the digest of a receiver."""

    contract: EvaluationInput
    addressee: Addressee
    snapshot: Snapshot


class PendingDigest(NamedTuple):
    """The digest of a receiver: the keys with which it counts as sent, and its contracts; none if it says nothing."""

    keys: Sequence[tuple[UUID, DedupKey]]
    entries: Sequence[DigestEntry]


def build_digests(
    rule: StoredRule, cases: Iterable[DigestCase], since: datetime, now: datetime
) -> Iterator[PendingDigest]:
    """The digests that became due between ``since`` and ``now``, each receiver's once."""
    groups: dict[str, list[tuple[DigestCase, Addressee]]] = {}
    for case in cases:
        today = to_local_day(now, case.contract.terms.zone)
        for addressee in resolve_addressees(rule, case.contract, today, None):
            groups.setdefault(addressee.receiver.casefold(), []).append((case, addressee))
    for receiver, group in groups.items():
        day = find_due_day(rule.trigger, {case.contract.terms.zone for case, _ in group}, since, now)
        if day is None:
            continue
        keys = [(case.contract.contract_id, _build_key(rule, case.contract, receiver, day)) for case, _ in group]
        sent = {key.dedup_key for case, _ in group for key in case.notified}
        if sent.isdisjoint(key for _, key in keys):
            yield PendingDigest(keys, _build_entries(rule, group, receiver, day, now))


def _build_key(rule: StoredRule, contract: EvaluationInput, receiver: str, day: date) -> DedupKey:
    subject_id = str(contract.contract_id)
    return DedupKey(rule.name, "digest", "contract", subject_id, None, None, str(day), 0, f"digest {receiver}")


def _build_entries(
    rule: StoredRule, group: Sequence[tuple[DigestCase, Addressee]], receiver: str, day: date, now: datetime
) -> list[DigestEntry]:
    """The contracts to show, those that need a word first; none if nothing has changed and none needs one."""
    entries = []
    for case, addressee in group:
        today = to_local_day(now, case.contract.terms.zone)
        previous = case.previous.get(receiver)
        details = build_details(case.contract, day, today, previous, internal=addressee.kind == "owner")
        if _is_shown(details):
            entries.append(DigestEntry(case.contract, addressee, freeze_digest(rule, case.contract, today, details)))
    entries.sort(key=_rank)
    return entries if any(has_news(entry.snapshot.digest) for entry in entries) else []


def _rank(entry: DigestEntry) -> tuple[bool, str]:
    return not (entry.snapshot.digest and entry.snapshot.digest.attention), entry.snapshot.contract_code


def has_news(details: DigestDetails | None) -> bool:
    """Whether a contract has changed since the last digest, or needs attention."""
    return details is not None and (bool(details.attention) or _has_changed(details))


def _has_changed(details: DigestDetails) -> bool:
    previous = details.previous
    return previous is None or previous != DigestFigures(**{**details.model_dump(), "day": previous.day})


def _is_shown(details: DigestDetails) -> bool:
    if details.status == "DRAFT":
        return False
    if details.status in ("ACTIVE", "INACTIVE"):
        return True
    # What has ended is shown while it needs attention, and once more with its last change.
    return bool(details.attention) or (details.previous is not None and _has_changed(details))


def build_details(
    contract: EvaluationInput, day: date, today: date, previous: DigestFigures | None, *, internal: bool
) -> DigestDetails:
    """What a digest says of a contract. Only the owner reads of work that does not count."""
    # While a balance is awaited, the figures of the last digest stand.
    figures = contract.balance.whole if contract.balance else previous
    return DigestDetails(
        day=day,
        status=contract.status or "DRAFT",
        contract_end=contract.terms.end_date,
        planned=figures and figures.planned,
        consumed=figures and figures.consumed,
        previous=previous,
        attention=tuple(_list_attention(contract, today, internal=internal)),
        accounts_over=tuple(_list_accounts_over(contract, today)),
    )


def _list_attention(contract: EvaluationInput, today: date, *, internal: bool) -> Iterator[Attention]:
    balance, end, figures = contract.balance, contract.terms.end_date, _find_figures(contract, today)
    is_ended = contract.status == "EXPIRED" and (today - end).days <= LATE_DAYS
    if contract.status == "ACTIVE" or is_ended:
        if figures and figures.available is not None and figures.consumed > figures.available:
            yield "over"
        if any(_list_accounts_over(contract, today)):
            yield "account_over"
    if contract.status == "ACTIVE" and figures and balance and balance.forecast and balance.forecast.exhausts_on:
        is_over = figures.available is None or figures.consumed >= figures.available
        if not is_over and today < balance.forecast.exhausts_on < figures.end:
            yield "runs_out"
    if is_ended:
        yield "ended"
    if contract.status == "ACTIVE" and 0 <= (end - today).days <= _ENDS_SOON_DAYS:
        yield "ends_soon"
    if internal and balance and balance.unaccounted_seconds:
        yield "not_counted"


def _list_accounts_over(contract: EvaluationInput, today: date) -> Iterator[str]:
    current = _find_figures(contract, today)
    for account in contract.balance.accounts if contract.balance else ():
        figures = next((period for period in account.periods if current and period.start == current.start), None)
        if account.billable and figures and figures.planned and figures.consumed > figures.planned:
            yield account.name


def _find_figures(contract: EvaluationInput, today: date) -> ContractPeriodFigures | None:
    """The figures of the current period."""
    periods = contract.terms.periods
    start = periods[find_period_index(periods, today)].start
    return next(
        (figures for figures in (contract.balance.periods if contract.balance else ()) if figures.start == start), None
    )


def freeze_digest(rule: StoredRule, contract: EvaluationInput, today: date, details: DigestDetails) -> Snapshot:
    """The snapshot of a contract in a digest, with the figures of its current period."""
    figures, balance = _find_figures(contract, today), contract.balance
    available = figures.available if figures else None
    percent = compute_percent(figures.consumed, available) if figures and available is not None else None
    return Snapshot(
        **freeze_contract(contract, today),
        kind="digest",
        trigger="digest",
        reason=f"The digest of {details.day}.",
        rule_name=rule.name,
        rule_version=rule.version,
        scope=rule.scope.kind,
        threshold=None,
        threshold_text="",
        subject_kind="contract",
        account_name=None,
        team_name=None,
        period_start=figures and figures.start,
        period_end=figures and figures.end,
        planned=figures and figures.planned,
        available=available,
        consumed=figures and figures.consumed,
        remaining=available - figures.consumed if figures and available is not None else None,
        percent=None if percent is None else format_hours(percent),
        unaccounted_seconds=balance and balance.unaccounted_seconds,
        forecast=balance and balance.forecast,
        accounts=(),
        subject=None,
        opening=None,
        digest=details,
    )
