"""What follows from an attempt to send: the next state, the next time, and what the portal is told."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

from attrs import frozen

from asw_gateway.exchange import retry
from asw_gateway.exchange.lifecycle import OutboundEvent, OutboundState, outbound_next
from asw_gateway.exchange.notices import Status, StatusNotice, notice_for
from asw_gateway.exchange.outcome import Outcome, OutcomeKind
from asw_gateway.messaging.pmode import ReceptionAwareness

#: Nothing is known to be wrong with the message itself: only time to live ends these.
_ABOUT_THE_ROAD = frozenset({OutcomeKind.TLS_ERROR, OutcomeKind.TIMEOUT, OutcomeKind.CONNECTION_ERROR})


@frozen(kw_only=True)
class OutboundFacts:
    """What the rules must know of an outbound row; ``attempt`` counts the one just made (1 is the first).

    ``origin`` is ``portal``, or ``gateway`` for our own answers, whose states the portal never asked for.
    """

    state: str
    attempt: int
    expires_at: float
    partner: str
    document_type: str
    document_number: str
    national_message_id: str | None
    message_id: str | None
    dossier: str | None = None
    subject: str = ""
    origin: str = "portal"

    @classmethod
    def of(cls, row: Any) -> Self:
        """Read the facts from a row of the outbox."""
        return cls(
            state=row.state,
            attempt=row.attempt,
            expires_at=row.expires_at,
            partner=row.partner,
            document_type=row.document_type,
            document_number=row.document_number,
            national_message_id=row.national_message_id,
            message_id=row.message_id,
            dossier=row.dossier,
            subject=row.subject,
            origin=row.origin,
        )


@frozen(kw_only=True)
class AttemptDecision:
    """What to write after an attempt.

    ``counts`` is false for an interrupted attempt: the row's attempt number goes back by one.
    ``next_attempt_at`` is set only when the message is queued again (UTC seconds).
    """

    state: OutboundState
    next_attempt_at: float | None
    counts: bool
    reason: str
    notice: StatusNotice | None


def after_attempt(
    facts: OutboundFacts,
    outcome: Outcome,
    *,
    awareness: ReceptionAwareness,
    now: float,
    jitter: float,
    earlier: Collection[str] = (),
) -> AttemptDecision:
    """Judge one finished attempt; a row another hand moved on meanwhile raises IllegalMove.

    ``earlier`` are the outcomes of the attempts before, needed when this one is a duplicate.  A valid
    receipt wins in every state.  A receipt that does not prove what we sent, a retryable error and every
    failure of the road are tried again until the time to live is over (EBMS:0301 to the portal).
    """
    if outcome.kind is OutcomeKind.RECEIPT:
        state = outbound_next(facts.state, OutboundEvent.RECEIPT)
        news = None if facts.state == OutboundState.DELIVERED else Status.RECEIPTED
        return _decision(facts, state, None, outcome.reason or "receipt", news)
    if outcome.kind is OutcomeKind.INTERRUPTED:
        state = outbound_next(facts.state, OutboundEvent.INTERRUPTED)
        return AttemptDecision(
            state=state, next_attempt_at=now, counts=False, reason="interrupted", notice=None
        )
    if outcome.kind is OutcomeKind.DUPLICATE and _arrived_before(earlier):
        # Sending it again could only deliver it twice, once the partner has forgotten its id.
        state = outbound_next(facts.state, OutboundEvent.KNOWN_THERE)
        told = "the partner has this message; its receipt was lost"
        return _decision(facts, state, None, retry.MISSING_RECEIPT, Status.UNRECEIPTED, told)
    if not (outcome.retryable or outcome.kind in _ABOUT_THE_ROAD):
        state = outbound_next(facts.state, OutboundEvent.ATTEMPT_REFUSED)
        return _decision(facts, state, None, outcome.reason, Status.FAILED, outcome.detail)
    if now >= facts.expires_at:
        return expire(facts)
    state = outbound_next(facts.state, OutboundEvent.ATTEMPT_FAILED)
    at = retry.next_attempt_at(
        awareness, facts.attempt, now=now, jitter=jitter, retry_after_seconds=outcome.retry_after_seconds
    )
    # The last attempt is made just before the end, so that expiry never waits for a far back-off.
    at = min(at, max(facts.expires_at, now))
    first = Status.RETRYING if facts.attempt == 1 else None
    return _decision(facts, state, at, outcome.reason, first, outcome.detail)


def _arrived_before(earlier: Collection[str]) -> bool:
    """Whether an attempt ended without the partner's word, and none with a refusal.

    Some partners note an id before they process its message, and call the retry after a refusal a duplicate.
    """
    return bool(earlier) and OutcomeKind.ERROR_SIGNAL not in earlier


def expire(facts: OutboundFacts) -> AttemptDecision:
    """Give the end of a message whose time to live is over (AS4 §3.2: the producer is told, EBMS:0301)."""
    state = outbound_next(facts.state, OutboundEvent.TIME_OVER)
    return _decision(facts, state, None, retry.MISSING_RECEIPT, Status.EXPIRED, "no receipt in time")


def held(facts: OutboundFacts) -> AttemptDecision:
    """Give the rest of a queued message whose predecessor of the same order key failed."""
    state = outbound_next(facts.state, OutboundEvent.PREDECESSOR_FAILED)
    return _decision(facts, state, None, "predecessor_failed", Status.HELD)


def _decision(
    facts: OutboundFacts,
    state: OutboundState,
    next_attempt_at: float | None,
    reason: str,
    status: Status | None,
    detail: str = "",
) -> AttemptDecision:
    notice = None
    if status is not None and facts.origin == "portal":
        notice = notice_for(facts, status, reason=reason, detail=detail)
    return AttemptDecision(
        state=state, next_attempt_at=next_attempt_at, counts=True, reason=reason, notice=notice
    )
