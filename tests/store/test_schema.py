"""Making, upgrading and refusing schemas, on both engines."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from asw_gateway.store import engine as engines
from asw_gateway.store import journal, outbox, schema, tables
from asw_gateway.store.database import Database
from asw_gateway.store.schema import SchemaTooNew, SchemaTooOld
from tests.store.databases import database_url
from tests.store.messages import claim, ids, queued, submitted

ON_DISK = pytest.mark.parametrize("engine", ["sqlite", "postgresql"])


def at_revision(engine: Engine, revision: str) -> None:
    """Bring an empty database to an older schema."""
    with engine.connect() as connection, connection.begin():
        schema.upgrade_to(connection, revision)


def renamed(engine: Engine, revision: str) -> None:
    """Pretend that the database is at another revision."""
    with engine.connect() as connection, connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})


def test_revisions_are_numbered_and_the_last_is_ours() -> None:
    config = Config()
    config.set_main_option("script_location", "asw_gateway.store:migrations")
    config.set_main_option("path_separator", "os")
    found = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    assert found == [f"{number:04d}" for number in range(1, len(found) + 1)]
    assert found[-1] == tables.SCHEMA_REVISION


@ON_DISK
def test_the_revisions_make_exactly_our_tables(engine: str) -> None:
    with database_url(engine, empty=True) as url:
        opened = engines.open_engine(url)
        schema.prepare(opened, upgrade=True)
        with opened.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, tables.metadata) == []


@ON_DISK
def test_a_database_of_the_first_revision_is_upgraded_with_its_messages(engine: str) -> None:
    with database_url(engine, empty=True) as url:
        at_revision(engines.open_engine(url), "0001")
        database = Database.open(url, node="node-a")
        rows = [queued(database), submitted(database)]
        database.close_now()
        database = Database.open(url, node="node-a")
        try:
            assert [database.read_now(outbox.get, row.id) for row in rows] == rows
            assert ids(claim(database)) == [rows[0].id]
            assert database.read_now(journal.verify).whole
        finally:
            database.close_now()


@ON_DISK
def test_a_newer_schema_is_refused_naming_both(engine: str) -> None:
    with database_url(engine, empty=True) as url:
        opened = engines.open_engine(url)
        schema.prepare(opened, upgrade=True)
        renamed(opened, "0099")
        with pytest.raises(SchemaTooNew, match=rf"0099.*{tables.SCHEMA_REVISION}"):
            Database.open(url, node="node-a")


@ON_DISK
def test_no_upgrade_without_leave(engine: str) -> None:
    with database_url(engine, empty=True) as url:
        with pytest.raises(SchemaTooOld, match=rf"none.*{tables.SCHEMA_REVISION}"):
            Database.open(url, node="node-a", upgrade=False)
        with engines.open_engine(url).connect() as connection:
            assert schema.current(connection) is None


def test_a_file_is_copied_before_it_is_upgraded(monkeypatch: pytest.MonkeyPatch) -> None:
    with database_url("sqlite") as url:
        database = Database.open(url, node="node-a")
        row = submitted(database)
        database.close_now()
        opened = engines.open_engine(url)
        monkeypatch.setattr(schema, "SCHEMA_REVISION", "0002")
        monkeypatch.setattr(schema, "upgrade_to", lambda connection, revision: None)
        schema.prepare(opened, upgrade=True)
        copy = Path(f"{opened.url.database}.schema-0001")
        with sqlite3.connect(copy) as looked:
            assert looked.execute("SELECT id, state FROM outbox").fetchall() == [(row.id, "submitted")]
        looked.close()


@ON_DISK
def test_nodes_that_start_together_agree(engine: str) -> None:
    with database_url(engine, empty=True) as url, ThreadPoolExecutor(3) as pool:
        opened = list(pool.map(lambda name: Database.open(url, node=name), ["a", "b", "c"]))
        for database in opened:
            submitted(database)
            database.close_now()


@ON_DISK
def test_a_failed_upgrade_leaves_nothing_half_done(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = schema.upgrade_to

    def half(connection: object, revision: str) -> None:
        real(connection, revision)  # type: ignore[arg-type]
        raise RuntimeError("power cut")

    with database_url(engine, empty=True) as url:
        monkeypatch.setattr(schema, "upgrade_to", half)
        with pytest.raises(RuntimeError):
            Database.open(url, node="node-a")
        with engines.open_engine(url).connect() as connection:
            assert schema.current(connection) is None
        monkeypatch.undo()
        Database.open(url, node="node-a").close_now()
