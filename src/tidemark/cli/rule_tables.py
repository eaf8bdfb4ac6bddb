"""Rules, previews and explanations from the API as text and tables for people. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tidemark.cli.output import Column
from tidemark_shared.domain.bodies import format_money
from tidemark_shared.domain.quantities import MinorUnits

Json = Mapping[str, Any]


_TRIGGERS = {
    "consumed_percent": "{at} % used",
    "remaining_hours": "{at} h or less left",
    "remaining_amount": "{at} or less left",
    "overrun": "more than 100 % used",
    "expires_in_days": "{at} days before the end",
    "status_changed": "becomes {to}",
    "unaccounted_work": "{at} h or more not counted",
    "forecast_exhausts": "will be used up within {within_days} days",
    "digest": "digest every {every}, on {on}",
}
_PERIODS = {"period": "each period", "whole": "all periods"}


def describe_trigger(trigger: Json) -> str:
    """When a rule fires, such as ``80, 100 % used, contract, each period``."""
    kind, at = trigger["kind"], ", ".join(map(str, trigger.get("at") or ()))
    if kind == "remaining_amount":
        at = ", ".join(format_money(MinorUnits(int(minor)), trigger.get("currency")) for minor in trigger["at"])
    if trigger.get("before_end"):
        text = "will be used up before the period ends"
    else:
        text = _TRIGGERS.get(kind, kind.replace("_", " ")).format_map({**trigger, "at": at})
    return ", ".join(filter(None, (text, trigger.get("of"), _PERIODS.get(trigger.get("over", "")))))


def describe_receiver(receiver: Json, team_name: str) -> str:
    """Who is notified: a role, a team, an address or a URL."""
    match receiver["kind"]:
        case "contacts":
            return f"contacts with role {receiver['role']}"
        case "team":
            return f"team {team_name}"
        case "address" | "webhook":
            return str(receiver.get("email") or receiver.get("url"))
    return str(receiver["kind"])


def describe_offer(offer: Json | None) -> str:
    """What a rule offers with its notification, such as ``20 h for Help desk``; empty for nothing."""
    if offer is None:
        return ""
    amount = f"{offer['hours']} h" if offer["hours"] else f"{offer['value_minor']} minor units"
    price = ""
    if offer["price_minor"] is not None:
        price = f", at {format_money(MinorUnits(offer['price_minor']), offer['price_currency'])}"
    return f"{amount} for {offer['account']}{price}"


def list_explained(rules: Iterable[Json]) -> Iterator[Json]:
    """A row for each rule, then one for each of its thresholds that says more than the rule's row."""
    for rule in rules:
        yield {"state": rule["state"], "text": f"{rule['rule_name']} ({rule['scope']['kind']})\n{rule['text']}"}
        for threshold in rule["thresholds"]:
            if len(rule["thresholds"]) > 1 and (threshold["name"] or threshold["text"] != rule["text"]):
                subject = " ".join(filter(None, (threshold["name"], threshold["period_start"])))
                text = "\n".join(filter(None, (subject, threshold["text"])))
                yield {"state": f"  {threshold['state']}", "text": text}


def _describe_preview(item: Json) -> str:
    offer = describe_offer(item["offer"])
    return f"{item['contract_code']}: {item['text']}" + (f"\nOffers {offer}." if offer else "")


EXPLAIN_COLUMNS = (
    Column("State", lambda row: row["state"].replace("_", " "), wrap=False),
    Column("Rule and reason", "text"),
)

PREVIEW_COLUMNS = (
    Column("Day", "day", wrap=False),
    Column("Notification", _describe_preview),
    Column("Receivers", lambda item: "\n".join(item["receivers"]) or "nobody"),
)
