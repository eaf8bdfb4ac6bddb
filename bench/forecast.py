"""How far the forecast was off on real work: replayed week by week, beside two simpler ways. docs/forecast.md."""

import csv
import lzma
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.table import Table

from tidemark_consumption.forecast import MIN_WEEKS, forecast
from tidemark_shared.domain.balances import Forecast

_DATA = os.environ.get("TIDEMARK_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
TIME_LOG = Path(_DATA) / "cesaw" / "time_log.csv.xz"
ABSENT = f"The CESAW time log is not at {TIME_LOG}: set TIDEMARK_TEST_DATA. The forecast is not measured."

# What is too short to be a contract is left out.
MIN_DURATION, MIN_DAYS = timedelta(weeks=12), 40
HORIZONS = {"≤ 4 weeks": 20, "≤ 12 weeks": 60, "more": 10**9}
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)


class Replay(NamedTuple):
    """A contract as it might have been: its plan is what had been worked at 80 % of its length."""

    kind: str
    days: Mapping[date, int]
    planned: int
    exhausted: date
    """The day on which the plan was used up."""
    last: date
    """Its end, so late (twice the length of the work) that hardly a forecast is cut off there."""


class ForecastError(NamedTuple):
    """One forecast; in working days (Monday to Friday), a day too late is positive."""

    ahead: int
    error: int
    inside: bool
    width: int


Method = Callable[[Replay, date, int], Forecast | None]


def _read(path: Path) -> Iterator[tuple[dict[str, str], date, int]]:
    with lzma.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            try:
                day = datetime.strptime(row["time_log_start_date"], "%m/%d/%Y %H:%M").date()  # noqa: DTZ007 - no zone
            except ValueError:
                continue
            minutes = int(row["time_log_delta_minutes"])
            if 0 < minutes <= 24 * 60:
                yield row, day, 60 * minutes


def replays(path: Path) -> list[Replay]:
    """Every project, every phase of a project and every person in a project, of twelve weeks and 40 days or more."""
    worked: dict[tuple[str, str, str], Counter[date]] = defaultdict(Counter)
    for row, day, seconds in _read(path):
        project = row["project_key"]
        worked["project", project, ""][day] += seconds
        worked["phase", project, row["phase_short_name"]][day] += seconds
        worked["person", project, row["person_key"]][day] += seconds
    results = []
    for (kind, _, _), days in worked.items():
        first, last = min(days), max(days)
        if last - first < MIN_DURATION or len(days) < MIN_DAYS:
            continue
        cut = first + (last - first) * 0.8
        until = [day for day in days if day <= cut]
        planned = sum(days[day] for day in until)
        results.append(Replay(kind, days, planned, max(until), first + 2 * (last - first)))
    return results


def _ours(replay: Replay, today: date, consumed: int) -> Forecast | None:
    days = {day: seconds for day, seconds in replay.days.items() if day < today}
    first, last = min(replay.days), replay.last
    return forecast(days, today=today, first=first, last=last, available=replay.planned, consumed=consumed)


def _even(replay: Replay, today: date, consumed: int, since: date) -> Forecast | None:
    """A line through what was worked since then."""
    pace = sum(seconds for day, seconds in replay.days.items() if since <= day < today)
    needed = (replay.planned - consumed) * (today - since).days
    after = -(-needed // pace) - 1 if pace else 10**6
    day = None if after > (replay.last - today).days else today + after * _DAY
    return Forecast(exhausts_on=day, low=day, high=day)


def _straight_line(replay: Replay, today: date, consumed: int) -> Forecast | None:
    return _even(replay, today, consumed, min(replay.days))


def _four_weeks(replay: Replay, today: date, consumed: int) -> Forecast | None:
    return _even(replay, today, consumed, max(min(replay.days), today - 4 * _WEEK))


OURS = "forecast"
METHODS: dict[str, Method] = {
    OURS: _ours,
    "since start": _straight_line,
    "4 weeks": _four_weeks,
}


def _working_days(first: date, last: date) -> int:
    """From one day to the next, negative where that is earlier."""
    if last < first:
        return -_working_days(last, first)
    whole, rest = divmod((last - first).days, 7)
    return 5 * whole + sum((first + number * _DAY).weekday() < 5 for number in range(rest))  # noqa: PLR2004


def _compare(replay: Replay, today: date, found: Forecast) -> ForecastError:
    day, low, high = (value or replay.last for value in (found.exhausts_on, found.low, found.high))
    return ForecastError(
        _working_days(today, replay.exhausted),
        _working_days(replay.exhausted, day),
        low <= replay.exhausted <= high,
        _working_days(low, high),
    )


def _forecast_errors(replay: Replay, method: Method) -> Iterator[ForecastError]:
    """Asked each Monday, from two weeks after the first work until the plan is used up."""
    first = min(replay.days)
    today = first + MIN_WEEKS * _WEEK
    today += (-today.weekday() % 7) * _DAY
    while today <= replay.exhausted:
        consumed = sum(seconds for day, seconds in replay.days.items() if day < today)
        if consumed < replay.planned and (results := method(replay, today, consumed)):
            yield _compare(replay, today, results)
        today += _WEEK


def measure(path: Path = TIME_LOG) -> Table:
    """Each way to forecast, on the same contracts and days."""
    contracts = replays(path)
    errors: dict[tuple[str, str, str], list[ForecastError]] = defaultdict(list)
    start, forecast_count = time.perf_counter(), 0
    for name, method in METHODS.items():
        for replay in contracts:
            for value in _forecast_errors(replay, method):
                horizon = next(text for text, max_days in HORIZONS.items() if value.ahead <= max_days)
                errors[replay.kind, horizon, name].append(value)
                forecast_count += 1
    took = time.perf_counter() - start
    table = Table(title="The day a contract runs out, forecast each Monday: medians, in working days")
    for column in ("contract", "ahead", "by", "asked", "error", "bias", "in band", "width"):
        table.add_column(column, justify="left" if column in {"contract", "ahead", "by"} else "right")
    for kind in ("project", "phase", "person"):
        for horizon in HORIZONS:
            for name in METHODS:
                group = errors[kind, horizon, name]
                banded = group if name == OURS else []
                table.add_row(
                    kind,
                    horizon,
                    name,
                    f"{len(group):,}",
                    f"{median(abs(value.error) for value in group):g}",
                    f"{median(value.error for value in group):+g}",
                    f"{sum(value.inside for value in banded) / len(group):.0%}" if banded else "",
                    f"{median(value.width for value in banded):g}" if banded else "",
                )
            table.add_section()
    kinds = Counter(value.kind for value in contracts)
    table.caption = (
        f"{', '.join(f'{number} {kind}s' for kind, number in kinds.items())}; {forecast_count:,} in {took:.0f} s."
    )
    return table
