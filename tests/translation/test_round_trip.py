"""National → ASEAN → national gives the same document, for documents generated from the national schemas."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asw_gateway.messaging.xml import canonical, parse
from asw_gateway.translation.convert import check_asean, check_national, to_asean, to_national
from asw_gateway.translation.generation import declared_paths, national_document, paths
from asw_gateway.translation.kind import MessageKind
from asw_gateway.translation.problem import blocking
from asw_gateway.translation.profile import Profile, ProfileFault, load_profile
from tests.profiles import shelf

KINDS = [(name, kind.name) for name in shelf.names() for kind in shelf.profile(name).kinds]
DOCUMENTS_A_KIND = 60


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
    """A mapping row broken: another ASEAN element, another conversion, left out."""
    cells = line.rstrip("\n").split(",")
    wrong_path = [*cells]
    wrong_path[2] = cells[2] + "X" if "/@" not in cells[2] else cells[2].replace("/@", "/@x")
    wrong_conversion = [*cells]
    wrong_conversion[3] = "text" if cells[3] != "text" else "date"
    return [",".join(wrong_path) + "\n", ",".join(wrong_conversion) + "\n", ""]


@pytest.mark.parametrize("name", shelf.names())
def test_a_broken_mapping_row_never_goes_unnoticed(name: str) -> None:
    """The profile does not load, or the fullest document loses the field or comes back changed.

    Each row is broken in one of three ways, by turns: loading a profile for each way takes minutes.
    """
    main = shelf.profile(name).kinds[0]
    content = national_document(shelf.profile(name), main, random.Random(7), most=2, optional=1.0)
    assert paths(content) == declared_paths(shelf.profile(name).declarations["national"][main.name])
    lines = shelf.files(name)["mapping.csv"].decode().splitlines(keepends=True)
    for number, line in enumerate(lines[1:], start=1):
        mutant = mutants(line)[number % 3]
        changed = "".join([*lines[:number], mutant, *lines[number + 1 :]]).encode()
        assert _noticed(name, changed, main, content), mutant or f"without {line}"


def _noticed(name: str, mapping: bytes, kind: MessageKind, content: Any) -> bool:
    files = {**shelf.files(name), "mapping.csv": mapping}
    try:
        profile = load_profile(name, files, shelf.files(shelf.REFERENCE))
    except ProfileFault:
        return True
    try:
        return bool(canonical(there_and_back(profile, kind, content)) != canonical(content))
    except AssertionError:
        return True


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
