"""The dates and deadlines of the trade, computed from a given ``now`` (UTC epoch seconds)."""

from __future__ import annotations

from calendar import timegm
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone

from attrs import frozen

from asw_gateway.translation.timers import ISSUE, Timer

#: Viet Nam has one zone and no daylight saving; the portal writes its times in it.
VIET_NAM = timezone(timedelta(hours=7))
DAY_SECONDS = 86_400.0
#: The timers of a certificate of origin, as `timers.csv` names them.
VALIDITY, RE_ISSUE, REJECTION = "R-03", "R-21", "T-25"
#: A cancellation waits this long for its original, then it is answered as an unknown reference.
PARKING_SECONDS = 30 * DAY_SECONDS


def national_date(now: float) -> date:
    """Give the calendar day in Viet Nam, by which profiles and rules come into force."""
    return datetime.fromtimestamp(now, VIET_NAM).date()


def utc_date(now: float) -> date:
    """Give the calendar day in UTC."""
    return datetime.fromtimestamp(now, UTC).date()


def add_months(day: date, months: int) -> date:
    """Give the same day some months later; a day the month lacks becomes its last day."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    first_of_next = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    last = first_of_next - timedelta(days=1)
    return date(year, month + 1, min(day.day, last.day))


@frozen(kw_only=True)
class Deadline:
    """The end of a timer that began: ``due_at`` is the last second of its last day, UTC epoch seconds."""

    rule: str
    due_at: float


def last_day(timer: Timer, begun_at: float) -> date:
    """Give the last day of a timer; the day it began is not counted."""
    begun = utc_date(begun_at)
    return add_months(begun, timer.months) if timer.months else begun + timedelta(days=timer.days)


def ends_at(timer: Timer, begun_at: float) -> float:
    """Give the last second of a timer's last day, UTC epoch seconds."""
    day = last_day(timer, begun_at)
    return float(timegm((day.year, day.month, day.day, 23, 59, 59)))


def valid_until_at(timers: Iterable[Timer], issued_at: float | None) -> float | None:
    """Give the end of a document's validity (rule R-03), None where it has none."""
    if issued_at is None:
        return None
    return next((ends_at(timer, issued_at) for timer in timers if timer.id == VALIDITY), None)


def deadlines(timers: Iterable[Timer], kind: str, begun_at: float) -> tuple[Deadline, ...]:
    """Give the timers that a message of this kind starts."""
    return tuple(
        Deadline(rule=timer.id, due_at=ends_at(timer, begun_at))
        for timer in timers
        if kind in timer.starts and kind != ISSUE
    )


def waiting_times(timers: Iterable[Timer]) -> tuple[tuple[str, str, float], ...]:
    """Give (rule, document type, seconds) of what a partner's document may wait for a customs response."""
    return tuple(
        (timer.id, timer.document_type, timer.days * DAY_SECONDS)
        for timer in timers
        if timer.id == REJECTION and timer.days
    )


def ended(timers: Iterable[Timer], kind: str) -> tuple[str, ...]:
    """Give the ids of the timers that a message of this kind stops."""
    return tuple(timer.id for timer in timers if kind in timer.stops)


def is_late(timers: Iterable[Timer], rule: str, begun_at: float, now: float) -> bool:
    """Tell whether a timer that began is over; a timer that the agreement lacks never is."""
    return any(timer.id == rule and ends_at(timer, begun_at) < now for timer in timers)
