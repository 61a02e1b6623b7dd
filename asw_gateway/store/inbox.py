"""The inbox: messages from partners, each stored once with the receipt that answers it.

(partner, MessageId) is unique for ever: a duplicate gets the stored receipt, the same id over other digests
is told apart so that it can be refused. Conversion claims rows by lease; a row stays `received` while it is
converted.
"""

from __future__ import annotations

from typing import Any

from asw_gateway.store import bodies, journal
from asw_gateway.store import inbox_sql as sql
from asw_gateway.store.inbox_rows import (
    Duplicate,
    InboundRow,
    NewInbound,
    ReceivedMessage,
    Registered,
    inbound_row,
)
from asw_gateway.store.outbox_rows import LAST_CLASS, digest_of, digests_text, read_digests
from asw_gateway.store.transaction import Transaction

_FINAL = frozenset({"rejected_by_rules", "acknowledged"})


def register(conn: Transaction, new: NewInbound, now: float) -> Registered | Duplicate:
    """Store a verified message with its receipt, or tell that its id is known."""
    digest = digest_of(new.reference_digests)
    values: dict[str, Any] = {
        "partner": new.partner,
        "message_id": new.message_id,
        "digest": digest,
        "service": new.service,
        "action": new.action,
        "conversation_id": new.conversation_id,
        "ref_to_message_id": new.ref_to_message_id,
        "order_key": new.order_key,
        "open_key": new.order_key if new.state == "received" else None,
        "priority": min(max(new.priority, 0), LAST_CLASS),
        "state": new.state,
        "attempt": 1 if new.lease_owner is not None else 0,
        "next_attempt_at": 0.0,
        "lease_owner": new.lease_owner,
        "lease_until": new.lease_until,
        "document_type": None,
        "profile": None,
        "kind": None,
        "document_number": None,
        "document_digest": None,
        "waiting_for": None,
        "signer": new.signer,
        "received_at": now,
        "finalized_at": now if new.state in _FINAL else None,
        "last_reason": None,
    }
    inserted = conn.row(sql.REGISTER, values)
    if inserted is None:
        *found, receipt_content_type, receipt = conn.rows(
            sql.EARLIER, {"partner": new.partner, "message_id": new.message_id}
        )[0]
        earlier = inbound_row(tuple(found))
        return Duplicate(
            row=earlier,
            same_digests=earlier.digest == digest,
            receipt_content_type=receipt_content_type,
            receipt=receipt,
        )
    row = InboundRow(id=inserted[0], **values)
    stored = bodies.columns(conn, new.content_type, new.body, staging_id=f"{row.subject}:body", now=now)
    conn.run(
        sql.PUT_BODY,
        {
            "id": row.id,
            "reference_digests": digests_text(new.reference_digests),
            "receipt_content_type": new.receipt_content_type,
            "receipt": new.receipt,
            **stored,
        },
    )
    journal.append(
        conn,
        event=f"inbound.{row.state}",
        subject=row.subject,
        actor=new.partner,
        digest=digest,
        detail=new.message_id,
        now=now,
    )
    journal.append(
        conn, event="inbound.receipt", subject=row.subject, digest=journal.digest(new.receipt), now=now
    )
    return Registered(row=row)


def claim_received(
    conn: Transaction, node: str, limit: int, now: float, lease_seconds: float
) -> list[ReceivedMessage]:
    """Lease up to `limit` received messages for conversion, first class first, oldest first, with their
    bytes.

    Of messages with the same order key only the oldest unconverted one is given out.
    """
    claimed = conn.rows(sql.CLAIM, {"node": node, "limit": limit, "now": now, "until": now + lease_seconds})
    found = []
    for row in sorted(map(inbound_row, claimed), key=lambda row: (row.priority, row.id)):
        digests, *values = conn.rows(sql.BODY, {"row": row.id})[0]
        stored = bodies.stored(tuple(values))
        found.append(
            ReceivedMessage(
                row=row,
                content_type=stored.content_type,
                body=bodies.load(conn, stored) if stored.staging_id is None else b"",
                large=None if stored.staging_id is None else stored,
                reference_digests=read_digests(digests),
            )
        )
    return found


def earlier_received(conn: Transaction, row: InboundRow) -> bool:
    """Whether an older message of the row's order key still waits for its conversion, on whatever node."""
    if row.order_key is None:
        return False
    return conn.row(sql.OLDER, {"partner": row.partner, "key": row.order_key, "row": row.id}) is not None


