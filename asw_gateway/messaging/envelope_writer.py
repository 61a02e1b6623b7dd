"""Writing SOAP 1.2 envelopes with an eb:Messaging header, directly in exclusive canonical form.

Signed elements (eb:Messaging, S12:Body) declare their own namespaces, so that their text in the message is
their canonical form and can be digested without parsing.
"""

from __future__ import annotations

from datetime import UTC, datetime

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.error_codes import EbmsError
from asw_gateway.messaging.message import MessageProperty, PartInfo, UserMessage
from asw_gateway.messaging.signature import Reference
from asw_gateway.messaging.values import PartyId
from asw_gateway.messaging.xml import digest, escape_attribute, escape_text

MESSAGING_ID = "eb-messaging"
BODY_ID = "soap-body"

EMPTY_BODY = f'<S12:Body xmlns:S12="{ns.SOAP}" xmlns:wsu="{ns.WSU}" wsu:Id="{BODY_ID}"></S12:Body>'
EMPTY_BODY_REFERENCE = Reference(f"#{BODY_ID}", digest(EMPTY_BODY.encode()))
_MESSAGING_START = (
    f'<eb:Messaging xmlns:S12="{ns.SOAP}" xmlns:eb="{ns.EB}" xmlns:wsu="{ns.WSU}" '
    f'wsu:Id="{MESSAGING_ID}" S12:mustUnderstand="true">'
)


def wire_time(at: float) -> str:
    """UTC epoch seconds as an xs:dateTime with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def envelope(messaging: str, security: str, body: str = EMPTY_BODY) -> bytes:
    """A whole SOAP 1.2 envelope around a header, its security and a body."""
    return (
        f'<S12:Envelope xmlns:S12="{ns.SOAP}"><S12:Header>{messaging}{security}</S12:Header>'
        f"{body}</S12:Envelope>"
    ).encode()


def messaging_header(message_unit: str) -> str:
    """The eb:Messaging header around one user message or signal message."""
    return f"{_MESSAGING_START}{message_unit}</eb:Messaging>"


def header_references(messaging: str, body: str = EMPTY_BODY) -> list[Reference]:
    """The references that cover the header and the body."""
    return [
        Reference(f"#{MESSAGING_ID}", digest(messaging.encode())),
        EMPTY_BODY_REFERENCE if body is EMPTY_BODY else Reference(f"#{BODY_ID}", digest(body.encode())),
    ]


def user_message(message: UserMessage) -> str:
    """The eb:UserMessage element of a message, in the order its schema wants."""
    agreement = ""
    if message.agreement is not None:
        agreement = (
            f"<eb:AgreementRef{_attribute('pmode', message.pmode_id)}"
            f"{_attribute('type', message.agreement_type)}>"
            f"{escape_text(message.agreement)}</eb:AgreementRef>"
        )
    properties = _properties("MessageProperties", message.properties)
    parts = "".join(map(_part_info, message.parts))
    return (
        "<eb:UserMessage>"
        f"{message_info(message.message_id, message.timestamp_at, message.ref_to_message_id)}"
        f"<eb:PartyInfo>{_party('From', message.from_party, message.from_role)}"
        f"{_party('To', message.to_party, message.to_role)}</eb:PartyInfo>"
        f"<eb:CollaborationInfo>{agreement}"
        f"<eb:Service{_attribute('type', message.service_type)}>{escape_text(message.service)}</eb:Service>"
        f"<eb:Action>{escape_text(message.action)}</eb:Action>"
        f"<eb:ConversationId>{escape_text(message.conversation_id)}</eb:ConversationId></eb:CollaborationInfo>"
        f"{properties}{f'<eb:PayloadInfo>{parts}</eb:PayloadInfo>' if parts else ''}</eb:UserMessage>"
    )


def message_info(message_id: str, timestamp_at: float, ref_to_message_id: str | None) -> str:
    """The eb:MessageInfo that user messages and signals share."""
    ref = "" if ref_to_message_id is None else _element("RefToMessageId", ref_to_message_id)
    return (
        f"<eb:MessageInfo><eb:Timestamp>{wire_time(timestamp_at)}</eb:Timestamp>"
        f"<eb:MessageId>{escape_text(message_id)}</eb:MessageId>{ref}</eb:MessageInfo>"
    )


def error_signal(errors: tuple[EbmsError, ...], info: str) -> str:
    """An eb:SignalMessage that reports errors."""
    return f"<eb:SignalMessage>{info}{''.join(map(_error, errors))}</eb:SignalMessage>"


def fault_body(error: EbmsError) -> str:
    """A SOAP Body with a Sender fault that names the security error (eDelivery Common Profile TA35)."""
    reason = escape_text(f"{error.code} {error.short_description}: {error.detail}")
    return (
        f'<S12:Body xmlns:S12="{ns.SOAP}" xmlns:wsu="{ns.WSU}" wsu:Id="{BODY_ID}"><S12:Fault><S12:Code>'
        '<S12:Value>S12:Sender</S12:Value></S12:Code><S12:Reason><S12:Text xml:lang="en">'
        f"{reason}</S12:Text></S12:Reason></S12:Fault></S12:Body>"
    )


def _error(error: EbmsError) -> str:
    # Attributes stand in canonical order: sorted by name.
    detail = _element("ErrorDetail", error.detail) if error.detail else ""
    return (
        f"<eb:Error{_attribute('category', error.category)}{_attribute('errorCode', error.code)}"
        f"{_attribute('origin', 'ebMS')}{_attribute('refToMessageInError', error.ref_to_message_in_error)}"
        f"{_attribute('severity', error.severity)}{_attribute('shortDescription', error.short_description)}>"
        f'<eb:Description xml:lang="en">{escape_text(error.short_description)}</eb:Description>'
        f"{detail}</eb:Error>"
    )


def _party(side: str, party: PartyId, role: str) -> str:
    return (
        f"<eb:{side}><eb:PartyId{_attribute('type', party.type)}>{escape_text(party.value)}</eb:PartyId>"
        f"{_element('Role', role)}</eb:{side}>"
    )


def _part_info(part: PartInfo) -> str:
    properties = [MessageProperty(name="MimeType", value=part.mime_type)]
    if part.character_set is not None:
        properties.append(MessageProperty(name="CharacterSet", value=part.character_set))
    if part.compression_type is not None:
        properties.append(MessageProperty(name="CompressionType", value=part.compression_type))
    return (
        f'<eb:PartInfo href="cid:{escape_attribute(part.content_id)}">'
        f"{_properties('PartProperties', (*properties, *part.properties))}</eb:PartInfo>"
    )


def _properties(name: str, properties: tuple[MessageProperty, ...]) -> str:
    if not properties:
        return ""
    inner = "".join(
        f"<eb:Property{_attribute('name', p.name)}{_attribute('type', p.type)}>"
        f"{escape_text(p.value)}</eb:Property>"
        for p in properties
    )
    return f"<eb:{name}>{inner}</eb:{name}>"


def _element(name: str, text: str) -> str:
    return f"<eb:{name}>{escape_text(text)}</eb:{name}>"


def _attribute(name: str, value: str | None) -> str:
    return "" if value is None else f' {name}="{escape_attribute(value)}"'
