"""The severity and the days of a rule are data: rows of rules.csv, read by a document's day of issue."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import cache
from typing import Any

import pytest

from asw_gateway.exchange.known_facts import store_problems
from asw_gateway.messaging.xml import parse
from asw_gateway.translation.convert import apply_rules
from asw_gateway.translation.profile import Profile, ProfileFault
from asw_gateway.translation.profile_loading import load_profile
from tests.profiles import shelf

NAME = "atiga-form-d-2022"
EXAMPLES = shelf.PROFILES / NAME / "examples"
BALANCE = "R-12-balance,warning,store,2022-05-01,,"
CRITERION = "R-06,error,document,2022-05-01,,"


@cache
def with_row(row: str, *instead: str) -> Profile:
    """The shipped profile with other rows in the place of one."""
    files = dict(shelf.files(NAME))
    lines = files["rules.csv"].decode().splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith(row))
    lines[place : place + 1] = [each + lines[place].removeprefix(row) for each in instead]
    files["rules.csv"] = "\n".join(lines).encode()
    return load_profile(NAME, files, shelf.files(shelf.REFERENCE))


def asean(example: str, issued: date) -> Any:
    data = (EXAMPLES / example / "asean.xml").read_text()
    before, _, rest = data.partition("<IssueDateTime>")
    old = rest[rest.index('"102">') + 6 :][:8]
    return parse((before + "<IssueDateTime>" + rest.replace(old, f"{issued:%Y%m%d}", 1)).encode())


def overdrawn(profile: Profile, issued: date) -> list[tuple[str, str]]:
    kind = profile.kind("certificate")
    assert kind is not None
    example = "store-r12-balance-exceeded"
    known = tomllib.loads((EXAMPLES / example / "known.toml").read_text())
    found = store_problems(profile, kind, asean(example, issued), known, own_country="VN", on=issued)
    return [(problem.rule, problem.severity) for problem in found]


def of_the_criterion(profile: Profile, issued: date) -> list[str]:
    kind = profile.kind("certificate")
    assert kind is not None
    found = apply_rules(profile, kind, asean("bad-r06-criterion", issued), on=issued, own_country="VN")
    return [problem.severity for problem in found if problem.rule == "R-06"]


def test_a_balance_that_is_exceeded_is_a_warning_until_the_day_it_becomes_an_error() -> None:
    profile = with_row(
        BALANCE,
        "R-12-balance,warning,store,2022-05-01,2026-10-31,",
        "R-12-balance,error,store,2026-11-01,,",
    )
    assert overdrawn(profile, date(2026, 10, 31)) == [("R-12", "warning")]
    assert overdrawn(profile, date(2026, 11, 1)) == [("R-12", "error")]


def test_a_document_rule_can_begin_as_a_warning() -> None:
    profile = with_row(
        CRITERION, "R-06,warning,document,2022-05-01,2026-10-31,", "R-06,error,document,2026-11-01,,"
    )
    assert of_the_criterion(profile, date(2026, 10, 31)) == ["warning"]
    assert of_the_criterion(profile, date(2026, 11, 1)) == ["error"]


def test_a_rule_says_nothing_of_documents_issued_outside_of_its_days() -> None:
    profile = with_row(CRITERION, "R-06,error,document,2026-11-01,2026-11-30,")
    days = (date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 30), date(2026, 12, 1))
    assert [of_the_criterion(profile, day) for day in days] == [[], ["error"], ["error"], []]


@pytest.mark.parametrize(
    ("row", "instead", "told"),
    [
        (
            BALANCE,
            ("R-12-balance,warning,store,2022-05-01,2026-11-01,", "R-12-balance,error,store,2026-11-01,,"),
            "rule R-12-balance stands twice for the same days",
        ),
        (
            BALANCE,
            ("R-12-balance,warning,store,2022-05-01,2026-10-31,", "R-12-balance,info,timer,2026-11-01,,"),
            "rule R-12-balance is of another kind above",
        ),
        (CRITERION, ("R-06,info,document,2022-05-01,,",), "a document rule is an error or a warning"),
    ],
)
def test_rows_that_contradict_each_other_are_told(row: str, instead: tuple[str, ...], told: str) -> None:
    with pytest.raises(ProfileFault) as caught:
        with_row(row, *instead)
    assert [(problem.file, problem.message) for problem in caught.value.problems] == [("rules.csv", told)]
    assert caught.value.problems[0].line > 1
