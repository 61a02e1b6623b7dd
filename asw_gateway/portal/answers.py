"""The Envelopes that answer a submission: 99 with the time of receipt, or 00 with every fault."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from asw_gateway.exchange.identity import OwnGateway
from asw_gateway.store.outbox_rows import OutboundRow
from asw_gateway.translation.envelope import Envelope, accepted_answer, refused_answer
from asw_gateway.translation.problem import Problem
from asw_gateway.web import WebAnswer

CONTENT_TYPE = "application/xml; charset=utf-8"


def accepted(envelope: Envelope, row: OutboundRow, own: OwnGateway) -> WebAnswer:
    """…/99 for a stored message.  All of it follows from the row: a repetition gets the same bytes."""
    body = accepted_answer(
        envelope, received_at=row.created_at, message_id=answer_id(row), own=own.organisation
    )
    return WebAnswer(body=body, content_type=CONTENT_TYPE)


def refused(
    envelope: Envelope | None, problems: Sequence[Problem], own: OwnGateway, *, message_id: str, now: float
) -> WebAnswer:
    """…/00 with every problem; without a readable envelope it is addressed to the portal we serve."""
    body = refused_answer(
        envelope,
        problems,
        refused_at=now,
        message_id=message_id,
        own=own.organisation,
        portal=own.portal_organisation,
    )
    return WebAnswer(body=body, content_type=CONTENT_TYPE)


def answer_id(row: OutboundRow) -> str:
    """The messageId of our answer: 32 hexadecimal characters (T1) that follow from what was submitted."""
    told = "\n".join(("answer", row.sender_identity or "", row.national_message_id or "", row.digest))
    return sha256(told.encode()).hexdigest()[:32]
