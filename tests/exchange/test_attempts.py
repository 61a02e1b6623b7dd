"""What follows from each way an attempt can end, in every state."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from asw_gateway.exchange.attempts import OutboundFacts, after_attempt, expire, held
from asw_gateway.exchange.lifecycle import IllegalMove, OutboundState
from asw_gateway.exchange.notices import Status
from asw_gateway.exchange.outcome import Outcome, OutcomeKind
from asw_gateway.messaging.pmode import ReceptionAwareness

NOW = 1_790_000_000.0
AWARENESS = ReceptionAwareness(initial_delay_seconds=60, multiplier=2, maximum_delay_seconds=600)
FACTS = OutboundFacts(
    state="sending",
    attempt=1,
    expires_at=NOW + 86400,
    partner="th",
    document_type="atiga-form-d",
    document_number="VN-TH 26/02/00123",
    national_message_id="ab" * 16,
    message_id="1@vn",
    dossier="D-1",
)


def outcome(kind: OutcomeKind, *, retryable: bool = True, **more: object) -> Outcome:
    return Outcome(kind=kind, retryable=retryable, reason=kind.value, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", list(OutboundState))
@pytest.mark.parametrize("kind", list(OutcomeKind))
@pytest.mark.parametrize("retryable", [True, False])
def test_every_state_and_outcome(state: OutboundState, kind: OutcomeKind, retryable: bool) -> None:
    facts = evolve(FACTS, state=state.value)
    try:
        decision = after_attempt(
            facts, outcome(kind, retryable=retryable), awareness=AWARENESS, now=NOW, jitter=0.5
        )
    except IllegalMove:
        legal_for_receipt = state not in (OutboundState.SUBMITTED, OutboundState.REJECTED)
        assert state is not OutboundState.SENDING
        assert not (kind is OutcomeKind.RECEIPT and legal_for_receipt)
        return
    if kind is OutcomeKind.RECEIPT:
        assert decision.state is OutboundState.DELIVERED
        told = None if state is OutboundState.DELIVERED else Status.RECEIPTED
        assert (decision.notice.status if decision.notice else None) is told
    else:
        assert state is OutboundState.SENDING
        assert decision.state in (OutboundState.QUEUED, OutboundState.FAILED)
    assert (decision.next_attempt_at is not None) == (decision.state is OutboundState.QUEUED)


def test_a_dead_partner_never_fails_a_message_before_its_time() -> None:
    for kind in (OutcomeKind.CONNECTION_ERROR, OutcomeKind.TIMEOUT, OutcomeKind.TLS_ERROR):
        facts = evolve(FACTS, attempt=5000)
        decision = after_attempt(
            facts, outcome(kind, retryable=False), awareness=AWARENESS, now=NOW, jitter=1.0
        )
        assert decision.state is OutboundState.QUEUED


def test_the_portal_is_told_of_the_first_failed_attempt_only() -> None:
    first = after_attempt(FACTS, outcome(OutcomeKind.TIMEOUT), awareness=AWARENESS, now=NOW, jitter=0.5)
    second = after_attempt(
        evolve(FACTS, attempt=2), outcome(OutcomeKind.TIMEOUT), awareness=AWARENESS, now=NOW, jitter=0.5
    )
    assert first.notice is not None
    assert first.notice.status is Status.RETRYING
    assert second.notice is None


def test_a_permanent_refusal_fails_and_tells_why() -> None:
    decision = after_attempt(
        FACTS,
        Outcome(kind=OutcomeKind.ERROR_SIGNAL, retryable=False, reason="EBMS:0101", detail="bad signature"),
        awareness=AWARENESS,
        now=NOW,
        jitter=0.5,
    )
    assert decision.state is OutboundState.FAILED
    assert decision.notice is not None
    assert (decision.notice.status, decision.notice.reason) == (Status.FAILED, "EBMS:0101")
    assert decision.notice.detail == "bad signature"


def test_a_failed_attempt_past_the_time_to_live_expires_with_missing_receipt() -> None:
    decision = after_attempt(
        evolve(FACTS, expires_at=NOW), outcome(OutcomeKind.TIMEOUT), awareness=AWARENESS, now=NOW, jitter=0.5
    )
    assert decision.state is OutboundState.EXPIRED
    assert decision.reason == "EBMS:0301"
    assert decision.notice is not None
    assert decision.notice.status is Status.EXPIRED


def test_a_receipt_past_the_time_to_live_still_wins() -> None:
    for state in ("sending", "expired", "failed", "cancelled", "held"):
        facts = evolve(FACTS, expires_at=NOW - 1, state=state)
        decision = after_attempt(
            facts, outcome(OutcomeKind.RECEIPT), awareness=AWARENESS, now=NOW, jitter=0.5
        )
        assert decision.state is OutboundState.DELIVERED


def test_an_interruption_costs_no_attempt_and_is_due_at_once() -> None:
    decision = after_attempt(
        FACTS, outcome(OutcomeKind.INTERRUPTED), awareness=AWARENESS, now=NOW, jitter=0.5
    )
    assert (decision.state, decision.counts, decision.next_attempt_at) == (OutboundState.QUEUED, False, NOW)
    assert decision.notice is None


def test_the_gateways_own_answers_do_not_bother_the_portal() -> None:
    own = evolve(FACTS, origin="gateway", national_message_id=None)
    for kind in (OutcomeKind.RECEIPT, OutcomeKind.TIMEOUT):
        decision = after_attempt(own, outcome(kind), awareness=AWARENESS, now=NOW, jitter=0.5)
        assert decision.notice is None
    assert expire(evolve(own, state="queued")).notice is None


@given(
    attempt=st.integers(1, 500),
    jitter=st.floats(0, 1),
    left=st.floats(min_value=0.001, max_value=1e6),
    wish=st.none() | st.floats(0, 1e6),
)
def test_the_last_attempt_is_not_later_than_the_end_of_life(
    attempt: int, jitter: float, left: float, wish: float | None
) -> None:
    facts = evolve(FACTS, attempt=attempt, expires_at=NOW + left)
    decision = after_attempt(
        facts,
        outcome(OutcomeKind.HTTP_ERROR, retry_after_seconds=wish),
        awareness=AWARENESS,
        now=NOW,
        jitter=jitter,
    )
    assert decision.next_attempt_at is not None
    assert NOW <= decision.next_attempt_at <= facts.expires_at


def test_expiry_and_holding_are_only_for_messages_that_wait() -> None:
    assert expire(evolve(FACTS, state="held")).state is OutboundState.EXPIRED
    assert held(evolve(FACTS, state="queued")).notice.status is Status.HELD  # type: ignore[union-attr]
    with pytest.raises(IllegalMove):
        expire(evolve(FACTS, state="delivered"))
    with pytest.raises(IllegalMove):
        held(FACTS)


@pytest.mark.parametrize("earlier", [("timeout",), ("interrupted",), ("connection_error", "http_error")])
def test_a_duplicate_after_an_unknown_end_is_there_without_its_receipt(earlier: tuple[str, ...]) -> None:
    decision = after_attempt(
        evolve(FACTS, attempt=2),
        outcome(OutcomeKind.DUPLICATE, retryable=False),
        awareness=AWARENESS,
        now=NOW,
        jitter=0.5,
        earlier=earlier,
    )
    assert (decision.state, decision.reason) == (OutboundState.DELIVERED, "EBMS:0301")
    assert decision.notice is not None
    assert (decision.notice.status, decision.notice.reason) == (Status.UNRECEIPTED, "EBMS:0301")


@pytest.mark.parametrize(
    "earlier", [(), ("error_signal",), ("error_signal", "timeout"), ("timeout", "error_signal")]
)
def test_a_duplicate_of_what_was_never_sent_or_was_refused_fails(earlier: tuple[str, ...]) -> None:
    decision = after_attempt(
        evolve(FACTS, attempt=2),
        outcome(OutcomeKind.DUPLICATE, retryable=False),
        awareness=AWARENESS,
        now=NOW,
        jitter=0.5,
        earlier=earlier,
    )
    assert decision.state is OutboundState.FAILED
    assert decision.notice is not None
    assert decision.notice.status is Status.FAILED
