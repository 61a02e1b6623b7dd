"""`aswctl profile check DIR`: every mistake of a profile's files, with file and line."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from asw_gateway.cli.output import FOUND_SOMETHING, Output
from asw_gateway.cli.profile.folders import FOLDER, folders, placed
from asw_gateway.translation.profile import FileProblem, ProfileFault
from asw_gateway.translation.profile_check import check_profile, clashes


@click.command("check")
@click.argument("directory", type=FOLDER, default="profiles")
@click.pass_obj
def check(output: Output, directory: Path) -> None:
    """Check the profile in DIRECTORY, or all profiles below it; exit 1 if there is a mistake."""
    try:
        found = folders(directory, with_examples=True)
    except OSError as fault:
        output.fail(str(fault))
    findings = []
    good = []
    shared: dict[str, list[FileProblem]] = {}
    for folder in found:
        with suppress(ProfileFault):  # told below
            good.append(folder.load())
    for name, problem in clashes(good):
        shared.setdefault(name, []).append(problem)
    for folder in found:
        own = check_profile(folder.name, folder.files, folder.reference, folder.examples)
        for problem in (*own, *shared.get(folder.name, ())):
            findings.append(
                {
                    "profile": folder.name,
                    "file": problem.file,
                    "line": problem.line,
                    "message": problem.message,
                    "text": placed(folder, problem),
                }
            )
    if output.as_json:
        output.value({"profiles": [folder.name for folder in found], "findings": findings})
    for finding in findings:
        output.line(str(finding["text"]))
    output.line(f"profiles: {len(found)}, mistakes: {len(findings)}")
    if findings:
        raise SystemExit(FOUND_SOMETHING)
