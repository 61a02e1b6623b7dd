"""`aswctl reconcile`: agree with a partner on what was exchanged, and list what was not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from attrs import asdict

from asw_gateway.cli.control_client import ControlClient, with_control
from asw_gateway.cli.database import with_database_url
from asw_gateway.cli.output import FOUND_SOMETHING, Output
from asw_gateway.cli.times import moment, with_moments
from asw_gateway.messaging.faults import LocalFault
from asw_gateway.store import reconciliation
from asw_gateway.store.database import Database
from asw_gateway.store.reconciliation import Exchanged

T = TypeVar("T")
FORMAT = "asw-manifest/1"
_DIFFERENCES = {
    "what": "DIFFERENCE",
    "direction": "WE HAVE",
    "message_id": "MESSAGE",
    "document_number": "NUMBER",
    "ours": "OUR STATE",
    "theirs": "THEIR STATE",
}
_FALLBACK = {
    "direction": "DIRECTION",
    "partner": "PARTNER",
    "document_type": "DOCUMENT",
    "kind": "KIND",
    "document_number": "NUMBER",
    "state": "STATE",
    "since_at": "SINCE",
    "reason": "REASON",
    "subject": "ID",
}


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """A time in UTC: 2026-11-20, 2026-11-20T08:30 or 2026-11-20T08:30:00Z."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """UTC epoch seconds."""
        if isinstance(value, float):
            return value
        try:
            read = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value} is no time such as 2026-11-20T08:30", param, ctx)
        return read.replace(tzinfo=read.tzinfo or UTC).timestamp()


def with_period(function: Callable[..., T]) -> Callable[..., T]:
    """Options --since and --until."""
    until = click.option(
        "--until", type=Moment(), default=time.time, show_default="now", help="First moment not in it, UTC."
    )
    return click.option("--since", type=Moment(), required=True, help="Begin of the period, UTC.")(
        until(function)
    )


@click.group("reconcile")
def command() -> None:
    """Agree with a partner on what was exchanged in a period; list what was not."""


@command.command("manifest")
@click.argument("partner")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@with_period
@with_database_url
def manifest(output: Output, url: str, partner: str, file: Path, since: float, until: float) -> None:
    """Write to FILE what was exchanged with PARTNER, for PARTNER to compare."""
    found = _read(output, url, reconciliation.manifest, partner, since, until)
    value = {
        "format": FORMAT,
        "with": partner,
        "since": since,
        "until": until,
        "made_at": time.time(),
        "entries": [asdict(one) for one in found],
    }
    try:
        file.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", "utf-8")
    except OSError as fault:
        output.fail(f"{file} cannot be written: {fault.strerror}")
    if output.as_json:
        output.value({"file": str(file), "entries": len(found)})
    output.line(f"{len(found)} messages, {moment(since)} to {moment(until)}, written to {file}")


@command.command("compare")
@click.argument("partner")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@with_database_url
def compare(output: Output, url: str, partner: str, file: Path) -> None:
    """Compare the manifest FILE that PARTNER made with our store; exit 1 when they differ.

    Keep the result with --json and give it to `aswctl reconcile resend` to send again what is missing there.
    """
    try:
        given = json.loads(file.read_text("utf-8"))
        if given["format"] != FORMAT:
            output.fail(f"{file} is no manifest of format {FORMAT}")
        entries = [Exchanged(**one) for one in given["entries"]]
        since, until = float(given["since"]), float(given["until"])
    except (OSError, ValueError, KeyError, TypeError) as fault:
        output.fail(f"{file} cannot be read as a manifest ({type(fault).__name__}: {fault})")
    found = _read(output, url, reconciliation.compare, partner, entries, since, until)
    output.rows([asdict(one) for one in found], _DIFFERENCES, f"no differences in {len(entries)} messages")
    if found:
        raise SystemExit(FOUND_SOMETHING)


@command.command("resend")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--reason", required=True, help="Why; kept in the journal.")
@with_control
def resend(output: Output, control: ControlClient, file: Path, reason: str) -> None:
    """Send again, with the same ids and bytes, what FILE (the JSON of compare) says is missing there."""
    try:
        missing = [
            one["message_id"]
            for one in json.loads(file.read_text("utf-8"))
            if one["what"] == "missing_there" and one["direction"] == "sent"
        ]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        output.fail(f"{file} is not what compare wrote ({type(fault).__name__}: {fault})")
    for message in missing:
        control.post("/v1/message/resend", id=message, reason=reason)
    if output.as_json:
        output.value({"resent": missing})
    output.line(f"{len(missing)} messages are sent again")


@command.command("fallback")
@click.option("--partner", help="Of this partner only.")
@with_period
@with_database_url
def fallback(output: Output, url: str, partner: str | None, since: float, until: float) -> None:
    """List what came in a period and had not arrived at its end: to be handled on paper."""
    found = _read(output, url, reconciliation.not_exchanged, since, until, partner)
    rows = [asdict(one) for one in found]
    output.rows(rows if output.as_json else with_moments(rows, "since_at"), _FALLBACK, "all was exchanged")


def _read(output: Output, url: str, function: Callable[..., T], *given: Any) -> T:
    try:
        database = Database.open(url, node="aswctl", upgrade=False)
    except LocalFault as fault:
        output.fail(str(fault))
    try:
        return database.read_now(function, *given)
    except LocalFault as fault:
        output.fail(str(fault))
    finally:
        database.close_now()
