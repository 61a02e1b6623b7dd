"""Bodies too large for memory: handed on while they come, answered as soon as there is an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred

from asw_gateway.web.values import WebAnswer, WebRequest

#: A longer body goes to the route's stream, if it has one; shorter ones are collected in memory.
STREAM_ABOVE_BYTES = 256 * 1024


class Flow(Protocol):
    """The connection, as far as a stream may hold it back."""

    def pause(self) -> None:
        """Read no more from the client for now; up to 64 kB may still come."""

    def resume(self) -> None:
        """Read on."""


class BodyStream(Protocol):
    """What takes one large body.

    `answer` may fire at any time, also before the end of the body: a refusal is sent at once, and what
    still comes of the body is thrown away.
    """

    @property
    def answer(self) -> Deferred[WebAnswer]: ...

    def write(self, data: bytes) -> None:
        """Some octets of the body."""

    def finish(self) -> None:
        """The body is complete."""

    def abandon(self) -> None:
        """The body will never be complete: the client left, or it was too slow or too large."""


OpenStream = Callable[[WebRequest, Flow], BodyStream]
"""Called when the headers are there, with a request whose body is empty."""
