"""The contracts of the other customers in the demo. Pure; all days are relative to today."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

from dateutil.relativedelta import relativedelta

from tidemark_client import Json

TIME_ZONE = "Europe/Berlin"
CURRENCY = "EUR"
TEAMS = {
    "Service desk": {"tom": "Tom Lindqvist", "ada": "Ada Abara", "max": "Max Sorensen"},
    "Development": {"kim": "Kim Castellanos", "ben": "Ben Brandt"},
    "Design": {"dan": "Dan Whitfield", "dia": "Dia Moreau"},
}
HOURLY_RATES_MINOR = {"Service desk": 8_000, "Development": 11_000, "Design": 9_500}
CUSTOMERS = ("Atlas Logistics", "Nordwind Energie", "Blue Harbour Hotels", "Kestrel Insurance", "Meridian Foods")
OWNERS = {"Olga Owner": "olga@provider.example", "Piet Jansen": "piet@provider.example"}


@dataclass(frozen=True)
class DemoAccount:
    """An account with its planned amount and that of each team, in hours or in whole units of the currency."""

    planned: int
    teams: Mapping[str, int] = field(default_factory=dict)
    billable: bool = True


@dataclass(frozen=True)
class DemoContract:
    """A contract, and how much of its planned hours was worked in each of its first periods, in percent."""

    code: str
    name: str
    customer: str
    owner: str
    start: date
    end: date
    accounts: Mapping[str, DemoAccount]
    used_percent: tuple[int, ...] = ()
    recurrence: Literal["none", "monthly"] = "monthly"
    is_fixed_price: bool = False
    rollover: Json | None = None
    has_unknown_account: bool = False
    is_draft: bool = False
    last_action: Literal["close", "suspend"] | None = None

    def body(self, organization_id: str, team_ids: Mapping[str, str]) -> Json:
        """The body of ``POST /v1/contracts``."""
        contracted = sum(account.planned for account in self.accounts.values() if account.billable)
        return {
            "code": self.code,
            "name": self.name,
            "owner": {"name": self.owner, "email": OWNERS[self.owner]},
            "organization_id": organization_id,
            "type": "fixed_price" if self.is_fixed_price else "time_and_materials",
            "recurrence": self.recurrence,
            "start_date": self.start.isoformat(),
            "end_date": self.end.isoformat(),
            "timezone": TIME_ZONE,
            "holidays": "DE-BE",
            **self._amount("contracted", contracted),
            **({"rollover": self.rollover} if self.rollover else {}),
            "accounts": [
                {
                    "name": name,
                    "billable": account.billable,
                    **self._amount("planned", account.planned),
                    "slices": [
                        {"team_id": team_ids[team]} | ({} if self.is_fixed_price else self._amount("planned", planned))
                        for team, planned in account.teams.items()
                    ],
                }
                for name, account in self.accounts.items()
            ],
        }

    def _amount(self, kind: Literal["contracted", "planned"], amount: int) -> dict[str, Any]:
        if not self.is_fixed_price:
            return {f"{kind}_hours": str(amount)}
        return {f"{kind}_value_minor": amount * 100} | ({"currency": CURRENCY} if kind == "contracted" else {})


def build_contracts(today: date) -> list[DemoContract]:
    """Contracts in every status: over the limit, near the end, carried over, fixed price, and with work to repair."""
    # The current period began this long ago, so that on any day of a month it has work.
    month = today - timedelta(days=20)
    start = month - relativedelta(months=5)
    year = relativedelta(years=1, days=-1)
    past = month - relativedelta(months=14)
    return [
        DemoContract(
            "ATLAS-SUP", "Support and changes", "Atlas Logistics", "Olga Owner", start, start + year,
            {
                "Help desk": DemoAccount(25, {"Service desk": 18, "Development": 7}),
                "Changes": DemoAccount(15, {"Development": 15}),
                "Coordination": DemoAccount(5, billable=False),
            },
            used_percent=(82, 95, 70, 100, 90, 130), has_unknown_account=True,
        ),
        DemoContract(
            "NORD-OPS", "Operations of the grid portal", "Nordwind Energie", "Piet Jansen", start, start + year,
            {
                "Operations": DemoAccount(60, {"Service desk": 40, "Development": 20}),
                "Reports": DemoAccount(20, {"Development": 20}),
            },
            used_percent=(80, 70, 95, 85, 80, 75), rollover={"unused": "carry", "cap_hours": "40"},
        ),
        DemoContract(
            "BLUE-WEB", "Website relaunch", "Blue Harbour Hotels", "Olga Owner",
            today - timedelta(days=80), today + timedelta(days=19),
            {
                "Design": DemoAccount(120, {"Design": 120}),
                "Build": DemoAccount(200, {"Development": 160, "Design": 40}),
            },
            used_percent=(86,), recurrence="none",
        ),
        DemoContract(
            "KEST-DEV", "Claims API", "Kestrel Insurance", "Piet Jansen", month,
            month + relativedelta(months=6, days=-1), {"Development": DemoAccount(100, {"Development": 100})},
            used_percent=(45,),
        ),
        DemoContract(
            "MERI-SUP", "Shop support", "Meridian Foods", "Olga Owner", start, start + year,
            {"Support": DemoAccount(16, {"Service desk": 16})}, used_percent=(50, 60, 40, 70, 55, 40),
        ),
        DemoContract(
            "MERI-CON", "Consulting", "Meridian Foods", "Piet Jansen", month - relativedelta(months=2),
            month + relativedelta(months=10, days=-1),
            {"Consulting": DemoAccount(1_800, {"Design": 0}), "Prototypes": DemoAccount(1_100, {"Development": 0})},
            used_percent=(90, 100, 84), is_fixed_price=True,
        ),
        DemoContract(
            "NORD-DRAFT", "Smart meters, phase two", "Nordwind Energie", "Piet Jansen",
            month + relativedelta(months=1), month + relativedelta(months=7, days=-1),
            {"Development": DemoAccount(60)}, is_draft=True,
        ),
        DemoContract(
            "KEST-OLD", "Claims desk", "Kestrel Insurance", "Olga Owner", past, past + year,
            {"Claims desk": DemoAccount(20, {"Service desk": 20})}, used_percent=(90,) * 12,
        ),
        DemoContract(
            "BLUE-SUP", "Hotel desk", "Blue Harbour Hotels", "Piet Jansen", past, past + year,
            {"Desk": DemoAccount(12, {"Service desk": 12})}, used_percent=(80,) * 12, last_action="close",
        ),
        DemoContract(
            "ATLAS-LAB", "Warehouse lab", "Atlas Logistics", "Piet Jansen", past,
            past + relativedelta(months=18, days=-1), {"Lab": DemoAccount(10, {"Design": 10})},
            used_percent=(60,) * 6, last_action="suspend",
        ),
    ]  # fmt: skip
