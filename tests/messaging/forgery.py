"""Messages that break exactly one rule: changed before signing (header, parts) or after it (soap, body)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve

from asw_gateway.messaging import envelope_writer as writer
from asw_gateway.messaging.compression import compress
from asw_gateway.messaging.message import PartInfo, UserMessage
from asw_gateway.messaging.mime import build_multipart
from asw_gateway.messaging.namespaces import GZIP
from asw_gateway.messaging.pmode import SecurityProfile
from asw_gateway.messaging.signature import SigningIdentity, reference_to_part, security_header
from tests.messaging.material import FORM_D, identity, user_message

Text = Callable[[str], str]
CONTENT_ID = "document@vn-gateway"
INFO = PartInfo(
    content_id=CONTENT_ID, mime_type="application/xml", character_set="UTF-8", compression_type=GZIP
)


def same(text: str) -> str:
    return text


def replaced(old: str, new: str, *, count: int = 1) -> Text:
    def change(text: str) -> str:
        assert old in text, old
        return text.replace(old, new, count)

    return change


def forged(
    *,
    message: UserMessage | None = None,
    infos: Sequence[PartInfo] = (INFO,),
    parts: Sequence[tuple[str, str, bytes]] = ((CONTENT_ID, GZIP, compress(FORM_D)),),
    signed_parts: Sequence[tuple[str, str, bytes]] | None = None,
    header: Text = same,
    soap: Text = same,
    unit: Text = same,
    body: Text = same,
    signer: SigningIdentity | None = None,
    profile: SecurityProfile | None = None,
    content_type: Text = same,
    packaged: Callable[[bytes], bytes] = lambda data: data,
) -> tuple[str, bytes]:
    """Content-Type and body of a message like ours, with one thing different."""
    signer = signer or identity("vn")
    profile = profile or SecurityProfile(signature_algorithm=signer.algorithm)
    text = unit(writer.user_message(evolve(message or user_message(), parts=tuple(infos))))
    messaging = header(writer.messaging_header(text))
    soap_body = body(writer.EMPTY_BODY)
    references = writer.header_references(messaging, soap_body)
    references += [reference_to_part(*part) for part in (parts if signed_parts is None else signed_parts)]
    security = security_header(references, signer, profile)
    envelope = soap(writer.envelope(messaging, security, soap_body).decode()).encode()
    type_, octets = build_multipart(envelope, parts, message_id="forged@vn")
    return content_type(type_), packaged(octets)
