"""SQL compiled once per dialect, executed straight on the driver's cursor.

SQLAlchemy writes the SQL; on the hot path its execution layer is left out (it costs several times the work
of SQLite itself for one row). Parameters are plain str, int, float, bytes or None, which both drivers take
as they are, so no type processing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Dialect,
    Executable,
    Insert,
    Integer,
    Table,
    Text,
    bindparam,
    literal_column,
)
from sqlalchemy.dialects import postgresql, sqlite

Parameters: TypeAlias = Mapping[str, Any]
Row: TypeAlias = tuple[Any, ...]


class Statement:
    """One SQL statement; `build` is called once per dialect with the dialect's name.

    `columns` names the values of a result row, in order, where the statement gives rows.
    """

    __slots__ = ("_build", "_compiled")

    def __init__(self, build: Callable[[str], Executable]) -> None:
        self._build = build
        self._compiled: dict[str, tuple[str, dict[str, Any]]] = {}

    def compiled(self, dialect: Dialect) -> tuple[str, dict[str, Any]]:
        """The SQL text for this dialect and the parameters that are constants of the statement."""
        found = self._compiled.get(dialect.name)
        if found is None:
            compiled = self._build(dialect.name).compile(dialect=dialect)  # type: ignore[attr-defined]
            constants = {name: value for name, value in compiled.params.items() if value is not None}
            found = self._compiled[dialect.name] = (str(compiled), constants)
        return found


def word(value: str) -> ColumnElement[str]:
    """A state or another fixed word as a literal, so that the planner can match it with a partial index."""
    return literal_column(f"'{value}'", Text)


def number(value: int) -> ColumnElement[int]:
    """A fixed number as a literal."""
    return literal_column(str(value), Integer)


def insert_or_ignore(dialect: str, table: Table, *conflict: str) -> Insert:
    """`INSERT … ON CONFLICT (conflict) DO NOTHING`: whether a row came back tells whether it was new."""
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing(index_elements=conflict)
    return sqlite.insert(table).on_conflict_do_nothing(index_elements=conflict)


def insert_values(table: Table) -> dict[str, BindParameter[Any]]:
    """A parameter for every column but the row number the engine gives."""
    return {
        column.name: bindparam(column.name, type_=column.type)
        for column in table.c
        if column.identity is None
    }
