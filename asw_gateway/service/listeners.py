"""The ports: opened together at the end of the start, closed first at the stop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint, wrapServerTLS
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort

from asw_gateway.config import Listener, OperatorsListener, StartFault
from asw_gateway.logs import Log
from asw_gateway.metrics import Metrics
from asw_gateway.operations.control_socket import SocketRefused, listen, operator_of
from asw_gateway.tls import Crowd, CrowdedEndpoint, Refusal, ServerTls, peer_certificate, watched
from asw_gateway.web import LimitedSite, Route, Router, WebRequest

BACKLOG = 128
FLOODS = frozenset({"too_many_connections", "too_many_handshakes"})
FLOOD_NEWS_SECONDS = 10.0
_log = Log("listeners")


class Listeners:
    """Every open port of this gateway."""

    def __init__(self, *, reactor: Any, metrics: Metrics) -> None:
        self._reactor = reactor
        self._metrics = metrics
        self._ports: list[IListeningPort] = []
        self._flood_told_at: dict[str, float] = {}
        self._crowds: dict[str, Crowd] = {}

    async def secure(
        self,
        name: str,
        listener: Listener,
        tls: ServerTls,
        routes: Sequence[Route],
        *,
        too_slow: Callable[[WebRequest, str], Coroutine[Any, Any, object]] | None = None,
    ) -> None:
        """Listen with mutual TLS; `too_slow` keeps record of requests that were cut. Raises StartFault."""
        site = self._site(name, routes, peer_certificate, too_slow)
        guarded = watched(site, name, self._refused)
        self._crowds[name] = Crowd(
            connections=listener.max_connections_per_peer,
            handshakes_per_second=listener.max_handshakes_per_peer_per_second,
        )
        await self._listen(name, listener, guarded, tls)

    def limit(self, name: str, listener: Listener) -> None:
        """Other limits for an open port's peers."""
        self._crowds[name].limit(
            connections=listener.max_connections_per_peer,
            handshakes_per_second=listener.max_handshakes_per_peer_per_second,
        )

    async def plain(self, name: str, listener: OperatorsListener, routes: Sequence[Route]) -> None:
        """Listen without TLS: the operators' pages, on loopback unless configuration insists."""
        await self._listen(name, listener, self._site(name, routes, lambda transport: None), None)

    def control(self, path: str, routes: Sequence[Route]) -> None:
        """Open the control socket. Raises StartFault."""
        try:
            self._ports.append(listen(self._reactor, path, self._site("operators", routes, operator_of)))
        except SocketRefused as refused:
            raise StartFault(str(refused)) from refused

    def close(self) -> Deferred[Any]:
        """Take no new connection; fires when every port is closed."""
        ports, self._ports = self._ports, []
        return gatherResults([Deferred.fromCoroutine(_closed(port)) for port in ports])

    async def _listen(
        self,
        name: str,
        listener: Listener | OperatorsListener,
        factory: Any,
        tls: ServerTls | None,
    ) -> None:
        creator: Any = tls  # mypy does not see what zope's implementer declares
        kind = TCP6ServerEndpoint if ":" in listener.host else TCP4ServerEndpoint
        endpoint: Any = kind(self._reactor, listener.port, backlog=BACKLOG, interface=listener.host)
        if tls is not None:
            crowded = CrowdedEndpoint(
                endpoint, self._crowds[name], listener=name, clock=self._reactor, on_refusal=self._refused
            )
            endpoint = wrapServerTLS(creator, cast(Any, crowded))
        try:
            port: Any = await endpoint.listen(factory)
        except CannotListenError as error:
            place = f"{listener.host} port {listener.port}"
            raise StartFault(f"{name} cannot listen on {place} ({error.socketError})") from error
        self._ports.append(port)
        address = port.getHost()
        _log.event("listening", listener=name, host=address.host, port=address.port)

    def _site(
        self,
        name: str,
        routes: Sequence[Route],
        identify: Any,
        too_slow: Callable[[WebRequest, str], Coroutine[Any, Any, object]] | None = None,
    ) -> Any:
        def count(where: str) -> None:
            self._metrics.admit("where", [where])
            self._metrics.internal_errors.labels(where=where).inc()

        router = Router(routes, peer_certificate=identify, on_internal_error=count)

        def slow(request: WebRequest, part: str) -> None:
            self._metrics.slow_requests.labels(listener=name, part=part).inc()
            _log.event("request-too-slow", listener=name, peer=request.peer, part=part)
            if too_slow is not None:
                kept = Deferred.fromCoroutine(too_slow(request, part))
                kept.addErrback(lambda failure: _log.failure("internal-error", failure, where="listeners"))

        return LimitedSite(router, reactor=self._reactor, on_slow=slow)

    def _news_of_flood(self, refusal: Refusal) -> bool:
        """A flood of connections is counted one by one and told once in FLOOD_NEWS_SECONDS."""
        told_at, now = self._flood_told_at.get(refusal.listener), self._reactor.seconds()
        if told_at is not None and now - told_at < FLOOD_NEWS_SECONDS:
            return False
        self._flood_told_at[refusal.listener] = now
        return True

    def _refused(self, refusal: Refusal) -> None:
        if refusal.reason == "disconnected":
            return  # a probe of a port, or a balancer's health check
        self._metrics.handshake_failures.labels(listener=refusal.listener, reason=refusal.reason).inc()
        if refusal.reason in FLOODS and not self._news_of_flood(refusal):
            return
        _log.event(
            "handshake-refused",
            listener=refusal.listener,
            peer=refusal.peer,
            reason=refusal.reason,
            detail=refusal.detail,
            fingerprint=refusal.fingerprint,
        )


async def _closed(port: Any) -> None:
    await port.stopListening()
