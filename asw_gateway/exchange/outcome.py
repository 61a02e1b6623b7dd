"""What came of one attempt to send: a value the sender makes and ``outbound.after_attempt`` judges."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


class OutcomeKind(StrEnum):
    """How an attempt ended, from the best to the least known."""

    RECEIPT = "receipt"  # a valid signed receipt for exactly what we sent
    ERROR_SIGNAL = "error_signal"  # the partner answered with eb:Error
    DUPLICATE = "duplicate"  # the partner says that it has this message id already, and gives no receipt
    INVALID_RECEIPT = "invalid_receipt"  # a receipt that does not prove what we sent (EBMS:0302)
    HTTP_ERROR = "http_error"  # a status that carries no signal
    TLS_ERROR = "tls_error"  # their or our certificate was refused
    TIMEOUT = "timeout"  # no complete answer in time; it may have arrived
    CONNECTION_ERROR = "connection_error"  # refused, reset, no route, no name
    INTERRUPTED = "interrupted"  # our own stop or crash; does not count as an attempt


@frozen(kw_only=True)
class Outcome:
    """The end of one attempt.

    ``reason`` is a bounded word for metrics, such as an EBMS code or ``connection_refused``; ``detail``
    is bounded text that is safe to log; ``retry_after_seconds`` is the partner's own wish (HTTP
    Retry-After); ``receipt`` holds the raw receipt bytes, for the evidence.
    """

    kind: OutcomeKind
    retryable: bool
    reason: str
    detail: str = ""
    receipt: bytes | None = None
    receipt_content_type: str | None = None
    retry_after_seconds: float | None = None
    http_status: int | None = None
