"""Writing VNSW Envelopes: deliveries (20/xx), status messages (21/01), answers 99 and 00.

Children come in the order of the national schemas, preReference before preDocumentYear (T3); ids are the
caller's: 32 hexadecimal characters (T1); times are Vietnamese time without a zone (T7).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from .envelope_reading import VIET_NAM
from .envelope_values import Envelope, Organisation, Subject
from .kind import MessageKind
from .problem import Problem, bounded
from .profile import Profile

VERSION = "01"
STATUS_PROCEDURE = "ASW-STATUS"
UNKNOWN_TYPE = "00"
ACCEPTED, REFUSED = "99", "00"
STATUS = ("21", "01")
REFERENCE_CHARS = 35
_NAME_LIMIT = 1000
_UNSTORABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CARRIAGE_RETURN = {"\r": "&#13;"}


def local_time(at: float) -> str:
    """A time as `sendDate` wants it."""
    return datetime.fromtimestamp(at, VIET_NAM).strftime("%Y-%m-%d %H:%M:%S")


def short_reference(reference: str) -> str:
    """A reference as the portal can hold it, 35 characters.

    A longer one (a partner's conversation id) keeps its first 24 characters and gets "~" and ten digits of
    its SHA-256: never the same text for two of them, the same one for all messages of a conversation.
    """
    if len(reference) <= REFERENCE_CHARS:
        return reference
    return f"{reference[:24]}~{sha256(reference.encode()).hexdigest()[:10]}"


def new_subject(
    *,
    document_type: str,
    type: str,
    function: str,
    reference: str,
    now: float,
    pre_reference: str = "",
) -> Subject:
    """A Subject of ours: year and send date from `now`, preReference equal to reference unless given."""
    year = datetime.fromtimestamp(now, VIET_NAM).year
    return Subject(
        document_type=document_type,
        type=type,
        function=function,
        reference=short_reference(reference),
        document_year=year,
        pre_reference=short_reference(pre_reference or reference),
        pre_document_year=year,
        send_date=local_time(now),
        sent_at=now,
    )


def write_envelope(
    *,
    message_id: str,
    sender: Organisation,
    recipient: Organisation,
    subject: Subject,
    content: bytes | Any,
) -> bytes:
    """The bytes of an Envelope.

    content: what stands inside Body/Content, as UTF-8 XML without declaration, an element, or several.
    """
    if not isinstance(content, bytes):
        elements = [content] if isinstance(content, etree._Element) else content
        content = b"".join(etree.tostring(each, encoding="UTF-8", with_tail=False) for each in elements)
    pre_year = (
        "" if subject.pre_document_year is None else _tag("preDocumentYear", str(subject.pre_document_year))
    )
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Envelope><Header><Reference>'
        f"{_tag('version', VERSION)}{_tag('messageId', message_id)}</Reference>"
        f"<From>{_organisation(sender)}</From><To>{_organisation(recipient)}</To><Subject>"
        f"{_tag('documentType', subject.document_type)}{_tag('type', subject.type)}"
        f"{_tag('function', subject.function)}{_tag('reference', subject.reference)}"
        f"{_tag('documentYear', str(subject.document_year))}{_tag('preReference', subject.pre_reference)}"
        f"{pre_year}{_tag('sendDate', subject.send_date)}</Subject></Header><Body><Content>"
    )
    return head.encode() + content + b"</Content></Body></Envelope>"


def accepted_answer(envelope: Envelope, received_at: float, message_id: str, own: Organisation) -> bytes:
    """Function 99 with the time of receipt: stored by us, not yet delivered abroad (T10)."""
    received = etree.Element("ReceiveDate")
    received.text = local_time(received_at)
    return write_envelope(
        message_id=message_id,
        sender=own,
        recipient=envelope.sender,
        subject=_answering(envelope.subject, ACCEPTED, received_at),
        content=received,
    )


def refused_answer(
    envelope: Envelope | None,
    problems: Sequence[Problem],
    *,
    refused_at: float,
    message_id: str,
    own: Organisation,
    portal: Organisation,
) -> bytes:
    """Function 00 with every problem; `portal` is addressed where the envelope could not be read."""
    listing = etree.Element("ErrorList")
    for problem in problems:
        error = etree.SubElement(listing, "Error")
        _put(error, "ErrorCode", problem.error_code)
        _put(error, "ErrorName", error_name(problem))
    if envelope is None:
        subject = new_subject(
            document_type=STATUS_PROCEDURE,
            type=UNKNOWN_TYPE,
            function=REFUSED,
            reference=message_id,
            now=refused_at,
        )
    else:
        subject = _answering(envelope.subject, REFUSED, refused_at)
    return write_envelope(
        message_id=message_id,
        sender=own,
        recipient=portal if envelope is None else envelope.sender,
        subject=subject,
        content=listing,
    )


def error_name(problem: Problem) -> str:
    """One line for an ErrorName: rule, place, sentence in Vietnamese and English, value found."""
    place = problem.path or " ".join(map(str, problem.pointer))
    sentences = [problem.sentence("vi"), problem.sentence("en")]
    text = f"[{problem.rule}] {place}: " + " / ".join(dict.fromkeys(sentences))
    if problem.value:
        text += f" ({problem.value})"
    return bounded(_storable(text), _NAME_LIMIT)


def delivery_envelope(
    profile: Profile,
    kind: MessageKind,
    content: bytes,
    *,
    own: Organisation,
    portal: Organisation,
    message_id: str,
    reference: str,
    previous_reference: str,
    now: float,
) -> bytes:
    """A document from abroad for the portal (20/xx); content: the element's bytes from to_national."""
    if kind.deliver is None:
        raise LookupError(f"a {kind.name} of {profile.name} is not delivered to the portal")
    return write_envelope(
        message_id=message_id,
        sender=own,
        recipient=portal,
        subject=new_subject(
            document_type=profile.procedure,
            type=kind.deliver[0],
            function=kind.deliver[1],
            reference=reference,
            pre_reference=previous_reference,
            now=now,
        ),
        content=content,
    )


def status_envelope(
    *,
    own: Organisation,
    portal: Organisation,
    message_id: str,
    now: float,
    status: str,
    national_message_id: str,
    reference: str,
    procedure: str = STATUS_PROCEDURE,
    document_type: str = "",
    number: str = "",
    partner: str = "",
    network_message_id: str = "",
    document_state: str = "",
    reason: str = "",
    detail: str = "",
    problems: Sequence[Problem] = (),
) -> bytes:
    """What became of one of the portal's messages (21/01).

    status: the portal's word; national_message_id: the message it is about; network_message_id: its AS4 id.
    """
    content = etree.Element("MessageStatus")
    for name, value in (
        ("MessageId", national_message_id),
        ("DocumentType", document_type),
        ("Number", number),
        ("Status", status),
        ("At", local_time(now)),
        ("Partner", partner),
        ("NetworkMessageId", network_message_id),
        ("DocumentState", document_state),
        ("Reason", reason),
        ("Detail", detail),
    ):
        if value:
            _put(content, name, value)
    if problems:
        listing = etree.SubElement(content, "Problems")
        for problem in problems:
            _problem(etree.SubElement(listing, "Problem"), problem)
    return write_envelope(
        message_id=message_id,
        sender=own,
        recipient=portal,
        subject=new_subject(
            document_type=procedure,
            type=STATUS[0],
            function=STATUS[1],
            reference=reference or national_message_id,
            now=now,
        ),
        content=content,
    )


def _problem(element: Any, problem: Problem) -> None:
    element.set("rule", problem.rule)
    element.set("severity", problem.severity)
    for name, value in (
        ("Box", problem.box),
        ("Path", problem.path),
        ("Message", problem.message),
        ("MessageVi", problem.message_vi),
        ("Value", problem.value),
    ):
        if value:
            _put(element, name, value)
    for step in problem.pointer:
        pointer = etree.SubElement(element, "Pointer", section=step.section)
        if step.tag:
            pointer.set("tag", step.tag)
        if step.sequence is not None:
            pointer.set("sequence", str(step.sequence))


def _answering(subject: Subject, function: str, now: float) -> Subject:
    return Subject(
        document_type=subject.document_type,
        type=subject.type,
        function=function,
        reference=subject.reference,
        document_year=subject.document_year,
        pre_reference=subject.pre_reference,
        pre_document_year=subject.pre_document_year,
        send_date=local_time(now),
        sent_at=now,
    )


def _organisation(organisation: Organisation) -> str:
    unit = _tag("unitCode", organisation.unit_code) if organisation.unit_code else ""
    return (
        f"{_tag('name', organisation.name)}{_tag('identity', organisation.identity)}"
        f"{_tag('countryCode', organisation.country_code)}{_tag('ministryCode', organisation.ministry_code)}"
        f"{_tag('organizationCode', organisation.organization_code)}{unit}"
    )


def _tag(name: str, text: str) -> str:
    if not text.isprintable() or "&" in text or "<" in text or ">" in text:
        text = escape(_storable(text), _CARRIAGE_RETURN)
    return f"<{name}>{text}</{name}>"


def _put(parent: Any, name: str, text: str) -> None:
    etree.SubElement(parent, name).text = _storable(text)


def _storable(text: str) -> str:
    """The text without the control characters that XML 1.0 cannot carry (they come from partners' faults)."""
    return _UNSTORABLE.sub("\ufffd", text)
