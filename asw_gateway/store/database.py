"""The store's door: one writing thread with group commit, one reading thread, Deferreds for the reactor.

    row = await database.run(outbox.submit, new, now)

`run` puts `outbox.submit(transaction, new, now)` in line for the database thread. Whatever waits there when
the thread becomes free shares one transaction; a unit that is alone waits for nobody. The Deferred fires on
the reactor thread after the commit. Reads have a connection of their own (not in a database in memory), so a
long one never delays a commit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from attrs import define
from sqlalchemy import Engine
from twisted.internet.defer import Deferred, fail

from asw_gateway.metrics import Metrics
from asw_gateway.store import engine as engines
from asw_gateway.store import schema
from asw_gateway.store.engine import StoreUnavailable
from asw_gateway.store.group import AroundCommit, Unit, Writer
from asw_gateway.store.reading import Reader
from asw_gateway.store.transaction import Transaction

P = ParamSpec("P")
T = TypeVar("T")

MAX_UNITS = 256
"""Units in one group at most, so that a commit stays short and memory bounded."""

GATHER_SECONDS = 0.005
"""How long a busy line waits for company; what it gives is measured in docs/decisions/group-commit.md."""


class StoreClosed(StoreUnavailable):
    """The database was closed before this unit came."""


class CallsBack(Protocol):
    """The part of a reactor that threads use."""

    def callFromThread(self, callable: Callable[..., object], *args: object, **kwargs: object) -> None:
        """Run on the reactor thread."""


class RunsUnits(Protocol):
    """What most rooms need of a `Database`; tests put a double in its place."""

    def run(
        self, fn: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """See `Database.run`."""


class ReadsUnits(RunsUnits, Protocol):
    """What rooms need that also look at a lot: reads stand in nobody's way."""

    def read(
        self, fn: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """See `Database.read`."""


@define(eq=False)
class _Waiting(Unit):
    """A unit with whoever waits for it: a Deferred on the reactor, or a blocked thread."""

    deferred: Deferred[Any] | None = None
    done: threading.Event | None = None
    cancelled: bool = False


class _Line:
    """A queue and the thread that serves it, group by group, until it is told to stop.

    After a group of several units it gathers for `gather_seconds` before the next one: units then come
    faster than commits end, and company is sure. A unit that came alone is never kept waiting.
    """

    def __init__(
        self,
        name: str,
        serve: Callable[[list[_Waiting]], None],
        finish: Callable[[], None],
        gather_seconds: float = 0.0,
    ) -> None:
        self._serve = serve
        self._finish = finish
        self._gather_seconds = gather_seconds
        self.queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self.thread = threading.Thread(target=self._work, name=name, daemon=True)
        self.thread.start()

    def _work(self) -> None:
        open_, busy = True, False
        while open_:
            first = self.queue.get()
            if busy and self._gather_seconds:
                time.sleep(self._gather_seconds)
            group = []
            while first is not None:
                group.append(first)
                if len(group) == MAX_UNITS:
                    break
                try:
                    first = self.queue.get_nowait()
                except Empty:
                    break
            open_, busy = first is not None, len(group) > 1
            waiting = [unit for unit in group if not unit.cancelled]
            if waiting:
                self._serve(waiting)
        self._finish()


class Database:
    """An open database. Make one with `open`, after any fork; close it before the process ends.

    `node` names this gateway process in leases and in its chain of the journal: unique among all processes
    on one database.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        node: str,
        reactor: CallsBack | None,
        metrics: Metrics | None,
        around_commit: AroundCommit | None = None,
    ) -> None:
        self.node = node
        self._engine = engine
        self._reactor = reactor
        self._metrics = metrics
        self._writer = Writer(engine, node, around_commit)
        self._reader = Reader(engine, node)
        self._closing: Deferred[None] | None = None
        self._closed = False
        self._writing = _Line("asw-database", self._commit, self._writer.close, GATHER_SECONDS)
        # A database in memory has one connection: its reads stand in line with the writes.
        self._reading = (
            self._writing
            if engines.is_memory(engine)
            else _Line("asw-database-reads", self._look, self._reader.close)
        )

    @classmethod
    def open(
        cls,
        url: str,
        *,
        node: str,
        reactor: CallsBack | None = None,
        metrics: Metrics | None = None,
        upgrade: bool = True,
        around_commit: AroundCommit | None = None,
    ) -> Database:
        """Open `url`, make or upgrade its tables (unless `upgrade` is false), and start the threads.

        Blocks: call it before listening. Raises StoreUnavailable with one sentence, SchemaTooNew or
        SchemaTooOld (both name the two revisions). Without a reactor only the blocking `run_now` and
        `read_now` work. `around_commit(moment, events)` is for tests that crash on purpose: the database
        thread calls it right before and right after each commit, with the events it adds to the journal.
        """
        engine = engines.open_engine(url)
        schema.prepare(engine, upgrade=upgrade)
        return cls(engine, node=node, reactor=reactor, metrics=metrics, around_commit=around_commit)

    def run(
        self, fn: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Run `fn(transaction, *args, **kwargs)` as one unit.

        The Deferred fires after the commit with what `fn` returned; or fails with what `fn` raised (nothing
        is stored), StoreConflict, StoreUnavailable or StoreClosed. `fn` may run more than once. Cancelling
        keeps a unit from starting; one that runs is finished and its result forgotten.
        """
        return self._hand_in(self._writing, fn, args, kwargs)

    def read(
        self, fn: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Run a function that only reads; it sees everything committed before it began."""
        return self._hand_in(self._reading, fn, args, kwargs)

    def run_now(
        self, fn: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`run` for tools and tests: blocks until the commit. Never call it on a reactor thread."""
        return self._wait(self._writing, fn, args, kwargs)

    def read_now(
        self, fn: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`read` for tools and tests: blocks. Never call it on a reactor thread."""
        return self._wait(self._reading, fn, args, kwargs)

    def close(self) -> Deferred[None]:
        """Take no more units, finish those in line, close the connections; fires when all that is done."""
        if self._closing is None:
            if self._reactor is None:
                raise RuntimeError("opened without a reactor: use close_now")
            self._closing = Deferred()
            self._stop_lines()
            threading.Thread(
                target=self._join, args=(self._reactor, self._closing), name="asw-database-close", daemon=True
            ).start()
        answer: Deferred[None] = Deferred()
        self._closing.addCallback(lambda _: answer.callback(None))
        return answer

    def close_now(self) -> None:
        """`close` for tools and tests: blocks the calling thread."""
        self._stop_lines()
        for line in {self._writing, self._reading}:
            line.thread.join()
        self._engine.dispose()

    def _stop_lines(self) -> None:
        if not self._closed:
            self._closed = True
            for line in {self._writing, self._reading}:
                line.queue.put(None)

    def _join(self, reactor: CallsBack, closing: Deferred[None]) -> None:
        self.close_now()
        reactor.callFromThread(closing.callback, None)

    def _hand_in(self, line: _Line, fn: Callable[..., T], args: Any, kwargs: Any) -> Deferred[T]:
        if self._closed:
            return fail(StoreClosed("the database is closed"))
        unit = _Waiting(lambda transaction: fn(transaction, *args, **kwargs))

        def cancel(_: Deferred[T]) -> None:
            unit.cancelled = True

        deferred: Deferred[T] = Deferred(cancel)
        unit.deferred = deferred
        line.queue.put(unit)
        return deferred

    def _wait(self, line: _Line, fn: Callable[..., T], args: Any, kwargs: Any) -> T:
        if self._closed:
            raise StoreClosed("the database is closed")
        unit = _Waiting(lambda transaction: fn(transaction, *args, **kwargs), done=threading.Event())
        assert unit.done is not None
        line.queue.put(unit)
        unit.done.wait()
        if unit.error is not None:
            raise unit.error
        result: T = unit.result
        return result

    def _commit(self, group: list[_Waiting]) -> None:
        facts, began = self._writer.facts, time.perf_counter()
        replayed = self._writer.run(group)
        if self._metrics is not None:
            self._metrics.transaction_duration.only.observe(time.perf_counter() - began)
            self._metrics.group_commit_units.only.observe(len(group))
            self._metrics.group_commit_replays.only.inc(int(replayed))
            self._metrics.journal_entries.only.inc(self._writer.facts - facts)
            self._metrics.database_backlog.only.set(self._writing.queue.qsize())
        self._answer(group)

    def _look(self, group: list[_Waiting]) -> None:
        for unit in group:
            self._reader.run(unit)
            self._answer([unit])

    def _answer(self, group: list[_Waiting]) -> None:
        for unit in group:
            if unit.done is not None:
                unit.done.set()
        if any(unit.deferred is not None for unit in group):
            assert self._reactor is not None
            self._reactor.callFromThread(_fire, group)


def _fire(group: list[_Waiting]) -> None:
    for unit in group:
        if unit.deferred is None or unit.cancelled:  # whoever cancelled has had its answer
            continue
        if unit.error is not None:
            unit.deferred.errback(unit.error)
        else:
            unit.deferred.callback(unit.result)
