"""The outbox, first half of a message's way: submit, convert, queue; and look-ups.

Sending stands in sending.py, what follows a final failure in dead_letters.py. States are the words of
exchange/lifecycle.py; every update is guarded by the state it moves from.
"""

from __future__ import annotations

from attrs import evolve, frozen

from asw_gateway.store import bodies, journal
from asw_gateway.store import outbox_sql as sql
from asw_gateway.store.outbox_rows import (
    LAST_CLASS,
    NewOutbound,
    OutboundRow,
    ReferenceDigests,
    Repeated,
    Submitted,
    SubmittedMessage,
    digest_of,
    digests_text,
    outbound_row,
)
from asw_gateway.store.statements import Parameters, Statement
from asw_gateway.store.transaction import Transaction

_DEAD = ("failed", "expired")
_FINAL = ("rejected", "delivered", "cancelled", *_DEAD)


def submit(conn: Transaction, new: NewOutbound, now: float) -> Submitted | Repeated:
    """Store a message to be sent, in state `submitted`, or tell that the sender gave this id before.

    A message of a higher class lifts every open message of its order key to its own class.
    """
    priority = min(max(new.priority, 0), LAST_CLASS)
    values: dict[str, object] = {
        "message_id": None,
        "origin": new.origin,
        "sender_identity": new.sender_identity,
        "national_message_id": new.national_message_id,
        "digest": new.digest,
        "partner": new.partner,
        "document_type": new.document_type,
        "profile": new.profile,
        "kind": new.kind,
        "document_number": new.document_number,
        "order_key": new.order_key,
        "open_key": new.order_key,
        "priority": priority,
        "state": "submitted",
        "head": 1,
        "followed": 0,
        "claims": 0 if new.lease_owner is None else 1,
        "attempt": 0,
        "attempted_at": None,
        "next_attempt_at": now,
        "expires_at": new.expires_at,
        "lease_owner": new.lease_owner,
        "lease_until": new.lease_until,
        "dossier": new.dossier,
        "conversation_id": new.conversation_id,
        "ref_to_message_id": new.ref_to_message_id,
        "previous_number": new.previous_number,
        "effect": new.effect,
        "functional_reference": new.functional_reference,
        "document_digest": None,
        "created_at": now,
        "queued_at": None,
        "finalized_at": None,
        "last_reason": None,
    }
    inserted = conn.row(sql.SUBMIT, values)
    if inserted is None:
        earlier = by_national_id(conn, new.sender_identity or "", new.national_message_id or "")
        assert earlier is not None
        return Repeated(row=earlier, same_digest=earlier.digest == new.digest)
    row = OutboundRow(id=inserted[0], **values)  # type: ignore[arg-type]
    stored = bodies.columns(conn, new.content_type, new.body, staging_id=f"{row.subject}:submitted", now=now)
    conn.run(sql.PUT_BODY, {"id": row.id, **stored})
    if behind(conn, row):
        row = evolve(row, head=0)
    journal.append(
        conn,
        event="outbound.submitted",
        subject=row.subject,
        digest=new.digest,
        now=now,
        actor=new.sender_identity or "gateway",
        detail=new.national_message_id or "",
    )
    return Submitted(row=row)


def behind(conn: Transaction, row: OutboundRow) -> bool:
    """Put a new message in line behind the open ones of its key, if there are any, and lift those to its
    class."""
    key = {"in_partner": row.partner, "in_key": row.order_key}
    if not conn.rows(sql.FOLLOW, {**key, "row": row.id, "class_": row.priority}):
        return False
    conn.run(sql.BEHIND, {"row": row.id})
    return True


def promote_successor(conn: Transaction, row: OutboundRow) -> None:
    """A message of the key has closed: claims may look at the oldest one that is still open."""
    conn.run(sql.PROMOTE, {"in_partner": row.partner, "in_key": row.order_key})


def claim_submitted(
    conn: Transaction, node: str, limit: int, now: float, lease_seconds: float
) -> list[SubmittedMessage]:
    """Lease up to `limit` submitted messages for conversion, first class first, then the oldest."""
    claimed = conn.rows(
        sql.CLAIM_SUBMITTED, {"node": node, "limit": limit, "now": now, "until": now + lease_seconds}
    )
    rows = sorted(map(outbound_row, claimed), key=lambda row: (row.priority, row.id))
    found = []
    for row in rows:
        stored = _stored(conn, sql.BODY, row.id)
        found.append(
            SubmittedMessage(row=row, content_type=stored.content_type, body=bodies.load(conn, stored))
        )
    return found


def earlier_submitted(conn: Transaction, row: OutboundRow) -> bool:
    """Whether an older message of the row's order key still waits for its conversion, on whatever node."""
    given = {"partner": row.partner, "key": row.order_key, "row": row.id}
    return conn.row(sql.OLDER_SUBMITTED, given) is not None


def defer_submitted(conn: Transaction, id: int, node: str, *, next_attempt_at: float, reason: str) -> bool:
    """Give back a message claimed for conversion: convert it not before `next_attempt_at`."""
    return conn.run(sql.DEFER, {"row": id, "node": node, "at": next_attempt_at, "reason": reason}) == 1


