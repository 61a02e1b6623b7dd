"""The dates and deadlines of the trade, computed from a given ``now`` (UTC epoch seconds)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

#: Viet Nam has one zone and no daylight saving; the portal writes its times in it.
VIET_NAM = timezone(timedelta(hours=7))
DAY_SECONDS = 86_400.0
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


def certificate_expires_on(issued_at: float) -> date:
    """Give the last day a certificate of origin may be presented: twelve months from issue (OCP Rule 14)."""
    return add_months(utc_date(issued_at), 12)
