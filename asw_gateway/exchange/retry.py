"""When to try again: exponential back-off, and which failures are worth another attempt.

The part without jitter is a function of its own so that it can be tested exactly.  Nothing here
looks at a clock: ``now`` and ``jitter`` are arguments.
"""

from __future__ import annotations

from asw_gateway.messaging.error_codes import EbmsError, is_retryable
from asw_gateway.messaging.pmode import ReceptionAwareness

#: phase4's private code for a duplicate since 4.5; before, it was EBMS:0004 and a sentence.
DUPLICATE_CODE = "EBMS:4001"
_OTHER, _DUPLICATE_WORD = "EBMS:0004", "duplicate"
MISSING_RECEIPT = "EBMS:0301"
INVALID_RECEIPT = "EBMS:0302"

#: Client errors that say "not now" rather than "never".
_NOT_NOW = frozenset({408, 421, 423, 425, 429})
#: Client errors about the endpoint and not about this message: a wrong path must not fail a whole queue.
_NOT_IN_SERVICE = frozenset({401, 403, 404, 405, 407, 410})
#: The longest wait we grant a partner's Retry-After.
RETRY_AFTER_CAP_SECONDS = 86_400.0
#: 2**64 initial delays are beyond any cap; a larger exponent would only overflow.
_MAX_EXPONENT = 64


def error_is_retryable(code: str, detail: str = "") -> bool:
    """Tell whether an error signal with this code is worth another attempt (ebMS 3.0 core §6.7)."""
    return is_retryable(
        EbmsError(code=code, severity="failure", category="", short_description="", detail=detail.strip())
    )


def is_duplicate(code: str, detail: str) -> bool:
    """Tell whether an error says "I have this message id already" (the standard wants the receipt again)."""
    return code == DUPLICATE_CODE or (code == _OTHER and _DUPLICATE_WORD in detail.lower())


def http_status_is_retryable(status: int) -> bool:
    """Tell whether an HTTP status without a signal is worth another attempt.

    Every 5xx, "not now", and the statuses that speak of the endpoint; other 4xx mean this message.
    """
    return status >= 500 or status in _NOT_NOW or status in _NOT_IN_SERVICE


def delay_seconds(awareness: ReceptionAwareness, attempt: int) -> float:
    """Give the wait after failed attempt number ``attempt`` (1 is the first), without jitter."""
    exponent = min(max(attempt, 1) - 1, _MAX_EXPONENT)
    grown = awareness.initial_delay_seconds * float(awareness.multiplier) ** exponent
    return min(grown, awareness.maximum_delay_seconds)


def jittered_seconds(awareness: ReceptionAwareness, attempt: int, jitter: float) -> float:
    """Spread the wait by ± ``awareness.jitter``; ``jitter`` is random in 0..1, and 0.5 changes nothing."""
    if not 0.0 <= jitter <= 1.0:
        raise ValueError(f"jitter must lie in 0..1, not {jitter}")
    return delay_seconds(awareness, attempt) * (1.0 + awareness.jitter * (2.0 * jitter - 1.0))


def next_attempt_at(
    awareness: ReceptionAwareness,
    attempt: int,
    *,
    now: float,
    jitter: float,
    retry_after_seconds: float | None = None,
) -> float:
    """Give the UTC time of the next attempt; a partner's Retry-After can only push it later, up to a day."""
    wait = jittered_seconds(awareness, attempt, jitter)
    if retry_after_seconds is not None and retry_after_seconds > wait:
        wait = min(retry_after_seconds, RETRY_AFTER_CAP_SECONDS)
    return now + wait
