"""How many requests may be worked on at once, from one partner and from all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Full(Exception):
    """No place now; the partner is asked to come back."""


class Admission:
    """Places for requests under way. One partner can never take them all: `per_partner` is below `total`.

    That lies well above the windows that partners agree on (8 by default, 32 for a busy one): an answer
    503 makes a sender back off from us altogether.
    """

    def __init__(self, *, total: int = 256, per_partner: int = 64) -> None:
        self._total = total
        self._per_partner = per_partner
        self._taken: Counter[str] = Counter()
        self._all = 0

    @contextmanager
    def place(self, partner: str) -> Iterator[None]:
        """Hold a place while the block runs; raises Full when there is none."""
        if self._all >= self._total or self._taken[partner] >= self._per_partner:
            raise Full(partner)
        self._all += 1
        self._taken[partner] += 1
        try:
            yield
        finally:
            self._all -= 1
            self._taken[partner] -= 1
            if not self._taken[partner]:
                del self._taken[partner]
