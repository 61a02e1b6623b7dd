"""What is to be done later: mending what a fault broke, looking whether an aimed kill has happened."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from itertools import count


class Agenda:
    """Acts with their times; `later` may be called on any thread, `run_due` runs them on the caller's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._acts: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._acts)

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        with self._lock:
            heapq.heappush(self._acts, (self._clock() + seconds, next(self._numbers), act))

    def run_due(self) -> None:
        """Do everything whose time has come, in order; an act may ask for another one."""
        while act := self._next_due():
            act()

    def _next_due(self) -> Callable[[], object] | None:
        with self._lock:
            if self._acts and self._acts[0][0] <= self._clock():
                return heapq.heappop(self._acts)[2]
        return None
