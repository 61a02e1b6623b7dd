"""profile.toml: what a profile is called, when it is in force, which files and kinds of message it has."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from typing import Any

from .kind import EFFECTS, MessageKind
from .profile import MANIFEST, FileProblem

TEXTS = ("name", "document_type", "version", "procedure", "service", "title", "title_vi")
_FILES = ("customization_version", "national_schema", "rules")
_KIND_TEXTS = (
    "name",
    "action",
    "effect",
    "national_root",
    "asean_root",
    "asean_schema",
    "type_name",
    "type_code",
    "function_code",
    "phase",
)


def read_manifest(files: Mapping[str, bytes], problems: list[FileProblem]) -> dict[str, Any]:
    """The file as it is; every mistake in its head is added to `problems`."""
    if MANIFEST not in files:
        problems.append(FileProblem(MANIFEST, 0, "this file is missing"))
        return {}
    try:
        manifest = tomllib.loads(files[MANIFEST].decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(FileProblem(MANIFEST, 0, str(error)))
        return {}
    for key in (*TEXTS, *_FILES):
        if not isinstance(manifest.get(key), str) or not manifest[key]:
            problems.append(FileProblem(MANIFEST, 0, f"{key} must be a text"))
    for key in ("valid_from", "valid_until"):
        if key in manifest and type(manifest[key]) is not date:
            problems.append(FileProblem(MANIFEST, 0, f"{key} must be a date"))
    if not isinstance(manifest.get("mappings"), list) or not manifest["mappings"]:
        problems.append(FileProblem(MANIFEST, 0, "mappings must list at least one mapping table"))
    if not isinstance(manifest.get("kinds"), list) or not manifest["kinds"]:
        problems.append(FileProblem(MANIFEST, 0, "at least one [[kinds]] is needed"))
    return manifest


def read_kinds(manifest: Mapping[str, Any], problems: list[FileProblem]) -> tuple[MessageKind, ...]:
    """The `[[kinds]]` of the manifest; a wrong one is left out and told."""
    kinds: list[MessageKind] = []
    for number, entry in enumerate(manifest["kinds"], start=1):
        where = f"kind {entry.get('name', number)}"
        wrong = [key for key in _KIND_TEXTS if not isinstance(entry.get(key), str)]
        wrong += [key for key in ("priority", "max_bytes") if type(entry.get(key)) is not int]
        for key in ("submit", "deliver"):
            pair = entry.get(key)
            if pair is not None and (len(pair) != 2 or not all(isinstance(part, str) for part in pair)):
                wrong.append(key)
        if wrong:
            problems.append(FileProblem(MANIFEST, 0, f"{where}: missing or wrong: {', '.join(wrong)}"))
            continue
        if entry["effect"] not in EFFECTS:
            problems.append(FileProblem(MANIFEST, 0, f"{where}: effect is not one of {', '.join(EFFECTS)}"))
            continue
        kinds.append(
            MessageKind(
                **{key: entry[key] for key in _KIND_TEXTS},
                submit=tuple(entry["submit"]) if "submit" in entry else None,
                deliver=tuple(entry["deliver"]) if "deliver" in entry else None,
                priority=entry["priority"],
                max_bytes=entry["max_bytes"],
            )
        )
    for attribute in ("name", "action", "submit", "deliver"):
        values = [getattr(kind, attribute) for kind in kinds if getattr(kind, attribute) is not None]
        for value in {value for value in values if values.count(value) > 1}:
            problems.append(FileProblem(MANIFEST, 0, f"two kinds have the same {attribute} {value}"))
    return tuple(kinds)
