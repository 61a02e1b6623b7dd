"""Backup and restore, while the gateway works.

SQLite: the file as one consistent snapshot, made by SQLite's own backup. PostgreSQL: a zip file with one
member a table (COPY, binary) read in one snapshot, and a manifest; it needs neither pg_dump nor its right
version on the gateway's machine, and what a server's own tools make is as good. A restore goes into an empty
place only. It is journalled, and the feed goes on far behind the last sequence the portal may have seen.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from attrs import frozen
from sqlalchemy import Connection, inspect, make_url, text

from asw_gateway.messaging.faults import LocalFault
from asw_gateway.store import engine as engines
from asw_gateway.store import journal, schema, tables
from asw_gateway.store.database import Database
from asw_gateway.store.transaction import Transaction

FORMAT = "asw-backup/1"
FEED_JUMP = 1_000_000
"""Sequences left out after a restore: more than any portal can have read since the backup."""


class BackupFault(LocalFault):
    """Why a backup or a restore cannot be done; nothing half-done is left."""


@frozen(kw_only=True)
class Backup:
    """What a backup holds: its schema, and the head of every chain of the journal."""

    engine: str
    revision: str
    size_bytes: int
    heads: dict[str, int]


def back_up(url: str, target: Path, *, now: float) -> Backup:
    """Write a consistent copy of the store to the new file `target`, readable by its owner only."""
    engine = engines.open_engine(url)
    try:
        if engine.dialect.name == "sqlite":
            source = _sqlite_file(url, must_exist=True)
            with _new_file(target) as unfinished:
                revision = _copy_sqlite(source, unfinished)
        else:
            with _new_file(target) as unfinished, engines.connect(engine) as connection, engines.faults():
                revision = _dump(connection, unfinished, now)
    finally:
        engine.dispose()
    return Backup(
        engine=engine.dialect.name,
        revision=revision,
        size_bytes=target.stat().st_size,
        heads=_heads(target),
    )


def restore(url: str, source: Path, *, now: float, actor: str) -> Backup:
    """Fill an empty database from a backup, bring it to this program's schema, and journal that it was done.

    Raises BackupFault when something stands at `url` already, or the backup is damaged or of another engine.
    """
    engine = engines.open_engine(url)
    try:
        if engine.dialect.name == "postgresql":
            with engines.connect(engine) as connection, engines.faults():
                _load(connection, source)
        else:
            target = _sqlite_file(url, must_exist=False)
            with _new_file(target) as unfinished:
                _copy_sqlite(source, unfinished)
    finally:
        engine.dispose()
    heads = _heads(source)
    database = Database.open(url, node="restore")
    try:
        database.run_now(_note_restore, f"{source.name}: {json.dumps(heads)}", now, actor)
    finally:
        database.close_now()
    return Backup(
        engine=engine.dialect.name,
        revision=tables.SCHEMA_REVISION,
        size_bytes=source.stat().st_size,
        heads=heads,
    )


def _note_restore(conn: Transaction, detail: str, now: float, actor: str) -> None:
    conn.connection.execute(text("UPDATE feed_counter SET last = last + :jump"), {"jump": FEED_JUMP})
    journal.append(conn, event="store.restored", subject="store", actor=actor, detail=detail, now=now)


@contextmanager
def _new_file(target: Path) -> Iterator[Path]:
    """A file beside `target` that takes its name when everything went well and is on the disk."""
    if target.exists():
        raise BackupFault(f"{target} exists already; move it away first")
    unfinished = target.with_name(f"{target.name}.part")
    try:
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        yield unfinished
        for path in (unfinished, target.parent):
            place = os.open(path, os.O_RDONLY)
            try:
                os.fsync(place)
            finally:
                os.close(place)
        unfinished.rename(target)
    except OSError as fault:
        raise BackupFault(f"{target}: {fault.strerror or fault}") from fault
    finally:
        unfinished.unlink(missing_ok=True)


def _sqlite_file(url: str, *, must_exist: bool) -> Path:
    name = make_url(url).database
    if not name or name == ":memory:":
        raise BackupFault("a database in memory cannot be backed up or restored")
    if must_exist and not Path(name).exists():
        raise BackupFault(f"{name}: there is no such file")
    for beside in ("", "-wal", "-shm"):
        if not must_exist and Path(name + beside).exists():
            raise BackupFault(f"{name}{beside} exists already; move it away first")
    return Path(name)


def _copy_sqlite(source: Path, target: Path) -> str:
    """Copy and check; the schema's revision."""
    try:
        opened, copy = sqlite3.connect(f"file:{source}?mode=ro", uri=True), sqlite3.connect(target)
        try:
            opened.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
            found = copy.execute("PRAGMA quick_check").fetchone()[0]
            if found != "ok":
                raise BackupFault(f"{source} is damaged: {found}")
            (revision,) = copy.execute("SELECT version_num FROM alembic_version").fetchone()
        finally:
            opened.close()
            copy.close()
    except sqlite3.Error as fault:
        raise BackupFault(f"{source}: {fault}") from fault
    return str(revision)


