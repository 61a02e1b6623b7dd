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
from sqlalchemy import Engine, inspect, text

from asw_gateway.store import chains, schema, tables
from asw_gateway.store import engine as engines
from asw_gateway.store.database import Database
from asw_gateway.store.schema import SchemaTooNew, SchemaTooOld
from tests.store.databases import database_url
from tests.store.messages import T0, claim, finish, ids, submitted

ON_DISK = pytest.mark.parametrize("engine", ["sqlite", "postgresql"])


FIRST_REVISION_ROWS = [
    f"""INSERT INTO outbox (message_id, origin, sender_identity, national_message_id, digest, partner,
      document_type, profile, kind, document_number, order_key, open_key, priority, state, attempt,
      next_attempt_at, expires_at, lease_until, created_at)
    VALUES ('{number}@vn', 'portal', 'VNSW', 'N{number}', 'd', 'th', 'atiga-form-d', 'p', 'certificate', 'D',
      'k', 'k', 2, 'queued', 0, 0, {T0 + 1e6}, 0, {T0})"""
    for number in (1, 2)
] + [
    f"""INSERT INTO outbox_sealed (id, reference_digests, signed_with, content_type, size_bytes, body)
    VALUES ({number}, '[]', 'f', 'multipart/related', 0, '')"""
    for number in (1, 2)
]


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
        opened = engines.open_engine(url)
        at_revision(opened, "0001")
        with opened.connect() as connection, connection.begin():
            for statement in FIRST_REVISION_ROWS:
                connection.execute(text(statement))
        database = Database.open(url, node="node-a")
        try:
            assert ids(claim(database)) == [1], "the second one waits behind the first"
            finish(database, 1, 1, "delivered")
            assert ids(claim(database)) == [2]
            assert submitted(database).id == 3
            assert database.read_now(chains.verify).whole
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
        monkeypatch.setattr(schema, "SCHEMA_REVISION", "0098")
        monkeypatch.setattr(schema, "upgrade_to", lambda connection, revision: None)
        schema.prepare(opened, upgrade=True)
        copy = Path(f"{opened.url.database}.schema-{tables.SCHEMA_REVISION}")
        with sqlite3.connect(copy) as looked:
            assert looked.execute("SELECT id, state FROM outbox").fetchall() == [(row.id, "submitted")]
        looked.close()


def columns(engine: Engine) -> dict[tuple[str, str], tuple[str, bool, object]]:
    """Type, whether it may be NULL, and default of every column."""
    found = inspect(engine)
    return {
        (table, column["name"]): (str(column["type"]), bool(column["nullable"]), column["default"])
        for table in found.get_table_names()
        for column in found.get_columns(table)
    }


@ON_DISK
def test_an_upgrade_takes_nothing_from_nodes_that_still_run(engine: str) -> None:
    """Nodes are upgraded one by one: what an older one reads and writes must still be there, and suffice."""
    with database_url(engine, empty=True) as url:
        opened = engines.open_engine(url)
        at_revision(opened, "0001")
        before = columns(opened)
        for number in range(2, int(tables.SCHEMA_REVISION) + 1):
            at_revision(opened, f"{number:04d}")
            after = columns(opened)
            assert {place: after.get(place) for place in before} == before
            known = {table for table, _ in before}
            demanded = [
                place
                for place, (_, nullable, default) in after.items()
                if place not in before and place[0] in known and not nullable and default is None
            ]
            assert demanded == [], f"revision {number:04d} wants what an older node does not write"
            before = after


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
