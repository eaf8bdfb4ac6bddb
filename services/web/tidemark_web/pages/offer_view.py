"""What the page of an offer shows, in the customer's language. Pure."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tidemark_shared.domain.quantities import hours_to_seconds
from tidemark_shared.language import N_, Language
from tidemark_web.pages.charts import Bar, build_bar
from tidemark_web.pages.client import Json

_TITLES = {"accepted": N_("Accepted: %(change)s"), "declined": N_("Declined: %(change)s")}


class OfferFigures(NamedTuple):
    """Planned, used and left of the account in the period: now, and if the offer is accepted."""

    rows: list[tuple[str, str, str]]
    now: Bar
    then: Bar
    left_now: str
    left_then: str


def build_offer(offer: Json, zone: str, language: Language) -> dict[str, Any]:
    """What is offered, and until when."""
    until = datetime.fromisoformat(offer["valid_until"]).astimezone(ZoneInfo(zone))
    return {
        "change": _format_change(offer, language),
        "facts": [*_list_facts(offer, language)],
        "contract_name": offer["contract_name"],
        "organization_name": offer["organization_name"],
        "owner": offer["owner"],
        "valid_until": language.format_moment(until, zone),
    }


def build_agreement(offer: Json, language: Language) -> dict[str, Any]:
    """What was agreed, or declined: the offer with the answer, without figures."""
    _, title = language.gettext, _TITLES[offer["status"]]
    facts = [*_list_facts(offer, language), (_("Answered by"), (offer["answered_by"] or {}).get("name", ""))]
    if offer["remark"]:
        facts.append((_("Remark"), offer["remark"]))
    return {
        "title": _(title, change=_format_change(offer, language)),
        "is_accepted": offer["status"] == "accepted",
        "facts": facts,
        "contract_name": offer["contract_name"],
        "organization_name": offer["organization_name"],
        "owner": offer["owner"],
    }


def build_figures(offer: Json, contract: Json | None, language: Language) -> OfferFigures | None:
    """The figures of the account in the period; None where the customer has none, or nothing is planned."""
    accounts = [
        account for account in (contract or {}).get("accounts", ()) if account["account_id"] == offer["account_id"]
    ]
    periods = [period for account in accounts for period in account["periods"]]
    figures = next((period for period in periods if period["start"] == offer["period_start"]), None)
    if figures is None or figures["planned"] is None:
        return None
    _, planned, consumed = language.gettext, figures["planned"], figures["consumed"]
    then = planned + _amount(offer)

    def format_left(value: int) -> str:
        amount = language.format_quantity(abs(value), offer["currency"])
        return _("%(amount)s over", amount=amount) if value < 0 else amount

    def format_amount(value: int) -> str:
        return language.format_quantity(value, offer["currency"])

    left_now, left_then = format_left(planned - consumed), format_left(then - consumed)
    return OfferFigures(
        rows=[
            (_("Planned"), format_amount(planned), format_amount(then)),
            (_("Used"), format_amount(consumed), format_amount(consumed)),
            (_("Left"), left_now, left_then),
        ],
        now=build_bar(consumed, planned),
        then=build_bar(consumed, then),
        left_now=left_now,
        left_then=left_then,
    )


def _list_facts(offer: Json, language: Language) -> list[tuple[str, str]]:
    _ = language.gettext
    days = date.fromisoformat(offer["period_start"]), date.fromisoformat(offer["period_end"])
    facts = [
        (_("Account"), offer["account_name"]),
        (_("Period"), language.format_period(*days)),
        (_("Reason"), offer["reason"]),
    ]
    if offer["price_minor"] is not None:
        facts.append((_("Price"), language.format_quantity(offer["price_minor"], offer["price_currency"])))
    if offer["note"]:
        facts.append((_("Note"), offer["note"]))
    return facts


def _format_change(offer: Json, language: Language) -> str:
    """``20 h more``, ``500.00 EUR less``."""
    _, amount = language.gettext, _amount(offer)
    text = language.format_quantity(abs(amount), offer["currency"])
    return _("%(amount)s less", amount=text) if amount < 0 else _("%(amount)s more", amount=text)


def _amount(offer: Json) -> int:
    """Seconds, or minor units of the currency."""
    hours = offer["hours"]
    return offer["value_minor"] or 0 if hours is None else hours_to_seconds(Decimal(hours))
