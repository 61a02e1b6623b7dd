"""What the portal is told about its own messages: STATUS envelopes (21/01) for the feed."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from attrs import frozen

from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.translation.envelope import status_envelope
from asw_gateway.translation.problem import Problem


class Status(StrEnum):
    """The portal's words; each is a projection of the life-cycle tables."""

    QUEUED = "queued"  # outbound: signed and in line
    SENT = "sent"  # an attempt went out
    RECEIPTED = "receipted"  # delivered: a valid receipt is stored
    UNRECEIPTED = "unreceipted"  # the partner says that it has it; its receipt was lost (EBMS:0301)
    ACCEPTED = "accepted"  # the other side found the document valid
    REJECTED = "rejected"  # content problems, found here or by the partner
    FAILED = "failed"  # the partner refused the message for good, or we could not prepare it
    EXPIRED = "expired"  # time to live over without a receipt
    HELD = "held"  # waits behind a failed message of the same document
    CANCELLED = "cancelled"  # withdrawn before delivery
    REFUSED = "refused"  # inbound: a partner's message, proved to be its own, could not be taken
    UNCONVERTIBLE = "unconvertible"  # inbound: receipted and kept, but an operator must help to translate it
    RETRYING = "retrying"  # the first failed attempt; the partner may be down


@frozen(kw_only=True)
class StatusNotice:
    """One change of state of one of the portal's messages, before it is written as an envelope.

    ``national_message_id`` is the portal's id of the message, ``message_id`` ours on the network (empty
    before packing), ``subject`` the row's name in the store.  ``detail`` is bounded text.
    """

    status: Status
    national_message_id: str
    document_type: str
    document_number: str
    partner: str
    dossier: str = ""
    message_id: str = ""
    subject: str = ""
    reason: str = ""
    detail: str = ""
    document_state: str = ""
    problems: tuple[Problem, ...] = ()


@frozen(kw_only=True)
class FeedDraft:
    """A feed entry to append: ``kind`` is ``status`` or ``notice``, ``subject`` what it is about."""

    kind: str
    subject: str
    body: bytes
    message_id: str


def notice_for(facts: Any, status: Status, **more: Any) -> StatusNotice:
    """Make a notice from the facts of an outbound row (any object with the outbox column names)."""
    return StatusNotice(
        status=status,
        national_message_id=facts.national_message_id or "",
        document_type=facts.document_type,
        document_number=facts.document_number,
        partner=facts.partner,
        dossier=facts.dossier or "",
        message_id=facts.message_id or "",
        subject=facts.subject,
        **more,
    )


def notice_of_unconvertible(row: Any, reason: str) -> StatusNotice:
    """Tell the portal that something came which it cannot be given yet (an inbound row)."""
    return StatusNotice(
        status=Status.UNCONVERTIBLE,
        national_message_id="",
        document_type=row.document_type or "",
        document_number=row.document_number or "",
        partner=row.partner,
        message_id=row.message_id,
        subject=row.subject,
        reason=reason,
    )


def feed_draft(notice: StatusNotice, own: OwnGateway, *, message_id: str, now: float) -> FeedDraft:
    """Write a notice as the feed's envelope; ``message_id`` is 32 fresh hexadecimal characters."""
    body = status_envelope(
        own=own.organisation,
        portal=own.portal_organisation,
        message_id=message_id,
        now=now,
        status=notice.status.value,
        national_message_id=notice.national_message_id,
        reference=notice.dossier,
        document_type=notice.document_type,
        number=notice.document_number,
        partner=notice.partner,
        network_message_id=notice.message_id,
        document_state=notice.document_state,
        reason=notice.reason,
        detail=notice.detail,
        problems=notice.problems,
    )
    kind = "notice" if notice.status is Status.UNCONVERTIBLE else "status"
    return FeedDraft(kind=kind, subject=notice.subject, body=body, message_id=message_id)
