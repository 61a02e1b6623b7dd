"""National → ASEAN → national gives the same document, for documents generated from the national schemas."""

from __future__ import annotations

import csv
import io
import os
import random
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asw_gateway.messaging.xml import canonical, parse
from asw_gateway.translation.convert import check_asean, check_national, to_asean, to_national
from asw_gateway.translation.generation import declared_paths, national_document, paths
from asw_gateway.translation.kind import MessageKind
from asw_gateway.translation.mapping import Row
from asw_gateway.translation.problem import blocking
from asw_gateway.translation.profile import Profile, ProfileFault
from asw_gateway.translation.profile_loading import load_profile
from tests.profiles import shelf

KINDS = [(name, kind.name) for name in shelf.names() for kind in shelf.profile(name).kinds]
DOCUMENTS_A_KIND = 60
#: All three ways of breaking each mapping row take a minute; by turns, one way a row, a third of it.
EVERY_MUTANT = bool(os.environ.get("ASW_EVERY_MUTANT"))


def there_and_back(profile: Profile, kind: MessageKind, content: Any) -> Any:
    """The document after both translations; fails on any problem or loss on the way."""
    there = to_asean(profile, kind, content, functional_reference="REF-1", now=0, sender_country="VN")
    assert there.problems == () and there.losses == ()
    root = parse(there.document)
    assert blocking(check_asean(profile, kind, root)) == ()
    back = to_national(profile, kind, root, now=0)
    assert back.problems == () and back.losses == ()
    return parse(back.document)


@pytest.mark.parametrize(("name", "kind_name"), KINDS)
def test_generated_documents_come_back_unchanged_and_cover_the_schema(name: str, kind_name: str) -> None:
    profile = shelf.profile(name)
    kind = profile.kind(kind_name)
    assert kind is not None
    covered: set[str] = set()
    chance = random.Random(f"{name}/{kind_name}")
    for _ in range(DOCUMENTS_A_KIND):
        content = national_document(profile, kind, chance)
        assert blocking(check_national(profile, kind, content)) == ()
        assert canonical(there_and_back(profile, kind, content)) == canonical(content)
        covered |= paths(content)
    assert declared_paths(profile.declarations["national"][kind_name]) - covered == set()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.sampled_from(KINDS))
def test_any_document_comes_back_unchanged(chance: random.Random, chosen: tuple[str, str]) -> None:
    profile = shelf.profile(chosen[0])
    kind = profile.kind(chosen[1])
    assert kind is not None
    content = national_document(profile, kind, chance, most=2)
    assert canonical(there_and_back(profile, kind, content)) == canonical(content)


def mutants(line: str) -> list[str]:
    """A mapping row broken in each of three ways: another ASEAN element, another conversion, left out."""
    [cells] = csv.reader([line])
    wrong_path = [*cells]
    wrong_path[2] = cells[2] + "X" if "/@" not in cells[2] else cells[2].replace("/@", "/@x")
    wrong_conversion = [*cells]
    wrong_conversion[3] = "text" if cells[3] != "text" else "date"
    return [_line(wrong_path), _line(wrong_conversion), ""]


