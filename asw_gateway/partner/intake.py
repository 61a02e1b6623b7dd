"""The receiver's database units: a message with its receipt, or the evidence of a refusal."""

from __future__ import annotations

from attrs import frozen

from asw_gateway.exchange.inbound import ReceivedMessage, RefusalNews
from asw_gateway.partner.large_body import LargeRequest
from asw_gateway.store import feed, inbox, journal, partner_state, refusals
from asw_gateway.store.inbox_rows import Duplicate, NewInbound, Registered
from asw_gateway.store.transaction import Transaction
from asw_gateway.tls import fingerprint
from asw_gateway.web import WebRequest

ALTERED_DUPLICATE = "altered_duplicate"


@frozen
class Refusal:
    """Why a message was refused: an EBMS or HTTP code, a bounded word, a bounded sentence."""

    code: str
    reason: str
    detail: str


def new_inbound(
    judged: ReceivedMessage, request: WebRequest, lease_owner: str | None, lease_until: float
) -> NewInbound:
    """The inbox row of a verified message: the bytes as they came, and the receipt as it will leave."""
    return NewInbound(
        partner=judged.partner,
        message_id=judged.message_id,
        reference_digests=judged.reference_digests,
        content_type=request.content_type,
        body=request.staged if isinstance(request, LargeRequest) else request.body,
        receipt_content_type=judged.receipt.content_type,
        receipt=judged.receipt.body,
        service=judged.service,
        action=judged.action,
        signer=fingerprint(judged.verified.signer),
        conversation_id=judged.conversation_id,
        ref_to_message_id=judged.ref_to_message_id,
        order_key=judged.order_key,
        priority=judged.priority,
        # A ping is kept for its receipt, and has nothing to deliver.
        state="acknowledged" if judged.is_ping else "received",
        lease_owner=lease_owner,
        lease_until=lease_until,
    )


def store_message(
    conn: Transaction, *, new: NewInbound, note_contact: bool, now: float
) -> Registered | Duplicate:
    """Register the message; with `note_contact` the partner's sign of life too, which ends its back-off."""
    result = inbox.register(conn, new, now)
    if note_contact:
        partner_state.contact_succeeded(conn, new.partner, received=True, now=now)
    return result


def store_refusal(
    conn: Transaction,
    *,
    partner: str,
    request: WebRequest,
    refusal: Refusal,
    message_id: str | None,
    answer: bytes,
    news: RefusalNews | None = None,
    now: float,
) -> bool:
    """Keep the evidence of a refusal; an altered duplicate is a security event besides.

    `news` goes on the feed the first time this message id of the partner is refused; whether it did.
    """
    whole = (request.seen.digest, request.seen.size_bytes) if isinstance(request, LargeRequest) else None
    told = news is not None and not _refused_before(conn, partner, message_id)
    if refusal.reason == ALTERED_DUPLICATE:
        journal.append(
            conn,
            event="security.altered_duplicate",
            subject=f"partner:{partner}",
            actor=partner,
            digest=whole[0] if whole is not None else journal.digest(request.body),
            detail=message_id or "",
            now=now,
        )
    refusals.record_refusal(
        conn,
        side="partner",
        party=partner,
        message_id=message_id,
        code=refusal.code,
        reason=refusal.reason,
        detail=refusal.detail,
        body=request.body,
        content_type=request.content_type,
        answer=answer,
        whole=whole,
        now=now,
    )
    if told and news is not None:
        feed.append(
            conn,
            kind=news.draft.kind,
            subject=news.draft.subject,
            body=news.draft.body,
            entry_id=news.draft.message_id,
            partner=partner,
            document_type=news.notice.document_type,
            document_number=news.notice.document_number,
            now=now,
        )
    return told


def _refused_before(conn: Transaction, partner: str, message_id: str | None) -> bool:
    earlier = refusals.by_message_id(conn, message_id) if message_id is not None else []
    return any(refusal.party == partner for refusal in earlier)
