"""The reading connection: never writes, never waits for the writer."""

from __future__ import annotations

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from asw_gateway.store import engine as engines
from asw_gateway.store.group import ConnectionLost, Unit, explained
from asw_gateway.store.transaction import Transaction


class Reader:
    """A connection for reads; used by one thread at a time, opened again after a loss."""

    def __init__(self, engine: Engine, node: str) -> None:
        self._engine = engine
        self._node = node
        self._connection: Connection | None = None

    def run(self, unit: Unit) -> None:
        """Run one unit in a read-only transaction, its result or error into it."""
        try:
            try:
                unit.result = self._look(unit)
            except ConnectionLost:
                unit.result = self._look(unit)
        except Exception as broken:  # noqa: BLE001 - goes to the caller
            unit.error = explained(broken)

    def close(self) -> None:
        """Close the connection; the next run opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except DBAPIError:
                connection.invalidate()

    def _look(self, unit: Unit) -> object:
        if self._connection is None:
            self._connection = engines.connect_for_reading(self._engine)
        connection = self._connection
        try:
            with connection.begin():
                return unit.work(Transaction(connection, self._node))
        except BaseException as broken:
            if engines.is_lost(connection):
                self.close()
                raise ConnectionLost(False) from broken
            if connection.get_transaction() is not None:
                self.close()
            raise
