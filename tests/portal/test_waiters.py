"""Waiting for news: nobody waits for ever, nobody misses what came meanwhile, and places are bounded."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.portal.waiters import TooManyWaiting, Waiters


class WaitersTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.waiters = Waiters(self.clock, most=2)

    def sleeper(self, seconds: float = 10) -> Deferred[bool]:
        async def wait() -> bool:
            with self.waiters.place() as place:
                return await place.sleep(seconds)

        return Deferred.fromCoroutine(wait())

    def test_news_wakes_everyone(self) -> None:
        sleepers = [self.sleeper(), self.sleeper()]
        self.waiters.wake()
        self.assertEqual([self.successResultOf(each) for each in sleepers], [True, True])
        self.assertEqual((len(self.waiters), self.clock.getDelayedCalls()), (0, []))

    def test_without_news_the_wait_ends(self) -> None:
        sleeper = self.sleeper(10)
        self.clock.advance(9.9)
        self.assertNoResult(sleeper)
        self.clock.advance(0.2)
        self.assertIs(self.successResultOf(sleeper), False)

    def test_news_between_the_look_and_the_sleep_is_not_missed(self) -> None:
        async def look_then_sleep() -> bool:
            with self.waiters.place() as place:
                self.waiters.wake()
                return await place.sleep(10)

        self.assertIs(self.successResultOf(Deferred.fromCoroutine(look_then_sleep())), True)

    def test_places_are_bounded_and_come_free(self) -> None:
        first, _ = self.sleeper(), self.sleeper()
        self.failureResultOf(self.sleeper(), TooManyWaiting)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual(len(self.waiters), 1)
        self.assertNoResult(self.sleeper())

    def test_after_closing_nobody_sleeps(self) -> None:
        sleeper = self.sleeper()
        self.waiters.close()
        self.assertIs(self.successResultOf(sleeper), True)
        self.assertIs(self.successResultOf(self.sleeper()), True)
