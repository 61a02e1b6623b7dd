"""`aswctl inbox`: what came from partners, and what the portal has not confirmed yet."""

from __future__ import annotations

import click

from asw_gateway.cli.control_client import ControlClient, with_control
from asw_gateway.cli.messages import show_messages
from asw_gateway.cli.output import Output
from asw_gateway.cli.times import with_moments

_ENTRIES = {
    "sequence": "SEQUENCE",
    "kind": "KIND",
    "subject": "ABOUT",
    "partner": "PARTNER",
    "document_type": "DOCUMENT",
    "document_number": "NUMBER",
    "created_at": "SINCE",
}


@click.command("inbox")
@click.option("--partner", help="Of this partner only.")
@click.option("--state", help="In these states only, with commas between them.")
@click.option("--unconfirmed", is_flag=True, help="Show what the portal has not confirmed instead.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@with_control
def command(
    output: Output,
    control: ControlClient,
    partner: str | None,
    state: str | None,
    unconfirmed: bool,
    limit: int,
) -> None:
    """List what came from partners, newest first."""
    if not unconfirmed:
        found = control.get("/v1/messages", direction="inbound", partner=partner, state=state, limit=limit)
        show_messages(output, found)
        return
    entries = control.get("/v1/feed/unacknowledged", limit=limit)
    output.rows(
        entries if output.as_json else with_moments(entries, "created_at"),
        _ENTRIES,
        "the portal has confirmed everything",
    )
