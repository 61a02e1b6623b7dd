"""`aswctl evidence`: prove that the journal is whole."""

from __future__ import annotations

import click

from asw_gateway.cli.database import with_database_url
from asw_gateway.cli.output import FOUND_SOMETHING, Output
from asw_gateway.messaging.faults import LocalFault
from asw_gateway.store import journal
from asw_gateway.store.database import Database


@click.group("evidence")
def command() -> None:
    """Check the evidence that the gateway keeps."""


@command.command("verify")
@with_database_url
def verify(output: Output, url: str) -> None:
    """Walk every hash chain of the journal; exit 1 at any entry that is missing, out of place or changed."""
    try:
        database = Database.open(url, node="aswctl", upgrade=False)
    except LocalFault as fault:
        output.fail(str(fault))
    try:
        report = database.read_now(journal.verify)
    except LocalFault as fault:
        output.fail(str(fault))
    finally:
        database.close_now()
    if output.as_json:
        output.value({"whole": report.whole, "entries": report.entries, "breaks": list(report.breaks)})
    else:
        chains = [{"chain": chain, "entries": entries} for chain, entries in report.entries.items()]
        output.rows(chains, {"chain": "CHAIN", "entries": "ENTRIES"}, "the journal is empty")
        for broken in report.breaks:
            output.line(f"BROKEN {broken}")
        output.line("the journal is whole" if report.whole else f"{len(report.breaks)} breaks")
    if not report.whole:
        raise SystemExit(FOUND_SOMETHING)
