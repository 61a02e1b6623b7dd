"""A partner's message at the door: identity, agreement, signature, and the signed answer.

``receive`` runs before anything is kept and is one whole stage for a worker thread; its receipt may leave
only after the commit.  What follows for a receipted message stands in ``processing``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from typing import TYPE_CHECKING

from attrs import field, frozen

from asw_gateway.exchange import clocks, priority
from asw_gateway.exchange.identity import Identities, OwnGateway
from asw_gateway.exchange.notices import FeedDraft, Status, StatusNotice, feed_draft
from asw_gateway.exchange.outbound import DOCUMENT_NUMBER, DOCUMENT_TYPE
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.large_reading import LargeMessage
from asw_gateway.messaging.large_verification import verify_large
from asw_gateway.messaging.message import UserMessage
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.signal import SignalBytes, build_error, build_receipt
from asw_gateway.messaging.unpacking import VerifiedMessage, unpack, verify

if TYPE_CHECKING:
    from asw_gateway.translation.catalogue import Catalogue


@frozen(kw_only=True)
class ReceivedMessage:
    """A message that may be stored and, after the commit, answered with ``receipt``.

    ``order_key`` is None when the sender named no document in its properties.  A ping is receipted and
    delivers nothing.  ``digest`` is the SHA-256 over the sorted reference digests (lower-case hex).
    """

    verified: VerifiedMessage = field(repr=False)
    partner: str
    message_id: str
    service: str
    action: str
    conversation_id: str
    ref_to_message_id: str | None
    reference_digests: tuple[tuple[str, str], ...]
    digest: str
    order_key: str | None
    priority: int
    message_type: str
    is_ping: bool
    receipt: SignalBytes = field(repr=False)


@frozen(kw_only=True)
class RefusalNews:
    """A refusal as the portal will read it; the envelope is already written."""

    notice: StatusNotice
    draft: FeedDraft = field(repr=False)


@frozen(kw_only=True)
class RefusedMessage:
    """A message to answer with ``signal``; nothing of it is stored but the record of the refusal.

    ``news`` tells the portal of it, when the message had proved to be the partner's
    (ErrorHandling.Report.ProcessErrorNotifyConsumer, eDelivery AS4 1.15).
    """

    fault: RemoteFault
    signal: SignalBytes = field(repr=False)
    message_id: str | None
    news: RefusalNews | None = None


def receive(
    content_type: str,
    body: bytes,
    *,
    partner: Partner,
    own: OwnGateway,
    identities: Identities,
    catalogue: Catalogue,
    now: float,
    signal_id: str,
) -> ReceivedMessage | RefusedMessage:
    """Check a message that came over a TLS connection of ``partner``; ``signal_id`` names our answer."""
    desk = _Desk(
        partner=partner, own=own, identities=identities, catalogue=catalogue, now=now, signal_id=signal_id
    )
    user_message: UserMessage | None = None
    try:
        raw = unpack(content_type, body, partner.inbound.limits)
        if raw.user_message is None:
            raise RemoteFault("EBMS:0010", "unknown_signal", "only user messages are taken here")
        user_message = raw.user_message
        key = identities.decryption_key_for(partner.inbound.security)
        verified = verify(raw, partner, partner.inbound, own.party_id, now, key)
        return desk.received(verified)
    except RemoteFault as fault:
        return desk.refused(fault, user_message)


def receive_large(
    message: LargeMessage,
    *,
    partner: Partner,
    own: OwnGateway,
    identities: Identities,
    catalogue: Catalogue,
    now: float,
    signal_id: str,
) -> Generator[None, None, ReceivedMessage | RefusedMessage]:
    """``receive`` for a message too large for memory, in small steps; the generator's value is the result."""
    desk = _Desk(
        partner=partner, own=own, identities=identities, catalogue=catalogue, now=now, signal_id=signal_id
    )
    try:
        key = identities.decryption_key_for(partner.inbound.security)
        verified = yield from verify_large(message, partner, partner.inbound, own.party_id, now, key)
        return desk.received(verified)
    except RemoteFault as fault:
        return desk.refused(fault, message.user_message)


def refuse(
    fault: RemoteFault,
    *,
    partner: Partner,
    own: OwnGateway,
    identities: Identities,
    catalogue: Catalogue,
    now: float,
    signal_id: str,
) -> RefusedMessage:
    """Answer what cannot be read as a message at all."""
    desk = _Desk(
        partner=partner, own=own, identities=identities, catalogue=catalogue, now=now, signal_id=signal_id
    )
    return desk.refused(fault, None)


