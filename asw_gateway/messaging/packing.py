"""Packing a user message for the wire: compress → sign → encrypt → MIME (eDelivery AS4 1.15 order)."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, field, frozen

from asw_gateway.messaging import envelope_writer as writer
from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.compression import compress
from asw_gateway.messaging.encryption import ContentSecret, EncryptedParts, encrypt_parts
from asw_gateway.messaging.envelope_reader import read_envelope
from asw_gateway.messaging.faults import LocalFault, RemoteFault
from asw_gateway.messaging.keys import SigningIdentity
from asw_gateway.messaging.message import CONTENT_ID_PATTERN, Part, PartInfo, UserMessage
from asw_gateway.messaging.mime import build_multipart, split_body
from asw_gateway.messaging.pmode import Limits, PMode
from asw_gateway.messaging.signature import (
    Reference,
    reference_to_part,
    replace_signature,
    security_header,
    signed_timestamp,
)
from asw_gateway.messaging.verification import signed_references
from asw_gateway.messaging.xml import XmlFault

MAX_ENVELOPE_BYTES = 2_000_000


@frozen(kw_only=True)
class SealedMessage:
    """A message ready to be sent, any number of times, byte for byte.

    ``reference_digests`` are the (URI, base64 digest) pairs of every ds:Reference; a receipt must prove
    exactly these.
    """

    message_id: str
    content_type: str
    body: bytes = field(repr=False)
    reference_digests: tuple[tuple[str, str], ...]


def pack(
    user_message: UserMessage,
    parts: Sequence[Part],
    pmode: PMode,
    identity: SigningIdentity,
    *,
    content_secret: ContentSecret | None = None,
) -> SealedMessage:
    """Compress, sign and (where the agreement asks) encrypt ``parts`` under the header ``user_message``.

    ``content_secret`` brings the recipient's certificate, content key and vectors when
    ``pmode.security.encrypt``. The same arguments give the same digests. Raises :class:`LocalFault`.
    """
    if (content_secret is not None) != (pmode.security.encrypt and bool(parts)):
        raise LocalFault("a content secret must be given exactly when the agreement encrypts")
    wire_parts = [_wire_part(part, pmode.compress) for part in parts]
    message = evolve(user_message, parts=tuple(info for info, _, _ in wire_parts))
    contents = [(info.content_id, content_type, content) for info, content_type, content in wire_parts]
    if len({content_id for content_id, _, _ in contents}) != len(contents):
        raise LocalFault("two parts have the same content id")
    messaging = writer.messaging_header(writer.user_message(message))
    references = writer.header_references(messaging)
    try:
        references += [reference_to_part(*part) for part in contents]
    except XmlFault as fault:
        raise LocalFault(f"an uncompressed XML part cannot be signed: {fault.detail}") from None
    timestamp = ""
    if pmode.security.timestamp:
        expires_at = message.timestamp_at + pmode.reception.time_to_live_seconds
        timestamp, reference = signed_timestamp(
            writer.wire_time(message.timestamp_at), writer.wire_time(expires_at)
        )
        references.append(reference)
    encrypted = EncryptedParts(header="", parts=tuple(contents))
    if content_secret is not None:
        encrypted = encrypt_parts(contents, content_secret, pmode.security)
    security = security_header(
        references, identity, pmode.security, timestamp=timestamp, encryption=encrypted.header
    )
    return _sealed(message.message_id, writer.envelope(messaging, security), encrypted.parts, references)


def reseal(content_type: str, body: bytes, identity: SigningIdentity) -> SealedMessage:
    """Sign a stored message of ours again with another identity: same id, parts and digests, new signature.

    Everything but the token and the signature stays as it was, encryption included. Raises
    :class:`LocalFault` when the bytes are not a message that :func:`pack` made.
    """
    try:
        soap, parts = split_body(content_type, body, Limits(max_header_bytes=MAX_ENVELOPE_BYTES))
        received = read_envelope(soap, max_header_bytes=MAX_ENVELOPE_BYTES)
        references = [Reference(uri, value) for uri, value in signed_references(received)]
    except RemoteFault as fault:
        raise LocalFault(f"the stored message cannot be signed again: {fault}") from None
    if received.user_message is None:
        raise LocalFault("only a user message can be signed again")
    contents = [(part.content_id, part.content_type, part.content) for part in parts]
    soap = replace_signature(soap, references, identity)
    return _sealed(received.user_message.message_id, soap, contents, references)


def _wire_part(part: Part, compressed: bool) -> tuple[PartInfo, str, bytes]:
    """What the header says of a part, its MIME type on the wire, and its octets there."""
    if CONTENT_ID_PATTERN.fullmatch(part.content_id) is None:
        raise LocalFault("a content id holds characters that cannot stand in a cid: reference")
    info = PartInfo(
        content_id=part.content_id,
        mime_type=part.mime_type,
        character_set=part.character_set,
        compression_type=ns.GZIP if compressed else None,
        properties=part.properties,
    )
    return (info, ns.GZIP, compress(part.content)) if compressed else (info, part.mime_type, part.content)


def _sealed(
    message_id: str,
    soap: bytes,
    parts: Sequence[tuple[str, str, bytes]],
    references: Sequence[Reference],
) -> SealedMessage:
    if parts:
        content_type, body = build_multipart(soap, parts, message_id=message_id)
    else:
        content_type, body = f"{ns.SOAP_MIME_TYPE}; charset=UTF-8", soap
    return SealedMessage(
        message_id=message_id,
        content_type=content_type,
        body=body,
        reference_digests=tuple((reference.uri, reference.digest) for reference in references),
    )
