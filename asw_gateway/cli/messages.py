"""`aswctl messages`: find messages, read their story, and deal with those that need a person."""

from __future__ import annotations

from typing import Any

import click

from asw_gateway.cli.control_client import ControlClient, with_control
from asw_gateway.cli.output import Output
from asw_gateway.cli.times import moment, with_moments

COLUMNS = {
    "id": "ID",
    "partner": "PARTNER",
    "state": "STATE",
    "document_type": "DOCUMENT",
    "kind": "KIND",
    "document_number": "NUMBER",
    "attempt": "ATTEMPTS",
    "at": "SINCE",
    "last_reason": "LAST REASON",
}
_ATTEMPTS = {
    "attempt": "ATTEMPT",
    "started_at": "BEGAN",
    "finished_at": "ENDED",
    "outcome": "OUTCOME",
    "reason": "REASON",
    "detail": "DETAIL",
}
_HISTORY = {"at": "AT", "event": "EVENT", "actor": "WHO", "detail": "DETAIL"}
_TOLD_BELOW = ("attempts", "history")
ORDERS = {
    "replay": "Send a failed or expired MESSAGE again under its own id, or convert a received one again.",
    "resend": "Send a delivered MESSAGE again under its own id, because the partner has lost it.",
    "discard": "Give up a failed or expired MESSAGE; a received one is answered with a technical error.",
    "cancel": "Withdraw MESSAGE before it is delivered.",
}


@click.group("messages")
def command() -> None:
    """Find messages; replay, resend, discard or cancel one.

    A message is named outbound:17 or inbound:17, by the portal's messageId, or by its id on the network.
    """


@command.command("list")
@click.option("--direction", type=click.Choice(["outbound", "inbound"]))
@click.option("--partner", help="Of this partner only.")
@click.option("--state", help="In these states only, with commas between them.")
@click.option("--number", help="About the document with this number.")
@click.option("--dead", is_flag=True, help="Only what needs a person: failed, expired, unconvertible.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@with_control
def list_(
    output: Output,
    control: ControlClient,
    direction: str | None,
    partner: str | None,
    state: str | None,
    number: str | None,
    dead: bool,
    limit: int,
) -> None:
    """List messages, newest first."""
    if dead:
        found = control.get("/v1/messages/dead", limit=limit)
    else:
        wanted = {"direction": direction, "partner": partner, "state": state, "number": number}
        found = control.get("/v1/messages", **wanted, limit=limit)
    show_messages(output, found)


@command.command("show")
@click.argument("message")
@with_control
def show(output: Output, control: ControlClient, message: str) -> None:
    """Tell everything about MESSAGE: what it is, its attempts, its story."""
    found = control.get("/v1/message", id=message)
    if output.as_json:
        output.value(found)
        return
    for name, value in found.items():
        if name not in _TOLD_BELOW and value not in (None, ""):
            told = moment(value) if name == "at" or name.endswith(("_at", "_until")) else value
            output.line(f"{name.replace('_', ' '):22} {told}")
    if found.get("attempts"):
        output.line("")
        output.rows(with_moments(found["attempts"], "started_at", "finished_at"), _ATTEMPTS)
    output.line("")
    output.rows(with_moments(found["history"], "at"), _HISTORY)


def show_messages(output: Output, found: list[dict[str, Any]]) -> None:
    """Messages as a table, or as they came."""
    output.rows(found if output.as_json else with_moments(found, "at"), COLUMNS, "no messages")


def _order(act: str, what_it_does: str) -> click.Command:
    """The command for one act on one message."""

    @click.command(act, help=what_it_does)
    @click.argument("message")
    @click.option("--reason", required=True, help="Why; kept in the journal.")
    @with_control
    def order(output: Output, control: ControlClient, message: str, reason: str) -> None:
        found = control.post(f"/v1/message/{act}", id=message, reason=reason)
        if output.as_json:
            output.value(found)
        output.line(f"{found['id']} is {found['state']}")

    return order


for _act, _what_it_does in ORDERS.items():
    command.add_command(_order(_act, _what_it_does))
