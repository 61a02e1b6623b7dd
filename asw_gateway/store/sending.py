"""The outbox, second half of a message's way: claim for sending, outcome, leases.

A claim is one statement. It takes due messages of one partner, first class first and oldest first, of each order
key only the oldest open one, and never one of a key that is in flight; a unique index makes the last rule
hold whatever several nodes do at the same moment. A claimed row is in state `sending`, leased to its node, its attempt
counted: that is the record of the attempt before the request goes out.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Select,
    bindparam,
    case,
    exists,
    insert,
    literal_column,
    null,
    select,
    union_all,
    update,
)
from sqlalchemy import func as sql

from asw_gateway.store import bodies, dead_letters, journal, tables
from asw_gateway.store.outbox import LAST_CLASS, get
from asw_gateway.store.outbox_rows import (
    Attempt,
    DueMessage,
    OutboundRow,
    Recorded,
    outbound_row,
    read_digests,
)
from asw_gateway.store.statements import Statement, insert_values
from asw_gateway.store.transaction import Transaction

INTERRUPTED = "interrupted"

_o = tables.outbox
_sealed, _attempts = tables.outbox_sealed, tables.attempts
_QUEUED, _SENDING = literal_column("'queued'"), literal_column("'sending'")
_NO_WINDOW = 1_000_000


def _free_rows(klass: int) -> tuple[Any, Select[tuple[int, float]]]:
    """Queued rows of one partner and class that no message of their key stands before, as they become due."""
    o, earlier, flying = _o.alias(f"o{klass}"), _o.alias(f"earlier{klass}"), _o.alias(f"flying{klass}")
    rows = (
        select(o.c.id, o.c.next_attempt_at)
        .where(
            o.c.partner == bindparam("partner"),
            o.c.state == _QUEUED,
            o.c.priority == literal_column(str(klass)),
            ~exists().where(
                earlier.c.partner == o.c.partner, earlier.c.open_key == o.c.order_key, earlier.c.id < o.c.id
            ),
            ~exists().where(
                flying.c.partner == o.c.partner,
                flying.c.order_key == o.c.order_key,
                flying.c.state == _SENDING,
            ),
        )
        .order_by(o.c.next_attempt_at, o.c.id)
    )
    return o, rows


def _room_left(dialect: str) -> ColumnElement[int]:
    """How many more may fly: the partner's window less what is in flight on all nodes."""
    flying = _o.alias("window")
    used = (
        select(sql.count())
        .select_from(flying)
        .where(flying.c.partner == bindparam("partner"), flying.c.state == _SENDING)
        .scalar_subquery()
    )
    left = bindparam("window", type_=tables.Key) - used
    return sql.greatest(0, left) if dialect == "postgresql" else sql.max(0, left)


def _claim(dialect: str) -> Executable:
    branches = []
    for klass in range(LAST_CLASS + 1):
        o, rows = _free_rows(klass)
        due = rows.where(o.c.next_attempt_at <= bindparam("now")).limit(bindparam("limit"))
        due = due.with_for_update(skip_locked=True, of=o)
        branches.append(select(due.subquery(f"class{klass}").c.id))
    picked = union_all(*branches).limit(bindparam("limit")).cte("picked")
    within = select(picked.c.id).limit(_room_left(dialect))
    return (
        update(_o)
        .where(_o.c.id.in_(within))
        .values(
            state=_SENDING,
            attempt=_o.c.attempt + literal_column("1"),
            attempted_at=bindparam("now"),
            lease_owner=bindparam("node"),
            lease_until=bindparam("until"),
        )
        .returning(*_o.c)
    )


def _next_due(_: str) -> Executable:
    firsts = [
        select(_free_rows(klass)[1].limit(literal_column("1")).subquery(f"class{klass}").c.next_attempt_at)
        for klass in range(LAST_CLASS + 1)
    ]
    return select(sql.min(union_all(*firsts).subquery("firsts").c.next_attempt_at))


_CLAIM = Statement(_claim)
_NEXT_DUE = Statement(_next_due)
_SEALED = Statement(
    lambda _: select(_sealed.c.reference_digests, _sealed.c.signed_with, *bodies.body_columns(_sealed)).where(
        _sealed.c.id == bindparam("id")
    )
)
# Only one node at a time counts a partner's window; another one finds nothing and looks again.
_TRY_PARTNER = Statement(
    lambda _: select(
        sql.pg_try_advisory_xact_lock(sql.hashtextextended(bindparam("partner"), literal_column("0")))
    )
)
_FINISH = Statement(
    lambda _: (
        update(_o)
        .where(
            _o.c.id == bindparam("row"),
            _o.c.state == _SENDING,
            _o.c.attempt == bindparam("made"),
            _o.c.lease_owner == bindparam("node"),
        )
        .values(
            state=bindparam("to_state"),
            attempt=bindparam("counted"),
            open_key=case((bindparam("open_", type_=tables.Key) == 1, _o.c.order_key), else_=null()),
            finalized_at=bindparam("finalized"),
            next_attempt_at=sql.coalesce(bindparam("at"), _o.c.next_attempt_at),
            lease_owner=null(),
            lease_until=literal_column("0"),
            last_reason=bindparam("reason"),
        )
        .returning(*_o.c)
    )
)
_DELIVER_LATE = Statement(
    lambda _: (
        update(_o)
        .where(_o.c.id == bindparam("row"), _o.c.state == bindparam("from_state"))
        .values(
            state=literal_column("'delivered'"),
            open_key=null(),
            finalized_at=bindparam("finalized"),
            lease_owner=null(),
            lease_until=literal_column("0"),
            last_reason=bindparam("reason"),
        )
        .returning(*_o.c)
    )
)
_NOTE = Statement(lambda _: insert(_attempts).values(insert_values(_attempts)))
_ATTEMPTS = Statement(
    lambda _: (
        select(*(_attempts.c[name] for name in _attempts.c.keys() if name != "id"))
        .where(_attempts.c.outbox_id == bindparam("row"))
        .order_by(_attempts.c.id)
    )
)


