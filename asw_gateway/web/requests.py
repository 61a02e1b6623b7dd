"""Requests with a limit to their bodies and to the patience with which they are read."""

from __future__ import annotations

from collections.abc import Awaitable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.http import datetimeToString
from twisted.web.server import Request

from asw_gateway.web.streaming import STREAM_ABOVE_BYTES, BodyStream
from asw_gateway.web.values import WebAnswer

if TYPE_CHECKING:
    from asw_gateway.web.site import LimitedSite

# Beyond limit + this, an oversize body is no longer drained and the connection is cut.
DRAIN_BYTES = 64 * 1024 * 1024
#: How long a client may go on sending after it was answered early.
LINGER_SECONDS = 10.0
#: A large body must bring this much in each `read_seconds`, or it is cut (35 kB/s by default).
PROGRESS_BYTES = 4 * 1024 * 1024


class LimitedRequest(Request):
    """Counts the body while it comes, and gives a slow sender `read_seconds` for headers and body.

    A body above STREAM_ABOVE_BYTES goes to its route's stream, which may answer before the end of it.
    """

    too_large = False

    def __init__(self, channel: Any, queued: object = False) -> None:
        super().__init__(channel, queued)
        self._received = 0
        self._body = BytesIO()
        site: LimitedSite = channel.site
        self._site = site
        self._limit = site.max_body_bytes
        clock: Any = site.reactor
        self._clock = clock
        self._deadline: Any = self._clock.callLater(site.read_seconds, self._too_slow)
        self._flow = _Flow(channel)
        self._stream: BodyStream | None = None
        self._complete = False
        self._answered = False
        self._may_stream = False
        self._seen = 0

    def gotLength(self, length: int | None) -> None:
        """Twisted: headers are complete. A body that is not large stays in memory: its size is bounded."""
        self.content = self._body
        if length is None or length > STREAM_ABOVE_BYTES:
            self._look_ahead()
        self.too_large = length is not None and length > self._limit
        if length is not None and length > STREAM_ABOVE_BYTES:
            if self.too_large:
                # A client that asks first (RFC 9110 §10.1.1) need not send it at all.
                self.requestHeaders.removeHeader(b"expect")
                self._begin(self._refused())
            elif self._may_stream:
                self._begin(self._opened())

    def handleContentChunk(self, data: bytes) -> None:
        """Twisted: some bytes of the body came. What is too large is drained, so that our answer is read."""
        self._received += len(data)
        if self._received > self._limit + DRAIN_BYTES:
            self._cut()
        elif not self.too_large and self._received > self._limit:
            self._overflow()
        elif self._stream is not None:
            if not self._answered:
                self._stream.write(data)
        elif not self.too_large:
            self._body.write(data)
            if self._may_stream and self._received > STREAM_ABOVE_BYTES:
                stream = self._opened()
                self._begin(stream)
                stream.write(self._body.getvalue())
                self._forget_body()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Twisted: the body is complete."""
        self._stop_deadline()
        self._complete = True
        if self._stream is None:
            super().requestReceived(command, path, version)
        elif self._answered:
            self.finish()
        else:
            self._stream.finish()

    def connectionLost(self, reason: Failure) -> None:
        """Twisted: the client has gone."""
        self._stop_deadline()
        if self._stream is not None and not self._complete and not self._answered:
            self._stream.abandon()
        super().connectionLost(reason)

    def _look_ahead(self) -> None:
        """Find the route before the body is there."""
        channel: Any = self.channel
        # Twisted gives these to the request only with the complete body.
        self.method, self.uri, self.clientproto = channel._command, channel._path, channel._version
        self._route, self._path_values = self._site.router.find(self)
        if self._route is not None:
            self._limit = self._route.max_body_bytes
            self._may_stream = self._route.stream is not None

    def _opened(self) -> BodyStream:
        assert self._route is not None and self._route.stream is not None
        return self._route.stream(self._site.router.read(self, self._path_values, b""), self._flow)

    def _refused(self) -> BodyStream:
        handler = self._site.router.too_large(self, self._route, self._path_values)
        return _Thrown(answer=Deferred.fromCoroutine(_awaited(handler)))

    def _overflow(self) -> None:
        """The body turned out to be too large, without having said so."""
        self.too_large = True
        self._forget_body()
        if self._stream is not None:
            self._stream.abandon()
        elif self._received <= STREAM_ABOVE_BYTES or not self.method:
            return
        if not self._answered:
            self._begin(self._refused())

    def _begin(self, stream: BodyStream) -> None:
        self._stream = stream
        self._stop_deadline()
        self._seen = self._received
        self._deadline = self._clock.callLater(self._site.read_seconds, self._look_at_progress)
        stream.answer.addCallbacks(
            lambda answer: self._respond(stream, answer), lambda failure: self._broke(stream, failure)
        )

    def _look_at_progress(self) -> None:
        if not self._flow.paused and self._received - self._seen < PROGRESS_BYTES:
            self._cut()
            return
        self._seen = self._received
        self._deadline = self._clock.callLater(self._site.read_seconds, self._look_at_progress)

    def _broke(self, stream: BodyStream, failure: Failure) -> None:
        if not failure.check(CancelledError):
            where = self._route.path if self._route is not None else "web"
            self._respond(stream, self._site.router.broken(failure, where))

    def _respond(self, stream: BodyStream, answer: WebAnswer) -> None:
        if self._disconnected or self._answered or stream is not self._stream:
            return
        self._answered = True
        self.setHeader(b"date", datetimeToString())
        if self._complete:
            write_answer(self, answer)
            return
        # Early: the client is still sending. It is let run on for a while, so that it reads the answer
        # instead of a reset connection.
        channel: Any = self.channel
        channel.persistent = False
        self._stop_deadline()
        self._deadline = self._clock.callLater(LINGER_SECONDS, self._cut)
        self.setHeader(b"connection", b"close")
        write_head(self, answer)
        self.write(answer.body)
        self._flow.resume()

    def _forget_body(self) -> None:
        self._body.seek(0)
        self._body.truncate()

    def _too_slow(self) -> None:
        part = "header" if self.content is None else "body"
        self._site.on_slow(self._site.router.read(self, {}, b""), part)
        self._cut()

    def _cut(self) -> None:
        self._stop_deadline()
        transport: Any = self.channel.transport
        transport.abortConnection()

    def _stop_deadline(self) -> None:
        if self._deadline.active():
            self._deadline.cancel()


class _Flow:
    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self.paused = False

    def pause(self) -> None:
        if not self.paused:
            self.paused = True
            self._channel.transport.pauseProducing()

    def resume(self) -> None:
        if self.paused:
            self.paused = False
            if self._channel.transport.connected:
                self._channel.transport.resumeProducing()


@frozen(kw_only=True)
class _Thrown:
    """A body that nobody wants: it only has an answer."""

    answer: Deferred[WebAnswer]

    def write(self, data: bytes) -> None: ...

    def finish(self) -> None: ...

    def abandon(self) -> None: ...


async def _awaited(handler: Awaitable[WebAnswer]) -> WebAnswer:
    return await handler


def write_answer(request: Request, answer: WebAnswer) -> None:
    """Answer a complete request."""
    if request._disconnected:
        return
    write_head(request, answer)
    request.write(answer.body)
    request.finish()


def write_head(request: Request, answer: WebAnswer) -> None:
    """Set status and headers."""
    request.setResponseCode(answer.status)
    headers = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body)), **answer.headers}
    for name, value in headers.items():
        request.setHeader(name.encode("latin-1"), value.encode("latin-1"))
