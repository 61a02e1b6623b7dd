"""`aswctl db`: which schema revision the store has, whether it is the right one, and upgrading it."""

from __future__ import annotations

from pathlib import Path

import click

from asw_gateway.cli.database import with_database_url
from asw_gateway.cli.output import FOUND_SOMETHING, Output
from asw_gateway.messaging.faults import LocalFault
from asw_gateway.store import engine as engines
from asw_gateway.store import schema
from asw_gateway.store.tables import SCHEMA_REVISION


@click.group("db")
def command() -> None:
    """Look at the schema of the store, and upgrade it."""


@command.command("current")
@with_database_url
def current(output: Output, url: str) -> None:
    """Tell the database's schema revision, and the one this program needs."""
    found = _revision(output, url)
    if output.as_json:
        output.value({"revision": found, "needed": SCHEMA_REVISION})
    output.line(f"the database has schema revision {found or 'none'}, this program needs {SCHEMA_REVISION}")


@command.command("check")
@with_database_url
def check(output: Output, url: str) -> None:
    """Exit 1 unless this program can work with the database as it is."""
    found = _revision(output, url)
    good = found == SCHEMA_REVISION
    if output.as_json:
        output.value({"good": good, "revision": found, "needed": SCHEMA_REVISION})
    if good:
        output.line(f"good: schema revision {found}")
        return
    newer = found is not None and int(found) > int(SCHEMA_REVISION)
    advice = "install the newer program" if newer else "run aswctl db upgrade"
    output.line(f"the database has schema revision {found or 'none'}, not {SCHEMA_REVISION}: {advice}")
    raise SystemExit(FOUND_SOMETHING)


@command.command("upgrade")
@with_database_url
def upgrade(output: Output, url: str) -> None:
    """Make the tables, or bring them to the revision this program needs; a SQLite file is copied before."""
    try:
        engine = engines.open_engine(url)
        try:
            schema.prepare(engine, upgrade=True)
        finally:
            engine.dispose()
    except LocalFault as fault:
        output.fail(str(fault))
    if output.as_json:
        output.value({"revision": SCHEMA_REVISION})
    output.line(f"the database has schema revision {SCHEMA_REVISION}")


def _revision(output: Output, url: str) -> str | None:
    """The revision; None for an empty database.  Looking never makes a file."""
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        output.fail(f"{url}: there is no such file")
    try:
        engine = engines.open_engine(url)
        try:
            with engines.connect(engine) as connection, engines.faults():
                return schema.current(connection)
        finally:
            engine.dispose()
    except LocalFault as fault:
        output.fail(str(fault))
