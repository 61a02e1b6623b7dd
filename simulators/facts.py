"""What can be read from the outside of a VNSW Envelope: the facts that ledgers and the checker compare.

Standard library only, so that the checker shares no code with the gateway that it judges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from xml.etree import ElementTree

from attrs import frozen

RECEIPTED = "receipted"
ENDED = frozenset({"rejected", "failed", "expired", "cancelled"})
"""Words of STATUS messages: delivered with a valid receipt; ended otherwise."""

TECHNICAL_ERROR = "TechnicalError"
CUSTOMS_WORDS = frozenset({"UTL", "UTP", "REJ", "SUS", "VAL"})
"""Results of a customs response; a STATUS message that only repeats one has it as its reason."""


@frozen(kw_only=True)
class Facts:
    """content: the name of the business element.  number: the document's own number, or the one it answers.
    replaces: the number of the document it takes the place of.  export_country, import_country: as in the
    content.  status: the answer of a customs response ("UTL"), or
    the word of a STATUS message ("receipted"; "customs UTL" when customs abroad said so).  about: the
    messageId that a STATUS message is about.
    problems: what a STATUS message or technical error complains of.
    digest: SHA-256 of the canonical content.
    """

    message_id: str
    document_type: str = ""
    type: str = ""
    function: str = ""
    reference: str = ""
    content: str = ""
    export_country: str = ""
    import_country: str = ""
    number: str = ""
    replaces: str = ""
    status: str = ""
    about: str = ""
    problems: tuple[str, ...] = ()
    digest: str = ""

    def across_from(self, party: str) -> str:
        """The country at the other end, seen from `party`: whom it sends this to, or has it from."""
        return self.import_country if party == self.export_country else self.export_country


def read_facts(envelope: str | bytes) -> Facts:
    """Facts of one Envelope.  Raises ValueError when it is not one."""
    try:
        root = ElementTree.fromstring(envelope)  # noqa: S314 - from our own gateway, on this machine
    except ElementTree.ParseError as fault:
        raise ValueError(f"not XML: {fault}") from None
    if root.tag != "Envelope":
        raise ValueError(f"the root is {root.tag}, not Envelope")

    def text(path: str) -> str:
        return (root.findtext(path) or "").strip()

    holder = root.find("Body/Content")
    content = holder[0] if holder is not None and len(holder) else ElementTree.Element("nothing")

    def fact(*tags: str) -> str:
        return next((found.strip() for tag in tags if (found := content.findtext(tag))), "")

    return Facts(
        message_id=text("Header/Reference/messageId"),
        document_type=text("Header/Subject/documentType"),
        type=text("Header/Subject/type"),
        function=text("Header/Subject/function"),
        reference=text("Header/Subject/reference"),
        content=content.tag,
        export_country=fact("ExportCountry"),
        import_country=fact("ImportCountry"),
        number=fact("AnsweredNumber", "Number"),
        replaces=fact("Replaces/Number"),
        status=f"customs {reason}" if (reason := fact("Reason")) in CUSTOMS_WORDS else fact("Status"),
        about=fact("MessageId"),
        problems=tuple(_problems(content)),
        digest=_digest(content),
    )


def withdrawn_by(facts: Facts) -> tuple[str, ...]:
    """Numbers of the documents that a delivered document takes away: a cancellation, a replacement."""
    if facts.type != "20":
        return ()
    return (facts.number,) if facts.function == "03" else (facts.replaces,) if facts.replaces else ()


def _problems(content: ElementTree.Element) -> Iterator[str]:
    for problem in content.iterfind("Problems/Problem"):
        yield f"{problem.get('rule')}: {problem.findtext('Message')}"
    if content.tag == TECHNICAL_ERROR:
        for error in content.iterfind("Error"):
            yield f"{error.findtext('Code')}: {error.findtext('Description')}"


def _digest(content: ElementTree.Element) -> str:
    canonical = ElementTree.canonicalize(ElementTree.tostring(content, encoding="unicode"), strip_text=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
