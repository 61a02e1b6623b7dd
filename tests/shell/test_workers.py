"""Worker threads."""

from __future__ import annotations

import threading

from twisted.internet import reactor
from twisted.internet.defer import CancelledError
from twisted.trial.unittest import TestCase

from asw_gateway.workers import Workers, WorkersStopped


def worker_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "asw-workers" in thread.name]


class WorkersTest(TestCase):
    """Over the real reactor: threads are what is tested."""

    timeout = 10

    async def test_runs_elsewhere_and_reports_here(self) -> None:
        backlog: list[int] = []
        workers = Workers(reactor, threads=2, on_backlog=backlog.append)
        self.assertEqual(worker_threads(), [])  # a daemon forks before the first job
        name = await workers.run(lambda: threading.current_thread().name)
        self.assertIn("asw-workers", name)
        self.assertEqual(backlog, [1, 0])
        await workers.stop()

    async def test_exceptions_come_back(self) -> None:
        workers = Workers(reactor, threads=1)
        with self.assertRaisesRegex(ValueError, "bad document"):
            await workers.run(self.break_it)
        await workers.stop()

    @staticmethod
    def break_it() -> None:
        raise ValueError("bad document")

    async def test_stop_waits_for_the_running_job(self) -> None:
        workers = Workers(reactor, threads=1)
        release, done = threading.Event(), []
        running = workers.run(lambda: (release.wait(5), done.append(True)))
        stopped = workers.stop()
        self.assertEqual(done, [])
        release.set()
        await stopped
        self.assertEqual(done, [True])
        await running

    async def test_nothing_is_taken_after_stop(self) -> None:
        workers = Workers(reactor, threads=1)
        await workers.stop()
        with self.assertRaises(WorkersStopped):
            await workers.run(int)
        self.assertEqual(worker_threads(), [])

    async def test_what_was_cancelled_is_counted_down_and_forgotten(self) -> None:
        backlog: list[int] = []
        workers = Workers(reactor, threads=1, on_backlog=backlog.append)
        release = threading.Event()
        first = workers.run(release.wait, 5)
        first.addErrback(lambda failure: failure.trap(CancelledError))
        second = workers.run(int, "7")
        first.cancel()
        release.set()
        self.assertEqual(await second, 7)
        self.assertEqual(backlog, [1, 2, 1, 0])
        await workers.stop()
