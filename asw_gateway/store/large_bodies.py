"""Long bodies from place to place without ever being in memory: chunk by chunk, each in its own unit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from sqlalchemy import bindparam, update

from asw_gateway.store import bodies, tables
from asw_gateway.store.bodies import CHUNK_BYTES, StagedBody, Stored
from asw_gateway.store.database import RunsUnits
from asw_gateway.store.statements import Statement, word
from asw_gateway.store.transaction import Transaction

_o = tables.outbox
_EXTEND = Statement(
    lambda _: (
        update(_o)
        .where(
            _o.c.id == bindparam("row"),
            _o.c.state == word("sending"),
            _o.c.lease_owner == bindparam("node"),
            _o.c.lease_until < bindparam("until"),
        )
        .values(lease_until=bindparam("until"))
    )
)


def extend_lease(conn: Transaction, id: int, until: float) -> bool:
    """A large message in flight from this node takes longer to send; False when it has moved on."""
    return conn.run(_EXTEND, {"row": id, "node": conn.node, "until": until}) == 1


def write_chunk(conn: Transaction, staged: StagedBody, number: int, data: bytes, now: float) -> None:
    """One unit: write a chunk; the first one opens the staging id."""
    if number == 0:
        bodies.begin(conn, staged.staging_id, now)
    bodies.write_chunk(conn, staged, number, data)


async def stored_chunks(read: Callable[..., Awaitable[Any]], stored: Stored) -> AsyncIterator[bytes]:
    """The chunks of a long body, one by one; `read` is a Database's `read` or `run`. Raises BodyMissing."""
    for number in range(stored.chunks):
        yield await read(bodies.chunk, stored, number)


class StagedWriter:
    """Writes a body under a staging id: `write` pieces of any length, `close` at the end, in that order."""

    def __init__(self, database: RunsUnits, staging_id: str, now: Callable[[], float]) -> None:
        self.staged = StagedBody(staging_id=staging_id)
        self.size_bytes = 0
        self._database = database
        self._now = now
        self._held = bytearray()
        self._number = 0

    async def write(self, data: bytes) -> None:
        """Take more of the body; what fills a chunk is committed before this ends."""
        self.size_bytes += len(data)
        self._held += data
        while len(self._held) >= CHUNK_BYTES:
            await self._put(bytes(self._held[:CHUNK_BYTES]))
            del self._held[:CHUNK_BYTES]

    async def close(self) -> StagedBody:
        """Commit the rest; the body can now be adopted."""
        if self._held:
            await self._put(bytes(self._held))
            self._held.clear()
        return self.staged

    async def discard(self) -> None:
        """Remove what was written, unless a message adopted it."""
        await self._database.run(bodies.discard, self.staged)

    async def _put(self, chunk: bytes) -> None:
        number, self._number = self._number, self._number + 1
        await self._database.run(write_chunk, self.staged, number, chunk, self._now())
