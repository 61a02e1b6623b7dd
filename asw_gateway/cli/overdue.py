"""`aswctl overdue`: answers that should have been given by now, by the agreements' clocks."""

from __future__ import annotations

import click

from asw_gateway.cli.control_client import ControlClient, with_control
from asw_gateway.cli.output import Output
from asw_gateway.cli.times import with_moments

_COLUMNS = {
    "rule": "RULE",
    "direction": "WHO",
    "party": "PARTNER",
    "document_type": "DOCUMENT",
    "document_number": "NUMBER",
    "due_at": "DUE",
}
_WHO = {"in": "our side", "out": "partner"}


@click.command("overdue")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000))
@with_control
def command(output: Output, control: ControlClient, limit: int) -> None:
    """List answers that are overdue (60, 90, 180 days of the certification procedure), oldest first."""
    found = control.get("/v1/overdue", limit=limit)
    if not output.as_json:
        found = [{**one, "direction": _WHO[one["direction"]]} for one in with_moments(found, "due_at")]
    output.rows(found, _COLUMNS, "nothing is overdue")
