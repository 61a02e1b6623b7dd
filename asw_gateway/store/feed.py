"""The feed: what the national portal reads, in the order it was committed, until it confirmed each entry.

An entry's sequence is given just before the commit, from a counter row whose lock is then held for the
length of the commit only. So a reader who saw sequence n has seen, or can never see, everything below n, on
any number of nodes.
"""

from __future__ import annotations

from secrets import token_hex

from attrs import field, frozen
from sqlalchemy import bindparam, insert, literal_column, select, update
from sqlalchemy import func as sql

from asw_gateway.store import bodies, journal, tables
from asw_gateway.store.bodies import StagedBody
from asw_gateway.store.statements import Row, Statement
from asw_gateway.store.transaction import Transaction

PAGE_BYTES = 8_000_000

_f, _b, _counter = tables.feed, tables.feed_body, tables.feed_counter
_META = list(_f.c)
_NAMES = [column.name for column in _META]

_TAKE = Statement(
    lambda _: (
        update(_counter)
        .where(_counter.c.id == literal_column("1"))
        .values(last=_counter.c.last + bindparam("count", type_=tables.Key))
        .returning(_counter.c.last)
    )
)
_PUT = Statement(lambda _: insert(_f))
_PUT_BODY = Statement(lambda _: insert(_b))
_AFTER = Statement(
    lambda _: (
        select(*_META, *bodies.body_columns(_b))
        .join_from(_f, _b, _f.c.sequence == _b.c.sequence)
        # Said of both: PostgreSQL would look for the first body from the beginning of their table.
        .where(_f.c.sequence > bindparam("after"), _b.c.sequence > bindparam("after"))
        .order_by(_b.c.sequence)
        .limit(bindparam("limit"))
    )
)
_GET = Statement(lambda _: select(_f).where(_f.c.sequence == bindparam("at")))
_ACKNOWLEDGE = Statement(
    lambda _: (
        update(_f)
        .where(_f.c.sequence == bindparam("at"), _f.c.acknowledged_at.is_(None))
        .values(acknowledged_at=bindparam("now"), result=bindparam("result_"), detail=bindparam("detail_"))
        .returning(*_f.c)
    )
)
_UNACKNOWLEDGED = Statement(
    lambda _: (
        select(sql.count(), sql.min(_f.c.sequence)).select_from(_f).where(_f.c.acknowledged_at.is_(None))
    )
)
_WAITING = Statement(
    lambda _: (
        select(_f).where(_f.c.acknowledged_at.is_(None)).order_by(_f.c.sequence).limit(bindparam("limit"))
    )
)
_LAST = Statement(lambda _: select(_counter.c.last).where(_counter.c.id == literal_column("1")))


@frozen(kw_only=True)
class NewEntry:
    """An entry that has no sequence yet."""

    entry_id: str
    kind: str
    subject: str
    body: bytes | StagedBody = field(repr=False)
    content_type: str
    inbox_id: int | None
    partner: str
    document_type: str
    document_number: str
    created_at: float


@frozen(kw_only=True)
class Entry:
    """One entry of the feed; `body` are the bytes of a VNSW envelope. Columns are described in tables.py."""

    sequence: int
    entry_id: str
    kind: str
    subject: str
    inbox_id: int | None
    partner: str
    document_type: str
    document_number: str
    created_at: float
    acknowledged_at: float | None
    result: str | None
    detail: str | None
    content_type: str = ""
    body: bytes = field(repr=False, default=b"")


@frozen(kw_only=True)
class Acknowledged:
    """`entry` is as it is now, without its body; `first` is False when it had been confirmed before."""

    entry: Entry
    first: bool


@frozen(kw_only=True)
class Backlog:
    """Entries not confirmed yet, the lowest of their sequences, and the last sequence given out."""

    unacknowledged: int
    first_unacknowledged: int | None
    last_sequence: int


