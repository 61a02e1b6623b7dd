"""Every example of every profile is a test in both directions: problems, losses, translation, and back."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from asw_gateway.exchange.known_facts import store_problems
from asw_gateway.messaging.xml import canonical, parse
from asw_gateway.translation.convert import apply_rules, check_asean, check_national, to_asean, to_national
from asw_gateway.translation.problem import Problem, blocking
from tests.profiles import shelf

EXAMPLES = sorted(shelf.PROFILES.glob("*/examples/*/example.toml"))


def flat(path: Path) -> Any:
    """The document without the line breaks that make the file readable."""
    return parse(re.sub(rb">\s+<", b"><", path.read_bytes()).strip())


def told(side: str, problems: tuple[Problem, ...]) -> list[dict[str, str]]:
    return [
        {
            "side": side,
            "rule": problem.rule,
            "severity": problem.severity,
            "box": problem.box,
            "path": problem.path,
            "pointer": " ".join(map(str, problem.pointer)),
        }
        for problem in problems
    ]


@pytest.mark.parametrize("manifest", EXAMPLES, ids=lambda path: f"{path.parts[-4]}/{path.parts[-2]}")
def test_example(manifest: Path) -> None:
    expected = tomllib.loads(manifest.read_text())
    profile = shelf.profile(manifest.parts[-4])
    kind = profile.kind(expected["kind"])
    assert kind is not None
    national, asean = manifest.with_name("national.xml"), manifest.with_name("asean.xml")
    problems: list[dict[str, str]] = []
    losses: list[dict[str, str]] = []
    if national.exists():
        content = flat(national)
        found = check_national(profile, kind, content)
        problems += told("national", found)
        if not blocking(found) and not expected.get("losses"):
            translation = to_asean(
                profile,
                kind,
                content,
                functional_reference=expected["functional_reference"],
                now=0,
                sender_country=expected["sender_country"],
            )
            losses += [{"side": "national", "path": loss.path} for loss in translation.losses]
            assert canonical(parse(translation.document)) == canonical(flat(asean))
    register = manifest.with_name("known.toml")
    if asean.exists():
        root = flat(asean)
        found = check_asean(profile, kind, root)
        if not blocking(found):
            found += apply_rules(profile, kind, root, on=expected["on"], own_country=expected["own_country"])
        problems += told("asean", found)
        if register.exists():
            facts = tomllib.loads(register.read_text())
            problems += told(
                "store",
                store_problems(
                    profile, kind, root, facts, own_country=expected["own_country"], on=expected["on"]
                ),
            )
        if not blocking(found):
            back = to_national(profile, kind, root, now=0)
            losses += [{"side": "asean", "path": loss.path} for loss in back.losses]
            assert back.problems == ()
            assert canonical(parse(back.document)) == canonical(flat(national))
    assert problems == expected.get("problems", [])
    assert losses == expected.get("losses", [])


@pytest.mark.parametrize("name", shelf.names())
def test_every_rule_has_an_example_that_breaks_it(name: str) -> None:
    rules = {
        assertion.rule
        for phase in shelf.profile(name).compiled().rules.phases.values()
        for assertion in phase
    }
    shown = {
        problem["rule"]
        for path in EXAMPLES
        if path.parts[-4] == name
        for problem in tomllib.loads(path.read_text()).get("problems", ())
    }
    assert rules - shown == set()


@pytest.mark.parametrize("name", shelf.names())
def test_every_problem_of_an_example_speaks_both_languages(name: str) -> None:
    for path in EXAMPLES:
        if path.parts[-4] != name or not path.parts[-2].startswith("bad-"):
            continue
        expected = tomllib.loads(path.read_text())
        profile = shelf.profile(name)
        kind = profile.kind(expected["kind"])
        assert kind is not None
        if path.with_name("national.xml").exists():
            for problem in check_national(profile, kind, flat(path.with_name("national.xml"))):
                assert problem.message and problem.message_vi, problem


def test_examples_are_readable_files() -> None:
    for path in EXAMPLES:
        for name in ("national.xml", "asean.xml"):
            file = path.with_name(name)
            if file.exists():
                assert file.read_bytes().startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n<")
                assert etree.tostring(parse(file.read_bytes()))
