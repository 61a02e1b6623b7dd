"""The counting is honest: what did not run, did not pass or left no evidence is not held."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance import summary
from tests.conformance.predicates import PREDICATES
from tests.conformance.summary import Assertion, Report, assertions, faults, lines, read_report

ONE = Assertion(id="TA01", title="t", source="s")
GOOD = {"test_TA01": "passed", "test_TA01_twin": "passed"}


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    (tmp_path / "TA01" / "twin").mkdir(parents=True)
    for name in ("request.http", "answer.http", "twin/request.http"):
        (tmp_path / "TA01" / name).write_bytes(b"x")
    return tmp_path


def test_the_list_has_a_predicate_for_each_of_36_assertions() -> None:
    ids = [assertion.id for assertion in assertions()]
    assert len(ids) == len(set(ids)) == 36
    assert sorted(PREDICATES) == sorted(ids)
    assert all(assertion.title and assertion.source for assertion in assertions())


def test_held(evidence: Path) -> None:
    report = Report(outcomes=GOOD, jdk={"TA01-answer-1": "valid #a"}, evidence=evidence)
    said, good = lines(report, [ONE])
    assert good
    assert said[-1] == "conformance: 1 of 1 held"
    assert "signatures: 1 of 1 signatures of ours verified by the JDK" in said


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ({"test_TA01": "failure", "test_TA01_twin": "passed"}, "test_TA01 failure"),
        ({"test_TA01": "skipped", "test_TA01_twin": "passed"}, "test_TA01 skipped"),
        ({"test_TA01": "passed", "test_TA01_twin[x]": "error"}, "test_TA01_twin[x] error"),
        ({"test_TA01": "passed"}, "its negative twin did not run"),
        ({"test_TA01_twin": "passed"}, "its test did not run"),
        ({}, "its test did not run"),
    ],
)
def test_not_held(evidence: Path, outcomes: dict[str, str], said: str) -> None:
    report = Report(outcomes=outcomes, jdk={}, evidence=evidence)
    assert said in faults(ONE, report)
    told, good = lines(report, [ONE])
    assert not good
    assert told[-1] == "conformance: 0 of 1 held"


def test_without_evidence_it_is_not_held(tmp_path: Path) -> None:
    assert "no request.http" in faults(ONE, Report(outcomes=GOOD, jdk=None, evidence=tmp_path))


def test_a_signature_the_jdk_refuses(evidence: Path) -> None:
    report = Report(outcomes=GOOD, jdk={"TA01-answer-1": "invalid digest"}, evidence=evidence)
    assert faults(ONE, report) == ["the JDK finds TA01-answer-1 invalid digest"]


def test_without_java_nothing_is_claimed_of_the_jdk(evidence: Path) -> None:
    said, good = lines(Report(outcomes=GOOD, jdk=None, evidence=evidence), [ONE])
    assert good
    assert any("NOT checked by the JDK" in line for line in said)


def test_another_test_that_fails_fails_the_suite(evidence: Path) -> None:
    report = Report(outcomes={**GOOD, "test_the_jdk_verifies": "failure"}, jdk=None, evidence=evidence)
    assert lines(report, [ONE])[1] is False


def test_the_report_is_read_from_junit(evidence: Path) -> None:
    junit = evidence / "junit.xml"
    junit.write_text(
        '<testsuites><testsuite><testcase name="test_TA01"/><testcase name="test_TA01_twin">'
        '<failure message="x"/></testcase></testsuite></testsuites>'
    )
    assert read_report(junit).outcomes == {"test_TA01": "passed", "test_TA01_twin": "failure"}
    assert summary.main([str(junit)]) == 1
