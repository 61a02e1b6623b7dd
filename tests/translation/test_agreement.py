"""Two judges of the same thing agree, on documents generated and broken at random."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from datetime import date
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import (
    etree,
    isoschematron,  # type: ignore[attr-defined]
)

from asw_gateway.messaging.xml import canonical, parse
from asw_gateway.translation.checks import value_problems, values_hold
from asw_gateway.translation.convert import (
    _headers,
    business_digest,
    check_asean,
    check_national,
    check_translation,
    to_asean,
)
from asw_gateway.translation.generation import national_document
from asw_gateway.translation.kind import MessageKind
from asw_gateway.translation.profile import Profile
from asw_gateway.translation.rules import SCH
from asw_gateway.translation.schema_faults import schema_faults
from asw_gateway.translation.survey import survey
from tests.profiles import shelf
from tests.translation.mutations import mutate

KINDS = [(name, kind.name) for name in shelf.names() for kind in shelf.profile(name).kinds]
MANY = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
SVRL = "{http://purl.oclc.org/dsdl/svrl}"
DAY = date(2026, 11, 22)


def documents(chosen: tuple[str, str], chance: random.Random) -> tuple[Profile, MessageKind, dict[str, Any]]:
    """Both forms of a generated document."""
    profile = shelf.profile(chosen[0])
    kind = profile.kind(chosen[1])
    assert kind is not None
    content = national_document(profile, kind, chance, most=2)
    there = to_asean(profile, kind, content, functional_reference="R", now=0, sender_country="VN")
    return profile, kind, {"national": content, "asean": parse(there.document)}


def schema_of(profile: Profile, kind: MessageKind, side: str) -> etree.XMLSchema:
    return profile.schemas[profile.national_schema if side == "national" else kind.asean_schema]


@MANY
@given(st.integers(0, 2**32), st.sampled_from(KINDS), st.sampled_from(["national", "asean"]))
def test_the_lister_finds_faults_exactly_where_libxml2_does(
    seed: int, chosen: tuple[str, str], side: str
) -> None:
    chance = random.Random(seed)
    profile, kind, forms = documents(chosen, chance)
    root = mutate(forms[side], chance)
    schema = schema_of(profile, kind, side)
    declaration = profile.declarations[side][kind.name]
    if root.tag != declaration.tag:
        return
    faults = [fault.message for fault in schema_faults(root, declaration)]
    assert schema.validate(root) == (faults == []), (faults, str(schema.error_log))


@MANY
@given(st.integers(0, 2**32), st.sampled_from(KINDS), st.sampled_from(["national", "asean"]))
def test_a_valid_document_has_losses_exactly_where_the_inspection_says_so(
    seed: int, chosen: tuple[str, str], side: str
) -> None:
    chance = random.Random(seed)
    profile, kind, forms = documents(chosen, chance)
    root = mutate(forms[side], chance, most=2)
    if not schema_of(profile, kind, side).validate(root):
        return
    unplaced = profile.compiled().inspections[side, kind.name].unplaced
    losses = survey(root, profile.trees[side][kind.name]).losses
    # A lone container without content has no value to lose, and the schema asks for some.
    assert bool(unplaced is not None and unplaced(root)) == bool(losses), losses


@MANY
@given(st.integers(0, 2**32), st.sampled_from(KINDS), st.sampled_from(["national", "asean"]))
def test_values_hold_exactly_where_the_walk_finds_no_fault(
    seed: int, chosen: tuple[str, str], side: str
) -> None:
    chance = random.Random(seed)
    profile, kind, forms = documents(chosen, chance)
    root = mutate(forms[side], chance, most=2)
    if root.tag != profile.declarations[side][kind.name].tag:
        return
    found = survey(root, profile.trees[side][kind.name])
    holds = values_hold(profile, kind, side, root, DAY)
    problems = value_problems(profile, kind, side, found, DAY)
    if holds or not found.losses:  # a second element where one may stand is lost to the walk
        assert holds == (problems == ()), problems


@MANY
@given(st.integers(0, 2**32), st.sampled_from(KINDS))
def test_what_comes_of_good_national_values_is_good(seed: int, chosen: tuple[str, str]) -> None:
    """The sender checks the values of the national form only; the receiver finds nothing more."""
    chance = random.Random(seed)
    profile, kind, forms = documents(chosen, chance)
    content = mutate(forms["national"], chance, most=2)
    if check_national(profile, kind, content) != ():
        return
    there = to_asean(profile, kind, content, functional_reference="R", now=0, sender_country="VN")
    found = check_asean(profile, kind, parse(there.document))
    assert found == check_translation(profile, kind, there.root)
    assert [problem for problem in found if problem.rule != "XSD"] == []


@MANY
@given(st.integers(0, 2**32), st.sampled_from(KINDS))
def test_a_business_digest_is_that_of_the_tree_without_its_headers(
    seed: int, chosen: tuple[str, str]
) -> None:
    chance = random.Random(seed)
    profile, kind, forms = documents(chosen, chance)
    root = mutate(forms["asean"], chance, most=2)
    if chance.random() < 0.3:
        prefixed = canonical(root).replace(b'<MetaData xmlns="', b'<m:MetaData xmlns="urn:m" xmlns:m="')
        root = parse(prefixed.replace(b"</MetaData>", b"</m:MetaData>"))
    written = canonical(root)
    found = business_digest(profile, kind, root, written)
    assert canonical(root) == written
    for element in _headers(profile, kind, root):
        element.getparent().remove(element)
    assert found == hashlib.sha256(canonical(root)).hexdigest()


@cache
def schematron(name: str, phase: str, own: str) -> Any:
    """The rules of a profile as lxml's own Schematron understands them."""
    root = parse(shelf.files(name)[shelf.profile(name).rules_file])
    for variable in root.findall(SCH + "let"):
        value = {"on": f"{DAY:%Y%m%d}", "own": f"'{own}'"}[str(variable.get("name"))]
        variable.set("value", value)
    return isoschematron.Schematron(root, phase=phase, store_report=True)


@pytest.mark.parametrize("chosen", [one for one in KINDS if one[1] != "technical-error"])
def test_the_compiled_rules_agree_with_a_schematron_tool(chosen: tuple[str, str]) -> None:
    chance = random.Random("/".join(chosen))
    broken = Counter[str]()
    for number in range(25):
        profile, kind, forms = documents(chosen, chance)
        own = chance.choice(["VN", "TH", "LA"])
        root = forms["asean"]
        ours = Counter[str]()
        for assertion in profile.compiled().rules.phases[kind.phase]:
            failing: Any = assertion.failing(root, on=float(f"{DAY:%Y%m%d}"), own=own)
            count = len(failing)
            if count:
                ours[assertion.id] = count
        tool = schematron(chosen[0], kind.phase, own)
        tool.validate(root)
        report = tool.validation_report
        theirs = Counter(
            node.get("id") for node in report.iter(SVRL + "failed-assert", SVRL + "successful-report")
        )
        assert ours == theirs, number
        # The one expression asked first suspects exactly the documents in which a rule is broken.
        found = profile.compiled().rules.failures(kind.phase, root, on=DAY, own=own)
        assert {failure.assertion.id for failure in found} == set(ours)
        broken += ours
    assert broken or kind.phase in ("notice", "reply")
    assert etree.iselement(report.getroot())
