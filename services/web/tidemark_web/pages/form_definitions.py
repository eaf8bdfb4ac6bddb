"""The forms of the editor as data: which fields each body has, and what they are called. Pure."""

from tidemark_shared.domain.locales import LOCALES
from tidemark_web.pages.forms import Condition, Field, Form, Group, Section
from tidemark_web.pages.report_range import RANGES


def _one_of(member: str, *values: str) -> Condition:
    return Condition(member, frozenset(values))


_HOURLY, _FIXED = _one_of("/type", "time_and_materials"), _one_of("/type", "fixed_price")
_MONTHLY, _CARRIED = _one_of("/recurrence", "monthly"), _one_of("/rollover/unused", "carry")
_DECIMAL_HOURS = "Such as 37.5"

ORGANIZATION: Form = (
    Section(
        "Customer",
        (
            Field(name="name", label="Name"),
            Field(name="timezone", label="Time zone", source="zones", hint="Such as Europe/Berlin"),
            Field(
                name="locale", label="Language of mails", kind="choice", default="en",
                choices={locale: locale for locale in LOCALES},
            ),
        ),
    ),
    Section(
        "Contacts",
        (
            Group(
                name="contacts", label="Contacts", item="contact",
                hint="Rules and offers reach contacts by their role.",
                parts=(
                    Field(name="name", label="Name"),
                    Field(name="email", label="Email", kind="email"),
                    Field(
                        name="roles", label="Roles", kind="lines", default=[],
                        hint="One a line, such as billing, delivery or approver",
                    ),
                ),
            ),
        ),
    ),
)  # fmt: skip

TEAM: Form = (
    Section("Team", (Field(name="name", label="Name"),)),
    Section(
        "Members",
        (
            Group(
                name="members", label="Members", item="member",
                hint="A person is known by the id that the tracker uses. Both days are inclusive.",
                parts=(
                    Field(name="person_id", label="Person id", source="people"),
                    Field(name="name", label="Name", hint="Optional"),
                    Field(name="email", label="Email", kind="email", hint="Optional"),
                    Field(name="from", label="First day", kind="day"),
                    Field(name="until", label="Last day", kind="day", hint="Empty: no end"),
                ),
            ),
        ),
    ),
)  # fmt: skip

RATE_CARD: Form = (
    Section(
        "Whose rate, and from when",
        (
            Field(name="person_id", label="Person id", source="people", is_fixed=True),
            Field(name="team_id", label="Team", kind="reference", source="teams", is_fixed=True,
                  hint="Empty: work for any team"),
            Field(name="from", label="First day", kind="day", is_fixed=True),
            Field(name="currency", label="Currency", source="currencies", is_fixed=True, hint="Such as EUR"),
        ),
        "These four identify the card, and cannot be changed later.",
    ),
    Section(
        "Money per hour",
        (
            Field(name="per_hour_minor/normal", label="Normal", kind="money"),
            Field(name="per_hour_minor/extra_time", label="Extra time", kind="money"),
            Field(name="per_hour_minor/weekend", label="Weekend", kind="money"),
            Field(name="per_hour_minor/holiday", label="Holiday", kind="money"),
            Field(name="daily_workload_hours", label="Daily workload in hours", kind="hours", default="8",
                  hint="What is logged beyond it on one day is extra time"),
        ),
    ),
)  # fmt: skip

_ACCOUNT = Group(
    name="accounts", label="Accounts", item="account",
    hint="One to six. The billable ones add up to the contracted amount.",
    parts=(
        Field(name="id", label="Id", kind="hidden"),
        Field(name="name", label="Name"),
        Field(name="planned_hours", label="Planned hours", kind="hours", hint=_DECIMAL_HOURS, when=(_HOURLY,)),
        Field(name="planned_value_minor", label="Planned value", kind="money", when=(_FIXED,)),
        Field(name="billable", label="Billable", kind="flag", default=True),
        Group(
            name="slices", label="Slices", item="slice", hint="Up to four teams that share the account.",
            parts=(
                Field(name="team_id", label="Team", kind="reference", source="teams"),
                Field(name="planned_hours", label="Planned hours", kind="hours", when=(_HOURLY,)),
            ),
        ),
        Group(
            name="teams", label="Teams", item="team",
            hint="Who works on an account without slices.",
            parts=(Field(name="", label="Name", kind="reference", source="teams"),),
        ),
    ),
)  # fmt: skip

