"""A large message at the door: stored while it comes, verified from a spool, never held in memory.

Every block goes two ways at once: to a chunk row under a staging id, in a transaction of its own, and through
the parser (in a worker thread) into spool files. The message becomes visible when the receiver's own commit
adopts the staging id; whatever else happens, chunks and spool files are removed here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from asw_gateway.exchange.inbound import ReceivedMessage, RefusedMessage
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.large_reading import LargeMessage, MessageReader
from asw_gateway.messaging.pmode import Limits
from asw_gateway.partner.large_body import LargeBody, Seen
from asw_gateway.spool import PIECE_BYTES, Folder, Spool
from asw_gateway.store.bodies import StagedBody
from asw_gateway.store.database import RunsUnits
from asw_gateway.store.large_bodies import write_chunk
from asw_gateway.workers import Runs, stepwise

Judge = Callable[[LargeMessage], Generator[None, None, ReceivedMessage | RefusedMessage]]


class LargeIntake:
    """Takes one body at a time; `clock` is an IReactorTime, `limit_seconds` bounds each commit."""

    def __init__(
        self,
        *,
        database: RunsUnits,
        workers: Runs,
        spool: Spool,
        clock: Any,
        now: Callable[[], float],
        limit_seconds: float,
    ) -> None:
        self._database = database
        self._workers = workers
        self._spool = spool
        self._clock = clock
        self._now = now
        self._limit_seconds = limit_seconds

    async def take(
        self,
        body: LargeBody,
        content_type: str,
        limits: Limits,
        staged: StagedBody,
        seen: Seen,
        judge: Judge,
    ) -> ReceivedMessage | RefusedMessage:
        """Read and judge a body; its octets are then staged, and `seen` has seen them.

        Raises RemoteFault, as soon as it is clear, for a body that cannot be a message; BrokenOff when its
        end never comes; anything else is our own fault.
        """
        with Folder(self._spool) as folder:
            reader = MessageReader(content_type, limits, folder.open)
            number = 0
            while (block := await body.block()) is not None:
                parsing = self._workers.run(_feed, reader, seen, block)
                await _both(parsing, self._store(staged, number, block))
                number += 1
            message = await self._workers.run(reader.close)
            return await stepwise(self._workers, judge(message))

    def _store(self, staged: StagedBody, number: int, block: bytes) -> Deferred[None]:
        storing: Deferred[None] = self._database.run(write_chunk, staged, number, block, self._now())
        return storing.addTimeout(self._limit_seconds, self._clock)


def _feed(reader: MessageReader, seen: Seen, block: bytes) -> None:
    """One block, in a worker thread."""
    seen.take(block)
    # In small pieces: a parser copies what it is fed.
    for start in range(0, len(block), PIECE_BYTES):
        reader.feed(block[start : start + PIECE_BYTES])


async def _both(parsing: Deferred[None], storing: Deferred[None]) -> None:
    """Wait for both, so that nothing of a block is under way when the next is taken, or all is removed."""
    results: list[tuple[bool, Any]] = await DeferredList([parsing, storing], consumeErrors=True)
    failures: list[Failure] = [result for ok, result in results if not ok]
    # A fault of theirs tells more than one of ours.
    for failure in sorted(failures, key=lambda each: each.check(RemoteFault) is None):
        failure.raiseException()
