"""The lane's rules: width, order per key, wake-ups, failures, stop."""

from __future__ import annotations

from typing import Any

from attrs import define, field, frozen
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.conversion.lane import Lane


@frozen
class Item:
    number: int
    key: str | None = None


@define
class Desk:
    """Rows to claim, and works that end when the test says so."""

    rows: list[Item] = field(factory=list)
    begun: list[Item] = field(factory=list)
    open: dict[int, Deferred[None]] = field(factory=dict)
    claims: list[int] = field(factory=list)
    failures: list[Failure] = field(factory=list)
    claim_gate: Deferred[None] | None = None
    claim_error: Exception | None = None
    clock: Clock = field(factory=Clock)

    def lane(self, width: int = 2) -> Lane[Item]:
        return Lane(
            claim=self.claim,
            work=self.work,
            key=lambda item: item.key,
            on_failure=self.failures.append,
            clock=self.clock,
            width=width,
            poll_seconds=5,
        )

    async def claim(self, limit: int) -> list[Item]:
        self.claims.append(limit)
        if self.claim_gate is not None:
            await self.claim_gate
        if self.claim_error is not None:
            raise self.claim_error
        found, self.rows = self.rows[:limit], self.rows[limit:]
        return found

    async def work(self, item: Item) -> None:
        self.begun.append(item)
        self.open[item.number] = Deferred()
        await self.open[item.number]

    def end(self, number: int, result: Any = None) -> None:
        done = self.open.pop(number)
        if isinstance(result, Exception):
            done.errback(result)
        else:
            done.callback(result)

    def numbers(self) -> list[int]:
        return [item.number for item in self.begun]


class LaneTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = Desk()

    def test_what_waits_at_the_start_is_worked_on_within_the_width(self) -> None:
        self.desk.rows = [Item(n) for n in range(5)]
        self.desk.lane(width=2).start()
        self.assertEqual(self.desk.numbers(), [0, 1])
        self.desk.end(0)
        self.assertEqual(self.desk.numbers(), [0, 1, 2])
        for number in (1, 2, 3, 4):
            self.desk.end(number)
        self.assertEqual(self.desk.numbers(), [0, 1, 2, 3, 4])

    def test_an_idle_lane_claims_only_when_woken_or_polled(self) -> None:
        lane = self.desk.lane()
        lane.start()
        self.assertEqual(len(self.desk.claims), 1)
        self.desk.clock.advance(4.9)
        self.assertEqual(len(self.desk.claims), 1)
        self.desk.clock.advance(0.1)
        self.assertEqual(len(self.desk.claims), 2)
        self.desk.rows = [Item(1)]
        lane.wake()
        self.assertEqual(self.desk.numbers(), [1])

    def test_a_wake_during_a_claim_is_not_lost(self) -> None:
        self.desk.claim_gate = Deferred()
        lane = self.desk.lane()
        lane.start()
        lane.wake()
        self.assertEqual(len(self.desk.claims), 1)
        gate, self.desk.claim_gate = self.desk.claim_gate, None
        gate.callback(None)
        self.assertEqual(len(self.desk.claims), 2)

    def test_one_key_is_worked_on_in_order(self) -> None:
        self.desk.rows = [Item(0, "a"), Item(1, "a"), Item(2, "b")]
        self.desk.lane(width=3).start()
        self.assertEqual(self.desk.numbers(), [0, 2])
        self.desk.end(2)
        self.assertEqual(self.desk.numbers(), [0, 2])
        self.desk.end(0)
        self.assertEqual(self.desk.numbers(), [0, 2, 1])

    def test_a_handed_over_item_needs_no_claim(self) -> None:
        lane = self.desk.lane()
        lane.start()
        claims = len(self.desk.claims)
        lane.offer(Item(7))
        self.assertEqual(self.desk.numbers(), [7])
        self.assertEqual(len(self.desk.claims), claims)

    def test_work_that_raises_is_told_and_the_lane_goes_on(self) -> None:
        self.desk.rows = [Item(0, "a"), Item(1, "a")]
        self.desk.lane().start()
        claims = len(self.desk.claims)
        self.desk.end(0, RuntimeError("boom"))
        self.assertEqual([f.type for f in self.desk.failures], [RuntimeError])
        self.assertEqual(self.desk.numbers(), [0, 1])
        self.assertLessEqual(len(self.desk.claims), claims + 1)

    def test_a_failing_claim_waits_for_the_next_poll(self) -> None:
        self.desk.claim_error = RuntimeError("no database")
        self.desk.rows = [Item(1)]
        self.desk.lane().start()
        self.assertEqual(len(self.desk.claims), 1)
        self.assertEqual(len(self.desk.failures), 1)
        self.desk.claim_error = None
        self.desk.clock.advance(5)
        self.assertEqual(self.desk.numbers(), [1])

    def test_after_a_failed_claim_nothing_overtakes_the_rows_that_wait(self) -> None:
        lane = self.desk.lane()
        lane.start()
        self.desk.claim_error = RuntimeError("no database")
        lane.wake()
        self.assertFalse(lane.has_room)
        self.desk.claim_error = None
        self.desk.clock.advance(5)
        self.assertTrue(lane.has_room)

    def test_stop_waits_for_work_and_gives_back_what_was_not_begun(self) -> None:
        self.desk.rows = [Item(n) for n in range(3)]
        lane = self.desk.lane(width=2)
        lane.start()
        stopped = Deferred.fromCoroutine(lane.stop())
        self.assertNoResult(stopped)
        self.assertFalse(lane.has_room)
        self.desk.end(0)
        self.desk.end(1)
        self.assertEqual([item.number for item in self.successResultOf(stopped)], [2])
        self.assertEqual(self.desk.numbers(), [0, 1])
        self.assertEqual(self.desk.clock.getDelayedCalls(), [])

    def test_stop_during_a_claim_gives_back_what_it_brought(self) -> None:
        self.desk.claim_gate = Deferred()
        self.desk.rows = [Item(1)]
        lane = self.desk.lane()
        lane.start()
        stopped = Deferred.fromCoroutine(lane.stop())
        self.desk.claim_gate.callback(None)
        self.assertEqual(self.successResultOf(stopped), [Item(1)])
        self.assertEqual(self.desk.numbers(), [])

    def test_stop_without_start_and_twice(self) -> None:
        lane = self.desk.lane()
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(lane.stop())), [])
        lane.start()
        self.successResultOf(Deferred.fromCoroutine(lane.stop()))
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(lane.stop())), [])

    def test_room_is_offered_only_while_it_runs_and_is_not_flooded(self) -> None:
        lane = self.desk.lane(width=2)
        self.assertFalse(lane.has_room)
        lane.start()
        for number in range(16 * 2):
            self.assertTrue(lane.has_room)
            lane.offer(Item(number))
        self.assertFalse(lane.has_room)

    def test_what_comes_later_does_not_overtake_rows_that_wait_for_a_claim(self) -> None:
        desk = Desk()
        lane = desk.lane(width=2)
        lane.start()
        for number in range(4):
            lane.offer(Item(number))
        desk.rows = [Item(100)]
        lane.wake()  # no room for a claim yet
        self.assertFalse(lane.has_room)
        for number in range(3):
            desk.open[number].callback(None)
        self.assertIn(Item(100), desk.begun)
        self.assertTrue(lane.has_room)

    def test_the_poll_looks_however_busy_the_lane_is_and_closes_no_door(self) -> None:
        desk = Desk()
        lane = desk.lane(width=2)
        lane.start()
        for number in range(6):
            lane.offer(Item(number))
        desk.claims.clear()
        desk.rows = [Item(100)]  # its node has died
        desk.clock.advance(5)
        self.assertEqual(desk.claims, [2])
        self.assertTrue(lane.has_room)
        for number in range(6):
            desk.end(number)
        self.assertIn(100, desk.numbers())

    def test_a_claim_waits_until_the_lane_runs_dry_and_then_fills_it(self) -> None:
        desk = Desk()
        lane = desk.lane(width=2)
        lane.start()
        for number in range(6):
            lane.offer(Item(number))
        desk.claims.clear()
        desk.rows = [Item(number) for number in range(100, 120)]
        lane.wake()
        for number in range(3):
            desk.open[number].callback(None)
        self.assertEqual(desk.claims, [])
        desk.open[3].callback(None)
        self.assertEqual(desk.claims, [4 * 2 - 2])

    def test_a_burst_beyond_the_backlog_is_not_taken_into_memory(self) -> None:
        lane = self.desk.lane(width=1)
        lane.start()
        taken = [lane.offer(Item(number)) for number in range(40)]
        self.assertEqual(taken, [True] * 33 + [False] * 7)


@given(
    keys=st.lists(st.sampled_from(["a", "b", "c", None]), max_size=25),
    order=st.randoms(use_true_random=False),
    width=st.integers(1, 5),
)
def test_any_finishing_order_does_everything_once_and_in_key_order(
    keys: list[str | None], order: Any, width: int
) -> None:
    desk = Desk(rows=[Item(n, key) for n, key in enumerate(keys)])
    desk.lane(width).start()
    while desk.open:
        assert len(desk.open) <= width
        desk.end(order.choice(sorted(desk.open)))
    assert sorted(desk.numbers()) == list(range(len(keys)))
    for key in {"a", "b", "c"}:
        of_key = [item.number for item in desk.begun if item.key == key]
        assert of_key == sorted(of_key)
