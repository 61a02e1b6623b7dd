"""A bounded lane of work: claims rows when there is room, keeps order per key, and never spins.

The rules: at most ``width`` items at once; items of one key one after another, oldest first; a wake-up during
a claim leads to one more claim; a failed claim waits for the next poll; an item whose work raises is left to
its lease, which makes the lane come back to it no sooner than the lease ends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

T = TypeVar("T")
#: How many items may wait in memory for each place in work; a burst beyond it stays in the store.
WAITING_PER_PLACE = 32
#: How many may be handed over in memory for each place: reading them from the store again costs more.
HANDED_OVER_PER_PLACE = 16
#: How far a claim fills up for each place, once no more than the places' own items are left: a claim of many
#: costs the store hardly more than a claim of one.
CLAIMED_PER_PLACE = 4


class Lane(Generic[T]):
    """Work of one kind on one node.

    ``claim(limit)`` leases up to ``limit`` rows; ``work(item)`` does one and commits it; ``key(item)`` keeps
    items in order, None for those that need none; ``on_failure`` hears of everything that was raised.
    ``clock`` is an IReactorTime.
    """

    def __init__(
        self,
        *,
        claim: Callable[[int], Awaitable[list[T]]],
        work: Callable[[T], Awaitable[None]],
        key: Callable[[T], Hashable],
        on_failure: Callable[[Failure], object],
        clock: Any,
        width: int = 4,
        poll_seconds: float = 5.0,
    ) -> None:
        self._claim = claim
        self._work = work
        self._key = key
        self._on_failure = on_failure
        self._width = width
        self._backlog: list[T] = []
        self._busy_keys: set[Hashable] = set()
        self._running = 0
        self._claiming = False
        self._more = False
        self._rows_wait = False
        self._started = False
        self._idle: list[Deferred[None]] = []
        self._poll = LoopingCall(self._look)
        self._poll.clock = clock
        self._poll_seconds = poll_seconds

    @property
    def load(self) -> int:
        """Items in work or waiting in memory."""
        return self._running + len(self._backlog)

    @property
    def has_room(self) -> bool:
        """Whether an item handed over now would be worked on soon; never before start and after stop.

        Not while rows are known to wait in the store either: what comes later must not overtake them.
        """
        return self._started and not self._rows_wait and self.load < HANDED_OVER_PER_PLACE * self._width

    def start(self) -> None:
        """Claim what waits, and look again every ``poll_seconds``."""
        self._started = True
        self._poll.start(self._poll_seconds, now=True)

    def wake(self) -> None:
        """There are rows to claim."""
        self._more = self._rows_wait = True
        self._pump()

    def offer(self, item: T) -> bool:
        """Take an item that is already leased to this node; False if too many wait in memory already."""
        if not self._started or len(self._backlog) >= WAITING_PER_PLACE * self._width:
            return False
        self._backlog.append(item)
        self._pump()
        return True

    async def stop(self) -> list[T]:
        """Take nothing new, wait for what is in work; give the leased items that were not begun."""
        if not self._started:
            return []
        self._started = False
        self._poll.stop()
        left, self._backlog = self._backlog, []
        if self._running or self._claiming:
            idle: Deferred[None] = Deferred()
            self._idle.append(idle)
            await idle
        left += self._backlog
        self._backlog = []
        return left

    def _pump(self) -> None:
        if not self._started:
            return
        for item in self._free_items():
            self._backlog.remove(item)
            self._begin(item)
        if self._more and not self._claiming and self.load <= self._width:
            self._begin_claim(CLAIMED_PER_PLACE * self._width - self.load)

    def _look(self) -> None:
        """The poll: rows whose lease has ended, or another node's, may wait; however busy the lane is."""
        if self._started and not self._claiming and self.load < HANDED_OVER_PER_PLACE * self._width:
            self._begin_claim(self._width)

    def _begin_claim(self, room: int) -> None:
        self._more = False
        self._claiming = True
        Deferred.fromCoroutine(self._claim_some(room)).addErrback(self._on_failure)

    def _free_items(self) -> list[T]:
        room = self._width - self._running
        found: list[T] = []
        seen = set(self._busy_keys)
        for item in self._backlog:
            if len(found) >= room:
                break
            key = self._key(item)
            if key is not None:
                if key in seen:
                    continue
                seen.add(key)
            found.append(item)
        return found

    def _begin(self, item: T) -> None:
        key = self._key(item)
        if key is not None:
            self._busy_keys.add(key)
        self._running += 1
        done = Deferred.fromCoroutine(self._guarded(item))
        done.addErrback(self._on_failure)
        done.addBoth(lambda _: self._finish(key))

    async def _guarded(self, item: T) -> None:
        await self._work(item)

    def _finish(self, key: Hashable) -> None:
        self._running -= 1
        self._busy_keys.discard(key)
        self._settle()

    async def _claim_some(self, room: int) -> None:
        found: list[T] = []
        try:
            found = await self._claim(room)
            self._more = self._rows_wait = self._more or len(found) == room
        finally:
            self._claiming = False
            self._backlog += found
            self._settle()

    def _settle(self) -> None:
        if self._started:
            self._pump()
        elif not self._running and not self._claiming:
            waiting, self._idle = self._idle, []
            for idle in waiting:
                idle.callback(None)
