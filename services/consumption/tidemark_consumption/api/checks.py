"""``POST /v1/worklogs/check``: what a worklog would change before it is logged (SPEC 10)."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from tidemark_consumption.check import PlannedWorklog, UnknownSourceError, check_worklog
from tidemark_shared.database import ACQUIRE_TIMEOUT_SECONDS
from tidemark_shared.domain.balances import Figures
from tidemark_shared.domain.bodies import Body, Day, Text
from tidemark_shared.domain.crossing import ChangedBalance, Crossing
from tidemark_shared.domain.reasons import Reason
from tidemark_shared.domain.strict_input import Strict
from tidemark_shared.http.auth import require_role
from tidemark_shared.http.problems import Problem, Violation
from tidemark_shared.messaging.events import EventTime, WorklogSeconds, check_id

router = APIRouter(prefix="/v1", tags=["worklogs"], dependencies=[require_role("viewer")])

_Id = Annotated[Text, Field(min_length=1), AfterValidator(check_id)]


class WorklogCheck(BaseModel):
    """A worklog that is not logged yet; with the id of one that is, its correction."""

    source: Annotated[
        _Id | None, Field(description="The source of the issue; may be left out where only one has it.")
    ] = None
    issue_id: Annotated[_Id, Field(description="The tracker's id of the issue, or its key.")]
    author_id: _Id
    started_at: Annotated[EventTime | None, Field(description="When the work starts. Send either this or `day`.")] = (
        None
    )
    day: Annotated[
        Day | None, Field(description="The day in the contract's time zone: as if it were the last work of this day.")
    ] = None
    seconds: Annotated[WorklogSeconds, Field(strict=True)]
    team_id: Annotated[UUID | None, Field(description="The team that does the work; null: by membership.")] = None
    worklog_id: Annotated[
        _Id | None, Field(description="The id of a worklog that this corrects; null for a new one.")
    ] = None

    @model_validator(mode="after")
    def _check_time(self) -> "WorklogCheck":
        if (self.started_at is None) == (self.day is None):
            raise PydanticCustomError("invalid", 'Send either "started_at" or "day".')
        return self


class WorklogRate(Body):
    """A part of the worklog, at one rate."""

    kind: Literal["normal", "extra_time", "weekend", "holiday"]
    seconds: int
    per_hour_minor: Annotated[int, Field(description="The rate, in minor units of the currency an hour.")]
    amount_exact: int


class AvailableFigures(Figures):
    """Figures, and what is available: of a contract's period what is planned and carried, otherwise what is planned."""

    available: int | None


class CheckedLevel(Body):
    """The figures of one level: of a contract, an account or a slice, in the period or (null) over all periods."""

    level: Annotated[Literal["contract", "account", "slice"], Field(description="What the figures belong to.")]
    contract_id: UUID
    contract_code: str
    account_id: UUID | None
    account_name: str | None
    team_id: UUID | None
    team_name: str | None
    period_start: Day | None
    period_end: Day | None
    unit: Literal["seconds", "minor"]
    currency: str | None
    before: Annotated[AvailableFigures, Field(description="As they are.")]
    after: Annotated[AvailableFigures, Field(description="As they would be.")]


class CheckedWorklog(Body):
    """Whether and where a worklog would count, at which rates, and what would be left."""

    counts: Annotated[bool, Field(description="Whether it would count.")]
    reason: Annotated[Reason | None, Field(description="Why it would not count; null if it would.")]
    remedy: Annotated[str | None, Field(description="What to do so that it counts; null if it would.")]
    source: Annotated[str, Field(description="The source of the issue; empty where the issue is not known.")]
    issue_id: str
    started_at: datetime
    seconds: int
    contract_id: Annotated[UUID | None, Field(description="The contract that the issue names; null if it names none.")]
    contract_code: str | None
    contract_name: str | None
    account_id: Annotated[UUID | None, Field(description="The account that the issue names; null if it names none.")]
    account_name: str | None
    billable: bool | None
    team_id: UUID | None
    team_name: str | None
    period_start: Day | None
    period_end: Day | None
    day: Annotated[Day | None, Field(description="The day of the work in the contract's time zone.")]
    rates: Annotated[
        tuple[WorklogRate, ...],
        Field(description="Fixed price: its parts, each at its rate; none where no rate card fits."),
    ]
    amount_exact: Annotated[int | None, Field(description="Fixed price: the sum of its parts, in exact units.")]
    amount_minor: Annotated[int | None, Field(description="Fixed price: the same in minor units of the currency.")]
    unrated_seconds: int | None
    levels: Annotated[
        tuple[CheckedLevel, ...],
        Field(description="The figures of where it would count, and of where the worklog counts that it corrects."),
    ]
    balances: Annotated[tuple[ChangedBalance, ...], Field(description="The balances that it would change.")]
    crossings: Annotated[
        tuple[Crossing, ...] | None,
        Field(description="The thresholds that it would cross; null: not known, as the notifier cannot be reached."),
    ]


@router.post("/worklogs/check", name="check_worklog")
async def check_planned_worklog(check: Strict[WorklogCheck], request: Request) -> CheckedWorklog:
    """Would a worklog count, where and at which rate, what would be left, and who would be notified? Stores nothing.

    The answer is what happens if the worklog is logged now. A worklog without an id comes after those of its person
    that start at the same time.
    """
    worklog = PlannedWorklog(issue=check.issue_id, **check.model_dump(exclude={"issue_id"}))
    async with request.app.state.check_pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
        try:
            answer = await check_worklog(connection, worklog, datetime.now(UTC))
        except UnknownSourceError as error:
            violation = Violation(code="invalid", path="/source", message=str(error))
            raise Problem(422, "Source required", str(error), [violation]) from None
    return CheckedWorklog.model_validate(answer)
