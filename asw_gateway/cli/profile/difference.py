"""`aswctl profile diff A B`: what changed between two versions."""

from __future__ import annotations

from pathlib import Path

import click
from attrs import asdict

from asw_gateway.cli.output import FOUND_SOMETHING, Output
from asw_gateway.cli.profile.folders import FOLDER, load_all
from asw_gateway.translation.difference import compare

_MARKS = {"added": "+", "removed": "-", "changed": "~"}


@click.command("diff")
@click.argument("old", type=FOLDER)
@click.argument("new", type=FOLDER)
@click.pass_obj
def diff(output: Output, old: Path, new: Path) -> None:
    """Compare the profiles in the folders OLD and NEW; exit 1 if they differ.

    Shown are kinds, fields of the mapping, elements of both schemas, codes and rules: added (+), removed (-)
    or changed (~).
    """
    before, after = load_all(output, old), load_all(output, new)
    if len(before) != 1 or len(after) != 1:
        output.fail("give two folders with one profile each")
    changes = compare(before[0], after[0])
    if output.as_json:
        output.value([asdict(change) for change in changes])
    for change in changes:
        values = f": {change.before or '(nothing)'} → {change.after or '(nothing)'}"
        output.line(
            f"{_MARKS[change.change]} {change.what} {change.name}"
            + (values if change.change == "changed" else "")
        )
    counts = {word: sum(change.change == word for change in changes) for word in _MARKS}
    output.line(", ".join(f"{count} {word}" for word, count in counts.items()))
    if changes:
        raise SystemExit(FOUND_SOMETHING)
