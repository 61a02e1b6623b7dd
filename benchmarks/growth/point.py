"""One measured point of a growth, and what a row of them says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import asdict, field, frozen

#: Costs that differ by less than this are the same: runs of one setting differ by up to a tenth.
FLAT = 1.15


@frozen(kw_only=True)
class Point:
    """`cpu_ms`: CPU milliseconds of a message on each side, by country; `more`: what else was seen."""

    what: str
    size: int
    messages: int
    cpu_ms: dict[str, float]
    more: dict[str, Any] = field(factory=dict)

    @property
    def both_ms(self) -> float:
        return sum(self.cpu_ms.values())

    def told(self) -> str:
        sides = ", ".join(f"{country} {ms:.2f}" for country, ms in self.cpu_ms.items())
        more = ", ".join(f"{name} {value}" for name, value in self.more.items())
        return f"{self.what:<9}{self.size:>12,}  CPU ms a message {sides}  ({self.messages} messages; {more})"

    def kept(self) -> dict[str, Any]:
        return asdict(self)


def verdict(points: Sequence[Point]) -> tuple[float, str]:
    """The last point's cost over the first one's, and `flat` or the factor in words."""
    first, last = points[0], points[-1]
    factor = last.both_ms / first.both_ms
    word = "flat" if factor <= FLAT else f"grows x{factor:.2f}"
    return factor, (
        f"{first.what}: {word}, {first.both_ms:.2f} ms at {first.size:,}, {last.both_ms:.2f} ms at"
        f" {last.size:,} (x{factor:.2f})"
    )


def megabyte_verdict(points: Sequence[Point]) -> str:
    """What each further megabyte costs, between the first two points and between the last two."""
    steps = [
        (after.both_ms - before.both_ms) / ((after.size - before.size) / 1e6)
        for before, after in zip(points, points[1:], strict=False)
    ]
    factor = steps[-1] / steps[0]
    word = "flat" if factor <= FLAT else f"grows x{factor:.2f}"
    told = ", ".join(f"{step:.1f} ms" for step in steps)
    return f"payload, a megabyte: {word}, {told} for each further one (x{factor:.2f})"