_ADJUSTMENT_FIELDS = (
    Field(name="account_id", label="Account", kind="choice", source="accounts"),
    Field(name="period_start", label="Period", kind="choice", source="periods"),
    Field(name="hours", label="Hours", kind="hours", when=(_HOURLY,), hint="Negative to deduct"),
    Field(name="value_minor", label="Value", kind="money", when=(_FIXED,), hint="Negative to deduct"),
    Field(name="reason", label="Reason"),
)

CONTRACT: Form = (
    Section(
        "Contract",
        (
            Field(name="code", label="Code", is_fixed=True, hint="Such as ACME-SUP. It is unique and permanent."),
            Field(name="name", label="Name"),
            Field(name="organization_id", label="Customer", kind="reference", source="organizations"),
            Field(name="owner/name", label="Owner", source="owners"),
            Field(name="owner/email", label="Owner's email", kind="email", source="owner-emails"),
            Field(name="description", label="Description", kind="paragraph", default=""),
        ),
    ),
    Section(
        "Time",
        (
            Field(name="start_date", label="First day", kind="day"),
            Field(name="end_date", label="Last day", kind="day"),
            Field(name="timezone", label="Time zone", source="zones", hint="Such as Europe/Berlin"),
            Field(name="holidays", label="Holiday calendar", source="holidays", hint="Such as DE or DE-BE"),
            Field(name="settle_days", label="Days until a period is settled", kind="integer", default=5),
        ),
    ),
    Section(
        "Amount",
        (
            Field(name="type", label="Type", kind="choice",
                  choices={"time_and_materials": "Time and materials", "fixed_price": "Fixed price"}),
            Field(name="recurrence", label="Recurrence", kind="choice", default="none",
                  choices={"none": "One period", "monthly": "Monthly: amounts are per month"}),
            Field(name="contracted_hours", label="Contracted hours", kind="hours", when=(_HOURLY,),
                  hint=_DECIMAL_HOURS),
            Field(name="contracted_value_minor", label="Contracted value", kind="money", when=(_FIXED,)),
            Field(name="currency", label="Currency", source="currencies", hint="Fixed price only, such as EUR"),
        ),
    ),
    Section(
        "Rollover between months",
        (
            Field(name="rollover/unused", label="What is left", kind="choice", default="expire", when=(_MONTHLY,),
                  choices={"expire": "Expires", "carry": "Is carried into the next month"}),
            Field(name="rollover/overrun", label="What is over", kind="choice", default="absorb", when=(_MONTHLY,),
                  choices={"absorb": "Is absorbed", "deduct": "Is deducted from the next month"}),
            Field(name="rollover/cap_hours", label="Carry at most, in hours", kind="hours",
                  when=(_MONTHLY, _CARRIED, _HOURLY), hint="Empty: no limit"),
            Field(name="rollover/cap_value_minor", label="Carry at most", kind="money",
                  when=(_MONTHLY, _CARRIED, _FIXED), hint="Empty: no limit"),
            Field(name="rollover/lapse_after_periods", label="Lapses after months", kind="integer",
                  when=(_MONTHLY, _CARRIED), hint="Empty: never"),
        ),
    ),
    Section("Accounts", (_ACCOUNT,)),
)  # fmt: skip

ADJUSTMENTS = Section(
    "Adjustments", (Group(name="adjustments", label="Adjustments", item="adjustment", parts=_ADJUSTMENT_FIELDS,
                          hint="More or fewer hours, or value, in one period."),)
)  # fmt: skip
ADJUSTMENT: Form = (
    Section("Adjustment", (Field(name="type", label="Type", kind="hidden"), *_ADJUSTMENT_FIELDS)),
)  # fmt: skip

REASON = Field(name="reason", label="Reason", hint="It stands in the contract's history")
AMENDMENT = Section("Why", (REASON,), "The change holds for the whole contract, from its start.")
_NEW_CODE = Field(
    name="code",
    label="Code of the new contract",
    hint="Such as ACME-SUP-2027. It is unique and permanent.",
)
RENEWAL: Form = (Section("New contract", (_NEW_CODE,)),)

