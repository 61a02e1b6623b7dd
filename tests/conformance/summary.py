"""How many of the 36 assertions held: from pytest's report and the evidence, against assertions.csv.

    python -m tests.conformance.summary build/conformance/junit.xml

An assertion holds when its tests and its negative twins ran and passed, its raw request and answer are
there, and no signature of ours in it was found invalid. The last line is `conformance: N of 36 held`; the
exit status is 1 when one did not hold or any test of the suite failed.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree

from attrs import frozen

LIST = Path(__file__).with_name("assertions.csv")
PASSED = "passed"


@frozen(kw_only=True)
class Assertion:
    """One row of the list."""

    id: str
    title: str
    source: str


@frozen(kw_only=True)
class Report:
    """What a run showed: test name → passed, failure, error or skipped; `jdk` is None if it was not asked."""

    outcomes: Mapping[str, str]
    jdk: Mapping[str, str] | None
    evidence: Path


def assertions() -> list[Assertion]:
    with LIST.open(encoding="utf-8", newline="") as file:
        return [Assertion(**row) for row in csv.DictReader(file)]


def read_report(junit: Path) -> Report:
    """From the report and the evidence beside it."""
    outcomes = {}
    for case in ElementTree.parse(junit).iter("testcase"):  # noqa: S314  pytest wrote it just now
        kinds = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        outcomes[case.get("name", "")] = kinds[0] if kinds else PASSED
    verdicts = junit.parent / "jdk.json"
    jdk = json.loads(verdicts.read_text(encoding="utf-8")) if verdicts.exists() else None
    return Report(outcomes=outcomes, jdk=jdk, evidence=junit.parent)


def faults(assertion: Assertion, report: Report) -> list[str]:
    """Why an assertion is not counted; empty when it holds."""
    name = f"test_{assertion.id}"
    cases = {n: o for n, o in report.outcomes.items() if n.partition("[")[0].startswith(name)}
    twins = {n: o for n, o in cases.items() if n.startswith(f"{name}_twin")}
    found = [f"{n} {outcome}" for n, outcome in cases.items() if outcome != PASSED]
    if len(cases) == len(twins):
        found.append("its test did not run")
    if not twins:
        found.append("its negative twin did not run")
    for file in ("request.http", "answer.http", "twin/request.http"):
        path = report.evidence / assertion.id / file
        if not path.is_file() or path.stat().st_size == 0:
            found.append(f"no {file}")
    for signed, verdict in (report.jdk or {}).items():
        if signed.startswith(f"{assertion.id}-") and not verdict.startswith("valid "):
            found.append(f"the JDK finds {signed} {verdict}")
    return found


def lines(report: Report, wanted: Iterable[Assertion]) -> tuple[list[str], bool]:
    """The summary, and whether the suite passed."""
    wanted = list(wanted)
    said, held = [], 0
    for assertion in wanted:
        found = faults(assertion, report)
        held += not found
        if found:
            said.append(f"{assertion.id} did not hold ({assertion.title}): {'; '.join(found)}")
    if report.jdk is None:
        said.append("signatures: NOT checked by the JDK (no java on this machine)")
    else:
        valid = sum(verdict.startswith("valid ") for verdict in report.jdk.values())
        said.append(f"signatures: {valid} of {len(report.jdk)} signatures of ours verified by the JDK")
    others = sorted(n for n, o in report.outcomes.items() if o in ("failure", "error"))
    said += [f"failed: {name}" for name in others]
    said.append(f"evidence: {report.evidence}")
    said.append(f"conformance: {held} of {len(wanted)} held")
    return said, held == len(wanted) and not others


def main(arguments: list[str]) -> int:
    said, good = lines(read_report(Path(arguments[0])), assertions())
    print("\n".join(said))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
