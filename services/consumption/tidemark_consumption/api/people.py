"""``/v1/reports/people``: the hours of persons by week, against their capacity (SPEC 7). For internal use."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from tidemark_consumption.api.day_range import require_day_range
from tidemark_consumption.database.query_types import ConsumptionQueries
from tidemark_consumption.people import DEFAULT_WORKLOAD_SECONDS, split_into_weeks, sum_by_person
from tidemark_shared.database import ACQUIRE_TIMEOUT_SECONDS, queries
from tidemark_shared.domain.bodies import Body, Day
from tidemark_shared.http.auth import require_role
from tidemark_shared.http.problems import Problem

_sql: ConsumptionQueries = queries("tidemark_consumption")

router = APIRouter(prefix="/v1/reports", tags=["figures"], dependencies=[require_role("viewer")])

_MAX_DAYS = 371


class PeopleFilter(BaseModel):
    """Which days and team."""

    first_day: Annotated[Day, Field(alias="from", description="The first day of the range.")]
    last_day: Annotated[Day, Field(alias="to", description="The last day of the range, inclusive.")]
    team: Annotated[UUID | None, Field(description="Only members of this team in the range; else everybody.")] = None


class Load(Body):
    """Time worked, and the time there was."""

    capacity_seconds: Annotated[
        int | None,
        Field(
            description="Monday to Friday as a member of a team: the daily workload of the rate card of that day, or "
            "8 hours without one. Null for a person in no team."
        ),
    ]
    billable_seconds: Annotated[int, Field(description="Time on billable accounts.")]
    non_billable_seconds: Annotated[int, Field(description="Time on other accounts.")]
    unaccounted_seconds: Annotated[int, Field(description="Time that does not count yet.")]


class WeekLoad(Load):
    """A week of a person: its days in the range."""

    start: Annotated[date, Field(description="The week's Monday.")]


class PersonTeam(Body):
    """A team of a person."""

    team_id: Annotated[UUID, Field(description="The team's id.")]
    team_name: Annotated[str, Field(description="The team's name.")]


class PersonContract(Body):
    """What a person worked for a contract."""

    contract_id: Annotated[UUID, Field(description="The contract's id.")]
    contract_code: Annotated[str, Field(description="The contract's code.")]
    contract_name: Annotated[str, Field(description="The contract's name.")]
    billable_seconds: Annotated[int, Field(description="Time on billable accounts.")]
    non_billable_seconds: Annotated[int, Field(description="Time on other accounts.")]
    unaccounted_seconds: Annotated[int, Field(description="Time that does not count yet.")]


class PersonLoad(Load):
    """A person in the range."""

    person_id: Annotated[str, Field(description="The person, as the source of the worklogs identifies them.")]
    person_name: Annotated[str | None, Field(description="Their latest name in a team; null where none has one.")]
    teams: Annotated[tuple[PersonTeam, ...], Field(description="Their teams in the range, the latest first.")]
    weeks: Annotated[tuple[WeekLoad, ...], Field(description="Each week of the range.")]
    contracts: Annotated[tuple[PersonContract, ...], Field(description="By contract, the most time first.")]


class PeopleReport(Body):
    """Who worked how much in a range of days, and who has room."""

    model_config = ConfigDict(frozen=True, validate_by_name=True, serialize_by_alias=True)

    first_day: Annotated[Day, Field(alias="from", description="The first day of the range.")]
    last_day: Annotated[Day, Field(alias="to", description="The last day of the range, inclusive.")]
    people: Annotated[tuple[PersonLoad, ...], Field(description="By name. Also members of teams without any work.")]


@router.get("/people")
async def get_people_report(request: Request, selection: Annotated[PeopleFilter, Query()]) -> PeopleReport:
    """Billable and other time of each person by week, against capacity. As it is now."""
    require_day_range(selection.first_day, selection.last_day, max_days=_MAX_DAYS, report="A report of people")
    days = {"first_day": selection.first_day, "last_day": selection.last_day}
    async with (
        request.app.state.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        if selection.team and not await _sql.people_team_exists(connection, team=selection.team):
            raise Problem(404, "No such team", f"No team with id {str(selection.team)!r}.")
        memberships = [row async for row in _sql.people_memberships(connection, team=selection.team, **days)]
        members = sorted({row["person_id"] for row in memberships})
        work = [row async for row in _sql.people_work(connection, persons=members if selection.team else None, **days)]
        capacity = [
            row
            async for row in _sql.people_capacity(
                connection, persons=members, default_seconds=DEFAULT_WORKLOAD_SECONDS, **days
            )
        ]
        persons = sorted({*members, *(row["author_id"] for row in work)})
        names = {row["person_id"]: row["name"] async for row in _sql.people_names(connection, persons=persons)}
    weeks = split_into_weeks(selection.first_day, selection.last_day)
    people = sum_by_person(weeks, memberships=memberships, work=work, capacity=capacity, names=names)
    return PeopleReport.model_validate({"from": selection.first_day, "to": selection.last_day, "people": people})
