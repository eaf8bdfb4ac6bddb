"""What the mail of a saved report says: its key figures, and where the rest is. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from tidemark_notifier.delivery.snapshot_text import build_bar
from tidemark_notifier.engine.saved_reports import ReportSnapshot
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.language import Language

Json = Mapping[str, Any]


def is_internal(snapshot: ReportSnapshot, addressee: Addressee) -> bool:
    """Whether a receiver sees what is not billable or not counted: never a customer's contact."""
    return snapshot.internal and addressee.kind != "contacts"


def build_query(snapshot: ReportSnapshot, addressee: Addressee) -> list[tuple[str, str]]:
    """The parameters of the report's page and files: its days, with the figures that were known when it was raised."""
    options = [("hours", snapshot.hours or ""), ("people", "" if snapshot.people else "no"),
               ("internal", "" if is_internal(snapshot, addressee) else "no")]  # fmt: skip
    return [
        ("organization", str(snapshot.organization_id)),
        *(("contract", contract) for contract in snapshot.contracts),
        *(("account", str(account)) for account in snapshot.accounts),
        ("from", snapshot.first_day.isoformat()),
        ("to", snapshot.last_day.isoformat()),
        *((name, value) for name, value in options if value),
        ("as_of", snapshot.raised_at.isoformat()),
    ]


def format_report_subject(snapshot: ReportSnapshot, language: Language) -> str:
    """Such as ``Monthly report: Acme, March 2026``. A name that has the customer in it is not followed by it."""
    days = language.format_period(snapshot.first_day, snapshot.last_day)
    names_customer = snapshot.organization_name.casefold() in snapshot.name.casefold()
    return f"{snapshot.name}: {days if names_customer else f'{snapshot.organization_name}, {days}'}"


def build_report_view(
    snapshot: ReportSnapshot, addressee: Addressee, report: Json, public_url: str, language: Language
) -> dict[str, Any]:
    """The values for the templates of mails. A contact's link, which is signed, is not built here."""
    _ = language.gettext
    is_contact = addressee.kind == "contacts"
    base = public_url.rstrip("/")
    return {
        "kind": _("Delivery report"),
        "kind_note": f"{language.format_period(snapshot.first_day, snapshot.last_day)}.",
        "opening": [],
        "headline": snapshot.organization_name,
        "consumption": None,
        "reason": _("The report is attached, with all figures."),
        "others_title": _("Contracts"),
        "others": [_build_contract(contract, language) for contract in report["contracts"]],
        "contract_name": "",
        "facts": list(_list_facts(report["contracts"], language, internal=is_internal(snapshot, addressee))),
        "accounts": [],
        "link": "" if is_contact else f"{base}/reports?{urlencode(build_query(snapshot, addressee))}",
        "link_label": _("View all contracts") if is_contact else _("Open the report"),
        "link_note": "",
        "recipient_reason": _(
            "You are a contact of %(organization)s (%(role)s).",
            organization=snapshot.organization_name,
            role=addressee.role,
        )
        if is_contact
        else _("The saved report “%(name)s” is sent to this address.", name=snapshot.name),
        "contact": _("To ask something, or to no longer receive such mails, reply to this mail."),
    }


def _build_contract(contract: Json, language: Language) -> dict[str, Any]:
    currency, whole = contract["currency"], contract["whole"]
    executed = language.format_quantity(contract["billable"]["consumed"], currency)
    used, planned = language.format_quantity(whole["consumed"], currency), whole["planned"]
    sentence = (
        language.gettext("%(executed)s in these days; %(used)s in all.", executed=executed, used=used)
        if planned is None
        else language.gettext(
            "%(executed)s in these days; %(used)s of %(planned)s in all.",
            executed=executed,
            used=used,
            planned=language.format_quantity(planned, currency),
        )
    )
    return {
        "kind": "",
        "opening": [],
        "name": f"{contract['contract_name']} ({contract['contract_code']})",
        "reason": sentence,
        "bar": build_bar(whole["consumed"], planned) if planned else None,
        "link": "",
    }


def _list_facts(contracts: Sequence[Json], language: Language, *, internal: bool) -> Iterator[tuple[str, str]]:
    """The sums over all contracts: time, and money by currency."""
    _ = language.gettext
    yield _("Billable time"), language.format_quantity(_sum_seconds(contracts, "billable"), None)
    if internal:
        yield _("Time not billable"), language.format_quantity(_sum_seconds(contracts, "non_billable"), None)
    money: dict[str, int] = {}
    for contract in contracts:
        if currency := contract["currency"]:
            money[currency] = money.get(currency, 0) + contract["billable"]["consumed"]
    for currency, minor in sorted(money.items()):
        yield _("Executed"), language.format_quantity(minor, currency)


def _sum_seconds(contracts: Sequence[Json], member: str) -> int:
    return sum(contract[member]["seconds"] for contract in contracts)
