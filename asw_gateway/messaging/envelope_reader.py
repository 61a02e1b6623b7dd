"""Strict reading of SOAP 1.2 envelopes with exactly one eb:Messaging unit (ebMS 3.0 core §5.2, eDelivery AS4
1.15).

Every refusal is a :class:`RemoteFault` with the EBMS code and a bounded reason word.
"""

from __future__ import annotations

from attrs import field, frozen
from lxml import etree

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.faults import RemoteFault, printable
from asw_gateway.messaging.header_reader import (
    ReceivedErrors,
    ReceivedReceipt,
    bad_header,
    name_of,
    read_signal_message,
    read_user_message,
    sequence,
)
from asw_gateway.messaging.message import UserMessage
from asw_gateway.messaging.xml import XmlFault, parse

_EB = f"{{{ns.EB}}}"
_SOAP = f"{{{ns.SOAP}}}"
_XML_SPACE = " \t\r\n"
_SECURITY = f"{{{ns.WSSE}}}Security"


@frozen(kw_only=True)
class ReceivedEnvelope:
    """A SOAP envelope whose structure has been checked; signatures have not.

    ``elements_by_id`` maps every identifier attribute of the envelope; identifiers are unique.
    """

    root: etree._Element = field(repr=False)
    messaging: etree._Element = field(repr=False)
    body: etree._Element = field(repr=False)
    security: etree._Element | None = field(repr=False)
    elements_by_id: dict[str, etree._Element] = field(repr=False)
    user_message: UserMessage | None
    signal: ReceivedReceipt | ReceivedErrors | None
    fault_reason: str | None
    """Text of a SOAP fault in the body, for answers only."""


_ID_NAMES = frozenset((f"{{{ns.WSU}}}Id", "Id", "ID", "id", f"{{{ns.XML}}}id"))
_INSTRUCTION = etree.XPath("boolean(//processing-instruction())", regexp=False)


def read_envelope(data: bytes, *, max_header_bytes: int) -> ReceivedEnvelope:
    """Parse and check an envelope; raises :class:`RemoteFault`."""
    if len(data) > max_header_bytes:
        raise RemoteFault(
            "EBMS:0009", "header_too_large", f"the SOAP envelope exceeds {max_header_bytes} bytes"
        )
    try:
        root = parse(data, max_bytes=max_header_bytes)
    except XmlFault as fault:
        reason = "bad_xml" if fault.reason == "not_well_formed" else "forbidden_xml"
        raise RemoteFault("EBMS:0009", reason, f"the SOAP envelope cannot be read: {fault.detail}") from None
    if root.tag != _SOAP + "Envelope":
        raise bad_header("the document is not a SOAP 1.2 envelope")
    if _INSTRUCTION(root):
        raise RemoteFault(
            "EBMS:0009", "forbidden_xml", "a SOAP envelope must not hold processing instructions"
        )
    header, body = sequence(root, _SOAP, "Header", "Body")
    messaging = security = None
    for block in header.iterchildren():
        if block.tag == _EB + "Messaging":
            if messaging is not None:
                raise RemoteFault("EBMS:0009", "several_messages", "there are several eb:Messaging headers")
            messaging = block
        elif block.tag == _SECURITY:
            if security is not None:
                raise RemoteFault("EBMS:0101", "bad_security", "there are several wsse:Security headers")
            security = block
        elif block.get(_SOAP + "mustUnderstand", "").strip() in ("true", "1"):
            raise RemoteFault(
                "EBMS:0008", "unsupported_feature", f"the header {name_of(block)} is not understood"
            )
    if messaging is None:
        raise bad_header("there is no eb:Messaging header")
    identified = _by_identifier(root)
    units = list(messaging.iterchildren())
    if len(units) != 1:
        raise RemoteFault("EBMS:0009", "several_messages", "eb:Messaging must hold exactly one message unit")
    user_message: UserMessage | None = None
    signal: ReceivedReceipt | ReceivedErrors | None = None
    fault_reason: str | None = None
    if units[0].tag == _EB + "UserMessage":
        user_message = read_user_message(units[0])
        if len(body) or (body.text or "").strip(_XML_SPACE):
            raise RemoteFault(
                "EBMS:0008",
                "body_not_empty",
                "the SOAP Body must be empty",
                ref_to_message_id=user_message.message_id,
            )
    elif units[0].tag == _EB + "SignalMessage":
        signal = read_signal_message(units[0])
        fault_reason = _fault_reason(body)
    else:
        raise bad_header(f"eb:Messaging holds an unknown unit {name_of(units[0])}")
    return ReceivedEnvelope(
        root=root,
        messaging=messaging,
        body=body,
        security=security,
        elements_by_id=identified,
        user_message=user_message,
        signal=signal,
        fault_reason=fault_reason,
    )


def plain_fault_reason(data: bytes, *, max_bytes: int) -> str | None:
    """The reason of a SOAP fault that carries no eb:Messaging at all; None when ``data`` is not such a
    fault."""
    try:
        root = parse(data, max_bytes=max_bytes)
    except XmlFault:
        return None
    body = root.find(_SOAP + "Body") if root.tag == _SOAP + "Envelope" else None
    return None if body is None else _fault_reason(body)


def _fault_reason(body: etree._Element) -> str | None:
    fault = body.find(_SOAP + "Fault")
    if fault is None:
        return None
    return printable((fault.findtext(f"{_SOAP}Reason/{_SOAP}Text") or "SOAP fault").strip())


def _by_identifier(root: etree._Element) -> dict[str, etree._Element]:
    identified: dict[str, etree._Element] = {}
    for element in root.iter():
        for name, value in element.items():
            if name not in _ID_NAMES:
                continue
            if value in identified:
                raise RemoteFault("EBMS:0101", "duplicate_id", "an identifier attribute is used twice")
            identified[str(value)] = element
    return identified
