"""Where profiles lie on disk, and profiles loaded from there."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from attrs import field, frozen

from asw_gateway.cli.output import Output
from asw_gateway.config.profile_files import REFERENCE, read_folder
from asw_gateway.translation.profile import MANIFEST, FileProblem, Profile, ProfileFault
from asw_gateway.translation.profile_loading import load_profile
from asw_gateway.translation.trial import Example

EXAMPLES = "examples"

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
#: The folder of all profiles, for commands that look for the right one themselves.
profiles_option = click.option(
    "--profiles",
    "directory",
    type=FOLDER,
    default="profiles",
    show_default=True,
    envvar="ASW_PROFILES",
    help="The folder of all profiles, or of one.",
)


@frozen(kw_only=True)
class Folder:
    """One profile's folder: its files, those of `reference` beside it, its examples as bytes by path."""

    path: Path
    files: Mapping[str, bytes] = field(repr=False)
    reference: Mapping[str, bytes] = field(repr=False)
    examples: Mapping[str, bytes] = field(repr=False)

    @property
    def name(self) -> str:
        return self.path.resolve().name

    def load(self) -> Profile:
        """Raises ProfileFault."""
        return load_profile(self.name, self.files, self.reference)

    def read_examples(self) -> tuple[Example, ...]:
        """Every example with a manifest that can be read; `profile check` tells of the others."""
        found = []
        for name in sorted({path.partition("/")[0] for path in self.examples}):
            manifest = _manifest(self.examples.get(f"{name}/example.toml", b""))
            found.append(
                Example(
                    name=name,
                    manifest=manifest,
                    national=self.examples.get(f"{name}/national.xml"),
                    asean=self.examples.get(f"{name}/asean.xml"),
                    known=_manifest(self.examples[f"{name}/known.toml"])
                    if f"{name}/known.toml" in self.examples
                    else None,
                )
            )
        return tuple(found)


def _manifest(data: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}


def folders(directory: Path, *, with_examples: bool = False) -> list[Folder]:
    """The profile in this folder, or all profiles below it.  Raises OSError."""
    if (directory / MANIFEST).exists() or not list(directory.glob(f"*/{MANIFEST}")):
        found = [directory]
    else:
        found = sorted(path.parent for path in directory.glob(f"*/{MANIFEST}"))
    shared = found[0].resolve().parent / REFERENCE
    reference = read_folder(shared) if shared.is_dir() else {}
    return [
        Folder(
            path=path,
            files=read_folder(path),
            reference=reference,
            examples=_examples(path / EXAMPLES) if with_examples else {},
        )
        for path in found
    ]


def _examples(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        return {}
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.glob("*/*"))
        if path.is_file()
    }


def load_all(output: Output, directory: Path) -> list[Profile]:
    """Every profile; ends the command with 2 if one cannot be used."""
    loaded = []
    for folder in folders(directory):
        try:
            loaded.append(folder.load())
        except ProfileFault as fault:
            first = placed(folder, fault.problems[0])
            output.fail(f"{first}; `aswctl profile check {folder.path}` tells everything")
    return loaded


def placed(folder: Folder, problem: FileProblem) -> str:
    """`profiles/x/mapping.csv:7: …`: the file's path as a person can open it, `reference` included."""
    own = problem.file in folder.files or problem.file not in folder.reference
    base = folder.path if own else folder.path.parent / REFERENCE
    line = f":{problem.line}" if problem.line else ""
    return f"{base / problem.file}{line}: {problem.message}"
