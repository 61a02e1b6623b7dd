"""The profiles directory, read into names and bytes: what the pure rooms take instead of paths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

REFERENCE = "reference"
MAX_FILE_BYTES = 20_000_000


@frozen(kw_only=True)
class ProfileFiles:
    """Each profile's files by its folder's name, paths relative to that folder; `reference` is shared."""

    profiles: Mapping[str, Mapping[str, bytes]] = field(repr=False)
    reference: Mapping[str, bytes] = field(repr=False)


def read_profiles(directory: Path) -> ProfileFiles:
    """Every folder with a profile.toml, and the reference folder. Raises OSError."""
    folders = sorted(path.parent for path in directory.glob("*/profile.toml"))
    reference = directory / REFERENCE
    return ProfileFiles(
        profiles={folder.name: read_folder(folder) for folder in folders},
        reference=read_folder(reference) if reference.is_dir() else {},
    )


def read_folder(folder: Path) -> dict[str, bytes]:
    """The regular files below a folder, examples left out: nothing of them is needed to translate."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.startswith("examples/") or not path.is_file():
            continue
        if path.stat().st_size > MAX_FILE_BYTES:
            raise OSError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
        found[name] = path.read_bytes()
    return found
