"""`aswctl db`: the schema of the store, and upgrading it; backup and restore."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable
from pathlib import Path

import click
from attrs import asdict

from asw_gateway.cli.database import with_database_url
from asw_gateway.cli.output import FOUND_SOMETHING, Output
from asw_gateway.messaging.faults import LocalFault
from asw_gateway.store import backup as backups
from asw_gateway.store import engine as engines
from asw_gateway.store import schema
from asw_gateway.store.tables import SCHEMA_REVISION


@click.group("db")
def command() -> None:
    """Look at the schema of the store, upgrade it, back it up, restore it."""


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


@command.command("backup")
@click.argument("target", type=click.Path(path_type=Path))
@with_database_url
def backup(output: Output, url: str, target: Path) -> None:
    """Write a consistent copy of the store to the new file TARGET, while the gateway works."""
    _told(output, f"written to {target}", lambda: backups.back_up(url, target, now=time.time()))


@command.command("restore")
@click.argument("source", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@with_database_url
def restore(output: Output, url: str, source: Path) -> None:
    """Fill an empty database from the backup SOURCE. Stop the gateway first; afterwards, reconcile.

    What was exchanged after the backup is not in it: what we had sent is sent again under the same ids, and
    aswctl reconcile finds what partners have sent meanwhile.
    """
    actor = f"aswctl {getpass.getuser()}"
    _told(output, "restored", lambda: backups.restore(url, source, now=time.time(), actor=actor))


def _told(output: Output, said: str, work: Callable[[], backups.Backup]) -> None:
    try:
        done = work()
    except LocalFault as fault:
        output.fail(str(fault))
    if output.as_json:
        output.value(asdict(done))
    output.line(f"{said}: {done.engine}, schema {done.revision}, {done.size_bytes} bytes")
    for chain, sequence in sorted(done.heads.items()):
        output.line(f"chain {chain} up to entry {sequence}")


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
