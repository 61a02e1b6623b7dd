"""What follows a final failure: successors are held, an operator replays or discards, time runs out.

A failed or expired message keeps blocking its order key. Its queued successors become `held`; a replay
queues it again under the same id, a discard cancels it, and both release what was held.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, bindparam, case, exists, literal_column, null, select, update

from asw_gateway.store import journal, tables
from asw_gateway.store.outbox import promote_successor
from asw_gateway.store.outbox_rows import OutboundRow, outbound_row
from asw_gateway.store.statements import Row, Statement, number, word
from asw_gateway.store.transaction import Transaction

DEAD = frozenset({"failed", "expired"})

_o = tables.outbox
_QUEUED, _HELD = word("queued"), word("held")
_DEAD = [word("failed"), word("expired")]
_IS_DEAD: ColumnElement[bool] = literal_column("outbox.state IN ('failed', 'expired')")

_HOLD = Statement(
    lambda _: (
        update(_o)
        .where(
            _o.c.partner == bindparam("in_partner"),
            _o.c.open_key == bindparam("in_key"),
            _o.c.id > bindparam("row"),
            _o.c.state == _QUEUED,
        )
        .values(state=_HELD, last_reason=word("predecessor_failed"))
        .returning(*_o.c)
    )
)
_between = _o.alias("between_")
_RELEASE = Statement(
    lambda _: (
        update(_o)
        .where(
            _o.c.partner == bindparam("in_partner"),
            _o.c.open_key == bindparam("in_key"),
            _o.c.id > bindparam("row"),
            _o.c.state == _HELD,
            ~exists().where(
                _between.c.partner == _o.c.partner,
                _between.c.open_key == _o.c.order_key,
                _between.c.id < _o.c.id,
                _between.c.state.in_(_DEAD),
            ),
        )
        .values(state=_QUEUED, last_reason=null())
        .returning(*_o.c)
    )
)
_REPLAY = Statement(
    lambda _: (
        update(_o)
        .where(_o.c.id == bindparam("row"), _o.c.state.in_(_DEAD))
        .values(
            state=case((_o.c.message_id.is_(None), word("submitted")), else_=_QUEUED),
            finalized_at=null(),
            next_attempt_at=bindparam("now"),
            expires_at=bindparam("expires"),
            claims=number(0),
            last_reason=word("replayed"),
        )
        .returning(*_o.c)
    )
)
_sealed = tables.outbox_sealed
_RESEND = Statement(
    lambda _: (
        update(_o)
        .where(
            _o.c.id == bindparam("row"),
            _o.c.state == word("delivered"),
            exists().where(_sealed.c.id == bindparam("row")),
        )
        .values(
            state=_QUEUED,
            open_key=_o.c.order_key,
            head=number(1),
            followed=number(1),
            finalized_at=null(),
            next_attempt_at=bindparam("now"),
            expires_at=bindparam("expires"),
            last_reason=word("resent"),
        )
        .returning(*_o.c)
    )
)
_DISCARD = Statement(
    lambda _: (
        update(_o)
        .where(_o.c.id == bindparam("row"), _o.c.state.in_(_DEAD))
        .values(
            state=word("cancelled"),
            open_key=null(),
            finalized_at=bindparam("now"),
            last_reason=bindparam("reason"),
        )
        .returning(*_o.c)
    )
)


def _overdue(_: str) -> Select[tuple[int]]:
    return (
        select(_o.c.id)
        .where(
            _o.c.finalized_at.is_(None),
            _o.c.expires_at <= bindparam("now"),
            _o.c.state != word("sending"),
        )
        .order_by(_o.c.expires_at)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )


_EXPIRE = Statement(
    lambda dialect: (
        update(_o)
        .where(_o.c.id.in_(select(_overdue(dialect).cte("picked").c.id)))
        .values(
            state=word("expired"),
            finalized_at=bindparam("now"),
            lease_owner=null(),
            lease_until=number(0),
            last_reason=word("EBMS:0301"),
        )
        .returning(*_o.c)
    )
)
_LIST = Statement(
    lambda _: (
        select(_o)
        .where(_IS_DEAD, _o.c.finalized_at >= bindparam("since"), _o.c.id > bindparam("after"))
        .order_by(_o.c.finalized_at, _o.c.id)
        .limit(bindparam("limit"))
    )
)


def hold_successors(conn: Transaction, row: OutboundRow, now: float) -> list[OutboundRow]:
    """Hold every queued later message of the row's order key; call it when the row failed or expired."""
    held = conn.rows(_HOLD, {"in_partner": row.partner, "in_key": row.order_key, "row": row.id})
    return _journalled(conn, held, f"{row.subject} {row.state}", "gateway", now)


