"""The watch that compares the clock with a steady one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.schedule.clock_watch import ClockWatch


class Units:
    """Notes the repairs that are asked for; `broken` stands for a store that is away."""

    def __init__(self) -> None:
        self.repairs: list[tuple[float, float]] = []
        self.broken = False

    def run(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        if self.broken:
            return fail(OSError("away"))
        self.repairs.append((round(args[0], 3), round(args[1], 3)))
        return succeed(3)


class Watching(SynchronousTestCase):
    def setUp(self) -> None:
        self.steady, self.units, self.offset, self.woken = Clock(), Units(), 0.0, 0
        self.watch = ClockWatch(
            database=self.units,
            node="vn-1",
            now=lambda: 1_000_000.0 + self.steady.seconds() + self.offset,
            clock=self.steady,
            on_set_back=self._wake,
        )
        self.watch.startService()
        self.addCleanup(self.watch.stopService)

    def _wake(self) -> None:
        self.woken += 1

    def pass_seconds(self, seconds: int) -> None:
        self.steady.pump([1.0] * seconds)

    def test_a_steady_clock_needs_nothing(self) -> None:
        self.pass_seconds(30)
        self.assertEqual(self.units.repairs, [])

    def test_ahead_and_back_again(self) -> None:
        self.offset = 3600.0
        self.pass_seconds(5)
        self.assertEqual(self.units.repairs, [])
        self.offset = 0.0
        self.pass_seconds(1)
        self.assertEqual(self.units.repairs, [(3600.0, 1_000_006.0)])
        self.assertEqual(self.woken, 1)
        self.pass_seconds(10)
        self.assertEqual(len(self.units.repairs), 1)

    def test_a_small_step_is_borne(self) -> None:
        self.offset = -1.5
        self.pass_seconds(5)
        self.assertEqual(self.units.repairs, [])

    def test_a_store_that_is_away_is_asked_again(self) -> None:
        self.units.broken = True
        self.offset = -400.0
        self.pass_seconds(3)
        self.assertEqual(self.woken, 0)
        self.units.broken = False
        self.pass_seconds(1)
        self.assertEqual(self.units.repairs, [(400.0, 999_604.0)])
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 3)
