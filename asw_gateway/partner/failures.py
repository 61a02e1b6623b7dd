"""What a failed attempt means: an exception or an HTTP status put into an Outcome.

Retryable is every failure that says nothing about the message itself: it waits in the queue until its
time-to-live, because a wrong address or a refused certificate is mended by people, and a message failed
for it would be lost work. `standing` tells the channel whether the failure is the partner's or only this
message's.
"""

from __future__ import annotations

import email.utils
from collections.abc import Iterator
from enum import Enum

from twisted.internet import defer, error
from twisted.python.failure import Failure
from twisted.web._newclient import ParseError, _WrapperException
from twisted.web.client import RequestGenerationFailed

from asw_gateway.exchange.outcome import Outcome, OutcomeKind
from asw_gateway.exchange.retry import http_status_is_retryable
from asw_gateway.messaging.faults import printable
from asw_gateway.partner.body import AnswerCutShort, AnswerTooLarge
from asw_gateway.tls import failure_reason

# These statuses speak of the endpoint (address, credentials, a proxy), not of the message.
_ENDPOINT_STATUSES = frozenset({401, 402, 403, 404, 405, 407, 410, 451, 501, 505, 511})
_NOT_NOW_STATUSES = frozenset({429, 503})
_NAMED_STATUSES = frozenset({400, 401, 403, 404, 408, 413, 415, 421, 429, 500, 502, 503, 504})

_CONNECT_FAILURES: tuple[tuple[type[BaseException], str], ...] = (
    (error.DNSLookupError, "name_unknown"),
    (error.ConnectionRefusedError, "connection_refused"),
    (error.NoRouteError, "no_route"),
    (error.UnknownHostError, "name_unknown"),
)
_CONNECTION_FAILURES: tuple[tuple[type[BaseException], str], ...] = (
    (AnswerCutShort, "answer_cut_short"),
    (error.ConnectionDone, "connection_closed"),
    (error.ConnectionLost, "connection_lost"),
    (error.ConnectionAborted, "connection_lost"),
    (error.ConnectError, "no_connection"),
)
#: Reason when we could not make the message ready (our own fault): nothing was learned of the partner.
NOT_PREPARED = "not_prepared"
#: Reasons of CONNECTION_ERROR and TIMEOUT that were found before a byte of the message could be judged.
_BEFORE_SENDING = frozenset({word for _, word in _CONNECT_FAILURES} | {"no_connection", "connect_timeout"})


class Standing(Enum):
    """What an outcome says of the partner."""

    REACHED = "reached"  # its gateway answered about this message, with whatever verdict
    DOUBTFUL = "doubtful"  # lost underway or answered 5xx: this message, or all of them
    AWAY = "away"  # no message can pass now
    UNKNOWN = "unknown"  # we stopped it ourselves


def standing(outcome: Outcome) -> Standing:
    """Judge the partner by one outcome."""
    kind, status = outcome.kind, outcome.http_status
    if kind is OutcomeKind.INTERRUPTED or outcome.reason == NOT_PREPARED:
        return Standing.UNKNOWN
    if kind is OutcomeKind.TLS_ERROR or outcome.reason in _BEFORE_SENDING:
        return Standing.AWAY
    if kind in (OutcomeKind.CONNECTION_ERROR, OutcomeKind.TIMEOUT):
        return Standing.DOUBTFUL
    if kind is OutcomeKind.HTTP_ERROR and status is not None:
        if status in _NOT_NOW_STATUSES or status in _ENDPOINT_STATUSES or 300 <= status < 400:
            return Standing.AWAY
        if status >= 500 or http_status_is_retryable(status):
            return Standing.DOUBTFUL
    return Standing.REACHED


def failed_outcome(problem: BaseException) -> Outcome:
    """The Outcome of a request that ended in an exception instead of an answer."""
    causes = tuple(_causes(problem))
    detail = printable("; ".join(f"{type(cause).__name__}: {cause}" for cause in causes))
    for cause in causes:
        reason = failure_reason(cause)
        if reason is not None:
            return Outcome(kind=OutcomeKind.TLS_ERROR, retryable=True, reason=reason, detail=detail)
    for cause in causes:
        if isinstance(cause, error.TimeoutError):
            return Outcome(
                kind=OutcomeKind.TIMEOUT, retryable=True, reason="connect_timeout", detail=detail
            )
        if isinstance(cause, AnswerTooLarge):
            return Outcome(
                kind=OutcomeKind.INVALID_RECEIPT, retryable=True, reason="answer_too_large", detail=detail
            )
        if isinstance(cause, ParseError):
            return Outcome(kind=OutcomeKind.HTTP_ERROR, retryable=True, reason="not_http", detail=detail)
    for known, reason in (*_CONNECT_FAILURES, *_CONNECTION_FAILURES):
        if any(isinstance(cause, known) for cause in causes):
            return Outcome(
                kind=OutcomeKind.CONNECTION_ERROR, retryable=True, reason=reason, detail=detail
            )
    return Outcome(kind=OutcomeKind.CONNECTION_ERROR, retryable=True, reason="other", detail=detail)


def closed_without_answer(problem: BaseException) -> bool:
    """Whether the connection was just closed before any byte of an answer: an idle one gone stale."""
    if isinstance(problem, RequestGenerationFailed):
        return False  # our own body broke off
    causes = tuple(_causes(problem))
    closed = (error.ConnectionDone, error.ConnectionLost)
    return bool(causes) and all(isinstance(cause, closed) for cause in causes)


def was_cancelled(problem: BaseException) -> bool:
    """Whether we ended the request ourselves."""
    stopped = (defer.CancelledError, error.ConnectingCancelledError)
    return any(isinstance(cause, stopped) for cause in _causes(problem))


def status_outcome(status: int, retry_after_seconds: float | None) -> Outcome:
    """The Outcome of an HTTP status that came without a readable signal."""
    retryable = http_status_is_retryable(status) or status in _ENDPOINT_STATUSES or 300 <= status < 400
    reason = f"http_{status}" if status in _NAMED_STATUSES else f"http_{status // 100}xx"
    return Outcome(
        kind=OutcomeKind.HTTP_ERROR,
        retryable=retryable,
        reason=reason,
        detail=f"HTTP status {status}",
        retry_after_seconds=retry_after_seconds,
        http_status=status,
    )


def retry_after_seconds(header: bytes | None, now: float) -> float | None:
    """The wait a Retry-After header asks for, seconds or a date (RFC 9110 §10.2.3); None if unreadable."""
    if header is None:
        return None
    text = header.decode("ascii", "replace").strip()
    if text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        at = email.utils.parsedate_to_datetime(text)
        return max(0.0, at.timestamp() - now)
    except (ValueError, OverflowError, OSError):
        return None


def _causes(problem: BaseException | None) -> Iterator[BaseException]:
    """The exceptions underneath Twisted's wrappers; a TLS alert is only found here."""
    if isinstance(problem, defer.FirstError):
        yield from _causes(problem.subFailure.value)
    elif isinstance(problem, _WrapperException):
        for reason in problem.reasons:
            yield from _causes(reason.value if isinstance(reason, Failure) else reason)
    elif problem is not None:
        yield problem
