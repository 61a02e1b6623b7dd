"""Messages to put into a store: short ways to the states tests begin with."""

from __future__ import annotations

from itertools import count
from typing import Any

from asw_gateway.store import outbox, sending
from asw_gateway.store.database import Database
from asw_gateway.store.inbox_rows import NewInbound
from asw_gateway.store.outbox_rows import DueMessage, NewOutbound, OutboundRow, Recorded, Submitted
from asw_gateway.store.transaction import Transaction

NODE = "node-a"
T0 = 1_800_000_000.0
DAY = 86_400.0
_numbers = count(1)


def new_outbound(**given: Any) -> NewOutbound:
    number = next(_numbers)
    document = given.setdefault("document_number", f"VN-TH 26/{number:08d}")
    partner = given.setdefault("partner", "th")
    return NewOutbound(
        **{
            "origin": "portal",
            "document_type": "atiga-form-d",
            "profile": "atiga-form-d-2.1",
            "kind": "certificate",
            "order_key": f"{partner}|{document}",
            "priority": 2,
            "expires_at": T0 + 14 * DAY,
            "digest": f"{number:064x}",
            "body": f"<Envelope>{number}</Envelope>".encode(),
            "sender_identity": "VNSW",
            "national_message_id": f"N-{number}",
            **given,
        }
    )


def new_inbound(**given: Any) -> NewInbound:
    number = next(_numbers)
    return NewInbound(
        **{
            "partner": "th",
            "message_id": f"{number}@th.example",
            "reference_digests": (("#body", "Ym9keQ=="), ("cid:document", f"{number}==")),
            "content_type": 'multipart/related; boundary="b"',
            "body": b"--b--",
            "receipt_content_type": "application/soap+xml",
            "receipt": f"<Receipt>{number}</Receipt>".encode(),
            "service": "asw:atiga-form-d",
            "action": "certificate",
            "signer": "ab" * 32,
            **given,
        }
    )


def submitted(database: Database, *, now: float = T0, **given: Any) -> OutboundRow:
    """A new message in state `submitted`."""
    answer = database.run_now(outbox.submit, new_outbound(**given), now)
    assert isinstance(answer, Submitted)
    return answer.row


def prepared(conn: Transaction, id: int, now: float, **given: Any) -> OutboundRow | None:
    """Seal a submitted message with some bytes."""
    return outbox.mark_queued(
        conn,
        id,
        **{
            "message_id": f"{id}@vn.example",
            "content_type": "multipart/related",
            "body": f"sealed {id}".encode(),
            "reference_digests": (("#body", "Ym9keQ=="), ("cid:document", f"{id}==")),
            "signed_with": "cd" * 32,
            "document_digest": f"{id:064x}",
            "now": now,
            **given,
        },
    )


def queued(database: Database, *, now: float = T0, **given: Any) -> OutboundRow:
    """A new message, sealed: `queued`, or `held` behind a failure."""
    row = database.run_now(prepared, submitted(database, now=now, **given).id, now)
    assert row is not None
    return row


def claim(database: Database, *, now: float = T0, limit: int = 100, **given: Any) -> list[DueMessage]:
    """Claim what is due for Thailand."""
    given = {"partner": "th", "lease_seconds": 60.0, **given}
    return database.run_now(
        sending.claim_due,
        given.pop("partner"),
        database.node,
        limit,
        now,
        given.pop("lease_seconds"),
        **given,
    )


def ids(found: list[DueMessage] | list[OutboundRow]) -> list[int]:
    """Row numbers, in order."""
    return [each.row.id if isinstance(each, DueMessage) else each.id for each in found]


def finish(database: Database, id: int, attempt: int, new_state: str, **given: Any) -> Recorded:
    """End an attempt: a receipt for `delivered`, else an error of the partner."""
    delivered = new_state == "delivered"
    return database.run_now(
        sending.record_attempt,
        id,
        attempt,
        **{
            "outcome": "receipt" if delivered else "error_signal",
            "retryable": new_state == "queued",
            "reason": "receipt" if delivered else "EBMS:0004",
            "detail": "",
            "new_state": new_state,
            "now": T0,
            "receipt": b"<Receipt/>" if delivered else None,
            **given,
        },
    )
