"""Notices that the clock was set back, and repairs what was put into the future (`store.clock_step`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import LoopingCall

from asw_gateway.logs import Log
from asw_gateway.store import clock_step
from asw_gateway.store.database import RunsUnits

LOOK_SECONDS = 1.0
TOLERATED_SECONDS = 2.0
"""Clocks are slewed all the time; and a busy process looks late."""
_log = Log("schedule.clock")


class ClockWatch(Service):
    """Compares ``now`` (UTC epoch seconds) with ``clock`` (an IReactorTime that never goes back).

    ``on_set_back()`` is called after the repair is committed: channels and conversion look again.
    """

    name = "clock-watch"

    def __init__(
        self,
        *,
        database: RunsUnits,
        node: str,
        now: Callable[[], float],
        clock: Any,
        on_set_back: Callable[[], object],
    ) -> None:
        self._database = database
        self._node = node
        self._now = now
        self._clock = clock
        self._on_set_back = on_set_back
        self._started_at = 0.0
        self._repairing: Deferred[None] = succeed(None)
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    def startService(self) -> None:
        """Begin to compare. What happened before the start is `store.clock_step.ahead`'s to tell."""
        super().startService()
        self._started_at = self._now() - self._clock.seconds()
        self._loop.start(LOOK_SECONDS, now=False)

    def stopService(self) -> Deferred[None]:
        """Compare no more; fires when a repair under way has ended."""
        super().stopService()
        if self._loop.running:
            self._loop.stop()
        ended: Deferred[None] = Deferred()
        self._repairing.addBoth(lambda _: ended.callback(None))
        return ended

    def _look(self) -> Deferred[None]:
        shows = self._now()
        behind = self._started_at + self._clock.seconds() - shows
        if behind < 0.0 or behind > TOLERATED_SECONDS:
            self._started_at -= behind
        if behind > TOLERATED_SECONDS:
            self._repairing = Deferred.fromCoroutine(self._repair(behind, shows))
        return self._repairing

    async def _repair(self, seconds: float, shows: float) -> None:
        try:
            moved = await self._database.run(clock_step.set_back, seconds, shows)
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001 - the store is away; the next look tries again
            _log.failure("internal-error", where="clock watch")
            self._started_at += seconds
            return
        _log.event("clock-set-back", node=self._node, seconds=round(seconds, 1), rows=moved)
        self._on_set_back()
