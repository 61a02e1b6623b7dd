"""
Worker threads for whole CPU stages (parse → check → translate → sign), never for single calls.

Two threads are the default: more threads on two cores lose against more processes, and a hop costs
24–88 µs, so one hop carries a whole stage.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, Protocol, TypeVar

from attrs import define
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

P = ParamSpec("P")
T = TypeVar("T")

#: A long job in steps gives its thread back after this time, so that it does not hold up short ones.
STEP_SECONDS = 0.02


class WorkersStopped(Exception):
    """Work was handed in after `stop`; whoever holds a claim lets it go."""


class Runs(Protocol):
    """What the rooms ask of workers; tests use one that runs at once."""

    def run(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Run `fn` elsewhere; see `Workers.run`."""


@define(eq=False)
class _Job:
    """A call and, once a thread has made it, what came of it."""

    call: Callable[[], Any]
    done: Deferred[Any]
    result: Any = None


class Workers:
    """
    A few threads that start with the first job, so a daemon may fork before that.

    `on_backlog` is called on the reactor thread with the number of jobs handed in and not finished. What
    several threads finish between two turns of the reactor is reported in one call: waking it costs more
    than a small job.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        threads: int = 2,
        on_backlog: Callable[[int], object] = lambda jobs: None,
    ) -> None:
        self._reactor = reactor
        self._count = threads
        self._threads: list[threading.Thread] = []
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._finished: deque[_Job] = deque()
        self._reporting = False
        self._on_backlog = on_backlog
        self._backlog = 0
        self._stopped = False

    def run(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """
        Run `fn` in a worker thread.

        The Deferred fires on the reactor thread with the result, or fails with what `fn` raised, or
        with `WorkersStopped` after `stop`. Cancelling it forgets the result; the thread runs on.
        """
        if self._stopped:
            return fail(WorkersStopped())
        if not self._threads:
            self._start()
        done: Deferred[T] = Deferred()
        self._backlog += 1
        self._on_backlog(self._backlog)
        self._jobs.put(_Job(partial(fn, *args, **kwargs), done))
        return done

    def stop(self) -> Deferred[None]:
        """Take no more work; the Deferred fires when every thread has finished its last job.

        A job that never ends does not keep the process from ending: all threads are daemons.
        """
        stopped: Deferred[None] = Deferred()
        for _ in self._threads:
            self._jobs.put(None)
        self._stopped = True
        # Joining threads blocks, and they still report to the reactor thread while it happens.
        threading.Thread(target=self._join, args=(stopped,), name="asw-stop-workers", daemon=True).start()
        return stopped

    def _start(self) -> None:
        for number in range(self._count):
            thread = threading.Thread(target=self._work, name=f"asw-workers-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _join(self, stopped: Deferred[None]) -> None:
        for thread in self._threads:
            thread.join()
        self._reactor.callFromThread(stopped.callback, None)

    def _work(self) -> None:
        """In a worker thread."""
        while (job := self._jobs.get()) is not None:
            try:
                job.result = job.call()
            except BaseException:  # noqa: BLE001  it belongs to whoever asked for the work
                job.result = Failure()
            self._finished.append(job)
            # Looked at after the append: whoever finds it set knows that a report is still to come.
            if not self._reporting:
                self._reporting = True
                self._reactor.callFromThread(self._report)

    def _report(self) -> None:
        self._reporting = False
        while self._finished:
            job = self._finished.popleft()
            self._backlog -= 1
            self._on_backlog(self._backlog)
            # A Failure makes it fail; a cancelled Deferred takes no notice.
            job.done.callback(job.result)


async def stepwise(workers: Runs, steps: Generator[None, None, T]) -> T:
    """Run a generator to its value in worker threads, STEP_SECONDS at a time."""
    while True:
        done, value = await workers.run(_some_steps, steps)
        if done:
            return value  # type: ignore[no-any-return]


def _some_steps(steps: Generator[None, None, Any]) -> tuple[bool, Any]:
    """In a worker thread."""
    until = time.monotonic() + STEP_SECONDS
    try:
        while time.monotonic() < until:
            next(steps)
    except StopIteration as end:
        return True, end.value
    return False, None
