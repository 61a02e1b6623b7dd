"""`aswctl profile publish DIR -o OUT`: the technical standard of a document type as a versioned pack."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import click

from asw_gateway.cli.output import Output
from asw_gateway.cli.profile.folders import FOLDER, folders, placed
from asw_gateway.translation.profile import ProfileFault
from asw_gateway.translation.render.standard import standard_pack

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same files give the same archive, whenever it is made


@click.command("publish")
@click.argument("directory", type=FOLDER, default="profiles")
@click.option(
    "-o",
    "--output-directory",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where the packs are written: a folder and a zip for each profile.",
)
@click.pass_obj
def publish(output: Output, directory: Path, output_directory: Path) -> None:
    """Write the technical standard of the profile in DIRECTORY, or of all profiles below it.

    Each pack NAME/ and NAME.zip has index.html, schemas, code lists, mapping, rules, samples and a manifest
    with the digest of every file.  A pack that is there already is not touched: a version is published once.
    """
    written = []
    try:
        for folder in folders(directory, with_examples=True):
            target = output_directory / folder.name
            if target.exists():
                output.fail(f"{target} is there already: a version is published once")
            pack = standard_pack(folder.load(), folder.read_examples())
            _write(target, pack)
            _zip(output_directory / f"{folder.name}.zip", folder.name, pack)
            written.append({"profile": folder.name, "files": len(pack), "index": str(target / "index.html")})
    except ProfileFault as fault:
        output.fail("\n".join(placed(folder, problem) for problem in fault.problems))
    except OSError as fault:
        output.fail(str(fault))
    output.rows(written, {"profile": "PROFILE", "files": "FILES", "index": "READ"})


def _write(target: Path, pack: Mapping[str, bytes]) -> None:
    for name, data in pack.items():
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def _zip(file: Path, folder: str, pack: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in sorted(pack.items()):
            entry = zipfile.ZipInfo(f"{folder}/{name}", date_time=_LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