def _heads(file: Path) -> dict[str, int]:
    """Chain to last sequence, from a finished backup."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            found: dict[str, int] = json.loads(archive.read("manifest.json"))["heads"]
            return found
    copy = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return dict(copy.execute("SELECT chain, max(sequence) FROM journal GROUP BY chain"))
    finally:
        copy.close()


def _dump(connection: Connection, target: Path, now: float) -> str:
    revision = schema.current(connection)
    if revision is None:
        raise BackupFault("the database has no tables")
    connection.rollback()
    driver: Any = connection.connection.driver_connection
    members: dict[str, dict[str, Any]] = {}
    with driver.transaction(), driver.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SELECT chain, max(sequence) FROM journal GROUP BY chain")
        heads = dict(cursor.fetchall())
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for table in tables.metadata.sorted_tables:
                columns = [column.name for column in table.columns]
                digest = sha256()
                with (
                    archive.open(f"{table.name}.copy", "w", force_zip64=True) as member,
                    cursor.copy(f"COPY {table.name} ({_names(columns)}) TO STDOUT (FORMAT BINARY)") as pieces,
                ):
                    for piece in pieces:
                        member.write(piece)
                        digest.update(piece)
                members[table.name] = {"columns": columns, "sha256": digest.hexdigest()}
            manifest = {"format": FORMAT, "revision": revision, "made_at": now, "heads": heads}
            archive.writestr("manifest.json", json.dumps({**manifest, "tables": members}, indent=1))
    return revision


def _load(connection: Connection, source: Path) -> None:
    if inspect(connection).get_table_names():
        raise BackupFault("the database is not empty; restore into a new one")
    connection.rollback()
    try:
        with zipfile.ZipFile(source) as archive, connection.begin():
            manifest = json.loads(archive.read("manifest.json"))
            if manifest.get("format") != FORMAT:
                raise BackupFault(f"{source} is no backup of format {FORMAT}")
            if int(manifest["revision"]) > int(tables.SCHEMA_REVISION):
                raise schema.SchemaTooNew(manifest["revision"])
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            schema.upgrade_to(connection, manifest["revision"])
            connection.execute(text("DELETE FROM feed_counter"))
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor:
                for name, about in manifest["tables"].items():
                    _load_table(cursor, archive, name, about)
                    _set_identity(cursor, name, about["columns"])
    except (zipfile.BadZipFile, KeyError, OSError) as fault:
        raise BackupFault(f"{source} is damaged or no backup of a PostgreSQL store: {fault}") from fault


def _load_table(cursor: Any, archive: zipfile.ZipFile, name: str, about: dict[str, Any]) -> None:
    if name not in tables.metadata.tables:
        raise BackupFault(f"the backup holds an unknown table {name[:50]}")
    digest = sha256()
    columns = [column for column in about["columns"] if column.isidentifier()]
    with (
        archive.open(f"{name}.copy") as member,
        cursor.copy(f"COPY {name} ({_names(columns)}) FROM STDIN (FORMAT BINARY)") as pieces,
    ):
        while piece := member.read(1 << 20):
            digest.update(piece)
            pieces.write(piece)
    if digest.hexdigest() != about["sha256"]:
        raise BackupFault(f"the backup of table {name} was changed")


def _set_identity(cursor: Any, name: str, columns: list[str]) -> None:
    for column in tables.metadata.tables[name].columns:
        if column.identity is not None and column.name in columns:
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{name}', '{column.name}'),"  # noqa: S608
                f" (SELECT coalesce(max({column.name}), 0) + 1 FROM {name}), false)"
            )


def _names(columns: list[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
