"""Jobs fire once over all nodes, survive failures, crashes and restarts; no real time passes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from asw_gateway.metrics import Metrics
from asw_gateway.schedule.schedule import Job, Schedule
from asw_gateway.store.database import Database


class Store:
    """A real database in memory behind Deferreds that fire at once; `away` makes it fail."""

    def __init__(self, node: str, shared: Database) -> None:
        self.node, self.shared, self.away = node, shared, False

    def run(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        if self.away:
            return fail(RuntimeError("the database is away"))
        return maybeDeferred(self.shared.run_now, fn, *args, **kwargs)


class ScheduleTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_790_000_000)
        self.database = Database.open("sqlite://", node="test")
        self.addCleanup(self.database.close_now)
        self.ran: list[str] = []
        self.metrics = Metrics(CollectorRegistry())

    def schedule(self, node: str, *jobs: Job, store: Store | None = None) -> Schedule:
        schedule = Schedule(
            jobs,
            database=store or Store(node, self.database),
            node=node,
            now=self.clock.seconds,
            clock=self.clock,
            metrics=self.metrics,
            look_seconds=5,
        )
        self.addCleanup(lambda: schedule.running and self.successResultOf(schedule.stopService()))
        return schedule

    def job(self, node: str, name: str = "expire", result: int = 0, **more: Any) -> Job:
        async def run() -> int:
            self.ran.append(node)
            return result

        return Job(name=name, every_seconds=60, run=run, **more)

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([1.0] * int(seconds))

    def test_a_job_runs_at_once_and_then_at_its_interval(self) -> None:
        self.schedule("a", self.job("a")).startService()
        self.assertEqual(self.ran, ["a"])
        self.pass_time(59)
        self.assertEqual(self.ran, ["a"])
        self.pass_time(6)
        self.assertEqual(self.ran, ["a", "a"])

    def test_two_nodes_share_the_runs(self) -> None:
        self.schedule("a", self.job("a")).startService()
        self.schedule("b", self.job("b")).startService()
        self.pass_time(299)
        self.assertEqual(len(self.ran), 5)

    def test_an_everywhere_job_runs_on_each_node(self) -> None:
        self.schedule("a", self.job("a", everywhere=True)).startService()
        self.schedule("b", self.job("b", everywhere=True)).startService()
        self.pass_time(65)
        self.assertEqual(sorted(self.ran), ["a", "a", "b", "b"])

    def test_a_restart_does_not_run_what_is_not_due(self) -> None:
        first = self.schedule("a", self.job("a"))
        first.startService()
        self.successResultOf(first.stopService())
        self.schedule("a", self.job("again")).startService()
        self.assertEqual(self.ran, ["a"])
        self.pass_time(66)
        self.assertEqual(self.ran, ["a", "again"])

    def test_a_dead_nodes_job_is_taken_over_after_its_lease(self) -> None:
        def never() -> Awaitable[int]:
            self.ran.append("dead")
            return Deferred()

        dead = self.schedule("dead", Job(name="expire", every_seconds=60, run=never, lease_seconds=30))
        dead.startService()
        self.schedule("b", self.job("b", lease_seconds=30)).startService()
        self.pass_time(29)
        self.assertEqual(self.ran, ["dead"])
        self.pass_time(7)
        self.assertEqual(self.ran, ["dead", "b"])
        self.assertNoResult(dead.stopService())

    def test_a_failing_job_is_counted_and_comes_again_and_the_others_run(self) -> None:
        async def broken() -> int:
            self.ran.append("broken")
            raise ValueError("boom")

        self.schedule(
            "a", Job(name="broken", every_seconds=60, run=broken), self.job("fine", name="fine")
        ).startService()
        self.assertEqual(self.ran, ["broken", "fine"])
        self.pass_time(66)
        self.assertEqual(self.ran, ["broken", "fine", "broken", "fine"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)
        self.assertIn('asw_scheduled_job_failures_total{job="broken"} 2.0', self.metrics.render().decode())

    def test_a_job_with_more_to_do_is_due_again_at_once(self) -> None:
        left = [100, 100, 3]

        async def run() -> int:
            self.ran.append("piece")
            return left.pop(0)

        self.schedule("a", Job(name="expire", every_seconds=60, run=run, full_at=100)).startService()
        self.pass_time(11)
        self.assertEqual(len(self.ran), 3)
        self.pass_time(40)
        self.assertEqual(len(self.ran), 3)

    def test_the_store_may_be_away_for_a_while(self) -> None:
        store = Store("a", self.database)
        store.away = True
        self.schedule("a", self.job("a"), store=store).startService()
        self.pass_time(20)
        self.assertEqual(self.ran, [])
        self.assertTrue(self.flushLoggedErrors(RuntimeError))
        store.away = False
        self.pass_time(6)
        self.assertEqual(self.ran, ["a"])

    def test_stop_waits_for_the_running_job_and_begins_no_other(self) -> None:
        gate: Deferred[int] = Deferred()

        async def slow() -> int:
            self.ran.append("slow")
            return await gate

        schedule = self.schedule(
            "a", Job(name="slow", every_seconds=60, run=slow), self.job("next", name="next")
        )
        schedule.startService()
        stopped = schedule.stopService()
        self.assertNoResult(stopped)
        gate.callback(0)
        self.successResultOf(stopped)
        self.assertEqual(self.ran, ["slow"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