def _line(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def slim(name: str, kind: MessageKind, content: Any) -> dict[str, bytes]:
    """All files of a profile, with one kind, the codes of one document and no rules: it loads in no time."""
    files = {**shelf.files(shelf.REFERENCE), **shelf.files(name)}
    head, *kinds = files["profile.toml"].decode().split("[[kinds]]")
    chosen = [text for text in kinds if f'name = "{kind.name}"' in text]
    files["profile.toml"] = "[[kinds]]".join([head, *chosen]).encode()
    used = {value for element in content.iter() for value in (element.text, *element.attrib.values())}
    for path in [path for path in files if path.startswith("codes/")]:
        first, *entries = files[path].decode().splitlines(keepends=True)
        national = first.rstrip("\n").split(",").index("national") if "national" in first else 0
        kept = [
            entry
            for entry in entries
            if {
                entry.split(",")[0],
                entry.rstrip("\n").split(",")[national],
                kind.type_code,
                kind.function_code,
            }
            & used
            or entry.split(",")[0] in (kind.type_code, kind.function_code, "VN")
            or national
        ]
        files[path] = "".join([first, *kept]).encode()
    rules = shelf.profile(name).rules_file
    files[rules] = re.sub(rb"<assert.*?</assert>", b"", files[rules], flags=re.DOTALL)
    return files


TABLES = [
    (name, table, kind.name)
    for name in shelf.names()
    for table in ("mapping.csv", "mapping-messages.csv", "mapping-header.csv")
    for kind in shelf.profile(name).kinds
    # One kind for each national document is enough; the header is the same for all.
    if kind
    == next(
        other
        for other in shelf.profile(name).kinds
        if table == "mapping-header.csv" or other.national_root == kind.national_root
    )
    if any(row.file == table and row.applies_to(kind) for row in shelf.profile(name).rows)
]


@pytest.mark.parametrize(("name", "table", "kind_name"), TABLES)
def test_a_broken_mapping_row_never_goes_unnoticed(name: str, table: str, kind_name: str) -> None:
    """The profile does not load, or the fullest document loses the field, comes back or goes out changed."""
    whole = shelf.profile(name)
    kind = whole.kind(kind_name)
    assert kind is not None
    content = national_document(whole, kind, random.Random(7), most=2, optional=1.0)
    files = slim(name, kind, content)
    sound = load_profile(name, files, {})
    assert canonical(there_and_back(sound, kind, content)) == canonical(content)
    sent = _sent(sound, kind, content)
    first, *lines = files[table].decode().splitlines(keepends=True)
    rows = [row for row in whole.rows if row.file == table]
    assert len(rows) == len(lines)
    tried = 0
    for number, (row, line) in enumerate(zip(rows, lines, strict=True)):
        if not row.applies_to(kind) or not carried(sound, kind, row, content):
            continue
        broken = mutants(line)
        for mutant in broken if EVERY_MUTANT else broken[number % 3 : number % 3 + 1]:
            changed = "".join([first, *lines[:number], mutant, *lines[number + 1 :]]).encode()
            assert _noticed(name, {**files, table: changed}, kind, content, sent), mutant or f"without {line}"
            tried += 1
    assert tried


def carried(profile: Profile, kind: MessageKind, row: Row, content: Any) -> bool:
    """Whether the document has the field of a row (of a choice it has only one)."""
    if not row.national:
        return True
    steps = [step.name for step in row.national[1:]]
    if steps and steps[-1].startswith("@"):
        return any(element.get(steps[-1][1:]) for element in content.iterfind("/".join(steps[:-1])))
    return content.find("/".join(steps)) is not None


def _sent(profile: Profile, kind: MessageKind, content: Any) -> bytes:
    there = to_asean(
        profile, kind, content, functional_reference="REF-1", now=0, sender_country="VN", sender_agency="MOIT"
    )
    return canonical(parse(there.document))


def _noticed(name: str, files: dict[str, bytes], kind: MessageKind, content: Any, sent: bytes) -> bool:
    try:
        profile = load_profile(name, files, {})
    except ProfileFault:
        return True
    try:
        if canonical(there_and_back(profile, kind, content)) != canonical(content):
            return True
    except AssertionError:
        return True
    # Header values have no national side: what goes out must differ.
    return _sent(profile, kind, content) != sent


@pytest.mark.parametrize("name", shelf.names())
def test_what_the_asean_side_alone_carries_is_reported_before_it_is_left_out(name: str) -> None:
    profile = shelf.profile(name)
    kind = profile.kinds[0]
    content = national_document(profile, kind, random.Random(1), most=1, optional=0)
    there = to_asean(profile, kind, content, functional_reference="R", now=0, sender_country="VN")
    root = parse(there.document)
    declaration = root.find("{*}Declaration")
    assert declaration is not None
    extra = parse(
        b'<AdditionalInformation xmlns="urn:wco:datamodel:WCO:DEC-DMS:2"><StatementDescription>new'
        b"</StatementDescription><StatementTypeCode>ZZZ</StatementTypeCode></AdditionalInformation>"
    )
    place = [child.tag.rpartition("}")[2] for child in declaration].index("TypeCode")
    declaration.insert(place + 1, extra)
    losses = to_national(profile, kind, root, now=0).losses
    assert [(loss.path, loss.value) for loss in losses] == [
        ("Declaration/AdditionalInformation/StatementDescription", "new"),
        ("Declaration/AdditionalInformation/StatementTypeCode", "ZZZ"),
    ]