def release(
    conn: Transaction,
    ids: list[int],
    node: str,
    *,
    next_attempt_at: float | None = None,
    reason: str | None = None,
) -> int:
    """Give claimed messages back, to be claimed not before `next_attempt_at`; answer how many."""
    given = {"node": node, "at": next_attempt_at, "reason": reason}
    return sum(conn.run(sql.RELEASE, {"row": id, **given}) for id in ids)


def rescue_own_leases(conn: Transaction) -> int:
    """At start: whatever an earlier life of this node was converting is free again; answer how many."""
    return conn.run(sql.FORGET_OWN, {"node": conn.node})


def move(
    conn: Transaction,
    id: int,
    from_state: str,
    to_state: str,
    *,
    now: float,
    reason: str = "",
    document_type: str | None = None,
    document_number: str | None = None,
    document_digest: str | None = None,
    profile: str | None = None,
    kind: str | None = None,
    waiting_for: str | None = None,
    actor: str = "gateway",
) -> InboundRow | None:
    """Move a row on, if it still is in `from_state`; the row as it is now, or None.

    With `to_state` `parked`, `waiting_for` is the document key whose arrival `unpark` will name.
    """
    moved = conn.row(
        sql.MOVE,
        {
            "row": id,
            "from_state": from_state,
            "to_state": to_state,
            "open_": 1 if to_state == "received" else 0,
            "finalized": now if to_state in _FINAL else None,
            "reason": reason,
            "waiting": waiting_for,
            "type": document_type,
            "profile_": profile,
            "kind_": kind,
            "number": document_number,
            "digest_": document_digest,
        },
    )
    if moved is None:
        return None
    row = inbound_row(moved)
    journal.append(
        conn,
        event=f"inbound.{to_state}",
        subject=row.subject,
        actor=actor,
        detail=reason,
        digest=document_digest or "",
        now=now,
    )
    return row


def unpark(conn: Transaction, partner: str, waiting_for: str, now: float) -> list[InboundRow]:
    """Put every message parked for this document key back to `received`."""
    rows = [inbound_row(row) for row in conn.rows(sql.UNPARK, {"in_partner": partner, "key": waiting_for})]
    for row in rows:
        journal.append(conn, event="inbound.received", subject=row.subject, detail="unparked", now=now)
    return rows


def parked(conn: Transaction, *, before: float, limit: int = 100) -> list[InboundRow]:
    """Messages received before `before` that still wait for their document."""
    return [inbound_row(row) for row in conn.rows(sql.PARKED_SINCE, {"before": before, "limit": limit})]


def get(conn: Transaction, id: int) -> InboundRow | None:
    """The row with this number."""
    row = conn.row(sql.GET, {"row": id})
    return inbound_row(row) if row else None


def by_message_id(conn: Transaction, partner: str, message_id: str) -> InboundRow | None:
    """The row of this partner's AS4 MessageId."""
    row = conn.row(sql.BY_MESSAGE_ID, {"partner": partner, "message_id": message_id})
    return inbound_row(row) if row else None


def by_document(conn: Transaction, document_type: str, document_number: str) -> list[InboundRow]:
    """Every message about this document, oldest first."""
    return [
        inbound_row(row)
        for row in conn.rows(sql.BY_DOCUMENT, {"type": document_type, "number": document_number})
    ]


def body(conn: Transaction, id: int) -> tuple[str, bytes]:
    """Content type and raw bytes as they came from the partner."""
    stored = stored_body(conn, id)
    return stored.content_type, bodies.load(conn, stored)


def stored_body(conn: Transaction, id: int) -> bodies.Stored:
    """Where the raw bytes stand: inline, or in chunks for those who must not hold all of it."""
    row = conn.row(sql.BODY, {"row": id})
    if row is None:
        raise bodies.BodyMissing(f"inbound:{id}")
    return bodies.stored(row[1:])


def receipt(conn: Transaction, id: int) -> tuple[str, bytes]:
    """Content type and bytes of the receipt that answers this message."""
    row = conn.row(sql.RECEIPT, {"row": id})
    if row is None:
        raise bodies.BodyMissing(f"inbound:{id}")
    return row[0], row[1]
