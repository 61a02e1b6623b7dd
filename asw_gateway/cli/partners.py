"""`aswctl partners`: who they are, how they are, and stopping and starting the exchange with one."""

from __future__ import annotations

import click

from asw_gateway.cli.control_client import ControlClient, with_control
from asw_gateway.cli.output import FOUND_SOMETHING, Output
from asw_gateway.cli.times import with_moments

_COLUMNS = {
    "name": "PARTNER",
    "country": "COUNTRY",
    "party_id": "PARTY",
    "channel": "CHANNEL",
    "waiting": "WAITING",
    "failures": "FAILURES",
    "last_contact_at": "LAST CONTACT",
    "next_contact_at": "NEXT CONTACT",
    "suspended_at": "SUSPENDED",
    "last_reason": "LAST REASON",
}


@click.group("partners")
def command() -> None:
    """Look at partners; suspend, resume, ping or wake one."""


@command.command("list")
@with_control
def list_(output: Output, control: ControlClient) -> None:
    """Show every partner: its channel, what waits for it, its last contact."""
    moments = ("last_contact_at", "next_contact_at", "suspended_at")
    found = control.get("/v1/partners")
    output.rows(found if output.as_json else with_moments(found, *moments), _COLUMNS, "no partners")


@command.command("suspend")
@click.argument("name")
@click.option("--reason", required=True, help="Why; kept in the journal.")
@with_control
def suspend(output: Output, control: ControlClient, name: str, reason: str) -> None:
    """Send nothing to NAME until it is resumed; its messages stay queued."""
    _order(output, control, name, "suspend", reason, "is suspended; its messages stay queued")


@command.command("resume")
@click.argument("name")
@click.option("--reason", required=True, help="Why; kept in the journal.")
@with_control
def resume(output: Output, control: ControlClient, name: str, reason: str) -> None:
    """Send to NAME again."""
    _order(output, control, name, "resume", reason, "is resumed")


@command.command("wake")
@click.argument("name")
@with_control
def wake(output: Output, control: ControlClient, name: str) -> None:
    """Try now what waits for a later attempt to NAME."""
    _order(output, control, name, "wake", "", "is being tried again")


@command.command("ping")
@click.argument("name")
@with_control
def ping(output: Output, control: ControlClient, name: str) -> None:
    """Send one test message to NAME; exit 1 unless a valid receipt comes back."""
    found = control.post(f"/v1/partners/{name}/ping")
    if output.as_json:
        output.value(found)
    said = f": {found['detail'] or found['reason']}" if found["outcome"] != "receipt" else ""
    output.line(f"{name}: {found['outcome']} after {found['seconds']} s{said}")
    if found["outcome"] != "receipt":
        raise SystemExit(FOUND_SOMETHING)


def _order(output: Output, control: ControlClient, name: str, act: str, reason: str, sentence: str) -> None:
    found = control.post(f"/v1/partners/{name}/{act}", reason=reason)
    if output.as_json:
        output.value(found)
    output.line(f"{name} {sentence}")
