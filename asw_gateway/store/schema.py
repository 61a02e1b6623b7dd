"""The tables of an open database are the ones this program knows: made, upgraded, or refused.

Revisions are numbered 0001, 0002, …; a higher number than tables.SCHEMA_REVISION is a newer program's
schema and is refused. A SQLite file is copied beside itself before an upgrade; PostgreSQL's operators make
their own backup.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from asw_gateway.messaging.faults import LocalFault
from asw_gateway.store import engine as engines
from asw_gateway.store.tables import SCHEMA_REVISION

_UPGRADE_LOCK = 4_717_001
"""PostgreSQL advisory lock: of nodes that start together one upgrades, the others wait and find it done."""


class SchemaTooNew(LocalFault):
    """The database was upgraded by a newer program."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"the database has schema revision {found}, this program knows up to {SCHEMA_REVISION}: "
            "install the newer version"
        )
        self.found = found


class SchemaTooOld(LocalFault):
    """The database must be upgraded first, and this command was not asked to."""

    def __init__(self, found: str | None) -> None:
        super().__init__(
            f"the database has schema revision {found or 'none'}, this program needs {SCHEMA_REVISION}: "
            "upgrade it first"
        )
        self.found = found


def prepare(engine: Engine, *, upgrade: bool) -> None:
    """Make or upgrade the tables, or raise SchemaTooNew, SchemaTooOld (no `upgrade`) or StoreUnavailable."""
    with engines.connect(engine) as connection:
        with engines.faults(), connection.begin():
            found = _acceptable(current(connection))
        if found == SCHEMA_REVISION:
            return
        if not upgrade:
            raise SchemaTooOld(found)
        if found is not None:
            _back_up(connection, found)
        with engines.faults(), connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
            if _acceptable(current(connection)) != SCHEMA_REVISION:
                upgrade_to(connection, SCHEMA_REVISION)


def current(connection: Connection) -> str | None:
    """The revision of a database; None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def upgrade_to(connection: Connection, revision: str) -> None:
    """Run every revision up to `revision` in the transaction that is under way on `connection`."""
    from alembic import command  # 0.2 s that only a first start or an upgrade has to spend
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "asw_gateway.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _acceptable(found: str | None) -> str | None:
    if found is not None and int(found) > int(SCHEMA_REVISION):
        raise SchemaTooNew(found)
    return found


def _back_up(connection: Connection, found: str) -> None:
    """Copy a SQLite file to `<file>.schema-<revision>` unless that copy is already there."""
    name = connection.engine.url.database
    if connection.dialect.name != "sqlite" or not name or name == ":memory:":
        return
    copy = Path(f"{name}.schema-{found}")
    if copy.exists():
        return
    unfinished = Path(f"{copy}.part")
    unfinished.unlink(missing_ok=True)
    target = sqlite3.connect(unfinished)
    try:
        source = connection.connection.driver_connection
        if not isinstance(source, sqlite3.Connection):
            raise TypeError(type(source))
        source.backup(target)
    finally:
        target.close()
    unfinished.rename(copy)