_LIMITS = ("consumed_percent", "remaining_hours", "remaining_amount", "overrun")
TRIGGERS = {
    "consumed_percent": "A percentage is used",
    "remaining_hours": "Few hours are left",
    "remaining_amount": "Little money is left",
    "overrun": "More than planned is used",
    "expires_in_days": "The end is near",
    "expired": "The contract has expired",
    "status_changed": "The status changes",
    "unaccounted_work": "Work is not counted",
    "forecast_exhausts": "The forecast runs out",
    "period_closed": "A period is settled",
    "digest": "A digest is due",
}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MAIL_DAYS = {
    **{str(day): f"On day {day}" for day in range(1, 31)},
    "31": "On its last day",
    **{day: f"First {day.capitalize()}" for day in WEEKDAYS},
}
_NO_RANGE, _WEEKLY = _one_of("/range", "", "None"), _one_of("/schedule/every", "week")
_BY_MONTH, _MAILED = _one_of("/schedule/every", "month"), _one_of("/schedule/every", "week", "month")
SAVED_REPORT: Form = (
    Section(
        "Report",
        (
            Field(name="name", label="Name", hint="Such as Monthly report"),
            Field(name="organization_id", label="Customer", kind="reference", source="organizations"),
            Field(name="range", label="Days", kind="choice", choices={**RANGES, "": "From one day to another"},
                  hint="A named range moves with time"),
            Field(name="first_day", label="First day", kind="day", when=(_NO_RANGE,)),
            Field(name="last_day", label="Last day", kind="day", when=(_NO_RANGE,)),
            Field(name="contracts", label="Contracts", kind="lines", default=[], hint="One code a line. Empty: all"),
            Field(name="accounts", label="Accounts", kind="lines", default=[], hint="One id a line. Empty: all"),
            Field(name="hours", label="Hours", kind="choice", choices={
                "": "As each reader likes", "decimal": "Decimals (1.5 h)", "minutes": "Hours and minutes (1:30 h)"}),
            Field(name="people", label="Name the persons", kind="flag", default=True),
            Field(name="internal", label="Show what is internal", kind="flag", default=True,
                  hint="Not billable, or not counted. Contacts never get it by mail"),
        ),
    ),
    Section(
        "By mail",
        (
            Field(name="schedule/every", label="Send it", kind="choice",
                  choices={"": "Never", "week": "Every week", "month": "Every month"},
                  hint="When the day begins in the customer's time zone"),
            Field(name="schedule/on", label="On", kind="choice", when=(_WEEKLY,),
                  choices={day: day.capitalize() for day in WEEKDAYS}),
            Field(name="schedule/on", label="On", kind="choice", when=(_BY_MONTH,), choices=MAIL_DAYS),
            Field(name="schedule/xlsx", label="Attach XLSX besides the PDF", kind="flag", default=False,
                  when=(_MAILED,)),
            Group(
                name="schedule/receivers", label="Receivers", item="receiver", when=(_MAILED,),
                parts=(
                    Field(name="kind", label="Receiver", kind="choice", default="contacts", choices={
                        "contacts": "Contacts of a role", "address": "An address"}),
                    Field(name="role", label="Role", when=(_one_of("kind", "contacts"),), hint="Such as billing"),
                    Field(name="email", label="Email", kind="email", when=(_one_of("kind", "address"),)),
                ),
            ),
        ),
    ),
)  # fmt: skip
SCOPES = {"global": "All contracts", "organization": "One customer's contracts", "contract": "One contract"}


def _thresholds(kind: str, label: str, hint: str) -> Field:
    return Field(name="trigger/at", label=label, kind="list", hint=hint, when=(_one_of("/trigger/kind", kind),))


