"""The geometry of bars and charts. Pure, in whole numbers.

A chart has no fixed size: paths are in a square of 1,000 units that the browser stretches, and everything with text is
placed by percentages, so that no text is ever scaled.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any, NamedTuple, Protocol

from tidemark_web.pages.formatting import format_day, format_month

SIZE = 1000
_DAY = timedelta(days=1)
_MAX_TICKS = 5
# More days than this are drawn by week.
MAX_DAILY = 62
_SATURDAY = 5
_MAX_X_LABELS = 13


class AmountFormat(Protocol):
    """Formats the amounts of an axis, such as :class:`~tidemark_web.pages.formatting.Amounts`."""

    @property
    @abstractmethod
    def step(self) -> int:
        """The amount of which an axis has round numbers."""

    @abstractmethod
    def __call__(self, amount: int, *, unit: bool = True) -> str:
        """An amount as text."""


class Bar(NamedTuple):
    """A bar of what is used, in percentages of its width. What is over is drawn beyond the limit, never clamped."""

    used: str
    over: str
    limit: str
    today: str
    """Where the bar would end at an even pace; empty if that says nothing."""


def build_bar(consumed: int, available: int | None, elapsed: int | None = None) -> Bar:
    """``elapsed`` is how much of the period has passed, in percent."""
    basis = max(available or 0, 0)
    scale = max(consumed, basis, 1)
    limit = SIZE * 100 * basis // scale
    today = "" if elapsed is None or not basis else _per_mille(limit * elapsed // 100)
    used = SIZE * 100 * max(min(consumed, basis), 0) // scale
    return Bar(_per_mille(used), _per_mille(SIZE * 100 * max(consumed - basis, 0) // scale), _per_mille(limit), today)


class Tick(NamedTuple):
    """A label of an axis. A minor one is left out where there is little room."""

    at: str
    label: str
    is_minor: bool = False


class Mark(NamedTuple):
    """Where the contract is expected to run out, on the line of what is available, in percentages of the width."""

    at: str
    low: str
    high: str
    path: str
    label: str


class Curve(NamedTuple):
    """Cumulative work against what is contracted."""

    executed: str
    area: str
    limit: str
    even: str
    edges: list[str]
    today: str
    mark: Mark | None
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    limit_y: str


class Column(NamedTuple):
    """A column of a chart of work by day or week."""

    x: str
    width: str
    y: str
    height: str
    kind: str
    label: str
    amount: int


class Columns(NamedTuple):
    """Work by day, or by week in a long period."""

    columns: list[Column]
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    is_daily: bool


class DayLabels(NamedTuple):
    """How an axis writes a day, and the month of a day."""

    day: Callable[[date], str]
    month: Callable[[date], str]


ENGLISH_DAYS = DayLabels(partial(format_day, year=False), format_month)


class Limit(NamedTuple):
    """What is available from ``start`` on."""

    start: date
    amount: int


def build_curve(
    points: Sequence[tuple[date, int]],
    *,
    limits: Sequence[Limit],
    days: tuple[date, date],
    today: date,
    forecast: Mapping[str, Any] | None,
    amount: AmountFormat,
    before: int = 0,
    period: tuple[date, date] | None = None,
    labels: DayLabels = ENGLISH_DAYS,
) -> Curve:
    """``points`` is what was consumed by the end of each day; ``days`` are the first and the last one of the chart.

    ``before`` is what was consumed before the first day. Then the axis begins near it, and no area is filled.
    ``period`` is that of the only limit, if the chart shows a part of it.
    """
    first, last = days
    total = (last - first).days + 1
    values = [before, *(limit.amount for limit in limits), *(value for _, value in points)]
    bottom, top, y_ticks = _scale(max([*values, 1]), amount, min(values) if before > 0 else 0)

    def x_of(day: date) -> int:
        """The end of a day."""
        return min(max(SIZE * ((day - first).days + 1) // total, 0), SIZE)

    def y_of(value: int) -> int:
        return SIZE - SIZE * max(value - bottom, 0) // (top - bottom)

    shown = [(x_of(day), y_of(value)) for day, value in points if first <= day <= min(last, today)]
    previous = y_of(before)
    executed = [f"M0 {previous}"]
    for x, y in shown:
        executed.append(f"H{x}" + (f"V{y}" if y != previous else ""))
        previous = y
    end = shown[-1] if shown else (0, previous)
    line = "".join(executed)
    final = limits[-1].amount if limits else 0
    period_first, period_last = period or days
    # What an even pace has used by the end of the day before the first, and of the last.
    even = [
        y_of(final * ((day - period_first).days + 1) // ((period_last - period_first).days + 1))
        for day in (first - _DAY, last)
    ]
    return Curve(
        executed=line,
        area="" if bottom else f"{line}V{SIZE}H0Z",
        limit=_stairs([(x_of(limit.start - _DAY), y_of(limit.amount)) for limit in limits]),
        even=f"M0 {even[0]}L{SIZE} {even[1]}" if len(limits) == 1 and not before else "",
        edges=[_per_mille(100 * x_of(limit.start - _DAY)) for limit in limits[1:]],
        today=_per_mille(100 * end[0]) if first <= today <= last else "",
        mark=_mark(forecast, days, end, (x_of, y_of(final)), is_used=bool(points) and points[-1][1] >= final),
        y_ticks=y_ticks,
        x_ticks=list(_day_ticks(first, last, labels)),
        limit_y=_per_mille(100 * y_of(final)),
    )


def build_columns(
    work: Mapping[date, int], days: tuple[date, date], holidays: Iterable[date], amount: AmountFormat
) -> Columns:
    """Work by day, with days off told apart; by week if there are more than two months."""
    first, last = days
    off = set(holidays)
    is_daily = (last - first).days < MAX_DAILY
    step = 1 if is_daily else 7
    starts = [first + number * _DAY for number in range(0, (last - first).days + 1, step)]
    sums = [sum(work.get(start + number * _DAY, 0) for number in range(step)) for start in starts]
    _, top, y_ticks = _scale(max([*sums, 1]), amount)
    columns = []
    for index, (start, value) in enumerate(zip(starts, sums, strict=True)):
        left, right = SIZE * 100 * index // len(starts), SIZE * 100 * (index + 1) // len(starts)
        height = SIZE * 100 * max(value, 0) // top
        kind = "off" if is_daily and (start.weekday() >= _SATURDAY or start in off) else "work"
        gap = (right - left) // 6
        label = format_day(start) if is_daily else f"Week of {format_day(start)}"
        columns.append(
            Column(
                x=_per_mille(left + gap),
                width=_per_mille(right - left - 2 * gap),
                y=_per_mille(SIZE * 100 - height),
                height=_per_mille(height),
                kind=kind,
                label=label,
                amount=value,
            )
        )
    return Columns(columns, y_ticks, list(_day_ticks(first, last, ENGLISH_DAYS)), is_daily)


def _mark(
    forecast: Mapping[str, Any] | None, days: tuple[date, date], end: tuple[int, int], scale: Any, *, is_used: bool
) -> Mark | None:
    """The forecast; without a latest day the range is open to the end of the chart."""
    x_of, y = scale
    if is_used or not forecast or not (forecast["exhausts_on"] or forecast["low"]):
        return None
    at, low, high = (date.fromisoformat(forecast[name]) if forecast[name] else None
                     for name in ("exhausts_on", "low", "high"))  # fmt: skip
    label = f"Runs out {format_day(at, year=False)}" if at else f"At the earliest {format_day(low, year=False)}"
    return Mark(
        at=_per_mille(100 * x_of(at)) if at else "",
        low=_per_mille(100 * x_of(low or at)),
        high=_per_mille(100 * x_of(high or days[1])),
        path=f"M{end[0]} {end[1]}L{x_of(at)} {y}" if at else "",
        label=label,
    )


def _stairs(points: Sequence[tuple[int, int]]) -> str:
    if not points:
        return ""
    steps = "".join(f"H{x}V{y}" for x, y in points[1:])
    return f"M{points[0][0]} {points[0][1]}{steps}H{SIZE}"


def _scale(maximum: int, amount: AmountFormat, minimum: int = 0) -> tuple[int, int, list[Tick]]:
    """The bottom and the top of an axis, and its round ticks."""
    step = amount.step
    for factor in _round_factors():
        if maximum - minimum <= step * factor * (_MAX_TICKS - 1):
            step *= factor
            break
    bottom = max(minimum, 0) // step * step
    top = bottom + max((maximum - bottom) * 21 // 20, step)
    ticks = [
        Tick(_per_mille(100 * (SIZE - SIZE * (value - bottom) // (top - bottom))), amount(value, unit=False))
        for value in range(bottom, top + 1, step)
    ]
    return bottom, top, ticks


def _round_factors() -> Iterator[int]:
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


def _day_ticks(first: date, last: date, labels: DayLabels) -> Iterator[Tick]:
    """Days of a short chart; the first days of months, or of years, of a long one. Each label is where its day ends."""
    total = (last - first).days + 1
    if total <= MAX_DAILY:
        step = 1 if total <= _MAX_X_LABELS else 7 if total > 35 else 5  # noqa: PLR2004 - about six labels
        for number in range(0, total, step):
            day = first + number * _DAY
            yield Tick(
                _per_mille((2 * number + 1) * SIZE * 100 // (2 * total)), _short(day, first, labels), bool(number % 2)
            )
        return
    months = list(_month_starts(first, last))
    every = -(-len(months) // _MAX_X_LABELS)
    for index, day in enumerate(months[::every]):
        yield Tick(_per_mille(SIZE * 100 * (day - first).days // total), labels.month(day), bool(index % 2))


def _short(day: date, first: date, labels: DayLabels) -> str:
    return labels.day(day) if day == first or day.day <= _MAX_TICKS else str(day.day)


def _month_starts(first: date, last: date) -> Iterator[date]:
    day = first if first.day == 1 else (first.replace(day=1) + 32 * _DAY).replace(day=1)
    while day <= last:
        yield day
        day = (day + 32 * _DAY).replace(day=1)


def _per_mille(value: int) -> str:
    """A percentage of ``SIZE * 100``, with one decimal."""
    return f"{value // 1000}.{value % 1000 // 100}%" if value else "0%"
