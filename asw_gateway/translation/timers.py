"""The periods of an agreement: how long something is valid, or may take, and by which rule.

`timers.csv` has the columns id, document_type, starts, stops, days, months, source, title_en, title_vi.
starts and stops name message kinds, or `issue` for the day of issue; a row gives either days or months.
"""

from __future__ import annotations

import csv
import io

from attrs import frozen

COLUMNS = ("id", "document_type", "starts", "stops", "days", "months", "source", "title_en", "title_vi")
ISSUE = "issue"


class TimerFault(Exception):
    """A mistake in a table of timers, at a line of its file."""

    def __init__(self, line: int, message: str) -> None:
        self.line, self.message = line, message
        super().__init__(f"line {line}: {message}")


@frozen(kw_only=True)
class Timer:
    """One period of days or months.  starts, stops: message kinds, or `issue`; no stops = nothing ends it."""

    id: str
    document_type: str
    starts: tuple[str, ...]
    stops: tuple[str, ...]
    days: int = 0
    months: int = 0
    source: str
    title_en: str
    title_vi: str


def read_timers(data: bytes) -> tuple[Timer, ...]:
    """The rows of a table; raises TimerFault at the first mistake."""
    reader = csv.DictReader(io.StringIO(data.decode("utf-8")))
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise TimerFault(1, f"columns missing: {', '.join(missing)}")
    timers: list[Timer] = []
    for record in reader:
        line = reader.line_num
        try:
            days, months = (int(record[key] or 0) for key in ("days", "months"))
        except (ValueError, TypeError):
            raise TimerFault(line, "days and months must be whole numbers") from None
        if min(days, months) < 0 or bool(days) == bool(months):
            raise TimerFault(line, "a timer has either days or months")
        if not all(
            record[key] for key in ("id", "document_type", "starts", "source", "title_en", "title_vi")
        ):
            raise TimerFault(line, "only stops may be empty")
        timers.append(
            Timer(
                id=record["id"],
                document_type=record["document_type"],
                starts=tuple(record["starts"].split()),
                stops=tuple(record["stops"].split()),
                days=days,
                months=months,
                source=record["source"],
                title_en=record["title_en"],
                title_vi=record["title_vi"],
            )
        )
    return tuple(timers)
