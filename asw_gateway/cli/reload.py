"""`aswctl reload`: the running gateway reads its configuration again."""

from __future__ import annotations

import click

from asw_gateway.cli.control_client import ControlClient, with_control
from asw_gateway.cli.output import Output


@click.command("reload")
@with_control
def command(output: Output, control: ControlClient) -> None:
    """Read the configuration again; with errors the old one stays, and exit is 2."""
    found = control.post("/v1/reload")
    if output.as_json:
        output.value(found)
    output.line("the new configuration is in force")
