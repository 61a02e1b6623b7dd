"""rules.csv: every rule of a document type, what kind of rule it is, and what shows that it is kept.

Columns: id, severity, kind, valid_from, valid_until, source, title, shown_by.  shown_by is
`example:NAME NAME …` (folders of examples/), `test:PATH …` (test files, with `::name` if wanted), or for a
rule that lies outside of what a gateway can see, the reason in words.

Severity and dates are not only documentation: a rule speaks on the days of its rows alone, and no louder
than its row of that day.  A rule may have several rows whose days do not overlap.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from attrs import frozen

COLUMNS = ("id", "severity", "kind", "valid_from", "valid_until", "source", "title", "shown_by")
SEVERITIES = ("error", "warning", "info")
SPEAKING = ("document", "store")
KINDS = ("document", "store", "timer", "behaviour", "outside")
EXAMPLE, TEST = "example:", "test:"


@frozen(kw_only=True)
class RuleRow:
    """One row of the table, with its line in the file."""

    line: int
    id: str
    severity: str
    kind: str
    valid_from: date
    valid_until: date | None
    source: str
    title: str
    shown_by: str

    def is_in_force(self, on: date) -> bool:
        """Whether the row counts on a day."""
        return self.valid_from <= on <= (self.valid_until or date.max)

    def overlaps(self, other: RuleRow) -> bool:
        """Whether there is a day on which both rows count."""
        return self.is_in_force(max(self.valid_from, other.valid_from)) and other.is_in_force(
            max(self.valid_from, other.valid_from)
        )

    @property
    def examples(self) -> tuple[str, ...]:
        """The names of the examples that show it."""
        return tuple(self.shown_by[len(EXAMPLE) :].split()) if self.shown_by.startswith(EXAMPLE) else ()

    @property
    def tests(self) -> tuple[str, ...]:
        """The tests that show it: `tests/…/test_x.py`, or that and `::name`."""
        return tuple(self.shown_by[len(TEST) :].split()) if self.shown_by.startswith(TEST) else ()


@frozen(kw_only=True)
class RuleTable:
    """All rows of a profile."""

    rows: tuple[RuleRow, ...] = ()

    def severity(self, rule: str, on: date, written: str) -> str | None:
        """How a broken rule is told on a day; None: not at all.

        written: what the rule itself says.  A store rule is told as its row says; an assert of a document
        rule, which may have milder asserts beside harder ones, at most so; a rule without a row as written.
        """
        rows = [row for row in self.rows if row.id == rule]
        if not rows:
            return written
        row = next((row for row in rows if row.is_in_force(on)), None)
        if row is None or row.kind == "store":
            return row.severity if row else None
        return "warning" if row.severity == "warning" else written


def read_rule_table(data: bytes) -> tuple[tuple[RuleRow, ...], list[tuple[int, str]]]:
    """The rows, and (line, message) of every mistake in them."""
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8")))
    except UnicodeDecodeError:
        return (), [(0, "the table is not UTF-8")]
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        return (), [(1, f"columns missing: {', '.join(missing)}")]
    rows: list[RuleRow] = []
    faults: list[tuple[int, str]] = []
    for record in reader:
        line = reader.line_num
        if None in record or None in record.values():
            faults.append((line, f"this row does not have {len(COLUMNS)} cells"))
            continue
        mistakes = _mistakes(record)
        if not mistakes:
            row = _row(line, record)
            same = [other for other in rows if other.id == row.id]
            if any(row.overlaps(other) for other in same):
                mistakes.append(f"rule {row.id} stands twice for the same days")
            if any(row.kind != other.kind for other in same):
                mistakes.append(f"rule {row.id} is of another kind above")
            rows.append(row)
        faults += [(line, mistake) for mistake in mistakes]
    return tuple(rows), faults


def _row(line: int, record: Mapping[str, str]) -> RuleRow:
    until = record["valid_until"]
    dates: dict[str, Any] = {
        "valid_from": date.fromisoformat(record["valid_from"]),
        "valid_until": date.fromisoformat(until) if until else None,
    }
    return RuleRow(line=line, **{**{column: record[column] for column in COLUMNS}, **dates})


def _mistakes(record: Mapping[str, str]) -> list[str]:
    mistakes = [f"{key} is empty" for key in ("id", "source", "title", "shown_by") if not record[key]]
    if record["severity"] not in SEVERITIES:
        mistakes.append(f"severity must be one of {', '.join(SEVERITIES)}")
    if record["severity"] == "info" and record["kind"] in SPEAKING:
        mistakes.append(f"a {record['kind']} rule is an error or a warning")
    if record["kind"] not in KINDS:
        mistakes.append(f"kind must be one of {', '.join(KINDS)}")
    for key in ("valid_from", "valid_until"):
        try:
            date.fromisoformat(record[key] or ("" if key == "valid_from" else "2000-01-01"))
        except ValueError:
            mistakes.append(f"{key} must be a date")
    return mistakes


def uncovered(row: RuleRow, broken_by: Collection[str], tests: Collection[str] | None) -> str:
    """Why a rule is not shown to be kept; "" if it is.

    broken_by: the examples whose expected problems name this rule; tests: the test files there are, or None
    where they are not at hand (an installed package has none).
    """
    if row.kind == "outside":
        return "" if not row.shown_by.startswith((EXAMPLE, TEST, "open:")) else "no reason is given"
    if row.kind == "document" and not broken_by:
        return "no example breaks it"
    if row.kind == "store" and row.examples and not broken_by:
        return "no example breaks it"
    if not row.examples and not row.tests:
        return f"nothing shows it: {row.shown_by}"
    lost = [test for test in row.tests if tests is not None and test.partition("::")[0] not in tests]
    return f"there is no {', '.join(lost)}" if lost else ""
