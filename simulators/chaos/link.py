"""A TCP relay between two processes that knows nothing of TLS, and the faults it can bring about.

A `Link` listens on one port of 127.0.0.1 and relays each connection to one of its upstreams, the first that
accepts.  `arm` hands it a fault; the next connection on which the client sends something gets it.  "Up" is
from client to server, "down" the other way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

CONNECT_SECONDS = 3
REQUEST_BYTES = 4000
"""More than a client says in a TLS handshake, less than any AS4 message with its handshake."""


class Fault:
    """What happens to one connection.  `fired` is called once, when the fault has done its harm."""

    def __init__(self) -> None:
        self.fired: Callable[[], object] = lambda: None
        self._done = False

    def came(self, relay: Relay, up: bool, data: bytes) -> None:
        """Data arrived from one side; pass it on with `relay.send`, or not."""
        relay.send(up, data)

    def ends(self, relay: Relay) -> bool:
        """Whether the other side is told that one side has closed."""
        return True

    def fire(self) -> None:
        if not self._done:
            self._done = True
            self.fired()


class CutInBody(Fault):
    """Both sides see a reset after so many bytes went up."""

    def __init__(self, after_bytes: int) -> None:
        super().__init__()
        self._left = after_bytes

    def came(self, relay: Relay, up: bool, data: bytes) -> None:
        if not up or len(data) < self._left:
            self._left -= len(data) if up else 0
            relay.send(up, data)
            return
        relay.send(up, data[: self._left])
        self.fire()
        relay.link.reactor.callLater(0, relay.cut)


class _AfterRequest(Fault):
    """Waits until a request went up, then does something to the answer."""

    def __init__(self, request_bytes: int = REQUEST_BYTES) -> None:
        super().__init__()
        self._left = request_bytes

    def came(self, relay: Relay, up: bool, data: bytes) -> None:
        if up:
            self._left -= len(data)
            relay.send(up, data)
        elif self._left > 0:
            relay.send(up, data)
        else:
            self.answer(relay, data)

    def answer(self, relay: Relay, data: bytes) -> None:
        raise NotImplementedError


class AnswerLost(_AfterRequest):
    """The request passes; of its answer not one byte."""

    def answer(self, relay: Relay, data: bytes) -> None:
        self.fire()
        relay.cut()


class AnswerLate(_AfterRequest):
    """The answer is held back for some seconds, and with it all that follows."""

    def __init__(self, seconds: float, request_bytes: int = REQUEST_BYTES) -> None:
        super().__init__(request_bytes)
        self._seconds = seconds
        self._held: list[bytes] | None = None

    def answer(self, relay: Relay, data: bytes) -> None:
        if self._held is None:
            self._held = []
            self.fire()
            relay.link.reactor.callLater(self._seconds, self._release, relay)
        self._held.append(data)

    def _release(self, relay: Relay) -> None:
        relay.fault = None
        for data in self._held or ():
            relay.send(False, data)


class HalfOpen(Fault):
    """After so many bytes up nothing passes either way, and neither side is told, not even of the end."""

    def __init__(self, after_bytes: int, seconds: float) -> None:
        super().__init__()
        self._left = after_bytes
        self._seconds = seconds

    def came(self, relay: Relay, up: bool, data: bytes) -> None:
        if self._left > 0:
            relay.send(up, data[: self._left] if up else data)
            self._left -= len(data) if up else 0
            if self._left <= 0:
                self.fire()
                relay.link.reactor.callLater(self._seconds, relay.cut)

    def ends(self, relay: Relay) -> bool:
        return self._left > 0


class Slow(Fault):
    """What goes up trickles, so many bytes at a time; after some seconds the rest passes at once."""

    def __init__(self, bytes_per_step: int, seconds: float, step_seconds: float = 0.1) -> None:
        super().__init__()
        self._step = bytes_per_step
        self._step_seconds = step_seconds
        self._steps = int(seconds / step_seconds)
        self._waiting = bytearray()
        self._running = False

    def came(self, relay: Relay, up: bool, data: bytes) -> None:
        if not up:
            relay.send(up, data)
            return
        self._waiting += data
        if not self._running:
            self._running = True
            self.fire()
            self._trickle(relay)

    def _trickle(self, relay: Relay) -> None:
        self._steps -= 1
        many = self._step if self._steps > 0 else len(self._waiting)
        relay.send(True, bytes(self._waiting[:many]))
        del self._waiting[:many]
        if self._steps > 0:
            relay.link.reactor.callLater(self._step_seconds, self._trickle, relay)
        else:
            relay.fault = None


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
