"""What can happen to one relayed connection.  "Up" is from client to server, "down" the other way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

REQUEST_BYTES = 4000
"""More than a client says in a TLS handshake, less than any AS4 message with its handshake."""


class Relayed(Protocol):
    """What a fault needs of the connection that it is on (`link.Relay`)."""

    fault: Fault | None

    @property
    def reactor(self) -> Any:
        """An IReactorTime."""

    def send(self, up: bool, data: bytes) -> None:
        """Pass data on."""

    def cut(self) -> None:
        """Reset both sides."""


class Fault:
    """What happens to one connection.  `fired` is called once, when the fault has done its harm."""

    def __init__(self) -> None:
        self.fired: Callable[[], object] = lambda: None
        self._done = False

    def came(self, relay: Relayed, up: bool, data: bytes) -> None:
        """Data arrived from one side; pass it on with `relay.send`, or not."""
        relay.send(up, data)

    def ends(self, relay: Relayed) -> bool:
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

    def came(self, relay: Relayed, up: bool, data: bytes) -> None:
        if not up or len(data) < self._left:
            self._left -= len(data) if up else 0
            relay.send(up, data)
            return
        relay.send(up, data[: self._left])
        self.fire()
        relay.reactor.callLater(0, relay.cut)


class _AfterRequest(Fault):
    """Waits until a request went up, then does something to the answer."""

    def __init__(self, request_bytes: int = REQUEST_BYTES) -> None:
        super().__init__()
        self._left = request_bytes

    def came(self, relay: Relayed, up: bool, data: bytes) -> None:
        if up:
            self._left -= len(data)
            relay.send(up, data)
        elif self._left > 0:
            relay.send(up, data)
        else:
            self.answer(relay, data)

    def answer(self, relay: Relayed, data: bytes) -> None:
        raise NotImplementedError


class AnswerLost(_AfterRequest):
    """The request passes; of its answer not one byte."""

    def answer(self, relay: Relayed, data: bytes) -> None:
        self.fire()
        relay.cut()


class AnswerLate(_AfterRequest):
    """The answer is held back for some seconds, and with it all that follows."""

    def __init__(self, seconds: float, request_bytes: int = REQUEST_BYTES) -> None:
        super().__init__(request_bytes)
        self._seconds = seconds
        self._held: list[bytes] | None = None

    def answer(self, relay: Relayed, data: bytes) -> None:
        if self._held is None:
            self._held = []
            self.fire()
            relay.reactor.callLater(self._seconds, self._release, relay)
        self._held.append(data)

    def _release(self, relay: Relayed) -> None:
        relay.fault = None
        for data in self._held or ():
            relay.send(False, data)


class HalfOpen(Fault):
    """After so many bytes up nothing passes either way, and neither side is told, not even of the end."""

    def __init__(self, after_bytes: int, seconds: float) -> None:
        super().__init__()
        self._left = after_bytes
        self._seconds = seconds

    def came(self, relay: Relayed, up: bool, data: bytes) -> None:
        if self._left > 0:
            relay.send(up, data[: self._left] if up else data)
            self._left -= len(data) if up else 0
            if self._left <= 0:
                self.fire()
                relay.reactor.callLater(self._seconds, relay.cut)

    def ends(self, relay: Relayed) -> bool:
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

    def came(self, relay: Relayed, up: bool, data: bytes) -> None:
        if not up:
            relay.send(up, data)
            return
        self._waiting += data
        if not self._running:
            self._running = True
            self.fire()
            self._trickle(relay)

    def _trickle(self, relay: Relayed) -> None:
        self._steps -= 1
        many = self._step if self._steps > 0 else len(self._waiting)
        relay.send(True, bytes(self._waiting[:many]))
        del self._waiting[:many]
        if self._steps > 0:
            relay.reactor.callLater(self._step_seconds, self._trickle, relay)
        else:
            relay.fault = None
