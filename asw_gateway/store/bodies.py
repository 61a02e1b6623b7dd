"""Payload bytes: short ones inline in their own row, long ones as chunks under a staging id.

A long body is written chunk by chunk in transactions of its own while nothing refers to it, and becomes
visible when a message adopts its staging id in the same commit that stores the message. What nobody adopted
is purged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen
from sqlalchemy import bindparam, delete, insert, select, update

from asw_gateway.store import tables
from asw_gateway.store.statements import Parameters, Statement
from asw_gateway.store.transaction import Transaction

INLINE_BYTES = 256 * 1024
CHUNK_BYTES = 1024 * 1024

_staging, _chunk = tables.body_staging, tables.body_chunk
_BEGIN = Statement(lambda _: insert(_staging))
_GROW = Statement(
    lambda _: (
        update(_staging)
        .where(_staging.c.staging_id == bindparam("staging"), _staging.c.adopted_at.is_(None))
        .values(size_bytes=_staging.c.size_bytes + bindparam("grown_bytes", type_=tables.Key))
    )
)
_PUT = Statement(lambda _: insert(_chunk))
_ADOPT = Statement(
    lambda _: (
        update(_staging)
        .where(_staging.c.staging_id == bindparam("staging"), _staging.c.adopted_at.is_(None))
        .values(adopted_at=bindparam("now"))
        .returning(_staging.c.size_bytes)
    )
)
_GET = Statement(
    lambda _: select(_chunk.c.data).where(
        _chunk.c.staging_id == bindparam("staging"), _chunk.c.number == bindparam("number")
    )
)
_ORPHANS = Statement(
    lambda _: (
        select(_staging.c.staging_id)
        .where(_staging.c.adopted_at.is_(None), _staging.c.created_at < bindparam("before"))
        .order_by(_staging.c.created_at)
        .limit(bindparam("limit"))
    )
)
_DROP_CHUNKS = Statement(lambda _: delete(_chunk).where(_chunk.c.staging_id == bindparam("staging")))
_DROP = Statement(lambda _: delete(_staging).where(_staging.c.staging_id == bindparam("staging")))
_IS_ORPHAN = Statement(
    lambda _: (
        select(_staging.c.staging_id)
        .where(_staging.c.staging_id == bindparam("staging"), _staging.c.adopted_at.is_(None))
        .with_for_update()
    )
)


class BodyMissing(Exception):
    """A staging id that nobody wrote, that was purged, or that another message already adopted."""


@frozen(kw_only=True)
class StagedBody:
    """A long body whose chunks are already stored; stands wherever the store takes bytes."""

    staging_id: str


@frozen(kw_only=True)
class Stored:
    """Where a body stands, as read from its row: inline, or under a staging id."""

    content_type: str
    size_bytes: int
    body: bytes | None
    staging_id: str | None

    @property
    def chunks(self) -> int:
        """How many chunks a long body has."""
        return -(-self.size_bytes // CHUNK_BYTES)


def begin(conn: Transaction, staging_id: str, now: float) -> StagedBody:
    """Open a staging id; the caller chose a random one."""
    conn.run(_BEGIN, {"staging_id": staging_id, "created_at": now, "size_bytes": 0, "adopted_at": None})
    return StagedBody(staging_id=staging_id)


def write_chunk(conn: Transaction, staged: StagedBody, number: int, data: bytes) -> None:
    """Write the chunk with this number (from 0); all but the last are CHUNK_BYTES long."""
    if conn.run(_GROW, {"staging": staged.staging_id, "grown_bytes": len(data)}) != 1:
        raise BodyMissing(staged.staging_id)
    conn.run(_PUT, {"staging_id": staged.staging_id, "number": number, "data": data})


def columns(
    conn: Transaction, content_type: str, body: bytes | StagedBody, *, staging_id: str, now: float
) -> Parameters:
    """The body columns of a row that is about to be inserted.

    Bytes too long to stand inline are cut into chunks here, under `staging_id` (unique to the row).
    """
    if isinstance(body, bytes):
        if len(body) <= INLINE_BYTES:
            return {"content_type": content_type, "size_bytes": len(body), "body": body, "staging_id": None}
        body = _stage(conn, body, staging_id, now)
    row = conn.row(_ADOPT, {"staging": body.staging_id, "now": now})
    if row is None:
        raise BodyMissing(body.staging_id)
    return {"content_type": content_type, "size_bytes": row[0], "body": None, "staging_id": body.staging_id}


def load(conn: Transaction, stored: Stored) -> bytes:
    """The whole body in memory; raises BodyMissing when retention has removed it."""
    return stored.body if stored.body is not None else b"".join(pieces(conn, stored))


def pieces(conn: Transaction, stored: Stored) -> Iterator[bytes]:
    """The body piece by piece, at most CHUNK_BYTES at a time."""
    if stored.body is not None:
        yield stored.body
        return
    if stored.staging_id is None:
        raise BodyMissing("purged")
    for number in range(stored.chunks):
        yield chunk(conn, stored, number)


def chunk(conn: Transaction, stored: Stored, number: int) -> bytes:
    """One chunk of a long body, from 0; for those who must not hold all of it."""
    row = conn.row(_GET, {"staging": stored.staging_id, "number": number})
    if row is None:
        raise BodyMissing(f"{stored.staging_id} chunk {number}")
    data: bytes = row[0]
    return data


def discard(conn: Transaction, staged: StagedBody) -> bool:
    """Delete a body that no message adopted; False if one did, or it is gone already."""
    if conn.row(_IS_ORPHAN, {"staging": staged.staging_id}) is None:
        return False
    conn.run(_DROP_CHUNKS, {"staging": staged.staging_id})
    conn.run(_DROP, {"staging": staged.staging_id})
    return True


def drop(conn: Transaction, staging_id: str) -> None:
    """Delete the chunks of a long body that nothing refers to any more."""
    conn.run(_DROP_CHUNKS, {"staging": staging_id})
    conn.run(_DROP, {"staging": staging_id})


def purge_orphans(conn: Transaction, before: float, limit: int = 100) -> int:
    """Delete at most `limit` bodies begun before `before` that no message adopted; answer how many."""
    found = [row[0] for row in conn.rows(_ORPHANS, {"before": before, "limit": limit})]
    for staging_id in found:
        drop(conn, staging_id)
    return len(found)


def body_columns(table: Any) -> tuple[Any, ...]:
    """The columns of `table` that make a `Stored`, in its order."""
    return (table.c.content_type, table.c.size_bytes, table.c.body, table.c.staging_id)


def stored(values: tuple[Any, ...]) -> Stored:
    """A `Stored` from the values of `body_columns`."""
    content_type, size_bytes, body, staging_id = values
    return Stored(content_type=content_type, size_bytes=size_bytes, body=body, staging_id=staging_id)


def _stage(conn: Transaction, body: bytes, staging_id: str, now: float) -> StagedBody:
    staged = begin(conn, staging_id, now)
    view = memoryview(body)
    for number, start in enumerate(range(0, len(body), CHUNK_BYTES)):
        write_chunk(conn, staged, number, bytes(view[start : start + CHUNK_BYTES]))
    return staged