@frozen(kw_only=True)
class _Desk:
    """Who answers whom, and when."""

    partner: Partner
    own: OwnGateway
    identities: Identities
    catalogue: Catalogue
    now: float
    signal_id: str

    def received(self, verified: VerifiedMessage) -> ReceivedMessage:
        """Receipt a verified message; raises RemoteFault for a service that is not agreed."""
        message, partner = verified.user_message, self.partner
        found = self.catalogue.for_message(message.service, message.action, clocks.national_date(self.now))
        if found is None and not message.is_ping:
            raise _unknown_service(message)
        receipt = build_receipt(
            verified,
            message_id=self.signal_id,
            now=self.now,
            identity=self.identities.signing_for(partner.inbound.security),
            pmode=partner.inbound,
        )
        profile, kind = found if found is not None else (None, None)
        return ReceivedMessage(
            verified=verified,
            partner=partner.name,
            message_id=message.message_id,
            service=message.service,
            action=message.action,
            conversation_id=message.conversation_id,
            ref_to_message_id=message.ref_to_message_id,
            reference_digests=tuple(verified.reference_digests),
            digest=content_digest(verified.reference_digests),
            order_key=_order_key(partner, message),
            priority=priority.effective_priority(kind.priority, kind.effect) if kind else priority.TOP,
            message_type=f"{profile.document_type}/{kind.name}" if profile and kind else "ping",
            is_ping=message.is_ping,
            receipt=receipt,
        )

    def refused(self, fault: RemoteFault, message: UserMessage | None) -> RefusedMessage:
        """Answer with the error, and tell the portal of it where the message had proved to be genuine."""
        message_id = fault.ref_to_message_id or (message.message_id if message is not None else None)
        signal = build_error(
            fault,
            message_id=self.signal_id,
            ref_to_message_id=message_id,
            now=self.now,
            identity=self.identities.signing_for(self.partner.inbound.security),
            pmode=self.partner.inbound,
        )
        news = None
        if fault.authenticated and message is not None:
            notice_id = _notice_id(self.signal_id)
            news = _news(message, fault, self.partner, self.own, notice_id, self.now)
        return RefusedMessage(fault=fault, signal=signal, message_id=message_id, news=news)


def _unknown_service(message: UserMessage) -> RemoteFault:
    fault = RemoteFault(
        "EBMS:0010",
        "unknown_service",
        f"service {message.service} with action {message.action} is not agreed",
        ref_to_message_id=message.message_id,
    )
    fault.authenticated = True
    return fault


def _news(
    message: UserMessage, fault: RemoteFault, partner: Partner, own: OwnGateway, notice_id: str, now: float
) -> RefusalNews:
    named = {p.name: p.value for p in message.properties}
    notice = StatusNotice(
        status=Status.REFUSED,
        national_message_id="",
        document_type=named.get(DOCUMENT_TYPE, "")[:100],
        document_number=named.get(DOCUMENT_NUMBER, "")[:200],
        partner=partner.name,
        dossier=message.conversation_id[:200] or message.message_id,
        message_id=message.message_id,
        subject=f"partner:{partner.name}",
        reason=fault.code,
        detail=fault.detail,
    )
    return RefusalNews(notice=notice, draft=feed_draft(notice, own, message_id=notice_id, now=now))


def _notice_id(signal_id: str) -> str:
    """32 hexadecimal characters for the feed entry that goes with a signal."""
    return hashlib.sha256(signal_id.encode("utf-8")).hexdigest()[:32]


def content_digest(reference_digests: tuple[tuple[str, str], ...]) -> str:
    """Give one digest for what a message signs, whatever the order of its references."""
    lines = sorted(f"{uri} {digest}" for uri, digest in reference_digests)
    return hashlib.sha256("\n".join(lines).encode("utf-8")).hexdigest()


def _order_key(partner: Partner, message: UserMessage) -> str | None:
    named = {p.name: p.value for p in message.properties}
    document_type, number = named.get(DOCUMENT_TYPE), named.get(DOCUMENT_NUMBER)
    if not document_type or not number or len(number) > 200 or len(document_type) > 100:
        return None
    return priority.order_key(partner.name, document_type, number)


def reopen(
    content_type: str,
    body: bytes,
    *,
    partner: Partner,
    own: OwnGateway,
    identities: Identities,
    received_at: float,
) -> VerifiedMessage:
    """Read a stored message again, as of the time it was receipted; raises RemoteFault if that fails now."""
    raw = unpack(content_type, body, partner.inbound.limits)
    key = identities.decryption_key_for(partner.inbound.security)
    return verify(raw, partner, partner.inbound, own.party_id, received_at, key)


def reopen_large(
    message: LargeMessage,
    *,
    partner: Partner,
    own: OwnGateway,
    identities: Identities,
    received_at: float,
) -> Generator[None, None, VerifiedMessage]:
    """``reopen`` for a message too large for memory, in small steps."""
    key = identities.decryption_key_for(partner.inbound.security)
    return verify_large(message, partner, partner.inbound, own.party_id, received_at, key)
