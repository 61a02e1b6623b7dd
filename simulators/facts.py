"""What can be read from the outside of a VNSW Envelope: the facts that ledgers and the checker compare.

Standard library only, so that the checker shares no code with the gateway that it judges.
"""

from __future__ import annotations

import hashlib
from xml.etree import ElementTree

from attrs import frozen

RECEIPTED = "receipted"
ENDED = frozenset({"rejected", "failed", "expired", "cancelled"})
"""Words of STATUS messages: delivered with a valid receipt; ended otherwise."""

NUMBER_TAGS = ("DocumentNumber", "CertificateNumber", "DeclarationNumber", "ReferenceNumber")
ORIGIN_TAGS = ("ExportCountry", "OriginCountry")
DESTINATION_TAGS = ("DestinationCountry", "ImportCountry")
STATUS_TAGS = ("State", "Status")
ABOUT_TAGS = ("AboutMessageId", "MessageId")
"""Elements of the content that carry a fact; the first that is present and not empty counts."""


@frozen(kw_only=True)
class Facts:
    """number: the document's own number (in a customs response: the number it answers), "" if none.
    origin, destination: who sends the content and to whom, as country codes.  status: the answer of a customs
    response ("UTL"), or the word of a STATUS message ("receipted").  about: the messageId a STATUS message is about.
    digest: SHA-256 of the canonical content.
    """

    message_id: str
    document_type: str = ""
    type: str = ""
    function: str = ""
    reference: str = ""
    origin: str = ""
    destination: str = ""
    number: str = ""
    status: str = ""
    about: str = ""
    digest: str = ""


def read_facts(envelope: str | bytes) -> Facts:
    """Facts of one Envelope.  Raises ValueError when it is not one."""
    try:
        root = ElementTree.fromstring(envelope)
    except ElementTree.ParseError as fault:
        raise ValueError(f"not XML: {fault}") from None
    if root.tag != "Envelope":
        raise ValueError(f"the root is {root.tag}, not Envelope")

    def text(path: str) -> str:
        return (root.findtext(path) or "").strip()

    content = root.find("Body/Content")
    return Facts(
        message_id=text("Header/Reference/messageId"),
        document_type=text("Header/Subject/documentType"),
        type=text("Header/Subject/type"),
        function=text("Header/Subject/function"),
        reference=text("Header/Subject/reference"),
        origin=_first(content, ORIGIN_TAGS),
        destination=_first(content, DESTINATION_TAGS),
        number=_first(content, NUMBER_TAGS),
        status=_first(content, STATUS_TAGS),
        about=_first(content, ABOUT_TAGS),
        digest=_digest(content),
    )


def _first(content: ElementTree.Element | None, tags: tuple[str, ...]) -> str:
    if content is None:
        return ""
    for tag in tags:
        for element in content.iter(tag):
            if element.text and element.text.strip():
                return element.text.strip()
    return ""


def _digest(content: ElementTree.Element | None) -> str:
    if content is None:
        return ""
    canonical = ElementTree.canonicalize(ElementTree.tostring(content, encoding="unicode"), strip_text=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
