"""Those who wait for news: a bounded set of sleepers that one call wakes."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred


class TooManyWaiting(Exception):
    """Every place to wait is taken."""


class Waiters:
    """Sleepers on the reactor thread.

    A place is taken *before* the caller looks at the store, so that news between its look and its sleep
    still wakes it::

        with waiters.place() as place:
            ... read the store ...
            woken = await place.sleep(seconds)
    """

    def __init__(self, clock: Any, *, most: int) -> None:
        self._clock = clock
        self._most = most
        self._places: set[Place] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._places)

    @property
    def closed(self) -> bool:
        """True once `close` was called: nobody sleeps any more."""
        return self._closed

    def place(self) -> Place:
        """A place to wait; raises TooManyWaiting when all are taken."""
        if len(self._places) >= self._most:
            raise TooManyWaiting
        return Place(self._clock, self._places, awake=self._closed)

    def wake(self) -> None:
        """There is news: everyone who sleeps wakes, and whoever goes to sleep next has not missed it."""
        for place in tuple(self._places):
            place.wake()

    def close(self) -> None:
        """Wake everybody for the last time; later sleeps end at once."""
        self._closed = True
        self.wake()


class Place:
    """One place to wait, free again at the end of its `with` block."""

    def __init__(self, clock: Any, places: set[Place], *, awake: bool) -> None:
        self._clock = clock
        self._places = places
        self._news = awake
        self._sleep: Deferred[bool] | None = None

    def __enter__(self) -> Place:
        self._places.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._places.discard(self)

    def wake(self) -> None:
        """End the present sleep, or the next one."""
        self._news = True
        if self._sleep is not None:
            sleep, self._sleep = self._sleep, None
            sleep.callback(True)

    async def sleep(self, seconds: float) -> bool:
        """Wait for news for at most `seconds`; say whether there was any.  Cancelling ends the wait."""
        if not self._news and seconds > 0:
            self._sleep = sleep = Deferred[bool]()
            alarm = self._clock.callLater(seconds, self._give_up)
            try:
                await sleep
            finally:
                self._sleep = None
                if alarm.active():
                    alarm.cancel()
        news, self._news = self._news, False
        return news

    def _give_up(self) -> None:
        if self._sleep is not None:
            sleep, self._sleep = self._sleep, None
            sleep.callback(False)
