"""Bodies on the wire: a request body sent in pieces, an answer collected up to a limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

PIECE_BYTES = 64 * 1024


class AnswerTooLarge(Exception):
    """The partner's answer went past the limit; the connection was dropped."""


class AnswerCutShort(Exception):
    """The connection ended before the whole answer had arrived."""


@implementer(IBodyProducer, IPushProducer)
class ChunkProducer:
    """A request body of known length, written chunk by chunk as fast as the connection takes it.

    `chunks` are read once, in order; a chunk above 64 kB is written in slices, so that a 100 MB body never
    lies twice in memory. `length_bytes` must be their sum: Twisted refuses a body that is shorter or longer.
    """

    def __init__(self, chunks: Iterable[bytes], length_bytes: int) -> None:
        self.length = length_bytes
        self._pieces = _pieces(chunks)
        self._consumer: Any = None
        self._finished: Deferred[None] = Deferred()
        self._paused = False
        self._writing = False

    @classmethod
    def of(cls, body: bytes) -> ChunkProducer:
        return cls((body,), len(body))

    def startProducing(self, consumer: Any) -> Deferred[None]:
        """Fires when the last piece was handed to the connection; never fires after `stopProducing`."""
        self._consumer = consumer
        self._write()
        return self._finished

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._write()

    def stopProducing(self) -> None:
        self._consumer = None
        self._pieces = iter(())

    def _write(self) -> None:
        if self._writing:
            return  # resumed from inside our own write
        self._writing = True
        try:
            while self._consumer is not None and not self._paused:
                try:
                    piece = next(self._pieces)
                except StopIteration:
                    self._consumer = None
                    self._finished.callback(None)
                    return
                except Exception:  # noqa: BLE001  an unreadable chunk fails the request, it is never cut short
                    self._consumer = None
                    self._finished.errback(Failure())
                    return
                self._consumer.write(piece)
        finally:
            self._writing = False


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if len(chunk) <= PIECE_BYTES:
            yield chunk
        else:
            view = memoryview(chunk)
            for start in range(0, len(chunk), PIECE_BYTES):
                yield bytes(view[start : start + PIECE_BYTES])


class _AnswerCollector(Protocol):
    def __init__(self, limit_bytes: int) -> None:
        self.whole: Deferred[bytes] = Deferred(lambda _: self._drop())
        self._limit_bytes = limit_bytes
        self._taken_bytes = 0
        self._pieces: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        self._taken_bytes += len(data)
        if self._taken_bytes > self._limit_bytes:
            self._pieces.clear()
            self._drop()
        else:
            self._pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._taken_bytes > self._limit_bytes:
            self._fail(Failure(AnswerTooLarge(f"more than {self._limit_bytes} bytes")))
        elif reason.check(ResponseDone):
            if not self.whole.called:
                self.whole.callback(b"".join(self._pieces))
        elif reason.check(PotentialDataLoss):
            self._fail(Failure(AnswerCutShort("the answer had no declared end")))
        else:
            self._fail(Failure(AnswerCutShort(reason.getErrorMessage()[:200])))

    def _fail(self, failure: Failure) -> None:
        if not self.whole.called:
            self.whole.errback(failure)

    def _drop(self) -> None:
        # stopProducing closes the TCP connection at once; a TLS goodbye would wait for a peer that hangs
        if self.transport is not None:
            self.transport.stopProducing()


def collect_answer(response: Any, limit_bytes: int) -> Deferred[bytes]:
    """The whole body of an IResponse.

    Fires when the answer is complete; fails with AnswerTooLarge or AnswerCutShort. Cancelling drops the
    connection.
    """
    collector = _AnswerCollector(limit_bytes)
    response.deliverBody(collector)
    return collector.whole
