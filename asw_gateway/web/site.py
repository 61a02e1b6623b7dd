"""The shell of the web: a site with body limits and time-outs, and the root resource that runs handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from asw_gateway.logs import Log
from asw_gateway.web.values import Route, WebAnswer, WebRequest, problem

IDLE_SECONDS = 60.0
READ_SECONDS = 120.0
# Beyond limit + this, an oversize body is no longer drained and the connection is cut.
DRAIN_BYTES = 64 * 1024 * 1024
_log = Log("web")


class LimitedRequest(Request):
    """Counts the body while it comes, and gives a slow sender `read_seconds` for headers and body."""

    too_large = False

    def __init__(self, channel: Any, queued: object = False) -> None:
        super().__init__(channel, queued)
        self._received = 0
        self._body = BytesIO()
        site: LimitedSite = channel.site
        self._limit = site.max_body_bytes
        clock: Any = site.reactor
        self._deadline: Any = clock.callLater(site.read_seconds, self._cut)

    def gotLength(self, length: int | None) -> None:
        """Twisted: headers are complete. The body stays in memory: its size is bounded."""
        self.content = self._body
        self.too_large = length is not None and length > self._limit

    def handleContentChunk(self, data: bytes) -> None:
        """Twisted: some bytes of the body came. What is too large is drained, so that our answer is read."""
        self._received += len(data)
        if not self.too_large and self._received > self._limit:
            self.too_large = True
            self._body.truncate(0)
            self._body.seek(0)
        if not self.too_large:
            self._body.write(data)
        elif self._received > self._limit + DRAIN_BYTES:
            self._cut()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Twisted: the body is complete."""
        self._stop_deadline()
        super().requestReceived(command, path, version)

    def connectionLost(self, reason: Failure) -> None:
        """Twisted: the client has gone."""
        self._stop_deadline()
        super().connectionLost(reason)

    def _cut(self) -> None:
        self._stop_deadline()
        transport: Any = self.channel.transport
        transport.abortConnection()

    def _stop_deadline(self) -> None:
        if self._deadline.active():
            self._deadline.cancel()


class LimitedSite(Site):
    """A site without form parsing and access log (they cost half of the throughput), with body limits."""

    def __init__(
        self,
        router: Router,
        *,
        reactor: Any,
        idle_seconds: float = IDLE_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        super().__init__(
            router,
            requestFactory=LimitedRequest,
            timeout=idle_seconds,
            reactor=reactor,
            parsePOSTFormSubmission=False,
        )
        self.max_body_bytes = max((route.max_body_bytes for route in router.routes), default=0)
        self.read_seconds = read_seconds

    def log(self, request: Any) -> None:
        """Twisted: write an access log line. Our events say more."""


class Router(Resource):
    """
    The root resource: finds the route, runs its handler, writes its answer.

    `peer_certificate` reads the client's certificate from the connection's transport. A handler that
    raises is logged, given to `on_internal_error`, and answered with 500; one whose client leaves is
    cancelled.
    """

    isLeaf = True

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        peer_certificate: Callable[[Any], Any] = lambda transport: None,
        on_internal_error: Callable[[str], object] = lambda where: None,
    ) -> None:
        super().__init__()
        self.routes = tuple(routes)
        self._peer_certificate = peer_certificate
        self._on_internal_error = on_internal_error

    def render(self, request: Request) -> int:
        """Twisted: answer this request."""
        request.responseHeaders.removeHeader(b"server")
        running = Deferred.fromCoroutine(self._answer(request))
        gone = request.notifyFinish()
        gone.addErrback(lambda reason: running.cancel())
        running.addCallbacks(lambda answer: _write(request, answer), self._abandoned)
        return int(NOT_DONE_YET)

    async def _answer(self, request: Request) -> WebAnswer:
        method = request.method.decode("ascii", "replace")
        segments = [segment.decode("utf-8", "replace") for segment in request.postpath or ()]
        matches = [(route, found) for route in self.routes if (found := route.match(segments)) is not None]
        if not matches:
            return problem(404, "Not Found")
        for route, found in matches:
            if route.method == method:
                return await self._run(route, request, method, found)
        answer = problem(405, "Method Not Allowed")
        return evolve(answer, headers={"Allow": ", ".join(sorted({route.method for route, _ in matches}))})

    async def _run(self, route: Route, request: Request, method: str, path: Mapping[str, str]) -> WebAnswer:
        assert request.content is not None
        body = request.content.read()
        oversize = getattr(request, "too_large", False) or len(body) > route.max_body_bytes
        address = request.getClientAddress()
        asked = WebRequest(
            method=method,
            path=path,
            query=dict(parse_qsl(request.uri.partition(b"?")[2].decode("utf-8", "replace"))),
            headers={
                name.decode("latin-1").lower(): values[0].decode("latin-1")
                for name, values in request.requestHeaders.getAllRawHeaders()
            },
            body=b"" if oversize else body,
            peer=f"{getattr(address, 'host', '?')}:{getattr(address, 'port', '?')}",
            peer_certificate=self._peer_certificate(request.channel.transport) if request.channel else None,
        )
        try:
            return await (route.too_large if oversize else route.handler)(asked)
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001  the edge of a room: logged, counted, answered
            _log.failure("internal-error", where=route.path)
            self._on_internal_error(route.path)
            return problem(500, "Internal Server Error")

    def _abandoned(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            _log.failure("internal-error", failure, where="web")
            self._on_internal_error("web")


def _write(request: Request, answer: WebAnswer) -> None:
    if request._disconnected:
        return
    request.setResponseCode(answer.status)
    headers = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body)), **answer.headers}
    for name, value in headers.items():
        request.setHeader(name.encode("latin-1"), value.encode("latin-1"))
    request.write(answer.body)
    request.finish()
