"""`aswctl profile convert FILE`: one document to the other side, with every problem and loss."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from asw_gateway.cli.output import COULD_NOT, FOUND_SOMETHING, Output
from asw_gateway.cli.profile.folders import load_all, profiles_option
from asw_gateway.messaging.xml import XmlFault, parse
from asw_gateway.translation.convert import apply_rules, check_asean, check_national, to_asean, to_national
from asw_gateway.translation.problem import Problem, blocking
from asw_gateway.translation.recognition import MAX_BYTES, Recognised, Unrecognised, recognise

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
kind_option = click.option("--kind", "kind_name", default="", help="The kind, where several share a form.")
day_option = click.option(
    "--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="The day of the check; today if not given."
)


@click.command("convert")
@click.argument("file", type=FILE)
@profiles_option
@kind_option
@day_option
@click.option("--own", default="VN", show_default=True, help="The country whose gateway checks.")
@click.option("--sender", default="", help="The sending country of an ASEAN document; else the exporter's.")
@click.option(
    "--reference", default="ASW-CONVERT", show_default=True, help="The exchange reference to write."
)
@click.option("-o", "--output-file", type=click.Path(dir_okay=False, path_type=Path), help="Write it there.")
@click.pass_obj
def convert(
    output: Output,
    file: Path,
    directory: Path,
    kind_name: str,
    day: datetime | None,
    own: str,
    sender: str,
    reference: str,
    output_file: Path | None,
) -> None:
    """Translate FILE: a national document or Envelope to its ASEAN form, an ASEAN document back.

    The document goes to standard output or the output file, problems and losses to standard error.
    Exit 1 if an error stopped it, 0 with warnings or losses.
    """
    on = day.date() if day else datetime.now(UTC).date()
    found = read_document(output, directory, file, on=on, kind_name=kind_name)
    document, problems, losses = _translate(found, on=on, own=own, sender=sender, reference=reference)
    told = [_told("problem", each) for each in problems] + [_told("loss", each) for each in losses]
    if output.as_json:
        text = document.decode("utf-8") if document else None
        output.value({"profile": found.profile.name, "kind": found.kind.name, "from": found.side,
                      "document": text, "findings": told})  # fmt: skip
    else:
        for each in told:
            click.echo("{severity} {rule} {path}: {message}".format_map(each), err=True)
        if document and output_file is None:
            click.echo(document.decode("utf-8"))
    if document and output_file is not None:
        try:
            output_file.write_bytes(document)
        except OSError as fault:
            output.fail(str(fault))
    if not document:
        raise SystemExit(FOUND_SOMETHING)


def read_document(
    output: Output, directory: Path, file: Path, *, on: date, kind_name: str = ""
) -> Recognised:
    """The document in a file with its profile; ends the command with 2 if it is none."""
    profiles = load_all(output, directory)
    try:
        data = file.read_bytes()
        return recognise(profiles, data, parse(data, max_bytes=MAX_BYTES), on=on, kind_name=kind_name)
    except (OSError, XmlFault, Unrecognised) as fault:
        output.fail(f"{file}: {fault}", COULD_NOT)


def _translate(
    found: Recognised, *, on: date, own: str, sender: str, reference: str
) -> tuple[bytes, tuple[Problem, ...], tuple[Problem, ...]]:
    profile, kind, root = found.profile, found.kind, found.document
    now = time.time()
    if found.side == "national":
        problems = check_national(profile, kind, root, on=on)
        if blocking(problems):
            return b"", problems, ()
        there = to_asean(
            profile, kind, root, functional_reference=reference, now=now, sender_country=sender or own
        )
        problems += apply_rules(profile, kind, parse(there.document), on=on, own_country=own)
        return (b"" if blocking(problems) else there.document), problems, there.losses
    problems = check_asean(profile, kind, root, on=on)
    if not blocking(problems):
        problems += apply_rules(profile, kind, root, on=on, own_country=own)
    if blocking(problems):
        return b"", problems, ()
    back = to_national(profile, kind, root, now=now)
    return back.document, problems + back.problems, back.losses


def _told(what: str, problem: Problem) -> dict[str, Any]:
    return {
        "what": what,
        "severity": "loss" if what == "loss" else problem.severity,
        "rule": problem.rule,
        "box": problem.box,
        "path": problem.path,
        "pointer": " ".join(map(str, problem.pointer)),
        "value": problem.value,
        "message": problem.sentence(),
        "message_vi": problem.sentence("vi"),
    }
