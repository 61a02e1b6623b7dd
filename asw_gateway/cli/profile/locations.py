"""`aswctl profile import-locations FILE…`: the official UN/LOCODE list by its files."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import click

from asw_gateway.cli.output import FOUND_SOMETHING, Output
from asw_gateway.translation.codelist import CodeListFault, read_code_list
from asw_gateway.translation.unlocode import Place, read_issue, renew

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("import-locations")
@click.argument("parts", metavar="FILE…", nargs=-1, required=True, type=_FILE)
@click.option(
    "--issued",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day on which this issue came out: new codes begin on it, dropped ones end the day before.",
)
@click.option(
    "--into",
    "target",
    type=_FILE,
    default="profiles/reference/codes/locations.csv",
    show_default=True,
    help="The code list to renew.",
)
@click.pass_obj
def import_locations(output: Output, parts: tuple[Path, ...], issued: datetime, target: Path) -> None:
    """Renew the list of locations from UN/LOCODE's own files (CSV, all parts of one issue).

    Codes are never deleted: documents are read by the codes of their day of issue.
    """
    places: list[Place] = []
    mistakes: list[str] = []
    for part in parts:
        try:
            places += read_issue(part.read_bytes())
        except CodeListFault as fault:
            mistakes += [f"{part}:{line}: {message}" for line, message in fault.faults]
        except OSError as fault:
            output.fail(str(fault))
    if mistakes:
        for mistake in mistakes:
            click.echo(mistake, err=True)
        raise SystemExit(FOUND_SOMETHING)
    try:
        renewal = renew(read_code_list(target.stem, target.read_bytes()), places, issued.date())
    except (CodeListFault, ValueError, OSError) as fault:
        output.fail(f"{target}: {fault}")
    written = target.with_name(f".{target.name}.new")
    written.write_bytes(renewal.csv)
    os.replace(written, target)
    if output.as_json:
        output.value(
            {
                "file": str(target),
                "codes": renewal.codes,
                "added": renewal.added,
                "renamed": renewal.renamed,
                "ended": renewal.ended,
            }
        )
    output.line(
        f"{target}: {renewal.codes} codes, {len(renewal.added)} new here, "
        f"{len(renewal.renamed)} renamed, {len(renewal.ended)} ended"
    )
