"""When a digest is due: pure. SPEC 10.

A digest is one mail, so it is due at one moment for all contracts in it: when its day has begun in the time zones of
all of them. Late is better than never: a day that nobody looked at is made up for, but of several only the last.
"""

from calendar import monthrange
from collections.abc import Collection
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from tidemark_notifier.rules.triggers import WEEKDAYS, Trigger
from tidemark_shared.domain.calendar import start_of_day, to_local_day

# A day begins here first and there last. Everywhere it begins on a quarter of an hour.
_FIRST_ZONE, _LAST_ZONE = ZoneInfo("Etc/GMT-14"), ZoneInfo("Etc/GMT+12")
_CHECK_INTERVAL = timedelta(minutes=15)
_MAX_DAYS_BETWEEN = 62


def is_digest_day(trigger: Trigger, day: date) -> bool:
    """Whether there is a digest on this day."""
    if isinstance(trigger.on, int):
        return day.day == min(trigger.on, monthrange(day.year, day.month)[1])
    is_first = trigger.every == "week" or day.day <= len(WEEKDAYS)
    return WEEKDAYS[day.weekday()] == trigger.on and is_first


def find_digest_day(trigger: Trigger, today: date) -> date:
    """The last digest day up to ``today``."""
    days = (today - timedelta(days=count) for count in range(_MAX_DAYS_BETWEEN))
    return next(day for day in days if is_digest_day(trigger, day))


def find_next_digest_day(trigger: Trigger, today: date) -> date:
    """The first digest day after ``today``."""
    days = (today + timedelta(days=count) for count in range(1, _MAX_DAYS_BETWEEN))
    return next(day for day in days if is_digest_day(trigger, day))


def find_due_day(trigger: Trigger, zones: Collection[ZoneInfo], since: datetime, now: datetime) -> date | None:
    """The day whose digest became due between ``since`` and ``now``, for contracts in these zones."""
    day = find_digest_day(trigger, min(to_local_day(now, zone) for zone in zones))
    begins_at = max(start_of_day(day, zone) for zone in zones)
    return day if since <= begins_at <= now else None


def find_next_check(trigger: Trigger, now: datetime) -> datetime:
    """The first moment after ``now`` at which a digest can become due, in whatever zones contracts are then."""
    today = to_local_day(now, _FIRST_ZONE)
    if now < start_of_day(find_digest_day(trigger, today), _LAST_ZONE):
        midnight = start_of_day(to_local_day(now, _FIRST_ZONE), _FIRST_ZONE)
        return midnight + ((now - midnight) // _CHECK_INTERVAL + 1) * _CHECK_INTERVAL
    return start_of_day(find_next_digest_day(trigger, today), _FIRST_ZONE)
