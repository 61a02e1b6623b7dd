"""Dates as the two sides write them: 2026-11-22, 20261122, with or without a time and its zone.

Read by position instead of with strptime, which costs more than the rest of a value's check.
"""

from __future__ import annotations

from datetime import UTC, date, datetime


def day_exists(text: str) -> bool:
    """Whether the day of a date is in the calendar."""
    digits = text.replace("-", "", 2) if text[4:5] == "-" else text
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return False
    return True


def epoch_of(text: str) -> float | None:
    """UTC seconds of a date of either side; a date without a time is midnight UTC; None if it is not one."""
    compact = text.replace("-", "", 2) if text[4:5] == "-" else text
    compact = compact.replace("T", "").replace(":", "")
    try:
        if len(compact) == 8:
            return datetime.fromisoformat(compact).replace(tzinfo=UTC).timestamp()
        moment = datetime.fromisoformat(f"{compact[:8]}T{compact[8:]}")
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None