RULE: Form = (
    Section(
        "Rule",
        (
            Field(name="name", label="Name"),
            Field(name="enabled", label="On", kind="flag", default=True),
            Field(name="scope/kind", label="For", kind="choice", choices=SCOPES, default="global"),
            Field(name="scope/id", label="Customer", kind="reference", source="organizations",
                  when=(_one_of("/scope/kind", "organization"),)),
            Field(name="scope/id", label="Contract code", kind="reference", source="contracts",
                  when=(_one_of("/scope/kind", "contract"),)),
        ),
        "Of rules with one name, only the narrowest applies to a contract. A rule that is off switches wider ones off.",
    ),
    Section(
        "When",
        (
            Field(name="trigger/kind", label="When", kind="choice", choices=TRIGGERS),
            Field(name="trigger/of", label="Of", kind="choice", when=(_one_of("/trigger/kind", *_LIMITS),),
                  choices={"contract": "The contract", "account": "Each account", "slice": "Each slice"}),
            Field(name="trigger/over", label="Over", kind="choice", when=(_one_of("/trigger/kind", *_LIMITS),),
                  choices={"period": "The period", "whole": "The whole contract"}),
            _thresholds("consumed_percent", "Percentages", "Such as 80, 100"),
            _thresholds("remaining_hours", "Hours left", "Such as 8, 0"),
            _thresholds("remaining_amount", "Amounts left", "In minor units: 50000 for 500.00 EUR"),
            _thresholds("expires_in_days", "Days left", "Such as 30, 7"),
            _thresholds("unaccounted_work", "Hours not counted", "Such as 1, 8"),
            Field(name="trigger/currency", label="Currency", source="currencies", hint="Empty: each contract's own",
                  when=(_one_of("/trigger/kind", "remaining_amount"),)),
            Field(name="trigger/to", label="New status", kind="choice", source="statuses",
                  when=(_one_of("/trigger/kind", "status_changed"),)),
            Field(name="trigger/within_days", label="Within days", kind="integer", hint="Such as 14",
                  when=(_one_of("/trigger/kind", "forecast_exhausts"),)),
            Field(name="trigger/before_end", label="Before the end, whenever that is", kind="flag",
                  when=(_one_of("/trigger/kind", "forecast_exhausts"),)),
            Field(name="trigger/every", label="Every", kind="choice", when=(_one_of("/trigger/kind", "digest"),),
                  choices={"week": "Week", "month": "Month"}),
            Field(name="trigger/on", label="On", kind="choice", when=(_one_of("/trigger/kind", "digest"),),
                  choices={day: day.capitalize() for day in WEEKDAYS}),
        ),
    ),
    Section(
        "Whom",
        (
            Group(
                name="receivers", label="Receivers", item="receiver",
                parts=(
                    Field(name="kind", label="Receiver", kind="choice", default="owner", choices={
                        "owner": "The contract's owner", "contacts": "The customer's contacts of a role",
                        "team": "A team's members", "address": "An address", "webhook": "A webhook or chat"}),
                    Field(name="role", label="Role", when=(_one_of("kind", "contacts"),), hint="Such as billing"),
                    Field(name="id", label="Team", kind="reference", source="teams", when=(_one_of("kind", "team"),)),
                    Field(name="email", label="Email", kind="email", when=(_one_of("kind", "address"),)),
                    Field(name="url", label="URL", when=(_one_of("kind", "webhook"),)),
                    Field(name="format", label="Format", kind="choice", when=(_one_of("kind", "webhook"),), choices={
                        "": "Signed webhook", "standard": "Signed webhook (standard)", "slack": "Slack",
                        "teams": "Teams", "google_chat": "Google Chat", "mattermost": "Mattermost",
                        "discord": "Discord"}),
                    Field(name="secret", label="Secret", when=(_one_of("kind", "webhook"),),
                          hint="whsec_ and 24 to 64 random bytes in base64; a chat has none"),
                ),
            ),
            Field(name="remind_every_days", label="Remind every … days", kind="integer", hint="Empty: never"),
            Field(name="notify_resolved", label="Tell when it is resolved", kind="flag", default=False),
            Field(name="existing", label="What is already reached", kind="choice", default="notify",
                  choices={"notify": "Notify at once", "skip": "Do not notify"}),
        ),
    ),
    Section(
        "Words of the mail",
        (
            Field(name="subject", label="Subject", hint="Empty: Tidemark's own. Such as {contract_name} ends"),
            Field(name="opening", label="Opening", kind="paragraph", hint="Such as {percent} of {account} is used."),
        ),
    ),
)  # fmt: skip
