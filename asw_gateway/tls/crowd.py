"""How many connections one address may hold, and how often it may begin a new one.

Refused connections are closed before a byte of TLS is read: a handshake is the most costly thing a stranger
can ask of us. A partner's gateway needs one connection for each message in flight, and keeps them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from asw_gateway.tls.refusals import Refusal

WINDOW_SECONDS = 10.0
TOO_MANY_CONNECTIONS, TOO_MANY_HANDSHAKES = "too_many_connections", "too_many_handshakes"


class Crowd:
    """Who is here, by address.

    At most `connections` at once; begun, at most `handshakes_per_second` on average over each window, so that
    a partner that comes back after an outage may begin many at once.
    """

    def __init__(
        self, *, connections: int, handshakes_per_second: float, window_seconds: float = WINDOW_SECONDS
    ) -> None:
        self._window_seconds = window_seconds
        self.limit(connections=connections, handshakes_per_second=handshakes_per_second)
        self._here: Counter[str] = Counter()
        self._begun: Counter[str] = Counter()
        self._window_ends_at = 0.0

    def limit(self, *, connections: int, handshakes_per_second: float) -> None:
        """Other limits from now on; who is here stays."""
        self._connections = connections
        self._handshakes = max(1, int(handshakes_per_second * self._window_seconds))

    def enter(self, host: str, now: float) -> str | None:
        """Count a new connection at `now` seconds; the reason when there is no room for it."""
        if now >= self._window_ends_at:
            self._begun.clear()
            self._window_ends_at = now + self._window_seconds
        self._begun[host] += 1
        if self._begun[host] > self._handshakes:
            return TOO_MANY_HANDSHAKES
        if self._here[host] >= self._connections:
            return TOO_MANY_CONNECTIONS
        self._here[host] += 1
        return None

    def leave(self, host: str) -> None:
        """One connection of `host` has ended."""
        self._here[host] -= 1
        if self._here[host] <= 0:
            del self._here[host]

    @property
    def known(self) -> int:
        """Addresses that are remembered at this moment."""
        return len(self._here.keys() | self._begun.keys())


@implementer(IStreamServerEndpoint)
class CrowdedEndpoint:
    """`endpoint`, whose connections pass by `crowd`; `clock` is an IReactorTime."""

    def __init__(
        self,
        endpoint: Any,
        crowd: Crowd,
        *,
        listener: str,
        clock: Any,
        on_refusal: Callable[[Refusal], object],
    ) -> None:
        self._endpoint = endpoint
        self._crowd = crowd
        self._listener = listener
        self._clock = clock
        self._on_refusal = on_refusal

    def listen(self, factory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Listen with the counting in front of `factory`."""
        counting = _CountingFactory(factory)
        counting.enter = self._enter
        counting.leave = self._crowd.leave
        listening: Deferred[IListeningPort] = self._endpoint.listen(cast(IProtocolFactory, counting))
        return listening

    def _enter(self, address: Any) -> bool:
        host = getattr(address, "host", "?")
        reason = self._crowd.enter(host, self._clock.seconds())
        if reason is None:
            return True
        self._on_refusal(
            Refusal(
                listener=self._listener,
                peer=f"{host}:{getattr(address, 'port', '?')}",
                reason=reason,
                detail="closed before the handshake",
                fingerprint="",
            )
        )
        return False


class _Counted(ProtocolWrapper):
    host = "?"

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.leave(self.host)
        super().connectionLost(reason)


class _CountingFactory(WrappingFactory):
    protocol = _Counted
    noisy = False
    enter: Callable[[Any], bool]
    leave: Callable[[str], None]

    def buildProtocol(self, addr: Any) -> Any:
        if not self.enter(addr):
            return None  # the accepted socket is closed at once
        built: Any = super().buildProtocol(addr)
        built.host = getattr(addr, "host", "?")
        return built
