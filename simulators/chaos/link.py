"""A TCP relay between two processes that knows nothing of TLS, and the faults it can bring about.

A `Link` listens on one port of 127.0.0.1 and relays each connection to one of its upstreams, the first that
accepts.  `arm` hands it a fault; the next connection on which the client sends something gets it.  "Up" is
from client to server, "down" the other way.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from simulators.chaos.link_faults import Fault

CONNECT_SECONDS = 3


class _Side(Protocol):
    """One end of a relayed connection."""

    def __init__(self, relay: Relay, up: bool) -> None:
        self._relay = relay
        self._up = up

    def connectionMade(self) -> None:
        self._relay.made(self._up, self.transport)

    def dataReceived(self, data: bytes) -> None:
        self._relay.came(self._up, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._relay.lost(self._up)


class Relay:
    """One connection through a link."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.fault: Fault | None = None
        self._sides: dict[bool, Any] = {}
        self._early: list[bytes] = []
        self._over = False

    @property
    def reactor(self) -> Any:
        return self.link.reactor

    def made(self, up: bool, transport: Any) -> None:
        """`up`: the client's side, from which data goes up."""
        self._sides[up] = transport
        if self._over:
            transport.abortConnection()
        elif up:
            self.link.begin(self)
        else:
            for data in self._early:
                transport.write(data)
            self._early = []

    def came(self, up: bool, data: bytes) -> None:
        if self.fault is None and up:
            self.fault = self.link.take()
        if self.fault is not None:
            self.fault.came(self, up, data)
        else:
            self.send(up, data)

    def send(self, up: bool, data: bytes) -> None:
        target = self._sides.get(not up)
        if target is not None:
            target.write(data)
        elif up and not self._over:
            self._early.append(data)

    def lost(self, up: bool) -> None:
        self._sides.pop(up, None)
        if self.fault is not None and not self.fault.ends(self):
            return
        self._over = True
        other = self._sides.get(not up)
        if other is not None:
            other.loseConnection()
        self.link.relays.discard(self)

    def cut(self) -> None:
        """Both sides see a reset."""
        self.fault, self._over = None, True
        for transport in tuple(self._sides.values()):
            transport.abortConnection()
        self.link.relays.discard(self)


class Link:
    """One relayed port.  Everything here belongs to the reactor's thread."""

    def __init__(
        self, reactor: Any, name: str, upstreams: Sequence[int], *, random: Random | None = None
    ) -> None:
        self.reactor = reactor
        self.name = name
        self.relays: set[Relay] = set()
        self._upstreams = list(upstreams)
        self._random = random if random is not None else Random(1)  # noqa: S311 - which node serves is no secret
        self._armed: deque[Fault] = deque()
        self._away = False
        self._port: Any = None

    async def listen(self, port: int) -> int:
        """Begin on a port of 127.0.0.1 (0: any); the port."""
        endpoint = TCP4ServerEndpoint(self.reactor, port, interface="127.0.0.1")
        factory: Any = Factory.forProtocol(lambda: _Side(Relay(self), True))
        self._port = await endpoint.listen(factory)
        return int(self._port.getHost().port)

    async def close(self) -> None:
        for relay in tuple(self.relays):
            relay.cut()
        if self._port is not None:
            await self._port.stopListening()

    def begin(self, relay: Relay) -> None:
        """A client has connected: connect it on to an upstream."""
        self.relays.add(relay)
        if self._away:
            relay.cut()
            return
        Deferred.fromCoroutine(self._connect(relay))

    async def _connect(self, relay: Relay) -> None:
        for port in self._random.sample(self._upstreams, len(self._upstreams)):
            endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", port, timeout=CONNECT_SECONDS)
            factory: Any = Factory.forProtocol(lambda: _Side(relay, False))
            try:
                await endpoint.connect(factory)
            except Exception:  # noqa: BLE001, S112 - whatever it was, the next upstream may do better
                continue
            return
        relay.cut()

    # --- faults

    def arm(self, fault: Fault, *, most: int = 3) -> bool:
        """Give the next busy connection this fault; False when enough faults wait already."""
        if len(self._armed) >= most:
            return False
        self._armed.append(fault)
        return True

    def take(self) -> Fault | None:
        return self._armed.popleft() if self._armed else None

    def disarm(self) -> None:
        """Forget what waits, and let go what is held: the faults are over."""
        self._armed.clear()
        self._away = False

    def leave(self, seconds: float) -> None:
        """Nobody is there for a while: every connection is reset, and no new one is served."""
        self._away = True
        for relay in tuple(self.relays):
            relay.cut()
        self.reactor.callLater(seconds, self._return)

    def _return(self) -> None:
        self._away = False


def reactor_in_a_thread() -> Any:
    """The links' reactor, started; the processes belong to the main thread, with which they end."""
    from twisted.internet import reactor

    running: Any = reactor
    thread = threading.Thread(
        target=running.run, kwargs={"installSignalHandlers": False}, name="chaos-links", daemon=True
    )
    thread.start()
    return running
