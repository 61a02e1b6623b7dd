"""Connections to the two engines, with the durability this gateway promises.

SQLite: write-ahead log, synchronous=FULL (a commit is on the disk when it returns), foreign keys on,
transactions begun by us and not by the driver. PostgreSQL: READ COMMITTED, which every statement here is
written for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool, StaticPool

from asw_gateway.messaging.faults import LocalFault

BUSY_SECONDS = 10
CONNECT_SECONDS = 10
STATEMENT_SECONDS = 60
"""No statement of the gateway needs longer; a hung server must not hold the database thread for ever."""
WRITER_CACHE_KIB, READER_CACHE_KIB = 8192, 2048
"""SQLite's own cache a connection; what it misses the operating system has, for a copy of the page."""


class StoreUnavailable(LocalFault):
    """The database cannot be opened, reached or written; nothing of the unit is stored."""


class StoreConflict(LocalFault):
    """The unit would break a rule that the database keeps (a second feed entry for one message)."""


def open_engine(url: str) -> Engine:
    """An engine for `sqlite:///path`, `sqlite://` (memory) or `postgresql+psycopg://…`; not connected yet."""
    try:
        parsed = make_url(url)
    except ArgumentError as broken:
        raise StoreUnavailable(f"not a database URL: {broken}") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(url, in_memory=parsed.database in (None, "", ":memory:"))
    if backend == "postgresql":
        options = f"-c statement_timeout={STATEMENT_SECONDS}s -c idle_in_transaction_session_timeout=60s"
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            poolclass=NullPool,
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                "application_name": "asw-gateway",
                "options": options,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 30_000,
            },
        )
    raise StoreUnavailable(f"no support for {backend} databases: use sqlite or postgresql+psycopg")


@contextmanager
def faults() -> Iterator[None]:
    """Turn what the driver raises inside into `StoreUnavailable` with a sentence for the operator."""
    try:
        yield
    except SQLAlchemyError as broken:
        raise StoreUnavailable(f"the database refused: {_first_line(broken)}") from broken


def connect(engine: Engine) -> Connection:
    """One connection, or `StoreUnavailable` with a sentence for the operator."""
    try:
        return engine.connect()
    except SQLAlchemyError as broken:
        raise StoreUnavailable(
            f"cannot open {engine.url.render_as_string()}: {_first_line(broken)}"
        ) from broken


def connect_for_reading(engine: Engine) -> Connection:
    """A connection that cannot write."""
    if engine.dialect.name == "postgresql":
        return connect(engine).execution_options(postgresql_readonly=True)
    connection = connect(engine).execution_options(asw_reading=True)
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA query_only=ON")
    driver.execute(f"PRAGMA cache_size=-{READER_CACHE_KIB}")
    # Counting a million waiting rows sorts them: in a file, not in 60 MB of memory.
    driver.execute("PRAGMA temp_store=DEFAULT")
    return connection


def is_lost(connection: Connection) -> bool:
    """Whether the server is gone; a SQLite connection never is."""
    if connection.invalidated:
        return True
    driver: Any = connection.connection.driver_connection
    return bool(getattr(driver, "closed", False) or getattr(driver, "broken", False))


def is_memory(engine: Engine) -> bool:
    """Whether the database lives in this process only, and so has a single connection."""
    return isinstance(engine.pool, StaticPool)


def _sqlite(url: str, *, in_memory: bool) -> Engine:
    engine = create_engine(
        url,
        paramstyle="named",
        poolclass=StaticPool if in_memory else NullPool,
        # The database thread is the only user; it is not the thread that opened the connection.
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute(f"PRAGMA cache_size=-{WRITER_CACHE_KIB}")
        # A page that changes often goes back to the file once for 16 MB of log, not for 4.
        cursor.execute("PRAGMA wal_autocheckpoint=4000")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("asw_reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _first_line(broken: Exception) -> str:
    return str(getattr(broken, "orig", None) or broken).splitlines()[0]
