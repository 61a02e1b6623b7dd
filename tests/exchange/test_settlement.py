"""Duplicates, early cancellations, replacements and answers, against what the registry holds."""

from __future__ import annotations

from typing import Any

import pytest

from asw_gateway.exchange.lifecycle import DocumentState
from asw_gateway.exchange.notices import Status
from asw_gateway.exchange.settlement import (
    KnownDocument,
    Settlement,
    Verdict,
    lookups,
    settle,
)
from asw_gateway.translation.facts import DocumentFacts

EFFECTS = ("opens", "replaces", "cancels", "answers", "asks", "repeats", "refuses")


def facts(**more: Any) -> DocumentFacts:
    return DocumentFacts(**({"document_type": "atiga-form-d", "kind": "certificate", "number": "N1"} | more))


def known(state: str = "VAL", digest: str = "d1") -> KnownDocument:
    return KnownDocument(state=state, digest=digest)


def inbound(effect: str, digest: str = "d1", one: Any = None, two: Any = None, **more: Any) -> Settlement:
    return settle(facts(**more), effect, digest, one, two, inbound=True)


def outbound(effect: str, digest: str = "d1", one: Any = None, two: Any = None, **more: Any) -> Settlement:
    return settle(facts(**more), effect, digest, one, two, inbound=False)


def states(settlement: Settlement) -> list[tuple[str, str, str]]:
    return [(c.direction, c.document_number, c.state.value) for c in settlement.changes]


def test_a_new_document_is_handed_over_and_remembered() -> None:
    result = inbound("opens")
    assert result.verdict is Verdict.PROCEED
    assert states(result) == [("in", "N1", "VAL")]
    assert result.changes[0].digest == "d1"


def test_the_same_document_under_another_id_is_accepted_silently() -> None:
    assert inbound("opens", one=known()) == Settlement(verdict=Verdict.DUPLICATE)


def test_the_same_number_with_other_content_is_refused_as_t08() -> None:
    result = inbound("opens", "d2", known())
    assert result.verdict is Verdict.FAULTY
    assert [p.rule for p in result.problems] == ["T08"]
    assert inbound("repeats", "d2", known()).problems[0].rule == "T08"


def test_a_retransmission_is_handed_over_again() -> None:
    assert inbound("repeats", one=known()) == Settlement(verdict=Verdict.PROCEED)


def test_a_replacement_under_a_new_number_ends_the_old_one() -> None:
    result = inbound("replaces", "d2", None, known(), number="N2", previous_number="N1")
    assert states(result) == [("in", "N2", "VAL"), ("in", "N1", "RPL")]
    assert result.changes[1].replaced_by == "N2"


def test_a_replacement_under_the_same_number_is_a_new_version() -> None:
    result = inbound("replaces", "d2", known(), previous_number="N1")
    assert states(result) == [("in", "N1", "VAL")]
    assert result.changes[0].digest == "d2"


@pytest.mark.parametrize("state", ["UTL", "UTP", "CAN"])
def test_a_used_or_cancelled_certificate_is_not_replaced(state: str) -> None:
    result = inbound("replaces", "d2", None, known(state), number="N2", previous_number="N1")
    assert result.verdict is Verdict.FAULTY
    assert state in result.problems[0].message


def test_a_cancellation_before_its_original_is_parked() -> None:
    result = inbound("cancels")
    assert (result.verdict, result.waiting_for) == (Verdict.PARK, "N1")


def test_a_cancellation_cancels_once() -> None:
    assert states(inbound("cancels", one=known())) == [("in", "N1", "CAN")]
    assert inbound("cancels", one=known("CAN")).verdict is Verdict.DUPLICATE
    assert inbound("cancels", one=known("UTL")).problems[0].rule == "B03"


@pytest.mark.parametrize(
    ("word", "state", "told"),
    [("UTL", "UTL", Status.ACCEPTED), ("UTP", "UTP", Status.ACCEPTED), ("REJ", "REJ", Status.REJECTED),
     ("SUS", "SUS", Status.ACCEPTED), ("VAL", "VAL", Status.ACCEPTED)],
)  # fmt: skip
def test_a_customs_response_moves_our_document(word: str, state: str, told: Status) -> None:
    result = inbound("answers", one=known("RCV"), number="R1", answers_number="N1", response_status=word)
    assert states(result) == [("out", "N1", state)]
    assert result.status is told


