"""One large body while it comes: octets in from the connection, whole blocks out to whoever stores them."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Any

from attrs import asdict, define, field, frozen
from twisted.internet.defer import Deferred

from asw_gateway.store.bodies import CHUNK_BYTES, StagedBody
from asw_gateway.store.refusals import HEAD_BYTES
from asw_gateway.web import Flow, WebAnswer, WebRequest

#: Blocks that may wait; with one more being gathered and one in work this bounds a body to about 4 MB.
_WAITING_BLOCKS = 2


@define
class Seen:
    """What there is to say of a body that is not kept: its first bytes, its digest and size so far."""

    head: bytes = field(default=b"", repr=False)
    size_bytes: int = 0
    _running: Any = field(factory=hashlib.sha256, repr=False)

    def take(self, block: bytes) -> None:
        """Look at the next octets."""
        if len(self.head) < HEAD_BYTES:
            self.head += block[: HEAD_BYTES - len(self.head)]
        self.size_bytes += len(block)
        self._running.update(block)

    @property
    def digest(self) -> str:
        """SHA-256, lower-case hex."""
        return str(self._running.hexdigest())


@frozen(kw_only=True)
class LargeRequest(WebRequest):
    """A request whose body was too large for memory: `body` is only its beginning."""

    staged: StagedBody
    seen: Seen


def large_request(head: WebRequest, staged: StagedBody, seen: Seen) -> LargeRequest:
    """The request when its body has gone by."""
    known = asdict(head, recurse=False)
    return LargeRequest(**{**known, "body": seen.head}, staged=staged, seen=seen)


class BrokenOff(Exception):
    """The body will never be complete."""


class LargeBody:
    """A web BodyStream. `block` gives blocks of CHUNK_BYTES, the last one shorter, then None.

    The connection is held back while blocks wait. `answer` is set by whoever works on the body.
    """

    answer: Deferred[WebAnswer]

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._blocks: deque[bytes] = deque()
        self._ended = False
        self._broken = False
        self._waiting: Deferred[None] | None = None

    def write(self, data: bytes) -> None:
        """Twisted's thread: some octets came."""
        while data:
            room = CHUNK_BYTES - self._gathered_bytes
            piece, data = data[:room], data[room:]
            self._gathered.append(piece)
            self._gathered_bytes += len(piece)
            if self._gathered_bytes == CHUNK_BYTES:
                self._push()

    def finish(self) -> None:
        """The body is complete."""
        if self._gathered_bytes:
            self._push()
        self._ended = True
        self._wake()

    def abandon(self) -> None:
        """The body will not be complete."""
        self._broken = True
        self._gathered.clear()
        self._blocks.clear()
        self._wake()

    async def block(self) -> bytes | None:
        """The next block, or None at the end. Raises BrokenOff."""
        while not self._blocks and not self._ended and not self._broken:
            self._waiting = Deferred()
            await self._waiting
        if self._broken:
            raise BrokenOff
        if not self._blocks:
            return None
        block = self._blocks.popleft()
        if len(self._blocks) < _WAITING_BLOCKS:
            self._flow.resume()
        return block

    def _push(self) -> None:
        self._blocks.append(b"".join(self._gathered))
        self._gathered, self._gathered_bytes = [], 0
        if len(self._blocks) >= _WAITING_BLOCKS:
            self._flow.pause()
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)
