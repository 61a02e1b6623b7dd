"""`aswctl status`: what runs, what waits, and whether it is well."""

from __future__ import annotations

from typing import Any

import click

from asw_gateway.cli.control_client import ControlClient, with_control
from asw_gateway.cli.output import FOUND_SOMETHING, Output
from asw_gateway.cli.times import moment, span

_WAITING = {
    "direction": "DIRECTION",
    "partner": "PARTNER",
    "state": "STATE",
    "messages": "MESSAGES",
    "oldest": "OLDEST",
}


@click.command("status")
@with_control
def command(output: Output, control: ControlClient) -> None:
    """Show what runs and what waits; exit 1 if a readiness check fails."""
    found = control.get("/v1/status")
    if output.as_json:
        output.value(found)
    else:
        _tell(output, found)
    if not all(check["ok"] for check in found["checks"].values()):
        raise SystemExit(FOUND_SOMETHING)


def _tell(output: Output, found: dict[str, Any]) -> None:
    now = found["now"]
    output.line(
        f"{found['party']} ({found['environment']}), node {found['node']}, version {found['version']},"
        f" up {span(now - found['started_at'])} since {moment(found['started_at'])}"
    )
    checks = [
        {"check": name, "answer": "good" if check["ok"] else f"BAD: {check['reason']}"}
        for name, check in sorted(found["checks"].items())
    ]
    if checks:
        output.line("")
        output.rows(checks, {"check": "CHECK", "answer": "ANSWER"})
    output.line("")
    channels = [{"partner": name, "channel": state} for name, state in sorted(found["partners"].items())]
    output.rows(channels, {"partner": "PARTNER", "channel": "CHANNEL"}, "no partners")
    output.line("")
    waiting = [
        {**depth, "direction": direction, "oldest": span(now - depth["oldest_at"])}
        for direction, name in (("outbound", "outbox"), ("inbound", "inbox"))
        for depth in found[name]
    ]
    output.rows(waiting, _WAITING, "nothing waits")
    feed = found["feed"]
    output.line(
        f"feed: last entry {feed['last_sequence']}, {feed['unacknowledged']} not confirmed by the portal"
        + (f", from {feed['first_unacknowledged']} on" if feed["unacknowledged"] else "")
    )
