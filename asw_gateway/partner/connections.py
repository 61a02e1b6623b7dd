"""The kept-alive HTTPS connections to one partner."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

# Below the 60 s after which common servers and our own close an idle connection: we close first.
IDLE_CONNECTION_SECONDS = 45


@implementer(IStreamClientEndpoint)
class _CountingEndpoint:
    """Connects as the wrapped endpoint does, and counts."""

    def __init__(self, endpoint: Any) -> None:
        self.opened = 0
        self._endpoint = endpoint

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        self.opened += 1
        connecting: Deferred[Any] = self._endpoint.connect(protocolFactory)
        return connecting


@implementer(IAgentEndpointFactory)
class PartnerConnections:
    """A pool of at most `kept` idle connections to one address, under the partner's own TLS policy.

    `policy` is an IPolicyForHTTPS; `agent` is the IAgent to send with. TLS and name settings are made
    once, not for each request. A change of certificates is a new
    PartnerConnections; `close` the old one after its last answer.
    """

    def __init__(
        self,
        *,
        policy: Any,
        reactor: Any,
        kept: int,
        connect_timeout_seconds: float = 15.0,
    ) -> None:
        self._policy = policy
        self._reactor = reactor
        self._connect_timeout_seconds = connect_timeout_seconds
        self._endpoints: dict[tuple[bytes, bytes, int], _CountingEndpoint] = {}
        self._pool = HTTPConnectionPool(reactor, persistent=True)
        self._pool.maxPersistentPerHost = kept
        self._pool.cachedConnectionTimeout = IDLE_CONNECTION_SECONDS
        self._pool.retryAutomatically = False
        self.agent: Any = Agent.usingEndpointFactory(reactor, self, pool=self._pool)

    @property
    def opened(self) -> int:
        """How many connections were asked for since the start."""
        return sum(endpoint.opened for endpoint in self._endpoints.values())

    def endpointForURI(self, uri: URI) -> _CountingEndpoint:
        key = (uri.scheme, uri.host, uri.port)
        endpoint = self._endpoints.get(key)
        if endpoint is None:
            endpoint = self._endpoints[key] = _CountingEndpoint(self._endpoint(uri))
        return endpoint

    def _endpoint(self, uri: URI) -> Any:
        tcp: Any = HostnameEndpoint(
            self._reactor, uri.host.decode("ascii"), uri.port, timeout=self._connect_timeout_seconds
        )
        if uri.scheme != b"https":
            raise ValueError("a partner's address must be https")
        return wrapClientTLS(self._policy.creatorForNetloc(uri.host, uri.port), tcp)

    def close(self) -> Deferred[None]:
        """Fires when the idle connections are closed."""
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed
