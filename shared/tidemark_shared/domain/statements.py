"""The statement of a settled period, and what corrects it (SPEC 10): events and HTTP answers have these bodies.

The SHA-256 of a statement is that of its RFC 8785 JSON without the member ``sha256``. So times are texts here, kept as
they were written.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, WithJsonSchema

from tidemark_shared.domain.balances import ContractPeriodFigures, Figures
from tidemark_shared.domain.bodies import Adjustment, Body, Day

Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

_SECONDS = "Time that counts, in seconds; for a fixed price the time worked."
_AMOUNT = "Fixed price: the amount consumed, in minor units; null where hours are counted."


class StatementFigures(Figures):
    """Planned against consumed, with the time and the amount that restatements continue."""

    seconds: Annotated[int, Field(description=_SECONDS)]
    amount_minor: Annotated[int | None, Field(description=_AMOUNT)]


class StatementSlice(StatementFigures):
    """The figures of a team in an account; the team is null for the unassigned share."""

    team_id: UUID | None
    team_name: str | None


class StatementAccount(StatementFigures):
    """The figures of an account, and of its teams."""

    account_id: UUID
    name: str
    billable: bool
    slices: tuple[StatementSlice, ...]


class StatementPeriod(ContractPeriodFigures, StatementFigures):
    """The figures of the period, billable accounts alone, with what is carried into it."""


class PeriodBody(Body):
    """The figures of one period of a contract, without any person."""

    contract_id: UUID
    contract_code: str
    contract_name: str
    organization_id: UUID
    organization_name: str | None
    unit: Literal["seconds", "minor"]
    currency: str | None
    figures: Annotated[StatementPeriod, Field(description="The figures of the period, billable accounts alone.")]
    accounts: tuple[StatementAccount, ...]
    adjustments: Annotated[tuple[Adjustment, ...], Field(description="The adjustments of the period; part of planned.")]


class Correction(Body):
    """What the restatements of one account and period since the last statement come to."""

    period_start: Day
    account_id: UUID
    account_name: str | None
    before_seconds: int
    after_seconds: int
    before_amount_minor: int | None
    after_amount_minor: int | None
    restatements: Annotated[int, Field(description="How many restatements these are.")]


class Statement(PeriodBody):
    """A period is settled: its figures, frozen once (SPEC 9, 10). Whatever changes later is a restatement."""

    number: Annotated[int, Field(description="Counts the statements of the contract, from 1, in the order frozen.")]
    as_of: Annotated[Moment, Field(description="When the last of what the figures show was learned.")]
    closed_at: Annotated[Moment, Field(description="When the statement was frozen.")]
    restatements: Annotated[
        tuple[Correction, ...],
        Field(description="What earlier statements of the contract were corrected by since its last statement."),
    ]
    sha256: Annotated[Sha256, Field(description="SHA-256 of the RFC 8785 JSON of all other members, in hex digits.")]


class PeriodRestated(Body):
    """A settled period changed: one row for each cause and account, in the order learned (SPEC 9).

    ``after_*`` is what the account comes to now; the last one of an account and period holds.
    """

    restatement: Annotated[int, Field(description="Counts all restatements, in the order learned.")]
    contract_id: UUID
    contract_code: str
    statement_number: Annotated[int, Field(description="The number of the statement that it corrects.")]
    statement_sha256: Annotated[Sha256, Field(description="The SHA-256 of the statement that it corrects.")]
    period_start: Day
    period_end: Day
    account_id: UUID
    account_name: str | None
    billable: Annotated[
        bool | None, Field(description="Whether the account is billable: in the statement, else in the contract now.")
    ]
    before_seconds: int
    after_seconds: int
    before_amount_minor: int | None
    after_amount_minor: int | None
    currency: str | None
    cause: str
    restated_at: Moment


def canonical_statement(statement: Mapping[str, Any]) -> str:
    """The RFC 8785 JSON that ``sha256`` is made from: all members but that one. Raises ValueError for NaN."""
    members = {name: value for name, value in statement.items() if name != "sha256"}
    # The names are ASCII and the numbers are integers, so this is canonical; tests compare it with `rfc8785`.
    return json.dumps(members, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)


def statement_sha256(statement: Mapping[str, Any]) -> str:
    """The SHA-256 of a statement, whether it has one as a member or not."""
    return sha256(canonical_statement(statement).encode("utf-8", "surrogatepass")).hexdigest()
