"""rules.csv lists every rule: those in Schematron with their examples, the others with a reason or a test."""

from __future__ import annotations

import csv
import io

import pytest

from tests.profiles import shelf

KINDS = ("document", "store", "timer", "behaviour", "outside")


def table(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(shelf.files(name)["rules.csv"].decode())))


@pytest.mark.parametrize("name", shelf.names())
def test_the_table_and_the_schematron_name_the_same_document_rules(name: str) -> None:
    phases = shelf.profile(name).compiled().rules.phases
    asserted = {assertion.rule for phase in phases.values() for assertion in phase}
    assert {row["id"] for row in table(name) if row["kind"] == "document"} == asserted


@pytest.mark.parametrize("name", shelf.names())
def test_every_row_says_how_it_is_shown(name: str) -> None:
    rows = table(name)
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert row["kind"] in KINDS and row["severity"] in ("error", "warning", "info"), row
        assert row["valid_from"] and row["source"] and row["title"] and row["shown_by"], row
        if row["shown_by"].startswith("example:"):
            for example in row["shown_by"].removeprefix("example:").split():
                assert (shelf.PROFILES / name / "examples" / example / "example.toml").exists(), example
