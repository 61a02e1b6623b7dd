"""One field broken at a time: the problems point at that field, by path, box and WCO pointer."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asw_gateway.messaging.xml import parse
from asw_gateway.translation.convert import check_asean, check_national, to_asean
from asw_gateway.translation.generation import national_document
from asw_gateway.translation.schema import Element, SimpleType
from asw_gateway.translation.survey import survey
from tests.profiles import shelf
from tests.translation.mutations import elements, path_of

KINDS = [(name, kind.name) for name in shelf.names() for kind in shelf.profile(name).kinds]
CHECKS = {"national": check_national, "asean": check_asean}


def declared(element: Any, declaration: Element) -> Element:
    """The declaration of an element below the document's."""
    chain = [element, *element.iterancestors()][::-1]
    for link in chain[1:]:
        declaration = declaration.by_name[link.tag.rpartition("}")[2]]
    return declaration


def breakages(kind: SimpleType) -> list[str]:
    """Texts that are no value of a type."""
    found = [" ", ""]
    if kind.max_length is not None:
        found.append("x" * (kind.max_length + 1))
    if kind.primitive != "string":
        found += ["abc", "15/11/2026", "1,5"]
    if kind.enumeration:
        found.append("abc")
    return found


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.sampled_from(KINDS), st.sampled_from(["national", "asean"]))
def test_a_broken_value_is_named_with_its_place(seed: int, chosen: tuple[str, str], side: str) -> None:
    chance = random.Random(seed)
    profile = shelf.profile(chosen[0])
    kind = profile.kind(chosen[1])
    assert kind is not None
    root = national_document(profile, kind, chance, most=2)
    if side == "asean":
        there = to_asean(profile, kind, root, functional_reference="R", now=0, sender_country="VN")
        root = parse(there.document)
    top = profile.declarations[side][kind.name]
    fields: list[tuple[Any, str, SimpleType]] = []
    for element in elements(root):
        declaration = declared(element, top)
        if declaration.text is not None:
            fields.append((element, "", declaration.text))
        fields += [
            (element, attribute.name, attribute.type)
            for attribute in declaration.attributes
            if element.get(attribute.name) is not None
        ]
    element, attribute, kind_of_value = chance.choice(fields)
    broken = chance.choice(breakages(kind_of_value))
    if attribute:
        element.set(attribute, broken)
    else:
        element.text = broken
    problems = [each for each in CHECKS[side](profile, kind, root) if each.severity == "error"]
    expected = path_of(element, attribute=attribute)
    assert problems, (expected, broken)
    # A constant that tells namesakes apart is named at the element it was to tell.
    places = {problem.path for problem in problems}
    assert expected in places, (places, broken)
    pointed = next(problem for problem in problems if problem.path == expected)
    assert pointed.message and pointed.message_vi
    rows = [row for row in profile.rows if row.applies_to(kind) and row.box]
    assert not pointed.box or pointed.box in {row.box for row in rows}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.sampled_from(KINDS))
def test_a_missing_field_is_named_with_its_place(seed: int, chosen: tuple[str, str]) -> None:
    chance = random.Random(seed)
    profile = shelf.profile(chosen[0])
    kind = profile.kind(chosen[1])
    assert kind is not None
    root = national_document(profile, kind, chance, most=2)
    top = profile.declarations["national"][kind.name]
    needed = []
    for element in elements(root)[1:]:
        declaration = declared(element, top)
        parent = element.getparent()
        group = declared(parent, top).content
        alone = len(parent.findall(element.tag)) == 1
        listed = group is not None and group.kind == "sequence" and declaration in group.items
        if listed and declaration.minimum and alone:
            needed.append((element, parent, declaration.name))
    if not needed:
        return
    element, parent, name = chance.choice(needed)
    parent.remove(element)
    problems = check_national(profile, kind, root)
    assert [problem.path for problem in problems if problem.severity == "error"] == [
        path_of(parent, missing=name)
    ]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.sampled_from(KINDS))
def test_an_unknown_code_is_named_with_its_box_and_pointer(seed: int, chosen: tuple[str, str]) -> None:
    chance = random.Random(seed)
    profile = shelf.profile(chosen[0])
    kind = profile.kind(chosen[1])
    assert kind is not None
    root = national_document(profile, kind, chance, most=2)
    coded = [
        found
        for found in survey(root, profile.trees["national"][kind.name]).values
        if found.row.codes and found.row.convert == "text"
    ]
    if not coded:
        return
    found = chance.choice(coded)
    # As long as the code it stands for, so that the schema has nothing against it.
    unknown = "".join("Q" if letter.isalpha() else "9" for letter in found.text)
    if unknown in profile.codes[found.row.codes].entries or found.row.codes == "message-function":
        return
    last = found.row.national[-1]
    attribute = last.name[1:] if last.is_attribute else ""
    if attribute:
        found.element.set(attribute, unknown)
    else:
        found.element.text = unknown
    [problem] = check_national(profile, kind, root)
    assert (problem.rule, problem.severity) == ("CODE", found.row.unknown)
    assert problem.path == path_of(found.element, attribute=attribute)
    assert problem.box == found.row.box and problem.value == unknown
    assert problem.pointer[-1].tag == found.row.tag