def mark_queued(
    conn: Transaction,
    id: int,
    *,
    message_id: str,
    content_type: str,
    body: bytes | bodies.StagedBody,
    reference_digests: ReferenceDigests,
    signed_with: str,
    document_digest: str,
    now: float,
    next_attempt_at: float | None = None,
    functional_reference: str | None = None,
    conversation_id: str | None = None,
) -> OutboundRow | None:
    """Store the sealed bytes and queue the message; None when it is no longer `submitted`.

    The row comes back `held` instead of `queued` when an earlier message of its order key failed or expired.
    """
    moved = conn.row(
        sql.QUEUE,
        {
            "row": id,
            "as4_id": message_id,
            "document": document_digest,
            "reference": functional_reference,
            "conversation": conversation_id,
            "at": now if next_attempt_at is None else next_attempt_at,
            "now": now,
        },
    )
    if moved is None:
        return None
    row = outbound_row(moved)
    stored = bodies.columns(conn, content_type, body, staging_id=f"{row.subject}:sealed", now=now)
    conn.run(
        sql.PUT_SEALED,
        {
            "id": id,
            "reference_digests": digests_text(reference_digests),
            "signed_with": signed_with,
            **stored,
        },
    )
    journal.append(
        conn,
        event=f"outbound.{row.state}",
        subject=row.subject,
        now=now,
        digest=digest_of(reference_digests),
        detail=message_id,
    )
    return row


def move(
    conn: Transaction,
    id: int,
    from_state: str,
    to_state: str,
    *,
    now: float,
    reason: str = "",
    next_attempt_at: float | None = None,
    actor: str = "gateway",
) -> OutboundRow | None:
    """Move a row on, if it still is in `from_state`; the row as it is now, or None.

    For every move that no function of its own stands for: rejected, failed before sending, cancelled.
    Delivered, rejected and cancelled rows stop blocking their order key; its held successors are not touched.
    """
    moved = conn.row(
        sql.MOVE,
        {
            "row": id,
            "from_state": from_state,
            "to_state": to_state,
            "open_": 1 if to_state not in _FINAL or to_state in _DEAD else 0,
            "finalized": now if to_state in _FINAL else None,
            "at": next_attempt_at,
            "reason": reason,
        },
    )
    if moved is None:
        return None
    row = outbound_row(moved)
    if row.open_key is None:
        promote_successor(conn, row)
    journal.append(
        conn, event=f"outbound.{to_state}", subject=row.subject, actor=actor, detail=reason, now=now
    )
    return row


def reseal(
    conn: Transaction,
    id: int,
    *,
    content_type: str,
    body: bytes | bodies.StagedBody,
    signed_with: str,
    now: float,
) -> None:
    """Replace the sealed bytes by the same parts under a new signature; id and digests stay the same.

    What stood there is kept: an attempt may have carried it, and its receipt may have been lost.
    """
    conn.run(sql.SUPERSEDE, {"row": id, "now": now})
    stored = bodies.columns(conn, content_type, body, staging_id=f"outbound:{id}:{signed_with}", now=now)
    conn.run(
        sql.RESEAL,
        {
            "row": id,
            "type": stored["content_type"],
            "size": stored["size_bytes"],
            "bytes": stored["body"],
            "staged": stored["staging_id"],
            "certificate": signed_with,
        },
    )
    journal.append(conn, event="outbound.resealed", subject=f"outbound:{id}", detail=signed_with, now=now)


def get(conn: Transaction, id: int) -> OutboundRow | None:
    """The row with this number."""
    return _one(conn, sql.BY_ID, {"id": id})


def by_message_id(conn: Transaction, message_id: str) -> OutboundRow | None:
    """The row with this AS4 MessageId."""
    return _one(conn, sql.BY_MESSAGE_ID, {"message_id": message_id})


def by_national_id(conn: Transaction, sender_identity: str, national_message_id: str) -> OutboundRow | None:
    """The row a portal client submitted under this id."""
    return _one(conn, sql.BY_NATIONAL_ID, {"sender": sender_identity, "national": national_message_id})


def by_document(conn: Transaction, document_type: str, document_number: str) -> list[OutboundRow]:
    """Every message about this document, oldest first."""
    return [
        outbound_row(row)
        for row in conn.rows(sql.BY_DOCUMENT, {"type": document_type, "number": document_number})
    ]


def submitted_body(conn: Transaction, id: int) -> bytes:
    """The bytes as submitted."""
    return bodies.load(conn, _stored(conn, sql.BODY, id))


def sealed_body(conn: Transaction, id: int) -> tuple[str, bytes] | None:
    """Content type and bytes of the sealed message; None before it was prepared."""
    row = conn.row(sql.SEALED_BODY, {"id": id})
    if row is None:
        return None
    stored = bodies.stored(row)
    return stored.content_type, bodies.load(conn, stored)


@frozen(kw_only=True)
class Superseded:
    """Sealed bytes that were replaced at `superseded_at` by the same parts under another signature."""

    superseded_at: float
    signed_with: str
    content_type: str
    body: bytes


def superseded_bodies(conn: Transaction, id: int) -> list[Superseded]:
    """Earlier sealed bytes of a message, oldest first."""
    found = []
    for superseded_at, signed_with, *values in conn.rows(sql.SUPERSEDED, {"row": id}):
        stored = bodies.stored(tuple(values))
        found.append(
            Superseded(
                superseded_at=superseded_at,
                signed_with=signed_with,
                content_type=stored.content_type,
                body=bodies.load(conn, stored),
            )
        )
    return found


def sealed_bytes(conn: Transaction, id: int) -> int:
    """The size of the sealed message; 0 before it was prepared."""
    row = conn.row(sql.SEALED_BODY, {"id": id})
    return 0 if row is None else bodies.stored(row).size_bytes


def _one(conn: Transaction, statement: Statement, parameters: Parameters) -> OutboundRow | None:
    row = conn.row(statement, parameters)
    return outbound_row(row) if row else None


def _stored(conn: Transaction, statement: Statement, id: int) -> bodies.Stored:
    row = conn.row(statement, {"id": id})
    if row is None:
        raise bodies.BodyMissing(f"outbound:{id}")
    return bodies.stored(row)