def _interrupt(*conditions: Any) -> Executable:
    return (
        update(_o)
        .where(_o.c.state == _SENDING, *conditions)
        .values(
            state=_QUEUED,
            attempt=_o.c.attempt - literal_column("1"),
            next_attempt_at=bindparam("now"),
            lease_owner=null(),
            lease_until=literal_column("0"),
            last_reason=literal_column(f"'{INTERRUPTED}'"),
        )
        .returning(*_o.c)
    )


_RESCUE = Statement(lambda _: _interrupt(_o.c.lease_until <= bindparam("now")))
_RESCUE_OWN = Statement(lambda _: _interrupt(_o.c.lease_owner == bindparam("node")))
_RELEASE = Statement(lambda _: _interrupt(_o.c.id == bindparam("row"), _o.c.lease_owner == bindparam("node")))
_FORGET_OWN = Statement(
    lambda _: (
        update(_o)
        .where(_o.c.state == literal_column("'submitted'"), _o.c.lease_owner == bindparam("node"))
        .values(lease_owner=null(), lease_until=literal_column("0"))
    )
)
_HASTEN = Statement(
    lambda _: (
        update(_o)
        .where(
            _o.c.partner == bindparam("in_partner"),
            _o.c.state == _QUEUED,
            _o.c.priority.in_([literal_column(str(klass)) for klass in range(LAST_CLASS + 1)]),
            _o.c.next_attempt_at > bindparam("now"),
            _o.c.attempt > literal_column("0"),
        )
        .values(next_attempt_at=bindparam("now"))
    )
)


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
    if conn.on_postgresql and conn.row(_TRY_PARTNER, {"partner": partner}) != (True,):
        return []
    claimed = conn.rows(
        _CLAIM,
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
        sealed = conn.row(_SEALED, {"id": row.id})
        if sealed is None:
            raise bodies.BodyMissing(row.subject)
        digests, signed_with, *stored = sealed
        where = bodies.stored(tuple(stored))
        found.append(
            DueMessage(
                row=row,
                content_type=where.content_type,
                body=bodies.load(conn, where),
                reference_digests=read_digests(digests),
                signed_with=signed_with,
            )
        )
    return found


def next_due_at(conn: Transaction, partner: str) -> float | None:
    """When the partner's next message that nothing stands before becomes due (may be past); None = none queued."""
    row = conn.row(_NEXT_DUE, {"partner": partner})
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
    meanwhile, and successors that were held because of it are released. Any other outcome counts only while the row is
    still this node's attempt. `counts=False` gives the attempt's number back. `receipt` keeps the bytes of
    the answer, error signals too.
    """
    delivered = new_state == "delivered"
    final = delivered or new_state in ("failed", "expired")
    released: tuple[OutboundRow, ...] = ()
    found = conn.row(
        _FINISH,
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
    else:
        before = get(conn, id)
        if before is None:
            raise LookupError(f"outbound:{id}")
        row = before
        if delivered and before.state != "delivered":
            found = conn.row(
                _DELIVER_LATE, {"row": id, "from_state": before.state, "finalized": now, "reason": reason}
            )
            if found is not None:
                moved, row = True, outbound_row(found)
                if before.state in dead_letters.DEAD:
                    released = tuple(dead_letters.release_successors(conn, row, now))
    conn.run(
        _NOTE,
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
    found = [row for id in ids for row in conn.rows(_RELEASE, {"row": id, "node": node, "now": now})]
    return _interrupted(conn, found, node, now, "released")


def rescue_expired_leases(conn: Transaction, now: float) -> list[OutboundRow]:
    """Queue again what a node that went silent had in flight; partners answer a duplicate with its receipt."""
    return _interrupted(conn, conn.rows(_RESCUE, {"now": now}), conn.node, now, "lease expired")


def rescue_own_leases(conn: Transaction, now: float) -> list[OutboundRow]:
    """At start: whatever an earlier life of this node had in flight or in conversion is free again."""
    conn.run(_FORGET_OWN, {"node": conn.node})
    found = conn.rows(_RESCUE_OWN, {"node": conn.node, "now": now})
    return _interrupted(conn, found, conn.node, now, "node restarted")


def hasten(conn: Transaction, partner: str, now: float) -> int:
    """Make due at once what waits for a later attempt: the partner was heard of again. Answer how many."""
    return conn.run(_HASTEN, {"in_partner": partner, "now": now})


def attempts(conn: Transaction, id: int) -> list[Attempt]:
    """The finished attempts of one message, in the order they ended."""
    names = [name for name in _attempts.c.keys() if name != "id"]
    found = []
    for values in conn.rows(_ATTEMPTS, {"row": id}):
        named = dict(zip(names, values, strict=True))
        found.append(Attempt(**{**named, "retryable": bool(named["retryable"])}))
    return found


def _interrupted(
    conn: Transaction, found: list[tuple[Any, ...]], node: str, now: float, detail: str
) -> list[OutboundRow]:
    rows = [outbound_row(values) for values in found]
    for row in rows:
        conn.run(
            _NOTE,
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
