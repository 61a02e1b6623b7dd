"""The outbox, second half of a message's way: claim for sending, outcome, leases.

A claim is one statement. It takes due messages of one partner, first class first and oldest first, of each
order key only the oldest open one, and never one of a key that is in flight; a unique index makes the last
rule hold whatever several nodes do at the same moment. A claimed row is in state `sending`, leased to its
node, its attempt counted: that is the record of the attempt before the request goes out.
"""

from __future__ import annotations

from typing import Any

from asw_gateway.store import bodies, dead_letters, journal
from asw_gateway.store import sending_sql as sql
from asw_gateway.store.outbox import get, promote_successor
from asw_gateway.store.outbox_rows import (
    INTERRUPTED,
    Attempt,
    DueMessage,
    OutboundRow,
    Recorded,
    outbound_row,
    read_digests,
)
from asw_gateway.store.transaction import Transaction

_NO_WINDOW = 1_000_000


def claim_due(
    conn: Transaction,
    partner: str,
    node: str,
    limit: int,
    now: float,
    lease_seconds: float,
    *,
    window: int | None = None,
) -> list[DueMessage]:
    """Take up to `limit` due messages of one partner for sending, in the order they should go out.

    `window` bounds how many of the partner's messages are in flight on all nodes together. On PostgreSQL an
    empty answer may also mean that another node was claiming for this partner at the same moment.
    """
    if conn.on_postgresql and conn.row(sql.TRY_PARTNER, {"partner": partner}) != (True,):
        return []
    claimed = conn.rows(
        sql.CLAIM,
        {
            "partner": partner,
            "node": node,
            "limit": limit,
            "now": now,
            "until": now + lease_seconds,
            "window": _NO_WINDOW if window is None else window,
        },
    )
    found = []
    for row in sorted(
        map(outbound_row, claimed), key=lambda row: (row.priority, row.next_attempt_at, row.id)
    ):
        sealed = conn.row(sql.SEALED, {"id": row.id})
        if sealed is None:
            raise bodies.BodyMissing(row.subject)
        digests, signed_with, *stored = sealed
        where = bodies.stored(tuple(stored))
        found.append(
            DueMessage(
                row=row,
                content_type=where.content_type,
                body=bodies.load(conn, where) if where.staging_id is None else b"",
                large=None if where.staging_id is None else where,
                reference_digests=read_digests(digests),
                signed_with=signed_with,
            )
        )
    return found


def next_due_at(conn: Transaction, partner: str) -> float | None:
    """When the partner's next message that nothing stands before becomes due (may be past), or None."""
    row = conn.row(sql.NEXT_DUE, {"partner": partner})
    found: float | None = row[0] if row else None
    return found


