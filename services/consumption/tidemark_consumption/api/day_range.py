"""Ranges of days that reports take. Pure."""

from datetime import date

from tidemark_shared.http.problems import Problem, Violation


def require_day_range(first_day: date, last_day: date, *, max_days: int, report: str) -> None:
    """Raise a 422 unless the range, both days included, has 1 to ``max_days`` days. ``report`` names what takes it."""
    reason = None
    if first_day > last_day:
        reason = "`from` is after `to`. Exchange them."
    elif (last_day - first_day).days >= max_days:
        reason = f"{report} has at most {max_days:,} days. Ask for a shorter range."
    if reason:
        raise Problem(422, "The range is not valid", reason, [Violation(code="invalid", path="/from", message=reason)])
