"""Unpacking what a partner sent: MIME and SOAP first, then everything the agreement demands of it.

``unpack`` needs no partner and no keys; ``verify`` decides whether the message may be accepted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import field, frozen
from cryptography import x509
from lxml import etree

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.compression import decompress
from asw_gateway.messaging.encryption import DecryptionKey, decrypt_parts, is_encrypted
from asw_gateway.messaging.envelope_reader import (
    ReceivedEnvelope,
    read_envelope,
)
from asw_gateway.messaging.faults import RemoteFault
from asw_gateway.messaging.header_reader import ReceivedErrors, ReceivedReceipt
from asw_gateway.messaging.message import Part, PartInfo, UserMessage
from asw_gateway.messaging.mime import MimePart, split_body
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.pmode import Limits, PMode
from asw_gateway.messaging.values import PartyId
from asw_gateway.messaging.verification import ReceivedReference, verify_signature


@frozen(kw_only=True)
class RawMessage:
    """A message whose form is right and whose content is not yet trusted; one of the first two is set."""

    user_message: UserMessage | None
    signal: ReceivedReceipt | ReceivedErrors | None
    envelope: ReceivedEnvelope = field(repr=False)
    parts: Mapping[str, tuple[str, bytes]] = field(repr=False)
    """Content id → (Content-Type, octets) as on the wire."""


@frozen(kw_only=True)
class VerifiedMessage:
    """An accepted user message: parts decrypted and decompressed, in header order; ``signer`` is pinned."""

    user_message: UserMessage
    parts: tuple[Part, ...]
    references: tuple[ReceivedReference, ...] = field(repr=False)
    signer: x509.Certificate

    @property
    def reference_digests(self) -> tuple[tuple[str, str], ...]:
        """(URI, base64 digest) of every ds:Reference: what identical retries have in common."""
        return tuple((reference.uri, reference.digest) for reference in self.references)


def unpack(content_type: str, body: bytes, limits: Limits) -> RawMessage:
    """Read MIME, SOAP and the eb:Messaging header; raises :class:`RemoteFault` with the message id where
    known."""
    soap, parts = split_body(content_type, body, limits)
    envelope = read_envelope(soap, max_header_bytes=limits.max_header_bytes)
    message = envelope.user_message
    try:
        by_id = _parts_by_id(parts)
        if message is not None:
            check_listed(message, by_id)
        elif by_id:
            raise RemoteFault("EBMS:0007", "extra_part", "a signal carries parts")
    except RemoteFault as fault:
        unit = message or envelope.signal
        fault.ref_to_message_id = None if unit is None else unit.message_id
        raise
    return RawMessage(user_message=message, signal=envelope.signal, envelope=envelope, parts=by_id)


def verify(
    raw: RawMessage,
    partner: Partner,
    pmode: PMode,
    own_party: PartyId,
    now: float,
    decryption_key: DecryptionKey | None = None,
) -> VerifiedMessage:
    """Accept a user message or raise :class:`RemoteFault`.

    ``partner`` is the owner of the TLS connection; the signer and eb:From must be the same party. ``pmode``
    is the inbound agreement. Order: eb:From, decryption, signature, agreement, time, decompression.
    """
    message = raw.user_message
    if message is None:
        raise RemoteFault("EBMS:0008", "unsupported_feature", "a user message was expected")
    authenticated = False
    try:
        if message.from_party != partner.party_id:
            raise RemoteFault("EBMS:0101", "wrong_party", "eb:From is not the party of the connection")
        parts = _decrypted(raw, pmode, decryption_key)
        signature = verify_signature(
            raw.envelope,
            parts,
            certificates=partner.signing_certificates,
            refused=partner.refused,
            profile_name=pmode.security.name,
            now=now,
            clock_skew_seconds=pmode.clock_skew_seconds,
        )
        authenticated = True
        check_agreement(message, pmode, own_party)
        check_time(message, pmode, now)
        contents = tuple(_part(info, *parts[info.content_id], pmode.limits) for info in message.parts)
    except RemoteFault as fault:
        fault.ref_to_message_id = message.message_id
        fault.authenticated = authenticated
        raise
    return VerifiedMessage(
        user_message=message, parts=contents, references=signature.references, signer=signature.signer
    )


def _parts_by_id(parts: list[MimePart]) -> dict[str, tuple[str, bytes]]:
    by_id: dict[str, tuple[str, bytes]] = {}
    for part in parts:
        if not part.content_id:
            raise RemoteFault("EBMS:0007", "bad_mime", "a part has no Content-ID")
        if part.content_id in by_id:
            raise RemoteFault("EBMS:0007", "duplicate_part", "two parts have the same Content-ID")
        by_id[part.content_id] = (part.content_type, part.content)
    return by_id


def check_listed(message: UserMessage, parts: Collection[str]) -> None:
    """The header must list exactly the parts (content ids) that came; raises :class:`RemoteFault`
    EBMS:0007."""
    listed = {info.content_id for info in message.parts}
    if listed - set(parts):
        raise RemoteFault("EBMS:0007", "missing_part", "a part listed in the header is not in the message")
    if set(parts) - listed:
        raise RemoteFault(
            "EBMS:0007", "extra_part", "the message carries a part that its header does not list"
        )


def _decrypted(raw: RawMessage, pmode: PMode, key: DecryptionKey | None) -> Mapping[str, tuple[str, bytes]]:
    security = raw.envelope.security
    used = encryption_used(security, bool(raw.parts), pmode, key)
    return raw.parts if used is None or security is None else decrypt_parts(security, raw.parts, used)


def encryption_used(
    security: etree._Element | None, has_parts: bool, pmode: PMode, key: DecryptionKey | None
) -> DecryptionKey | None:
    """The key to decrypt with, or None for plain parts; raises :class:`RemoteFault` EBMS:0103 where the
    agreement says otherwise."""
    if not is_encrypted(security):
        if pmode.security.encrypt and has_parts:
            raise RemoteFault("EBMS:0103", "not_encrypted", "the agreement asks for encryption")
        return None
    if not pmode.security.encrypt or key is None:
        raise RemoteFault("EBMS:0103", "bad_encryption", "the agreement does not provide for encryption")
    return key


def check_agreement(message: UserMessage, pmode: PMode, own_party: PartyId) -> None:
    """The header must say what ``pmode`` and ``own_party`` expect; raises :class:`RemoteFault`."""
    if message.to_party != own_party:
        raise RemoteFault("EBMS:0003", "not_for_us", "eb:To is another party")
    if (message.agreement, message.agreement_type) != (pmode.agreement, pmode.agreement_type):
        raise RemoteFault("EBMS:0010", "unknown_agreement", "the agreement is not known")
    if message.pmode_id is not None and message.pmode_id != pmode.id:
        raise RemoteFault("EBMS:0010", "unknown_agreement", "the processing mode is not known")
    if (message.from_role, message.to_role) != (pmode.initiator_role, pmode.responder_role):
        raise RemoteFault("EBMS:0010", "unknown_role", "the roles are not those of the agreement")
    expected = (pmode.service, pmode.service_type)
    if (
        pmode.service is not None
        and not message.is_ping
        and (message.service, message.service_type) != expected
    ):
        raise RemoteFault("EBMS:0001", "unknown_service", "the service is not one of the agreement")


def check_time(message: UserMessage, pmode: PMode, now: float) -> None:
    """The message must be neither from the future nor older than the replay window; raises
    :class:`RemoteFault`."""
    if message.timestamp_at > now + pmode.clock_skew_seconds:
        raise RemoteFault("EBMS:0003", "message_in_future", "the message's timestamp lies in the future")
    if message.timestamp_at < now - pmode.replay_window_seconds:
        raise RemoteFault("EBMS:0003", "message_too_old", "the message is older than the agreement allows")


def check_compressed_type(content_type: str) -> None:
    """A part whose header says it is compressed must be application/gzip; raises :class:`RemoteFault`."""
    if content_type.partition(";")[0].strip().lower() != ns.GZIP:
        raise RemoteFault(
            "EBMS:0007", "bad_content_type", "a compressed part is not of type application/gzip"
        )


def _part(info: PartInfo, content_type: str, content: bytes, limits: Limits) -> Part:
    if info.compression_type is not None:
        check_compressed_type(content_type)
        content = decompress(content, max_bytes=limits.max_part_bytes, max_ratio=limits.max_expansion_ratio)
    return Part(
        content_id=info.content_id,
        content=content,
        mime_type=info.mime_type,
        character_set=info.character_set,
        properties=info.properties,
    )
