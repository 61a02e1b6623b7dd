"""The technical standard of one document type as files: what a partner or a portal needs to join.

A pack holds the schemas with everything they include, the code lists, the mapping and rule tables, the
samples, and one HTML page that explains them; `manifest.json` names every file with its SHA-256, so that two
parties can see that they speak of the same standard.  Nothing in it depends on when or where it was made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from attrs import frozen

from ..mapping import plain
from ..profile import MANIFEST, Profile
from ..rule_table import RuleRow
from ..trial import Example
from .pages import template

#: The rules that every profile has without naming them, as problems of a document name them.
COMMON_RULES = (
    ("XSD", "error", "the document does not meet the schema of its side"),
    ("HEADER", "error", "a header value is not the one of this kind of message"),
    ("CODE", "error or warning", "a code is not in its list on the day of the document"),
    ("DATE", "error", "a date does not exist in the calendar"),
    ("LOSS", "warning", "the other side has no place for this field; told before it is sent"),
)


@frozen(kw_only=True)
class Asserted:
    """One check of a rule, in both languages."""

    id: str
    severity: str
    message: str
    message_vi: str
    test: str


def standard_pack(profile: Profile, examples: Iterable[Example]) -> dict[str, bytes]:
    """Path -> bytes of every file of the pack, index.html and manifest.json included."""
    samples = tuple(examples)
    pack: dict[str, bytes] = {}
    for name, data in sorted(profile.files.items()):
        if name.endswith(".xsd"):
            pack[f"schemas/{name}"] = data
        elif name in (MANIFEST, profile.rules_file, "rules.csv") or name.startswith("mapping"):
            pack[f"tables/{name}"] = data
    for name in sorted(profile.codes):
        pack[f"codes/{name}.csv"] = profile.files[f"codes/{name}.csv"]
    for sample in samples:
        for side, content in (("national", sample.national), ("asean", sample.asean)):
            if content is not None:
                pack[f"samples/{sample.name}/{side}.xml"] = content
    pack["index.html"] = _page(profile, samples).encode("utf-8")
    listing = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(pack.items())}
    head = {
        "name": profile.name,
        "document_type": profile.document_type,
        "version": profile.version,
        "service": profile.service,
        "files": listing,
    }
    pack["manifest.json"] = (json.dumps(head, ensure_ascii=False, indent=1) + "\n").encode("utf-8")
    return pack


def _page(profile: Profile, samples: tuple[Example, ...]) -> str:
    return template("standard.html").render(
        title=f"{profile.title} {profile.version}",
        language="en",
        profile=profile,
        fields=[
            {
                "row": row,
                "national": plain(row.national),
                "asean": "/".join(map(str, row.asean[1:])) or "MetaData",
            }
            for row in profile.rows
            if any(row.applies_to(kind) for kind in profile.kinds)
        ],
        codes={name: profile.codes[name] for name in sorted(profile.codes)},
        rules=profile.rule_table.rows,
        asserted=_asserted(profile, profile.rule_table.rows),
        common_rules=COMMON_RULES,
        samples=samples,
    )


def _asserted(profile: Profile, rows: tuple[RuleRow, ...]) -> Mapping[str, list[Asserted]]:
    """Rule id -> its asserts; each once, however many phases run it."""
    found: dict[str, dict[str, Asserted]] = {row.id: {} for row in rows}
    for assertions in profile.compiled().rules.phases.values():
        for each in assertions:
            found.setdefault(each.rule, {})[each.id] = Asserted(
                id=each.id,
                severity=each.severity,
                message=each.message,
                message_vi=each.message_vi,
                test=each.failing.path,
            )
    return {rule: list(each.values()) for rule, each in found.items()}
