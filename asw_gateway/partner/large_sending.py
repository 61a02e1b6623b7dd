"""Large messages on their way out: from chunk rows to the connection, and from plain parts to chunk rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from asw_gateway.messaging.encryption import ContentSecret
from asw_gateway.messaging.keys import SigningIdentity
from asw_gateway.messaging.large_packing import LargePart, SealedStream, pack_large, reseal_head
from asw_gateway.messaging.message import UserMessage
from asw_gateway.messaging.packing import SealedMessage
from asw_gateway.messaging.pmode import PMode
from asw_gateway.partner.body import PIECE_BYTES
from asw_gateway.spool import Folder, Spool
from asw_gateway.store import bodies
from asw_gateway.store.bodies import StagedBody, Stored
from asw_gateway.store.database import RunsUnits
from asw_gateway.store.large_bodies import StagedWriter, stored_chunks
from asw_gateway.workers import Runs, stepwise

RunsUnit: TypeAlias = Callable[..., Deferred[Any]]
"""`Database.read`."""

#: A line slower than this (2 Mbit/s) cannot carry large messages within their attempt's time.
LEAST_BYTES_PER_SECOND = 250_000
#: Chunks read ahead of what the connection takes.
_AHEAD = 1


@frozen(kw_only=True)
class StoredMessage(SealedMessage):
    """A sealed message whose body stays in chunk rows; `body` is empty, `read` is `Database.read`."""

    stored: Stored
    read: RunsUnit = field(repr=False, eq=False)


def extra_seconds(sealed: SealedMessage) -> float:
    """What an attempt with this message may take beyond the agreement's send time-out."""
    return sealed.stored.size_bytes / LEAST_BYTES_PER_SECOND if isinstance(sealed, StoredMessage) else 0.0


@implementer(IBodyProducer, IPushProducer)
class RowProducer:
    """A request body from chunk rows, read as fast as the connection takes it; at most two are in memory.

    `read` is `Database.read`. Any node can send what another one stored.
    """

    def __init__(self, read: RunsUnit, stored: Stored) -> None:
        self.length = stored.size_bytes
        self._read = read
        self._stored = stored
        self._asked = 0
        self._ready: deque[bytes] = deque()
        self._chunk = b""
        self._position = 0
        self._reading: Deferred[bytes] | None = None
        self._consumer: Any = None
        self._finished: Deferred[None] = Deferred()
        self._paused = False
        self._writing = False

    def startProducing(self, consumer: Any) -> Deferred[None]:
        """Fires when the last piece was handed to the connection; never fires after `stopProducing`."""
        self._consumer = consumer
        self._go_on()
        return self._finished

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._go_on()

    def stopProducing(self) -> None:
        self._consumer = None
        self._ready.clear()
        self._chunk = b""

    def _go_on(self) -> None:
        if self._writing:
            return  # resumed from inside our own write, or answered by a read at once
        self._writing = True
        try:
            while self._consumer is not None:
                self._read_ahead()
                if self._paused or not self._write_piece():
                    break
        finally:
            self._writing = False

    def _write_piece(self) -> bool:
        """Write up to 64 kB; False when there is nothing to write now."""
        if self._position >= len(self._chunk):
            if not self._ready:
                if self._asked == self._stored.chunks and self._reading is None:
                    self._consumer = None
                    self._finished.callback(None)
                return False
            self._chunk, self._position = self._ready.popleft(), 0
        piece = self._chunk[self._position : self._position + PIECE_BYTES]
        self._position += len(piece)
        self._consumer.write(piece)
        return True

    def _read_ahead(self) -> None:
        if self._reading is None and len(self._ready) < _AHEAD and self._asked < self._stored.chunks:
            number, self._asked = self._asked, self._asked + 1
            self._reading = self._read(bodies.chunk, self._stored, number)
            self._reading.addCallbacks(self._got, self._failed)

    def _got(self, chunk: bytes) -> None:
        self._reading = None
        if self._consumer is not None:
            self._ready.append(chunk)
            self._go_on()

    def _failed(self, failure: Failure) -> None:
        self._reading = None
        if self._consumer is not None:
            self._consumer = None
            self._finished.errback(failure)  # an unreadable chunk fails the request, it is never cut short


async def reseal_stored(
    stored: Stored, identity: SigningIdentity, writer: StagedWriter, *, read: RunsUnit, workers: Runs
) -> Stored:
    """A stored large message under a new signature, written with `writer`; not yet adopted.

    Same id, same parts, same digests. Raises LocalFault when it is not a message of ours.
    """
    beginning, head = b"", None
    async for chunk in stored_chunks(read, stored):
        if head is not None:
            await writer.write(chunk)
            continue
        beginning += chunk
        head = await workers.run(reseal_head, stored.content_type, beginning, identity)
        if head is not None:
            await writer.write(head.head + beginning[head.replaced_bytes :])
            beginning = b""
    staged = await writer.close()
    return Stored(
        content_type=stored.content_type,
        size_bytes=writer.size_bytes,
        body=None,
        staging_id=staged.staging_id,
    )


@frozen(kw_only=True)
class PackedMessage:
    """A large message in chunk rows, ready to be adopted by the row that queues it."""

    message_id: str
    content_type: str
    reference_digests: tuple[tuple[str, str], ...]
    size_bytes: int
    body: StagedBody = field(repr=False)


async def pack_to_store(
    message: UserMessage,
    parts: Sequence[LargePart],
    pmode: PMode,
    identity: SigningIdentity,
    *,
    content_secret: ContentSecret | None,
    spool: Spool,
    database: RunsUnits,
    workers: Runs,
    now: Callable[[], float],
) -> PackedMessage:
    """Pack parts that are too large for memory; what is on disk meanwhile is as it goes on the wire.

    Nothing refers to the chunks yet: adopt `body` with `outbox.mark_queued`. Raises LocalFault.
    """
    with Folder(spool) as folder:
        steps = pack_large(message, parts, pmode, identity, folder.open, content_secret=content_secret)
        sealed = await stepwise(workers, steps)
        writer = StagedWriter(database, f"sealed:{sealed.message_id}", now)
        try:
            await _store(sealed, writer, workers)
        except BaseException:
            await writer.discard()
            raise
    return PackedMessage(
        message_id=sealed.message_id,
        content_type=sealed.content_type,
        reference_digests=sealed.reference_digests,
        size_bytes=writer.size_bytes,
        body=writer.staged,
    )


async def _store(sealed: SealedStream, writer: StagedWriter, workers: Runs) -> None:
    pieces = sealed.pieces()
    while piece := await workers.run(next, pieces, b""):
        await writer.write(piece)
    await writer.close()
