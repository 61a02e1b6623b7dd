"""Was the certificate valid at that moment, and what proves it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from attrs import evolve, frozen

from asw_gateway.exchange.validity import judge
from asw_gateway.exchange.validity_question import BadQuestion, answer, read_question


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@frozen(kw_only=True)
class Fact:
    at: float
    event: str
    chain: str = "vn-1"
    sequence: int = 1
    hash: str = "aa"
    actor: str = "gateway"
    detail: str = ""
    digest: str = ""


@frozen(kw_only=True)
class Document:
    issued_at: float | None = utc("2026-11-10")
    valid_until_at: float | None = utc("2027-11-10T23:59:59")
    replaced_by: str | None = None
    subject: str = "document:1"
    direction: str = "in"
    party: str = "th"
    document_type: str = "atiga-form-d"
    document_number: str = "TH-VN 1"
    message_id: str | None = "m1"
    digest: str = "d1"


RECEIVED = Fact(at=utc("2026-11-12T08:00:00"), event="document.VAL")


@pytest.mark.parametrize(
    ("events", "at", "valid", "usable", "said"),
    [
        ([], "2026-11-20", True, True, ()),
        ([], "2026-11-09T23:59:59", False, False, ("it was issued later, on 2026-11-10",)),
        (
            [],
            "2026-11-11",
            None,
            None,
            ("this gateway did not know it then, it came to know it at 2026-11-12 08:00:00 UTC",),
        ),
        ([], "2027-11-10T23:59:59", True, True, ()),
        ([], "2027-11-11", False, False, ("its validity ended on 2027-11-10",)),
        ([("2026-11-15", "CAN")], "2026-11-14T23:59:59", True, True, ()),
        ([("2026-11-15", "CAN")], "2026-11-15", False, False, ("the issuer cancelled it",)),
        ([("2026-11-15", "RPL")], "2026-11-16", False, False, ("the issuer replaced it by TH-VN 2",)),
        ([("2026-11-15", "UTL")], "2026-11-16", True, False, ("it was used in full",)),
        ([("2026-11-15", "UTP")], "2026-11-16", True, True, ()),
        (
            [("2026-11-15", "SUS")],
            "2026-11-16",
            True,
            False,
            ("customs of the importing country suspended it",),
        ),
        ([("2026-11-15", "SUS"), ("2026-11-18", "UTL")], "2026-11-19", True, False, ("it was used in full",)),
        (
            [("2027-11-11", "EXP")],
            "2027-11-12",
            False,
            False,
            ("its validity had ended without use", "its validity ended on 2027-11-10")[:1],
        ),
    ],
)
def test_verdicts(
    events: list[tuple[str, str]], at: str, valid: bool | None, usable: bool | None, said: tuple[str, ...]
) -> None:
    facts = [RECEIVED, *(Fact(at=utc(day), event=f"document.{state}", sequence=2) for day, state in events)]
    verdict = judge(Document(replaced_by="TH-VN 2"), facts, utc(at))
    assert (verdict.valid, verdict.usable, verdict.reasons) == (valid, usable, said)


def test_the_evidence_is_what_was_known_then_and_what_came_later_is_told_apart() -> None:
    later = Fact(at=utc("2026-11-15"), event="document.CAN", sequence=7, actor="th")
    other = Fact(at=utc("2026-11-13"), event="operator.note")
    verdict = judge(Document(), [RECEIVED, other, later], utc("2026-11-14"))
    assert [(one.chain, one.sequence, one.state) for one in verdict.evidence] == [("vn-1", 1, "VAL")]
    assert [(one.sequence, one.state, one.actor) for one in verdict.afterwards] == [(7, "CAN", "th")]


def test_only_exact_number_and_date_are_answered() -> None:
    question = read_question(
        {"number": "TH-VN 1", "date": "2026-11-10", "at": "2026-11-20T10:00:00 07:00"}  # unescaped plus
    )
    assert question.at == utc("2026-11-20T03:00:00")
    told = answer(question, [(Document(), [RECEIVED])])
    assert told is not None and told["certificates"][0]["valid"] is True
    wrong_day = evolve(question, issued_on=datetime(2026, 11, 11, tzinfo=UTC).date())
    assert answer(wrong_day, [(Document(), [RECEIVED])]) is None


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"date": "2026-11-10", "at": "2026-11-20T10:00:00Z"}, "number"),
        ({"number": "x" * 71, "date": "2026-11-10", "at": "2026-11-20T10:00:00Z"}, "number"),
        ({"number": "1", "date": "10.11.2026", "at": "2026-11-20T10:00:00Z"}, "date"),
        ({"number": "1", "date": "2026-11-10", "at": "2026-11-20T10:00:00"}, "at"),
        ({"number": "1", "date": "2026-11-10"}, "at"),
    ],
)
def test_unclear_questions_are_refused_by_name(query: dict[str, str], word: str) -> None:
    with pytest.raises(BadQuestion, match=f"^{word} must"):
        read_question(query)