def record_attempt(
    conn: Transaction,
    id: int,
    attempt: int,
    *,
    outcome: str,
    retryable: bool,
    reason: str,
    detail: str,
    new_state: str,
    now: float,
    next_attempt_at: float | None = None,
    receipt: bytes | None = None,
    receipt_content_type: str | None = None,
    counts: bool = True,
) -> Recorded:
    """Write the end of an attempt this node made, and move the row to `new_state`.

    A receipt always wins: with `new_state` `delivered` the row is moved from whatever state it reached
    meanwhile, and successors that were held because of it are released. Any other outcome counts only while
    the row is still this node's attempt. `counts=False` gives the attempt's number back. `receipt` keeps
    the bytes of the answer, error signals too.
    """
    delivered = new_state == "delivered"
    final = delivered or new_state in ("failed", "expired")
    released: tuple[OutboundRow, ...] = ()
    found = conn.row(
        sql.FINISH,
        {
            "row": id,
            "made": attempt,
            "node": conn.node,
            "to_state": new_state,
            "counted": attempt if counts else attempt - 1,
            "open_": 0 if delivered else 1,
            "finalized": now if final else None,
            "at": next_attempt_at,
            "reason": reason,
        },
    )
    moved = found is not None
    if found is not None:
        row = outbound_row(found)
        if delivered and row.followed:
            promote_successor(conn, row)
    else:
        before = get(conn, id)
        if before is None:
            raise LookupError(f"outbound:{id}")
        row = before
        if delivered and before.state != "delivered":
            found = conn.row(
                sql.DELIVER_LATE, {"row": id, "from_state": before.state, "finalized": now, "reason": reason}
            )
            if found is not None:
                moved, row = True, outbound_row(found)
                promote_successor(conn, row)
                if before.state in dead_letters.DEAD:
                    released = tuple(dead_letters.release_successors(conn, row, now))
    conn.run(
        sql.NOTE,
        {
            "outbox_id": id,
            "attempt": attempt,
            "node": conn.node,
            "started_at": row.attempted_at if row.attempted_at is not None else now,
            "finished_at": now,
            "outcome": outcome,
            "retryable": int(retryable),
            "reason": reason,
            "detail": detail[: journal.MAX_DETAIL_CHARS],
            "answer": receipt,
            "answer_content_type": receipt_content_type,
        },
    )
    journal.append(
        conn,
        event=f"outbound.{new_state}" if moved else "outbound.attempt",
        subject=row.subject,
        actor=row.partner if receipt is not None else "gateway",
        digest=journal.digest(receipt) if receipt is not None else "",
        detail=f"attempt {attempt}: {outcome} {reason}",
        now=now,
    )
    return Recorded(moved=moved, row=row, released=released)


def release_claims(conn: Transaction, ids: list[int], node: str, now: float) -> list[OutboundRow]:
    """Give claimed messages back unsent (orderly stop): due again at once, the attempt not counted."""
    found = [row for id in ids for row in conn.rows(sql.RELEASE, {"row": id, "node": node, "now": now})]
    return _interrupted(conn, found, node, now, "released")


def rescue_expired_leases(conn: Transaction, now: float) -> list[OutboundRow]:
    """Queue again what a silent node had in flight; a partner answers a duplicate with its receipt."""
    return _interrupted(conn, conn.rows(sql.RESCUE, {"now": now}), conn.node, now, "lease expired")


def rescue_own_leases(conn: Transaction, now: float) -> list[OutboundRow]:
    """At start: whatever an earlier life of this node had in flight or in conversion is free again."""
    conn.run(sql.FORGET_OWN, {"node": conn.node})
    found = conn.rows(sql.RESCUE_OWN, {"node": conn.node, "now": now})
    return _interrupted(conn, found, conn.node, now, "node restarted")


def hasten(conn: Transaction, partner: str, now: float) -> int:
    """Make due at once what waits for a later attempt: the partner was heard of again. Answer how many."""
    return conn.run(sql.HASTEN, {"in_partner": partner, "now": now})


def attempts(conn: Transaction, id: int) -> list[Attempt]:
    """The finished attempts of one message, in the order they ended."""
    found = []
    for values in conn.rows(sql.ATTEMPTS, {"row": id}):
        named = dict(zip(sql.ATTEMPT_COLUMNS, values, strict=True))
        found.append(Attempt(**{**named, "retryable": bool(named["retryable"])}))
    return found


def _interrupted(
    conn: Transaction, found: list[tuple[Any, ...]], node: str, now: float, detail: str
) -> list[OutboundRow]:
    rows = [outbound_row(values) for values in found]
    for row in rows:
        conn.run(
            sql.NOTE,
            {
                "outbox_id": row.id,
                "attempt": row.attempt + 1,
                "node": node,
                "started_at": row.attempted_at if row.attempted_at is not None else now,
                "finished_at": now,
                "outcome": INTERRUPTED,
                "retryable": 1,
                "reason": INTERRUPTED,
                "detail": detail,
                "answer": None,
                "answer_content_type": None,
            },
        )
        journal.append(
            conn,
            event="outbound.queued",
            subject=row.subject,
            detail=f"attempt {row.attempt + 1}: {detail}",
            now=now,
        )
    return rows
