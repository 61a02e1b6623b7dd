"""Time: jobs that run once over all nodes, at their hour, and survive a restart.

A job is a row of the store with a due time and a lease.  Every node looks for due jobs at short intervals;
the one that takes the lease runs the job and writes the next due time in the end.  A node that dies in a run
loses the lease when it ends, and another one runs the job again: every job must bear that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from attrs import frozen
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall

from asw_gateway.logs import Log
from asw_gateway.metrics import Metrics
from asw_gateway.store import jobs
from asw_gateway.store.database import RunsUnits

_log = Log("schedule")


@frozen(kw_only=True)
class Job:
    """Work at intervals.

    ``run()`` does a bounded piece and gives how many rows it touched; if that reaches ``full_at`` there is
    more to do and the job is due again at once.  ``everywhere`` jobs concern this process alone (its
    metrics, its revocation lists) and need no lease; such a job rests so long after a run that it takes
    ``most_of_time`` (a share of 1) of the time at most.
    """

    name: str
    every_seconds: float
    run: Callable[[], Awaitable[int]]
    full_at: int | None = None
    lease_seconds: float = 300.0
    everywhere: bool = False
    most_of_time: float = 1.0


class Schedule(Service):
    """Runs jobs one after another; ``clock`` is an IReactorTime, ``now`` gives UTC epoch seconds.

    A failing job is logged, counted and tried again after its interval (at most five minutes); it never stops
    the others.
    """

    name = "schedule"

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        database: RunsUnits,
        node: str,
        now: Callable[[], float],
        clock: Any,
        metrics: Metrics,
        look_seconds: float = 2.0,
    ) -> None:
        self._jobs = tuple(jobs)
        self._database = database
        self._node = node
        self._now = now
        self._metrics = metrics
        self._look_seconds = look_seconds
        self._due_here = dict.fromkeys((job.name for job in jobs if job.everywhere), 0.0)
        self._looking: Deferred[None] | None = None
        self._loop = LoopingCall(self._look)
        self._loop.clock = self._clock = clock
        metrics.admit("job", [job.name for job in jobs])

    def startService(self) -> None:
        """Begin to look for due jobs, at once."""
        super().startService()
        self._loop.start(self._look_seconds, now=True)

    async def _finish_look(self) -> None:
        if self._looking is not None:
            idle: Deferred[None] = Deferred()
            self._looking.addBoth(lambda result: idle.callback(None))
            await idle

    def stopService(self) -> Deferred[None]:
        """Begin no further job; fires when the one that runs has ended."""
        super().stopService()
        if self._loop.running:
            self._loop.stop()
        return Deferred.fromCoroutine(self._finish_look())

    def _look(self) -> Deferred[None]:
        # LoopingCall waits for the Deferred, so that two looks never overlap.
        self._looking = Deferred.fromCoroutine(self._run_due())
        return self._looking

    async def _run_due(self) -> None:
        for job in self._jobs:
            if not self.running:
                return
            try:
                await self._run_if_due(job)
            except CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - the store may be away; the next look tries again
                self._count_failure(job, error)

    async def _run_if_due(self, job: Job) -> None:
        if job.everywhere:
            # The steady clock: what keeps this process in order must not wait when the time is set back.
            began = self._clock.seconds()
            if began < self._due_here[job.name]:
                return
            self._due_here[job.name] = began + job.every_seconds
            await self._run(job)
            rest = (self._clock.seconds() - began) / job.most_of_time
            self._due_here[job.name] = max(self._due_here[job.name], began + rest)
            return
        claimed = await self._database.run(
            jobs.claim, job.name, self._node, self._now(), job.lease_seconds, first_at=self._now()
        )
        if not claimed:
            return
        touched, error = await self._run(job)
        wait = job.every_seconds
        if error is not None:
            wait = min(wait, 300.0)
        elif job.full_at is not None and touched >= job.full_at:
            wait = 0.0
        now = self._now()
        await self._database.run(jobs.finish, job.name, self._node, now, next_run_at=now + wait, error=error)

    async def _run(self, job: Job) -> tuple[int, str | None]:
        self._metrics.job_runs.labels(job=job.name).inc()
        try:
            touched = await job.run()
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a job's bug must not stop the other jobs
            self._count_failure(job, error)
            return 0, f"{type(error).__name__}: {error}"[:300]
        _log.event("job-finished", job=job.name, rows=touched)
        return touched, None

    def _count_failure(self, job: Job, error: Exception) -> None:
        _log.failure("job-failed", job=job.name)
        self._metrics.job_failures.labels(job=job.name).inc()
