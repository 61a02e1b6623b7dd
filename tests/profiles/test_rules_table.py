"""rules.csv lists every rule: those in Schematron with their examples, the others with a test or a reason."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from asw_gateway.translation.rule_table import KINDS, SEVERITIES, RuleRow, read_rule_table
from tests.profiles import shelf

ROOT = shelf.PROFILES.parent
# The rules of ATIGA that a program can check.
ATIGA = [
    *(f"R-{number:02d}" for number in range(1, 24)),
    *(f"T-{number}" for number in range(24, 30)),
    *(f"R-{number}" for number in range(30, 34)),
]


def table(name: str) -> tuple[RuleRow, ...]:
    rows, faults = read_rule_table(shelf.files(name)["rules.csv"])
    assert faults == []
    return rows


def named_in(path: str) -> set[str]:
    """The names of the test functions and methods of a file."""
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", shelf.names())
def test_the_table_and_the_schematron_name_the_same_document_rules(name: str) -> None:
    phases = shelf.profile(name).compiled().rules.phases
    asserted = {assertion.rule for phase in phases.values() for assertion in phase}
    assert {row.id for row in table(name) if row.kind == "document"} == asserted


@pytest.mark.parametrize("name", shelf.names())
def test_every_row_names_what_shows_it(name: str) -> None:
    rows = table(name)
    assert len({row.id for row in rows}) == len(rows)
    for row in rows:
        assert row.kind in KINDS and row.severity in SEVERITIES, row
        assert row.valid_from and row.source and row.title and row.shown_by, row
        assert not row.shown_by.startswith("open"), row
        for example in row.examples:
            assert (shelf.PROFILES / name / "examples" / example / "example.toml").exists(), example
        for shown in row.tests:
            path, _, test = shown.partition("::")
            assert test in named_in(path) if test else (ROOT / path).exists(), shown
        if row.kind == "outside":
            assert not row.examples and not row.tests and len(row.shown_by) > 20, row
        else:
            assert row.examples or row.tests, row


def test_every_rule_of_the_agreement_has_its_row() -> None:
    rows = table("atiga-form-d-2022")
    listed = {re.match(r"[A-Z]-\d+", row.id)[0] for row in rows}  # type: ignore[index]
    assert set(ATIGA) - listed == set()


@pytest.mark.parametrize("name", shelf.names())
def test_store_rules_are_shown_by_a_register_that_speaks_against_the_document(name: str) -> None:
    for row in table(name):
        if row.kind != "store" or not row.examples:
            continue
        folders = [shelf.PROFILES / name / "examples" / example for example in row.examples]
        assert all((folder / "known.toml").exists() for folder in folders), row
        sides = {
            problem["side"]
            for folder in folders
            for problem in tomllib.loads(Path(folder / "example.toml").read_text()).get("problems", ())
        }
        assert "store" in sides, row
