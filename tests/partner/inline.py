"""The real store on SQLite in memory, run at once on the test's thread; it can be made to fail or wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from asw_gateway.store import engine as engines
from asw_gateway.store import schema
from asw_gateway.store.engine import StoreUnavailable
from asw_gateway.store.group import Unit, Writer


class InlineDatabase:
    """`run` as Database.run. With `broken` every unit fails; with `held` units wait until `let_go`."""

    def __init__(self, node: str = "node-a") -> None:
        engine = engines.open_engine("sqlite://")
        schema.prepare(engine, upgrade=True)
        self._writer = Writer(engine, node)
        self.broken = False
        self.held = False
        self.units = 0
        self._waiting: list[tuple[Deferred[Any], Callable[[Any], Any]]] = []

    def run(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        if self.broken:
            return fail(StoreUnavailable("disk full"))
        if self.held:
            waiting: Deferred[Any] = Deferred()
            self._waiting.append((waiting, lambda conn: fn(conn, *args, **kwargs)))
            return waiting
        return succeed(self.now(fn, *args, **kwargs))

    def now(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run one unit and give its result, or raise what it raised."""
        self.units += 1
        unit = Unit(lambda conn: fn(conn, *args, **kwargs))
        self._writer.run([unit])
        if unit.error is not None:
            raise unit.error
        return unit.result

    def let_go(self) -> None:
        """Run what waited; whatever comes now runs at once."""
        self.held = False
        waiting, self._waiting = self._waiting, []
        for deferred, work in waiting:
            deferred.callback(self.now(work))

    def close(self) -> None:
        self._writer.close()