def append(
    conn: Transaction,
    *,
    kind: str,
    subject: str,
    body: bytes | StagedBody,
    now: float,
    entry_id: str | None = None,
    content_type: str = "application/xml",
    inbox_id: int | None = None,
    partner: str = "",
    document_type: str = "",
    document_number: str = "",
) -> None:
    """Put an entry on the feed; it takes its sequence when the transaction ends.

    `entry_id` is permanent and unique (the envelope's messageId; a random one when None). `inbox_id` names
    the inbound message the entry delivers: a second entry for the same one fails the whole unit with an
    integrity error.
    """
    conn.feed.append(
        NewEntry(
            entry_id=entry_id or token_hex(16),
            kind=kind,
            subject=subject,
            body=body,
            content_type=content_type,
            inbox_id=inbox_id,
            partner=partner,
            document_type=document_type,
            document_number=document_number,
            created_at=now,
        )
    )


def write(conn: Transaction) -> None:
    """Write what `append` collected. Called before a commit, after everything else."""
    if not conn.feed:
        return
    bodies_found = [
        bodies.columns(
            conn, new.content_type, new.body, staging_id=f"feed:{new.entry_id}", now=new.created_at
        )
        for new in conn.feed
    ]
    taken = conn.row(_TAKE, {"count": len(conn.feed)})
    if taken is None:
        raise LookupError("the feed counter's row, made by the first migration, is missing")
    first = taken[0] - len(conn.feed) + 1
    conn.run_many(
        _PUT,
        [
            {
                "sequence": first + place,
                "entry_id": new.entry_id,
                "kind": new.kind,
                "subject": new.subject,
                "inbox_id": new.inbox_id,
                "partner": new.partner,
                "document_type": new.document_type,
                "document_number": new.document_number,
                "created_at": new.created_at,
                "acknowledged_at": None,
                "result": None,
                "detail": None,
            }
            for place, new in enumerate(conn.feed)
        ],
    )
    conn.run_many(_PUT_BODY, [{"sequence": first + place, **body} for place, body in enumerate(bodies_found)])
    conn.feed.clear()


def after(conn: Transaction, sequence: int, limit: int = 100, max_bytes: int = 8_000_000) -> list[Entry]:
    """Entries after a sequence, acknowledged or not, in order, with their bytes.

    Stops before the entry whose body would take the bodies past `max_bytes`, but gives at least one.
    """
    found: list[Entry] = []
    left = max_bytes
    for row in conn.rows(_AFTER, {"after": sequence, "limit": limit}):
        stored = bodies.stored(row[len(_NAMES) :])
        left -= stored.size_bytes
        if found and left < 0:
            break
        found.append(_entry(row[: len(_NAMES)], stored.content_type, bodies.load(conn, stored)))
    return found


def unacknowledged(conn: Transaction, limit: int = 100) -> list[Entry]:
    """The oldest entries the portal has not confirmed, without their bytes."""
    return [_entry(row) for row in conn.rows(_WAITING, {"limit": limit})]


def get(conn: Transaction, sequence: int) -> Entry | None:
    """One entry without its bytes."""
    row = conn.row(_GET, {"at": sequence})
    return _entry(row) if row else None


def acknowledge(
    conn: Transaction, sequence: int, *, result: str, detail: str, actor: str, now: float
) -> Acknowledged | None:
    """Note that the portal has an entry; the first answer stands. None if there is no such entry."""
    row = conn.row(_ACKNOWLEDGE, {"at": sequence, "now": now, "result_": result, "detail_": detail})
    if row is None:
        entry = get(conn, sequence)
        return Acknowledged(entry=entry, first=False) if entry else None
    entry = _entry(row)
    journal.append(
        conn,
        event="feed.acknowledged",
        subject=entry.subject,
        actor=actor,
        detail=f"{sequence} {result}",
        now=now,
    )
    return Acknowledged(entry=entry, first=True)


def backlog(conn: Transaction) -> Backlog:
    """How far the portal is behind."""
    count, first = conn.rows(_UNACKNOWLEDGED, {})[0]
    return Backlog(unacknowledged=count, first_unacknowledged=first, last_sequence=conn.rows(_LAST, {})[0][0])


def _entry(row: Row, content_type: str = "", body: bytes = b"") -> Entry:
    return Entry(**dict(zip(_NAMES, row, strict=True)), content_type=content_type, body=body)