def release_successors(conn: Transaction, row: OutboundRow, now: float) -> list[OutboundRow]:
    """Queue again what was held because of `row`, as far as no other dead message stands before it."""
    freed = conn.rows(_RELEASE, {"in_partner": row.partner, "in_key": row.order_key, "row": row.id})
    return _journalled(conn, freed, f"{row.subject} {row.state}", "gateway", now)


def expire_due(
    conn: Transaction, now: float, limit: int = 100
) -> tuple[list[OutboundRow], list[OutboundRow]]:
    """End up to `limit` messages whose time-to-live is over; answer them, and the successors now held.

    A message in flight is left alone until its attempt ended.
    """
    expired = _journalled(
        conn, conn.rows(_EXPIRE, {"now": now, "limit": limit}), "time-to-live over", "gateway", now
    )
    expired.sort(key=lambda row: row.id)
    held = {row.id: row for each in expired for row in hold_successors(conn, each, now)}
    return expired, list(held.values())


def dead_letters(
    conn: Transaction, *, since_at: float = 0.0, after_id: int = 0, limit: int = 100
) -> list[OutboundRow]:
    """Failed and expired messages that came to rest at or after `since_at`, oldest first."""
    return [
        outbound_row(row) for row in conn.rows(_LIST, {"since": since_at, "after": after_id, "limit": limit})
    ]


def replay(conn: Transaction, id: int, *, expires_at: float, actor: str, now: float) -> OutboundRow | None:
    """Send a dead letter again, same id, same bytes, with a new time-to-live; None if it is none.

    One that was never sealed goes back to `submitted`. Its held successors are queued behind it.
    """
    rows = _journalled(
        conn, conn.rows(_REPLAY, {"row": id, "expires": expires_at, "now": now}), "replay", actor, now
    )
    for row in rows:
        release_successors(conn, row, now)
    return rows[0] if rows else None


def resend(conn: Transaction, id: int, *, expires_at: float, actor: str, now: float) -> OutboundRow | None:
    """Queue a delivered message again, same id, same bytes, because the partner has lost it.

    A partner that still has it answers with its stored receipt. None if it is not delivered, or its bytes are
    purged.
    """
    given = {"row": id, "expires": expires_at, "now": now}
    rows = _journalled(conn, conn.rows(_RESEND, given), "resent", actor, now)
    return rows[0] if rows else None


def discard(conn: Transaction, id: int, *, reason: str, actor: str, now: float) -> OutboundRow | None:
    """Give a dead letter up: `cancelled`, its held successors go on; None if it is none."""
    rows = _journalled(
        conn, conn.rows(_DISCARD, {"row": id, "reason": reason, "now": now}), reason, actor, now
    )
    for row in rows:
        promote_successor(conn, row)
        release_successors(conn, row, now)
    return rows[0] if rows else None


def _journalled(
    conn: Transaction, found: list[Row], detail: str, actor: str, now: float
) -> list[OutboundRow]:
    rows = [outbound_row(values) for values in found]
    for row in rows:
        journal.append(
            conn, event=f"outbound.{row.state}", subject=row.subject, actor=actor, detail=detail, now=now
        )
    return rows
