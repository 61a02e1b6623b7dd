"""One attempt to deliver: sealed bytes out, an Outcome back. All that the queue knows of AS4 over HTTPS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.web.http_headers import Headers

from asw_gateway.exchange.outcome import Outcome, OutcomeKind
from asw_gateway.exchange.retry import error_is_retryable, is_duplicate
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.packing import SealedMessage
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.signal import ErrorSignal, Receipt, read_signal
from asw_gateway.partner.body import ChunkProducer, collect_answer
from asw_gateway.partner.connections import PartnerConnections
from asw_gateway.partner.failures import (
    closed_without_answer,
    failed_outcome,
    retry_after_seconds,
    status_outcome,
    was_cancelled,
)
from asw_gateway.partner.large_sending import RowProducer, StoredMessage, extra_seconds
from asw_gateway.workers import Runs

#: A receipt names every part it proves (≤ 64 by default) and carries one certificate chain.
MAX_ANSWER_BYTES = 512 * 1024
_INTERRUPTED = Outcome(kind=OutcomeKind.INTERRUPTED, retryable=True, reason="interrupted")
_SIGNAL_TYPES = (b"application/soap+xml", b"multipart/related", b"text/xml", b"application/xml")


Submit = Callable[[SealedMessage], Awaitable[Outcome]]
"""The seam between queue and channel: it never raises, every failure is an Outcome."""


@frozen(kw_only=True)
class _Answer:
    status: int
    content_type: bytes
    retry_after: bytes | None
    body: bytes = field(repr=False)


class Sender:
    """Sends to one partner.

    `connections` are the partner's own; `workers` verify receipts. `now` gives UTC epoch seconds. The whole
    attempt, connecting and reading the answer included, ends after the P-Mode's `send_timeout_seconds`, for a
    large message later by its size.
    """

    def __init__(
        self,
        *,
        partner: Partner,
        connections: PartnerConnections,
        workers: Runs,
        reactor: Any,
        now: Callable[[], float],
        agent: Any = None,
    ) -> None:
        self._partner = partner
        self._address = partner.outbound.address.encode("ascii")
        self._timeout_seconds = partner.outbound.reception.send_timeout_seconds
        self._connections = connections
        self._agent = agent if agent is not None else connections.agent
        self._workers = workers
        self._reactor = reactor
        self._now = now

    async def submit(self, sealed: SealedMessage) -> Outcome:
        """Make one attempt and say what came of it; never raises.

        Cancelled (our own stop) it drops the connection and answers INTERRUPTED: the message may have
        arrived, so it is sent again later under the same id.
        """
        seconds = self._timeout_seconds + extra_seconds(sealed)
        clock = _Deadline(self._reactor, seconds)
        request = Deferred.fromCoroutine(self._request(sealed))
        clock.guard(request)
        try:
            answer = await request
        except Exception as problem:  # noqa: BLE001  every way a request can end is a kind of Outcome
            if clock.passed:
                return _timed_out(seconds)
            return _INTERRUPTED if was_cancelled(problem) else failed_outcome(problem)
        finally:
            clock.stop()
        return await self._judge(sealed, answer)

    async def _request(self, sealed: SealedMessage) -> _Answer:
        opened = self._connections.opened
        sending = self._post(sealed)
        kept = self._connections.opened == opened
        try:
            response = await sending
        except Exception as problem:
            if not (kept and closed_without_answer(problem)):
                raise
            # A kept connection that the partner had already closed. Sending again is safe: same id, same
            # bytes.
            await self._connections.close()
            response = await self._post(sealed)
        return await self._read(response)

    def _post(self, sealed: SealedMessage) -> Deferred[Any]:
        headers = Headers({b"Content-Type": [sealed.content_type.encode("ascii")]})
        body: ChunkProducer | RowProducer = ChunkProducer.of(sealed.body)
        if isinstance(sealed, StoredMessage):
            body = RowProducer(sealed.read, sealed.stored)
        asked: Deferred[Any] = self._agent.request(b"POST", self._address, headers, body)
        return asked

    async def _read(self, response: Any) -> _Answer:
        headers = response.headers
        body = await collect_answer(response, MAX_ANSWER_BYTES)
        return _Answer(
            status=response.code,
            content_type=(headers.getRawHeaders(b"content-type") or [b""])[-1],
            retry_after=(headers.getRawHeaders(b"retry-after") or [None])[-1],
            body=body,
        )

    async def _judge(self, sealed: SealedMessage, answer: _Answer) -> Outcome:
        """An AS4 signal decides, whatever the status (errors may come with HTTP 400 or 500)."""
        ok = 200 <= answer.status < 300
        signal_like = answer.body and answer.content_type.split(b";")[0].strip().lower() in _SIGNAL_TYPES
        by_status = status_outcome(answer.status, retry_after_seconds(answer.retry_after, self._now()))
        if not signal_like:
            return by_status if not ok else _invalid("no_receipt", f"HTTP {answer.status} without a signal")
        try:
            signal = await self._workers.run(
                read_signal,
                answer.content_type.decode("latin-1"),
                answer.body,
                sent=sealed,
                partner=self._partner,
                now=self._now(),
            )
        except RemoteFault as fault:
            return _invalid(fault.reason, fault.detail) if ok else by_status
        except CancelledError:
            return _INTERRUPTED
        except Exception as problem:  # noqa: BLE001  our own fault must not lose the message: it stays queued
            return _invalid("unreadable", type(problem).__name__)
        if isinstance(signal, Receipt):
            return Outcome(
                kind=OutcomeKind.RECEIPT,
                retryable=False,
                reason="receipt",
                receipt=answer.body,
                receipt_content_type=answer.content_type.decode("latin-1"),
                http_status=answer.status,
            )
        return _refused(signal, answer)


def _refused(signal: ErrorSignal, answer: _Answer) -> Outcome:
    failures = [error for error in signal.errors if error.severity == "failure"] or list(signal.errors)
    final = (error for error in failures if not error_is_retryable(error.code, error.detail))
    worst = next(final, failures[0])
    duplicate = is_duplicate(worst.code, worst.detail)
    return Outcome(
        kind=OutcomeKind.DUPLICATE if duplicate else OutcomeKind.ERROR_SIGNAL,
        retryable=error_is_retryable(worst.code, worst.detail),
        reason=worst.code,
        detail=worst.detail or worst.short_description,
        receipt=answer.body,
        receipt_content_type=answer.content_type.decode("latin-1"),
        http_status=answer.status,
    )


def _timed_out(seconds: float) -> Outcome:
    detail = f"no complete answer within {seconds:g} s"
    return Outcome(kind=OutcomeKind.TIMEOUT, retryable=True, reason="no_answer", detail=detail)


def _invalid(reason: str, detail: str) -> Outcome:
    return Outcome(kind=OutcomeKind.INVALID_RECEIPT, retryable=True, reason=reason, detail=detail)


class _Deadline:
    """Cancels what it guards after some seconds, and remembers that it was the one that did."""

    def __init__(self, reactor: Any, seconds: float) -> None:
        self.passed = False
        self._reactor = reactor
        self._seconds = seconds
        self._call: Any = None

    def guard(self, guarded: Deferred[Any]) -> None:
        self._call = self._reactor.callLater(self._seconds, self._pass, guarded)

    def stop(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _pass(self, guarded: Deferred[Any]) -> None:
        self.passed = True
        guarded.cancel()
