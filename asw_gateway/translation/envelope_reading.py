"""Reading a VNSW Envelope: order-free, every fault at once, nothing cut, nothing corrected in silence.

Traps seen in the portal's schemas and connectors: T1 message ids up to 36 characters, T2 procedure codes
escaped once too often, T3 any order of the header's children, T5 the whole document once more escaped or in
CDATA, T7 times without zone (Asia/Ho_Chi_Minh), T8 a year that fits a short, T9 signatures at three places,
T10 an answer 99 that only says "stored here".
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta, timezone
from typing import Any

from attrs import define, field

from asw_gateway.messaging.xml import XmlFault, parse

from .envelope_values import Envelope, EnvelopeFault, Organisation, Subject
from .problem import Problem

VIET_NAM = timezone(timedelta(hours=7))
SEND_DATE = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d{3})?")
_ESCAPES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))
_ONE_TEXT = 200_000

#: The children of an element by name.
Children = dict[Any, list[Any]]
_NOTHING: Children = {}


@define
class _Reader:
    """Collects problems while it reads."""

    problems: list[Problem] = field(factory=list)
    notes: list[str] = field(factory=list)

    def fault(
        self, path: str, english: str, vietnamese: str, value: str = "", code: str = "ERR00_CODE"
    ) -> None:
        self.problems.append(
            Problem(
                rule="ENVELOPE",
                message=english,
                message_vi=vietnamese,
                path=path,
                value=value,
                error_code=code,
            )
        )

    def child(self, parent: Children, name: str, path: str, code: str = "ERR00_CODE") -> Any:
        found = parent.get(name)
        if found is None:
            if parent is not _NOTHING:
                self.fault(f"{path}/{name}", f"{name} is missing", f"thiếu {name}", code=code)
            return None
        self.once(found, name, path)
        return found[0]

    def once(self, found: list[Any], name: str, path: str) -> None:
        if len(found) > 1:
            self.fault(
                f"{path}/{name}", f"{name} is given {len(found)} times", f"{name} xuất hiện {len(found)} lần"
            )

    def text(self, parent: Children, name: str, path: str, limit: int, *, needed: bool = True) -> str:
        found = parent.get(name)
        if found is None:
            value = ""
        else:
            self.once(found, name, path)
            value = (found[0].text or "").strip()
        if not value and needed and parent is not _NOTHING:
            self.fault(f"{path}/{name}", f"{name} is missing", f"thiếu {name}")
        if len(value) > limit:
            self.fault(
                f"{path}/{name}",
                f"{name} has {len(value)} characters, at most {limit} are allowed",
                f"{name} có {len(value)} ký tự, tối đa {limit}",
                value,
            )
        return value


def _children(element: Any) -> Children:
    """The children of an element by name, in any order (T3); nothing of an element that is not there."""
    if element is None:
        return _NOTHING
    found: Children = {}
    for child in element:
        found.setdefault(child.tag, []).append(child)
    return found


def read_envelope(data: bytes, max_bytes: int) -> Envelope:
    """The Envelope in `data`; raises EnvelopeFault with every problem (ERR00, ERR02, ERR03)."""
    reader = _Reader()
    root = _root(data, max_bytes, reader)
    top = _children(root)
    header = _children(reader.child(top, "Header", "Envelope"))
    path = "Envelope/Header"
    reference = _children(reader.child(header, "Reference", path))
    version = reader.text(reference, "version", f"{path}/Reference", 50, needed=False)
    message_id = reader.text(reference, "messageId", f"{path}/Reference", 36)
    sender = _organisation(reader, reader.child(header, "From", path), f"{path}/From")
    recipient = _organisation(reader, reader.child(header, "To", path), f"{path}/To")
    subject = _subject(reader, reader.child(header, "Subject", path, code="ERR03_CODE"), f"{path}/Subject")
    body = _children(reader.child(top, "Body", "Envelope"))
    content = reader.child(body, "Content", "Envelope/Body", code="ERR05_CODE")
    element = content[0] if content is not None and len(content) else None
    if content is not None and len(content) > 1 and element is not None and element.tag != "ReceiveDate":
        reader.fault(
            "Envelope/Body/Content",
            f"Content holds {len(content)} elements, one document is expected",
            f"Content có {len(content)} phần tử, chỉ được một tài liệu",
            code="ERR05_CODE",
        )
    if reader.problems or sender is None or recipient is None or subject is None:
        raise EnvelopeFault(reader.problems, message_id or None)
    return Envelope(
        version=version,
        message_id=message_id,
        sender=sender,
        recipient=recipient,
        subject=subject,
        content=element,
        header_signature=reader.text(header, "Signature", path, _ONE_TEXT, needed=False),
        body_signature=reader.text(body, "Signature", "Envelope/Body", _ONE_TEXT, needed=False),
        system_signature=reader.text(top, "SystemSignature", "Envelope", _ONE_TEXT, needed=False),
        raw_digest=hashlib.sha256(data).hexdigest(),
        notes=tuple(reader.notes),
    )


def read_content(data: bytes) -> Any:
    """The document inside an Envelope that `read_envelope` has found good before."""
    return _root(data, len(data), _Reader()).find("Body/Content")[0]


def _root(data: bytes, max_bytes: int, reader: _Reader) -> Any:
    """The Envelope element, through at most one extra level of escaping (T5)."""
    text = data.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<![CDATA["):
        inner = text.removeprefix(b"<![CDATA[").rstrip()
        text = inner.removesuffix(b"]]>")
        reader.notes.append("payload came in CDATA")
    elif text.startswith(b"&lt;"):
        for escaped, plain in _ESCAPES:
            text = text.replace(escaped.encode(), plain.encode())
        reader.notes.append("payload was escaped once")
    try:
        root = parse(text, max_bytes=max_bytes)
    except XmlFault as fault:
        where = f"line {fault.line}, column {fault.column}" if fault.line else ""
        reader.fault(
            where,
            f"the document cannot be read: {fault.detail}",
            f"không đọc được tài liệu: {fault.detail}",
            code="ERR02_CODE",
        )
        raise EnvelopeFault(reader.problems) from None
    if root.tag != "Envelope":
        reader.fault(
            str(root.tag),
            "the document element must be Envelope, without a namespace",
            "phần tử gốc phải là Envelope, không có namespace",
            str(root.tag),
        )
        raise EnvelopeFault(reader.problems)
    return root


def _organisation(reader: _Reader, element: Any, path: str) -> Organisation | None:
    if element is None:
        return None
    given = _children(element)
    return Organisation(
        name=reader.text(given, "name", path, 255),
        identity=reader.text(given, "identity", path, 255),
        country_code=reader.text(given, "countryCode", path, 2),
        ministry_code=reader.text(given, "ministryCode", path, 20),
        organization_code=reader.text(given, "organizationCode", path, 20),
        unit_code=reader.text(given, "unitCode", path, 20, needed=False),
    )


def _subject(reader: _Reader, element: Any, path: str) -> Subject | None:
    if element is None:
        return None
    given = _children(element)
    procedure = reader.text(given, "documentType", path, 100)
    if "&amp;" in procedure:
        procedure = procedure.replace("&amp;", "&")
        reader.notes.append("documentType was escaped twice")
    send_date = reader.text(given, "sendDate", path, 23)
    sent_at = _sent_at(reader, send_date, f"{path}/sendDate")
    pre_year = reader.text(given, "preDocumentYear", path, 5, needed=False)
    return Subject(
        document_type=procedure,
        type=reader.text(given, "type", path, 3),
        function=reader.text(given, "function", path, 3),
        reference=reader.text(given, "reference", path, 35),
        document_year=_year(reader, reader.text(given, "documentYear", path, 5), f"{path}/documentYear")
        or 0,
        pre_reference=reader.text(given, "preReference", path, 35),
        pre_document_year=_year(reader, pre_year, f"{path}/preDocumentYear"),
        send_date=send_date,
        sent_at=sent_at,
    )


def _year(reader: _Reader, text: str, path: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{4}", text) or not 1900 <= int(text) <= 2100:
        reader.fault(path, "the year must be between 1900 and 2100", "năm phải từ 1900 đến 2100", text)
        return None
    return int(text)


def _sent_at(reader: _Reader, text: str, path: str) -> float:
    """UTC seconds of a sendDate, which is written in Vietnamese time without a zone (T7)."""
    if not text:
        return 0.0
    try:
        if not SEND_DATE.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text).replace(tzinfo=VIET_NAM).timestamp()
    except ValueError:
        reader.fault(
            path,
            "sendDate must be written as yyyy-MM-dd HH:mm:ss",
            "sendDate phải có dạng yyyy-MM-dd HH:mm:ss",
            text,
        )
        return 0.0
