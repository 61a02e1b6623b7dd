"""What one unit of work is given: a connection inside a transaction, and a place for work left to its end.

Feed entries and journal entries are collected while units run and written in one batch just before the
commit. That makes them cheap, and on PostgreSQL it keeps the one lock that gives feed entries their place
(the counter row) for the length of a commit only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Dialect

from asw_gateway.store.statements import Parameters, Row, Statement

if TYPE_CHECKING:
    from asw_gateway.store.feed import NewEntry
    from asw_gateway.store.journal import NewFact


class Transaction:
    """A transaction under way; every function of the store takes one first.

    `connection` is SQLAlchemy's, for statements that are not on the hot path. `node` names this gateway
    process in leases and in the journal. A transaction is used by one thread at a time.
    """

    __slots__ = ("_cursor", "connection", "dialect", "facts", "feed", "node")

    def __init__(self, connection: Connection, node: str) -> None:
        driver: Any = connection.connection.driver_connection
        self.connection = connection
        self.dialect: Dialect = connection.dialect
        self.node = node
        self.feed: list[NewEntry] = []
        self.facts: list[NewFact] = []
        self._cursor: Any = driver.cursor()

    @property
    def on_postgresql(self) -> bool:
        """Whether several nodes may share this database."""
        return self.dialect.name == "postgresql"

    def rows(self, statement: Statement, parameters: Parameters) -> list[Row]:
        """Run a statement that gives rows."""
        sql, constants = statement.compiled(self.dialect)
        self._cursor.execute(sql, {**constants, **parameters} if constants else parameters)
        found: list[Row] = self._cursor.fetchall()
        return found

    def row(self, statement: Statement, parameters: Parameters) -> Row | None:
        """Run a statement that gives at most one row."""
        found = self.rows(statement, parameters)
        return found[0] if found else None

    def run(self, statement: Statement, parameters: Parameters) -> int:
        """Run a statement that gives no rows; answer how many it touched."""
        sql, constants = statement.compiled(self.dialect)
        self._cursor.execute(sql, {**constants, **parameters} if constants else parameters)
        count: int = self._cursor.rowcount
        return count

    def run_many(self, statement: Statement, batch: Sequence[Parameters] | Iterable[Parameters]) -> None:
        """Run a statement once for each set of parameters."""
        sql, constants = statement.compiled(self.dialect)
        self._cursor.executemany(sql, [{**constants, **each} for each in batch])
