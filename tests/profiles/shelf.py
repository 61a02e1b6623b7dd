"""Reads the shipped profiles from disk, once a test process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from asw_gateway.translation.catalogue import Catalogue
from asw_gateway.translation.profile import Profile
from asw_gateway.translation.profile_loading import load_profile

PROFILES = Path(__file__).parents[2] / "profiles"
REFERENCE = "reference"


def names() -> list[str]:
    return sorted(path.parent.name for path in PROFILES.glob("*/profile.toml"))


@cache
def files(name: str) -> dict[str, bytes]:
    """The files of a profile, or of `reference`, by their path below its folder; examples left out."""
    folder = PROFILES / name
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "examples" not in path.relative_to(folder).parts
    }


@cache
def profile(name: str) -> Profile:
    return load_profile(name, files(name), files(REFERENCE))


def catalogue() -> Catalogue:
    return Catalogue(profile(name) for name in names())