def test_our_response_moves_their_document_and_must_be_possible() -> None:
    result = outbound("answers", one=known(), number="R1", answers_number="N1", response_status="UTL")
    assert states(result) == [("in", "N1", "UTL")]
    refused = outbound("answers", one=known("CAN"), number="R1", answers_number="N1", response_status="UTL")
    assert refused.verdict is Verdict.FAULTY
    unknown = outbound("answers", number="R1", answers_number="N1", response_status="UTL")
    assert unknown.problems[0].rule == "T09"


def test_an_impossible_response_from_a_partner_is_handed_over_and_marked() -> None:
    result = inbound("answers", one=known("CAN"), number="R1", answers_number="N1", response_status="UTL")
    assert result.verdict is Verdict.PROCEED
    assert result.changes == ()
    assert "CAN" in result.conflict


def test_a_technical_error_rejects_our_document_and_is_never_answered() -> None:
    result = inbound("refuses", one=known("RCV"), number="E1", answers_number="N1")
    assert states(result) == [("out", "N1", "REJ")]
    assert result.status is Status.REJECTED
    for one in (None, known("UTL"), known("CAN")):
        assert inbound("refuses", one=one, number="E1", answers_number="N1").verdict is Verdict.PROCEED


def test_a_refused_cancellation_leaves_its_document_alone() -> None:
    one = KnownDocument(state="RCV", digest="d1", message_id="first@vn")
    about = facts(number="E1", answers_number="N1")
    for ref, changed in (("second@vn", False), ("first@vn", True), (None, True)):
        result = settle(about, "refuses", "", one, None, inbound=True, ref_to_message_id=ref)
        assert bool(result.changes) is changed


def test_after_a_refusal_a_corrected_document_may_go_out_under_its_number() -> None:
    assert states(outbound("opens", "d2", known("REJ"))) == [("out", "N1", "RCV")]
    assert outbound("opens", "d2", known("VAL")).problems[0].rule == "T08"
    assert outbound("opens", "d1", known("VAL")).verdict is Verdict.PROCEED


def test_a_request_for_an_unknown_document_is_faulty() -> None:
    assert inbound("asks", answers_number="N1").problems[0].rule == "T09"
    assert inbound("asks", one=known(), answers_number="N1").verdict is Verdict.PROCEED


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("state", [None, *DocumentState])
@pytest.mark.parametrize("is_inbound", [True, False])
@pytest.mark.parametrize("digest", ["d1", "d2"])
def test_every_effect_in_every_state_has_an_answer(
    effect: str, state: str | None, is_inbound: bool, digest: str
) -> None:
    one = None if state is None else known(state)
    about = facts(number="N1", answers_number="N1" if effect in ("answers", "asks", "refuses") else None,
                  response_status="UTL")  # fmt: skip
    result = settle(about, effect, digest, one, None, inbound=is_inbound)
    assert (result.verdict is Verdict.FAULTY) == bool(result.problems)
    assert (result.verdict is Verdict.PARK) == bool(result.waiting_for)
    assert lookups(about, effect, inbound=is_inbound)[0][1] == "N1"
    if result.verdict is not Verdict.PROCEED:
        assert result.changes == ()


def test_a_reply_about_the_senders_own_document_is_handed_over_and_moves_nothing() -> None:
    own = inbound("answers", two=known("SUS"), number="R1", answers_number="N1")
    assert own == Settlement(verdict=Verdict.PROCEED)
    used = inbound("answers", two=known(), number="R1", answers_number="N1", response_status="UTL")
    assert used.problems[0].rule == "T09"


def test_lookups_ask_for_the_right_side() -> None:
    answer = facts(number="R1", answers_number="N1")
    assert lookups(answer, "answers", inbound=True) == (("out", "N1"), ("in", "N1"))
    assert lookups(answer, "answers", inbound=False) == (("in", "N1"), ("out", "N1"))
    assert lookups(answer, "refuses", inbound=True) == (("out", "N1"),)
    new = facts(number="N2", previous_number="N1")
    assert lookups(new, "replaces", inbound=True) == (("in", "N2"), ("in", "N1"))
