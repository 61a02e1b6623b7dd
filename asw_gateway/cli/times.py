"""Times for people: UTC, to the second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any


def moment(at: float | None) -> str:
    """`2026-11-22 03:01:47Z`, or nothing."""
    return "" if not at else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%SZ}"


def span(seconds: float) -> str:
    """`45s`, `12m`, `5h 20m`, `3d 4h`."""
    whole = max(int(seconds), 0)
    if whole < 100:
        return f"{whole}s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 100:
        return f"{minutes}m"
    return f"{hours}h {minutes % 60}m" if hours < 48 else f"{days}d {hours % 24}h"


def with_moments(rows: Iterable[Mapping[str, Any]], *names: str) -> list[dict[str, Any]]:
    """The rows with these fields as text."""
    return [{**row, **{name: moment(row.get(name)) for name in names}} for row in rows]
