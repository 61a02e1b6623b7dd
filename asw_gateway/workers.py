"""
Worker threads for whole CPU stages (parse → check → translate → sign), never for single calls.

Two threads are the default: more threads on two cores lose against more processes, and a hop costs
24–88 µs, so one hop carries a whole stage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.threads import deferToThread, deferToThreadPool
from twisted.python.threadpool import ThreadPool

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


class Workers:
    """
    A small thread pool that starts with the first job, so a daemon may fork before that.

    `on_backlog` is called on the reactor thread with the number of jobs handed in and not finished.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        threads: int = 2,
        on_backlog: Callable[[int], object] = lambda jobs: None,
    ) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=threads, maxthreads=threads, name="asw-workers")
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
        if not self._pool.started:
            self._pool.start()
        self._count(+1)
        done: Deferred[T] = deferToThreadPool(self._reactor, self._pool, fn, *args, **kwargs)

        def finished(result: Any) -> Any:
            self._count(-1)
            return result

        return done.addBoth(finished)

    def stop(self) -> Deferred[None]:
        """Take no more work; the Deferred fires when every thread has finished its last job."""
        self._stopped = True
        # Joining threads blocks, and they still report to the reactor thread while it happens.
        return deferToThread(self._pool.stop)

    def _count(self, change: int) -> None:
        self._backlog += change
        self._on_backlog(self._backlog)


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
