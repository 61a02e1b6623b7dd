"""`aswctl validity NUMBER DATE`: was this certificate valid at a moment, and by what evidence?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from asw_gateway.cli.control_client import ControlClient, with_control
from asw_gateway.cli.output import FOUND_SOMETHING, Output
from asw_gateway.cli.times import moment, with_moments

_COLUMNS = {
    "at": "AT",
    "state": "STATE",
    "actor": "BY",
    "detail": "WHAT",
    "place": "JOURNAL",
    "short": "HASH",
}
_WORDS = {True: "yes", False: "no", None: "cannot tell"}


@click.command("validity")
@click.argument("number")
@click.argument("date", type=click.DateTime(["%Y-%m-%d"]))
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d"]),
    help="The moment, with its zone; a day alone is its last second in UTC. Now if not given.",
)
@with_control
def command(output: Output, control: ControlClient, number: str, date: datetime, at: datetime | None) -> None:
    """Tell whether the certificate NUMBER of DATE (its day of issue) was valid; exit 1 if it was not.

    The evidence are entries of the journal: `aswctl evidence` checks that nobody changed them.
    """
    asked = datetime.now(UTC) if at is None else at
    if asked.tzinfo is None:
        asked = asked.replace(hour=23, minute=59, second=59, tzinfo=UTC)
    told = control.get("/v1/validity", number=number, date=f"{date:%Y-%m-%d}", at=asked.isoformat())
    if output.as_json:
        output.value(told)
    else:
        for one in told["certificates"]:
            _tell(output, one, told["at"])
    if not all(one["valid"] for one in told["certificates"]):
        raise SystemExit(FOUND_SOMETHING)


def _tell(output: Output, one: dict[str, Any], at: float) -> None:
    way = "sent to" if one["direction"] == "out" else "received from"
    output.line(f"{one['document_type']} {one['number']} of {one['issued_on']}, {way} {one['partner']}")
    output.line(f"at {moment(at)}: valid {_WORDS[one['valid']]}, usable {_WORDS[one['usable']]}")
    for reason in one["reasons"]:
        output.line(f"  {reason}")
    if one["valid_until"]:
        output.line(f"  valid until {moment(one['valid_until'])} unless cancelled, replaced or used before")
    for heading, facts in (("evidence", one["evidence"]), ("afterwards", one["afterwards"])):
        if facts:
            output.line(f"{heading}:")
            rows = [
                {**fact, "place": f"{fact['chain']} #{fact['sequence']}", "short": fact["hash"][:16]}
                for fact in with_moments(facts, "at")
            ]
            output.rows(rows, _COLUMNS)
