"""How much is waiting: the numbers behind metrics and status pages. Read them on the reading thread."""

from __future__ import annotations

from attrs import frozen
from sqlalchemy import func as sql
from sqlalchemy import literal_column, select

from asw_gateway.store import tables
from asw_gateway.store.statements import Statement
from asw_gateway.store.transaction import Transaction

_o, _i = tables.outbox, tables.inbox
# Unfinished rows by the index of their expiry, which is nearly the order they lie in; the index of open keys
# would jump to and fro through the whole table.
_OUTBOX = Statement(
    lambda _: (
        select(_o.c.partner, _o.c.state, sql.count(), sql.min(_o.c.created_at))
        .where(_o.c.finalized_at.is_(None), _o.c.expires_at > literal_column("0"))
        .group_by(_o.c.partner, _o.c.state)
        .order_by(_o.c.partner, _o.c.state)
    )
)
_DEAD = Statement(
    lambda _: (
        select(_o.c.partner, _o.c.state, sql.count(), sql.min(_o.c.created_at))
        .where(literal_column("state IN ('failed', 'expired')"), _o.c.finalized_at > literal_column("0"))
        .group_by(_o.c.partner, _o.c.state)
        .order_by(_o.c.partner, _o.c.state)
    )
)
_INBOX = Statement(
    lambda _: (
        select(_i.c.partner, _i.c.state, sql.count(), sql.min(_i.c.received_at))
        .where(literal_column("state IN ('received', 'parked', 'unconvertible')"))
        .group_by(_i.c.partner, _i.c.state)
        .order_by(_i.c.partner, _i.c.state)
    )
)


@frozen(kw_only=True)
class Depth:
    """How many messages of one partner are in one state, and since when the oldest has been stored."""

    partner: str
    state: str
    messages: int
    oldest_at: float


def outbox_depths(conn: Transaction) -> list[Depth]:
    """Unfinished, failed and expired outbound messages per partner and state."""
    return [
        Depth(partner=partner, state=state, messages=count, oldest_at=oldest)
        for partner, state, count, oldest in [*conn.rows(_OUTBOX, {}), *conn.rows(_DEAD, {})]
    ]


def inbox_depths(conn: Transaction) -> list[Depth]:
    """Unfinished inbound messages per partner and state (what is available is counted by the feed)."""
    return [
        Depth(partner=partner, state=state, messages=count, oldest_at=oldest)
        for partner, state, count, oldest in conn.rows(_INBOX, {})
    ]
