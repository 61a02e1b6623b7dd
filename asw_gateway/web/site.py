"""The shell of the web: a site with body limits and time-outs, and the root resource that runs handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from asw_gateway.logs import Log
from asw_gateway.web.requests import LimitedRequest, write_answer
from asw_gateway.web.values import Route, WebAnswer, WebRequest, problem, too_large

IDLE_SECONDS = 60.0
READ_SECONDS = 120.0
_log = Log("web")


class LimitedSite(Site):
    """A site without form parsing and access log (they cost half of the throughput), with body limits.

    `on_slow` hears of each request that is cut because its `header` or `body` did not come in `read_seconds`;
    of one without complete headers only the peer is known.
    """

    def __init__(
        self,
        router: Router,
        *,
        reactor: Any,
        idle_seconds: float = IDLE_SECONDS,
        read_seconds: float = READ_SECONDS,
        on_slow: Callable[[WebRequest, str], object] = lambda request, part: None,
    ) -> None:
        super().__init__(
            router,
            requestFactory=LimitedRequest,
            timeout=idle_seconds,
            reactor=reactor,
            parsePOSTFormSubmission=False,
        )
        self.router = router
        self.max_body_bytes = max((route.max_body_bytes for route in router.routes), default=0)
        self.read_seconds = read_seconds
        self.on_slow = on_slow

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
        running.addCallbacks(lambda answer: write_answer(request, answer), self._abandoned)
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
        asked = self.read(request, path, b"" if oversize else body)
        try:
            return await (route.too_large if oversize else route.handler)(asked)
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001  the edge of a room: logged, counted, answered
            return self.broken(Failure(), route.path)

    def find(self, request: Request) -> tuple[Route | None, Mapping[str, str]]:
        """The route of a request whose body has not come yet, and the values of its path."""
        path = request.uri.partition(b"?")[0]
        segments = [unquote_to_bytes(each).decode("utf-8", "replace") for each in path[1:].split(b"/")]
        for route in self.routes:
            found = route.match(segments)
            if found is not None and route.method.encode("ascii") == request.method:
                return route, found
        return None, {}

    async def too_large(self, request: Request, route: Route | None, path: Mapping[str, str]) -> WebAnswer:
        """Answer a request whose body is too large, before it has come."""
        handler = too_large if route is None else route.too_large
        return await handler(self.read(request, path, b""))

    def broken(self, failure: Failure, where: str) -> WebAnswer:
        """Log and count our own fault; what to answer."""
        _log.failure("internal-error", failure, where=where)
        self._on_internal_error(where)
        return problem(500, "Internal Server Error")

    def read(self, request: Request, path: Mapping[str, str], body: bytes) -> WebRequest:
        """What a handler gets."""
        address = request.getClientAddress()
        return WebRequest(
            method=request.method.decode("ascii", "replace"),
            path=path,
            query=dict(parse_qsl(request.uri.partition(b"?")[2].decode("utf-8", "replace"))),
            headers={
                name.decode("latin-1").lower(): values[0].decode("latin-1")
                for name, values in request.requestHeaders.getAllRawHeaders()
            },
            body=body,
            peer=f"{getattr(address, 'host', '?')}:{getattr(address, 'port', '?')}",
            peer_certificate=self._peer_certificate(request.channel.transport) if request.channel else None,
        )

    def _abandoned(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            _log.failure("internal-error", failure, where="web")
            self._on_internal_error("web")
