"""Group commit: units that wait together share one transaction.

Optimistic: all units of a group run one after another, then one commit. If any of them fails, the group is
rolled back and its units run again one by one, each in a transaction of its own; so a unit must be able to
run twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import define
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from asw_gateway.store import engine as engines
from asw_gateway.store import feed, journal
from asw_gateway.store.engine import StoreConflict, StoreUnavailable
from asw_gateway.store.transaction import Transaction

AroundCommit = Callable[[str, Sequence[str]], object]
"""Called with "before" or "after" and the journal's new events; see `Database.open`."""


def _ignore(moment: str, events: Sequence[str]) -> None:
    """Nobody watches the commits."""


@define(eq=False)
class Unit:
    """One piece of work and, afterwards, what came of it."""

    work: Callable[[Transaction], Any]
    result: Any = None
    error: BaseException | None = None


class ConnectionLost(Exception):
    """The server went away; `in_doubt`: while committing, so nobody knows whether the group is stored."""

    def __init__(self, in_doubt: bool) -> None:
        super().__init__("the database connection was lost")
        self.in_doubt = in_doubt


class Writer:
    """The one writing connection of a node; used by one thread at a time, opened again after a loss."""

    def __init__(self, engine: Engine, node: str, around_commit: AroundCommit | None = None) -> None:
        self._around_commit = around_commit or _ignore
        self._engine = engine
        self._node = node
        self._connection: Connection | None = None
        self._head: journal.Head | None = None
        self.facts = 0
        """Journal entries committed so far."""

    def connect(self) -> Connection:
        """The connection, opened when there is none; raises StoreUnavailable."""
        if self._connection is None:
            self._connection = engines.connect(self._engine)
        return self._connection

    def run(self, units: Sequence[Unit]) -> bool:
        """Run a group to its end, results and errors into its units; answer whether it had to be replayed."""
        if len(units) == 1:
            self._finish(units)
            return False
        try:
            self._through(units)
        except (ConnectionLost, StoreUnavailable) as broken:
            for unit in units:
                unit.error = explained(broken)
            return False
        except Exception:  # noqa: BLE001 - whatever it was, the replay gives it to the unit it belongs to
            for unit in units:
                self._finish([unit])
            return True
        return False

    def close(self) -> None:
        """Close the connection; the next run opens another."""
        connection, self._connection, self._head = self._connection, None, None
        if connection is not None:
            try:
                connection.close()
            except DBAPIError:
                connection.invalidate()

    def _finish(self, units: Sequence[Unit]) -> None:
        try:
            self._through(units)
        except Exception as broken:  # noqa: BLE001 - goes to the caller
            for unit in units:
                unit.error = explained(broken)

    def _through(self, units: Sequence[Unit]) -> None:
        """One transaction; a connection lost before the commit was asked for is opened again, once."""
        try:
            results = self._transaction(units)
        except ConnectionLost as lost:
            if lost.in_doubt:
                raise
            results = self._transaction(units)
        for unit, result in zip(units, results, strict=True):
            unit.result = result

    def _transaction(self, units: Sequence[Unit]) -> list[Any]:
        connection = self.connect()
        committing = False
        try:
            with connection.begin() as begun:
                transaction = Transaction(connection, self._node)
                results = [unit.work(transaction) for unit in units]
                events = [fact.event for fact in transaction.facts]
                head = journal.write(transaction, self._head)
                feed.write(transaction)
                self._around_commit("before", events)
                committing = True
                begun.commit()
        except BaseException as broken:
            # The chain's head is read again: nothing of this group was written, and another
            # process may have been.
            self._head = None
            if engines.is_lost(connection):
                self.close()
                raise ConnectionLost(committing) from broken
            if connection.get_transaction() is not None:
                # With the disk full SQLite ends a transaction by itself, and then refuses to roll it back.
                self.close()
            raise
        self._around_commit("after", events)
        self._head = head
        self.facts += len(events)
        return results


def explained(broken: Exception) -> Exception:
    """The exception a caller gets: drivers' and SQLAlchemy's own never leave the store."""
    original = getattr(broken, "orig", None) or broken
    names = {kind.__name__ for kind in type(original).__mro__}
    explained: Exception
    if isinstance(broken, ConnectionLost):
        doubt = "; whether the last commit was stored is not known" if broken.in_doubt else ""
        explained = StoreUnavailable(f"the database connection was lost{doubt}")
    elif "IntegrityError" in names:
        explained = StoreConflict(str(original).splitlines()[0])
    elif "OperationalError" in names or "InterfaceError" in names:
        explained = StoreUnavailable(
            str(original).splitlines()[0] if str(original) else type(original).__name__
        )
    else:
        return broken
    explained.__cause__ = broken
    return explained
