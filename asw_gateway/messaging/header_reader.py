"""Strict reading of the eb:Messaging header: a user message or a signal (ebMS 3.0 core §5.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from attrs import frozen
from lxml import etree

from asw_gateway.messaging import namespaces as ns
from asw_gateway.messaging.error_codes import EbmsError
from asw_gateway.messaging.faults import RemoteFault, printable
from asw_gateway.messaging.message import CONTENT_ID_PATTERN, MessageProperty, PartInfo, UserMessage
from asw_gateway.messaging.values import PartyId

_EB = f"{{{ns.EB}}}"
_DS = f"{{{ns.DS}}}"
_NON_REPUDIATION = f"{{{ns.EBBP}}}NonRepudiationInformation"
_PART_NON_REPUDIATION = f"{{{ns.EBBP}}}MessagePartNRInformation"
_CHARACTER_SET = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,79}")
_XML_SPACE = " \t\r\n"


@frozen(kw_only=True)
class ReceivedReceipt:
    """A receipt as read, not yet verified; ``digests`` are its (URI, base64 digest) pairs, in order."""

    message_id: str
    ref_to_message_id: str | None
    timestamp_at: float
    digests: tuple[tuple[str, str], ...]


@frozen(kw_only=True)
class ReceivedErrors:
    """An error signal as read, not yet verified."""

    message_id: str
    ref_to_message_id: str | None
    timestamp_at: float
    errors: tuple[EbmsError, ...]


def read_user_message(unit: etree._Element) -> UserMessage:
    """The values of an eb:UserMessage; raises :class:`RemoteFault` with the message id once it is known."""
    info, parties, collaboration, properties, payload = sequence(
        unit, _EB, "MessageInfo", "PartyInfo", "CollaborationInfo", "MessageProperties?", "PayloadInfo?"
    )
    timestamp_at, message_id, ref_to_message_id = _message_info(info)
    try:
        sender, receiver = sequence(parties, _EB, "From", "To")
        agreement, service, action, conversation = sequence(
            collaboration, _EB, "AgreementRef?", "Service", "Action", "ConversationId"
        )
        from_party, from_role = _party(sender)
        to_party, to_role = _party(receiver)
        return UserMessage(
            message_id=message_id,
            timestamp_at=timestamp_at,
            ref_to_message_id=ref_to_message_id,
            from_party=from_party,
            from_role=from_role,
            to_party=to_party,
            to_role=to_role,
            agreement=None if agreement is None else _text(agreement),
            agreement_type=None if agreement is None else agreement.get("type"),
            pmode_id=None if agreement is None else agreement.get("pmode"),
            service=_text(service),
            service_type=service.get("type"),
            action=_text(action),
            conversation_id=_text(conversation),
            properties=() if properties is None else tuple(_properties(properties)),
            parts=() if payload is None else tuple(_part_infos(payload)),
        )
    except ValueError as error:
        raise RemoteFault("EBMS:0009", "bad_header", str(error), ref_to_message_id=message_id) from None
    except RemoteFault as fault:
        fault.ref_to_message_id = message_id
        raise


def read_signal_message(unit: etree._Element) -> ReceivedReceipt | ReceivedErrors:
    """The values of an eb:SignalMessage with one receipt, or with errors."""
    children = list(unit.iterchildren())
    names = [child.tag for child in children]
    if not names or names[0] != _EB + "MessageInfo":
        raise bad_header("a signal begins with eb:MessageInfo")
    timestamp_at, message_id, ref_to_message_id = _message_info(children[0])
    if names[1:] == [_EB + "Receipt"]:
        return ReceivedReceipt(
            message_id=message_id,
            ref_to_message_id=ref_to_message_id,
            timestamp_at=timestamp_at,
            digests=tuple(_receipt_digests(children[1])),
        )
    if len(names) > 1 and set(names[1:]) == {_EB + "Error"}:
        errors = tuple(_error(child) for child in children[1:20])
        return ReceivedErrors(
            message_id=message_id,
            ref_to_message_id=ref_to_message_id or errors[0].ref_to_message_in_error,
            timestamp_at=timestamp_at,
            errors=errors,
        )
    raise RemoteFault("EBMS:0008", "unknown_signal", "the signal is neither one receipt nor errors")


def _receipt_digests(receipt: etree._Element) -> Iterator[tuple[str, str]]:
    for information in receipt.iterchildren(_NON_REPUDIATION):
        for part in information.iterchildren(_PART_NON_REPUDIATION):
            for reference in part.iterchildren(_DS + "Reference"):
                method = next(reference.iterchildren(_DS + "DigestMethod"), None)
                if method is None or method.get("Algorithm") != ns.SHA256:
                    raise RemoteFault("EBMS:0302", "weak_algorithm", "a receipt digest is not SHA-256")
                value = next(reference.iterchildren(_DS + "DigestValue"), None)
                yield reference.get("URI", ""), "" if value is None else "".join((value.text or "").split())


def _error(element: etree._Element) -> EbmsError:
    short = element.get("shortDescription", "")
    detail = (element.findtext(_EB + "ErrorDetail") or "").strip()
    if not detail:
        description = (element.findtext(_EB + "Description") or "").strip()
        detail = "" if description == short else description
    return EbmsError(
        code=printable(element.get("errorCode", ""), 20),
        severity=printable(element.get("severity", ""), 20),
        category=printable(element.get("category", ""), 40),
        short_description=printable(short, 80),
        detail=printable(detail),
        ref_to_message_in_error=element.get("refToMessageInError"),
    )


def _message_info(info: etree._Element) -> tuple[float, str, str | None]:
    timestamp, message_id, ref_to = sequence(info, _EB, "Timestamp", "MessageId", "RefToMessageId?")
    return read_time(_text(timestamp)), _text(message_id), None if ref_to is None else _text(ref_to)


def read_time(text: str) -> float:
    """An xs:dateTime as UTC epoch seconds; a time without a zone is taken as UTC (ebMS 3.0 core §5.2.2.1)."""
    try:
        if "T" not in text or len(text) > 40:
            raise ValueError
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise RemoteFault("EBMS:0009", "bad_timestamp", "a timestamp is not an xs:dateTime") from None


def _party(side: etree._Element) -> tuple[PartyId, str]:
    party, role = sequence(side, _EB, "PartyId", "Role")
    return PartyId(value=_text(party), type=party.get("type", "")), _text(role)


def _part_infos(payload: etree._Element) -> Iterator[PartInfo]:
    seen: set[str] = set()
    for part in payload.iterchildren():
        if part.tag != _EB + "PartInfo":
            raise bad_header("eb:PayloadInfo holds something other than eb:PartInfo")
        href = part.get("href")
        if href is None:
            raise RemoteFault("EBMS:0008", "body_not_empty", "a part without href lies in the SOAP Body")
        if not href.startswith("cid:"):
            raise RemoteFault("EBMS:0011", "external_payload", "a payload is referenced by a hyperlink")
        content_id = content_id_of(href)
        if content_id in seen:
            raise RemoteFault("EBMS:0007", "duplicate_part", "a part is listed twice in eb:PayloadInfo")
        seen.add(content_id)
        _, _, properties = sequence(part, _EB, "Schema?", "Description?", "PartProperties?")
        named = {} if properties is None else {p.name: p for p in _properties(properties)}
        if "MimeType" not in named:
            raise RemoteFault("EBMS:0007", "missing_mime_type", "a part has no MimeType property")
        character_set = named["CharacterSet"].value if "CharacterSet" in named else None
        if character_set is not None and _CHARACTER_SET.fullmatch(character_set) is None:
            raise RemoteFault(
                "EBMS:0003", "bad_character_set", "a CharacterSet property is not an encoding name"
            )
        compression = named["CompressionType"].value if "CompressionType" in named else None
        if compression not in (None, ns.GZIP):
            raise RemoteFault("EBMS:0303", "unsupported_compression", "a part is not compressed with gzip")
        yield PartInfo(
            content_id=content_id,
            mime_type=named["MimeType"].value,
            character_set=character_set,
            compression_type=compression,
            properties=tuple(
                p for name, p in named.items() if name not in ("MimeType", "CharacterSet", "CompressionType")
            ),
        )


def content_id_of(uri: str) -> str:
    """The content id a cid: URI names (RFC 2392); raises :class:`RemoteFault` for one we cannot match
    exactly."""
    content_id = unquote(uri[4:])
    if CONTENT_ID_PATTERN.fullmatch(content_id) is None:
        raise RemoteFault("EBMS:0009", "bad_header", "a cid: reference holds characters outside a content id")
    return content_id


def _properties(parent: etree._Element) -> Iterator[MessageProperty]:
    names: set[str] = set()
    for element in parent.iterchildren():
        if element.tag != _EB + "Property":
            raise bad_header(f"{name_of(parent)} holds something other than eb:Property")
        property_ = MessageProperty(
            name=element.get("name", ""), value=_text(element), type=element.get("type")
        )
        if property_.name in names:
            raise bad_header("a property is given twice")
        names.add(property_.name)
        yield property_


def sequence(parent: etree._Element, namespace: str, *names: str) -> list[Any]:
    """The children of ``parent``, which must be exactly ``names`` in order; a name with ``?`` may be missing
    (None)."""
    found: list[Any] = []
    children = parent.iterchildren()
    child = next(children, None)
    for name in names:
        if child is not None and child.tag == namespace + name.rstrip("?"):
            found.append(child)
            child = next(children, None)
        elif name.endswith("?"):
            found.append(None)
        else:
            raise bad_header(f"{name_of(parent)} must hold {name} where it holds {name_of(child)}")
    if child is not None:
        raise bad_header(f"{name_of(parent)} holds {name_of(child)} where it must end")
    return found


def _text(element: etree._Element | None) -> str:
    if element is None:
        return ""
    if len(element):
        raise bad_header(f"{name_of(element)} must hold text only")
    return (element.text or "").strip(_XML_SPACE)


def name_of(element: etree._Element | None) -> str:
    """A bounded local name for details."""
    return "nothing" if element is None else etree.QName(element).localname[:60]


def bad_header(detail: str) -> RemoteFault:
    """A header that does not conform: EBMS:0009, InvalidHeader."""
    return RemoteFault("EBMS:0009", "bad_header", detail)
