"""The body of a saved report: which delivery report, and when it is mailed to whom (SPEC 7). Pure."""

import json
from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, ConfigDict, EmailStr, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from tidemark_notifier.database.query_types import SavedReportRow
from tidemark_notifier.rules.body import TaggedBody, require_distinct
from tidemark_notifier.rules.triggers import Trigger, Weekday, parse_mail_day
from tidemark_shared.domain.bodies import VERSIONED_MEMBERS, Body, Day, Name, Text
from tidemark_shared.domain.ranges import RangeName, resolve_range
from tidemark_shared.domain.strict_input import INPUT

_MAX_NAMES = 200
# What a report names is in its address, which has 8 KiB.
_MAX_NAMES_BYTES = 6_000
_MAX_RECEIVERS = 50


class ReportReceiver(TaggedBody):
    """Who gets the mail: the customer's contacts of a role, or an address."""

    kind: Literal["contacts", "address"]
    role: Name | None = None
    email: EmailStr | None = None

    @model_validator(mode="after")
    def _check_members(self) -> "ReportReceiver":
        required, other = ("role", "email") if self.kind == "contacts" else ("email", "role")
        if getattr(self, required) is None or getattr(self, other) is not None:
            raise PydanticCustomError(
                "invalid",
                "A receiver of kind {kind} needs {required}, and has no {other}.",
                {"kind": self.kind, "required": required, "other": other},
            )
        return self


class Schedule(Body):
    """When a report is mailed, in the customer's time zone, and to whom. The days are those of a digest."""

    every: Annotated[Literal["week", "month"], Field(description="How often it is mailed.")]
    on: Annotated[
        Weekday | int,
        BeforeValidator(parse_mail_day),
        Field(description="A weekday (every month its first), or a day of the month or its last day."),
    ]
    receivers: Annotated[
        tuple[ReportReceiver, ...],
        Field(max_length=_MAX_RECEIVERS, description="Who gets the mail."),
        AfterValidator(require_distinct),
    ]
    xlsx: Annotated[bool, Field(strict=True, description="Whether XLSX is attached besides the PDF.")] = False

    @property
    def trigger(self) -> Trigger:
        """The trigger of a digest on the same days."""
        return Trigger(kind="digest", every=self.every, on=self.on)


class SavedReport(Body):
    """A delivery report under a name: its days may move with time, as those of ``last-month`` do."""

    answer_members = VERSIONED_MEMBERS | {"next_mail_on"}
    model_config = ConfigDict(title="SavedReportInput")

    name: Annotated[Name, Field(description="Its name, unique for the customer.")]
    organization_id: Annotated[UUID, Field(description="The customer.")]
    contracts: Annotated[
        tuple[Text, ...], Field(max_length=_MAX_NAMES, description="Ids or codes of contracts; empty for all.")
    ] = ()
    accounts: Annotated[
        tuple[UUID, ...], Field(max_length=_MAX_NAMES, description="Ids of accounts; empty for all.")
    ] = ()
    range: Annotated[RangeName | None, Field(description="Days that move with time; null for two days.")] = None
    first_day: Annotated[Day | None, Field(description="The first day, if `range` is null.")] = None
    last_day: Annotated[Day | None, Field(description="The last day, inclusive, if `range` is null.")] = None
    hours: Annotated[
        Literal["decimal", "minutes"] | None, Field(description="How hours are written; null as each reader likes.")
    ] = None
    people: Annotated[bool, Field(strict=True, description="Whether persons are named.")] = True
    internal: Annotated[
        bool,
        Field(
            strict=True,
            description="Whether it has what is not billable or not counted. Contacts never get that by mail.",
        ),
    ] = True
    schedule: Annotated[Schedule | None, Field(description="When it is mailed; null for never.")] = None

    @model_validator(mode="after")
    def _check_days(self) -> "SavedReport":
        has_days = self.first_day is not None and self.last_day is not None
        if (self.range is None) != has_days or (self.range and (self.first_day or self.last_day)):
            raise PydanticCustomError(
                "invalid", 'A report needs either a "range", such as "last-month", or "first_day" and "last_day".'
            )
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise PydanticCustomError("invalid", "The first day is after the last one. Exchange them.")
        return self

    @model_validator(mode="after")
    def _check_names(self, info: ValidationInfo) -> "SavedReport":
        names = [("contract", name) for name in self.contracts] + [("account", str(id_)) for id_ in self.accounts]
        if info.context is INPUT and (size := len(urlencode(names))) > _MAX_NAMES_BYTES:
            raise PydanticCustomError(
                "invalid",
                "The contracts and accounts have {size} bytes in the address of the report, which takes {limit}. "
                "Name fewer, or all with an empty list.",
                {"size": f"{size:,}", "limit": f"{_MAX_NAMES_BYTES:,}"},
            )
        return self

    def find_days(self, today: date) -> tuple[date, date]:
        """The first and the last day of the report ``today``."""
        if self.range:
            return resolve_range(self.range, today)
        return self.first_day or today, self.last_day or today


class StoredReport(SavedReport):
    """A saved report as the API returns it."""

    model_config = ConfigDict(title="SavedReport")

    id: UUID
    version: int
    next_mail_on: Annotated[date | None, Field(description="The day of the next mail; null for none.")] = None


def parse_report_row(row: SavedReportRow) -> StoredReport:
    """Read a row of ``saved_reports``."""
    members = {name: row[name] for name in ("id", "version", "next_mail_on")}
    return StoredReport.model_validate({**json.loads(row["body"]), **members})
