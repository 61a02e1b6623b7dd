"""What the gateway does with a business document; every function is pure and returns all problems at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from copy import deepcopy
from datetime import UTC, date, datetime
from typing import Any

from attrs import field, frozen
from lxml import etree

from asw_gateway.messaging.xml import canonical, escape_text

from .checks import rule_problems, schema_problems, value_problems, values_hold
from .dates import epoch_of
from .facts import DocumentFacts
from .inspection import text_of
from .kind import MessageKind
from .places import Numbers, place_of
from .problem import Problem, bounded
from .profile import Profile
from .survey import Survey, survey

TECHNICAL_ERROR = "technical-error"
ERROR_LIMIT = 9999
_SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"
_BLANKS = str.maketrans("\t\n\r", "   ")


@frozen(kw_only=True)
class Translation:
    """A translated document.

    root: its root element, None if an error stopped it.  losses: fields of the input that the other side
    cannot carry (severity "warning").
    """

    side: str
    root: Any = field(repr=False)
    problems: tuple[Problem, ...] = ()
    losses: tuple[Problem, ...] = ()

    @property
    def document(self) -> bytes:
        """UTF-8 XML with declaration (ASEAN) or the content element's bytes (national); empty without one."""
        if self.root is None:
            return b""
        return etree.tostring(self.root, xml_declaration=self.side == "asean", encoding="UTF-8")


def check_national(
    profile: Profile, kind: MessageKind, content: Any, *, on: date | None = None
) -> tuple[Problem, ...]:
    """Schema, codes (on a day, else that of its issue) and dates of a national content element."""
    return _check(profile, kind, "national", content, on)


def check_translation(profile: Profile, kind: MessageKind, root: Any) -> tuple[Problem, ...]:
    """Schema of an ASEAN document that `to_asean` made of one that `check_national` found good.

    Its codes, dates and constants need no second look: they are those of the national document, read by the
    same lists on the same day, and what the stylesheet wrote.
    """
    return schema_problems(profile, kind, "asean", root)


def check_asean(
    profile: Profile, kind: MessageKind, root: Any, *, on: date | None = None
) -> tuple[Problem, ...]:
    """Schema, constants of the kind, codes (valid on a day, as for `check_national`) and dates of an ASEAN
    document.
    """
    return _check(profile, kind, "asean", root, on)


def _check(profile: Profile, kind: MessageKind, side: str, root: Any, on: date | None) -> tuple[Problem, ...]:
    problems = schema_problems(profile, kind, side, root)
    if root.tag != profile.declarations[side][kind.name].tag:
        return problems
    day = on or issue_day(_read_facts(profile, kind, side, root))
    if values_hold(profile, kind, side, root, day):
        return problems
    found = survey(root, profile.trees[side][kind.name])
    known = {problem.path for problem in problems}
    return problems + tuple(
        problem for problem in value_problems(profile, kind, side, found, day) if problem.path not in known
    )


def issue_day(facts: DocumentFacts) -> date:
    """The day by which a document's codes and rules are read: that of its issue, else the newest."""
    if facts.issued_at is None:
        return date.max
    return datetime.fromtimestamp(facts.issued_at, UTC).date()


def apply_rules(
    profile: Profile, kind: MessageKind, root: Any, *, on: date, own_country: str
) -> tuple[Problem, ...]:
    """The profile's Schematron rules on an ASEAN document: sender and receiver run the same ones."""
    return rule_problems(
        profile,
        kind,
        root,
        on=on,
        own=own_country,
        issued=lambda: issue_day(read_facts_asean(profile, kind, root)),
    )


def read_facts_national(profile: Profile, kind: MessageKind, content: Any) -> DocumentFacts:
    """The facts of a national content element; what is not there stays empty."""
    return _read_facts(profile, kind, "national", content)


def read_facts_asean(profile: Profile, kind: MessageKind, root: Any) -> DocumentFacts:
    """The facts of an ASEAN document; what is not there stays empty."""
    return _read_facts(profile, kind, "asean", root)


def _read_facts(profile: Profile, kind: MessageKind, side: str, root: Any) -> DocumentFacts:
    facts: dict[str, Any] = {}
    for row, path in profile.compiled().inspections[side, kind.name].facts:
        found: Any = path(root)
        for each in found:
            text = text_of(each).translate(_BLANKS).strip()
            if row.fact == "marks":
                facts["marks"] = (*facts.get("marks", ()), text)
                continue
            if row.fact in facts or not text:
                continue
            if row.convert == "map" and side == "asean":
                text = profile.codes[row.codes].to_national.get(text, text)
            facts[row.fact] = epoch_of(text) if row.fact == "issued_at" else text
    if kind.asean_root == "Response":
        facts.setdefault("response_function", kind.function_code)
    return DocumentFacts(document_type=profile.document_type, kind=kind.name, **facts)


def to_asean(
    profile: Profile,
    kind: MessageKind,
    content: Any,
    *,
    functional_reference: str,
    now: float,
    sender_country: str,
    sender_agency: str = "",
) -> Translation:
    """The ASEAN form of a national content element that check_national found valid."""
    losses = _losses(profile, kind, "national", content)
    result = profile.compiled().stylesheets["asean"](
        content,
        kind=etree.XSLT.strparam(kind.name),
        functional_reference=etree.XSLT.strparam(functional_reference),
        sender_country=etree.XSLT.strparam(sender_country),
        sender_agency=etree.XSLT.strparam(sender_agency),
    )
    return Translation(side="asean", root=result.getroot(), losses=losses)


def to_national(profile: Profile, kind: MessageKind, root: Any, *, now: float) -> Translation:
    """The national content element of an ASEAN document that check_asean found valid."""
    losses = _losses(profile, kind, "asean", root)
    result = profile.compiled().stylesheets["national"](root, kind=etree.XSLT.strparam(kind.name))
    content: Any = result.getroot()
    if content is None:
        problem = Problem(rule="TRANSLATION", message=f"the document is not a {kind.name}")
        return Translation(side="national", root=None, problems=(problem,), losses=losses)
    problems = schema_problems(profile, kind, "national", content)
    return Translation(
        side="national", root=content if not problems else None, problems=problems, losses=losses
    )


def _losses(profile: Profile, kind: MessageKind, side: str, root: Any) -> tuple[Problem, ...]:
    unplaced = profile.compiled().inspections[side, kind.name].unplaced
    if unplaced is None or not unplaced(root):
        return ()
    found = survey(root, profile.trees[side][kind.name])
    return tuple(_loss_problems(profile, kind, side, found))


def _loss_problems(profile: Profile, kind: MessageKind, side: str, found: Survey) -> Iterator[Problem]:
    other = "ASEAN" if side == "national" else "national"
    other_vi = "ASEAN" if side == "national" else "quốc gia"
    tree = profile.trees[side][kind.name]
    numbers: Numbers = {}
    for lost in found.losses:
        place = place_of(lost.element, tree, profile.classes, attribute=lost.attribute, numbers=numbers)
        yield Problem(
            rule="LOSS",
            severity="warning",
            message=f"the {other} form has no place for this field",
            message_vi=f"dạng {other_vi} không có chỗ cho trường này",
            box=place.box,
            pointer=place.pointer,
            path=place.path,
            value=lost.text,
        )


def business_digest(profile: Profile, kind: MessageKind, root: Any, written: bytes) -> str:
    """SHA-256 (lower-case hex) of a document's content without what a re-transmission changes.

    Left out are the signature and every header value (function, type, exchange reference, envelope).
    written: the exclusive canonical form of the root.
    """
    for element in _headers(profile, kind, root):
        text = _leaf_as_written(element)
        around = written.split(text, 2) if text is not None else ()
        if len(around) != 2:
            return _digest_of_the_rest(profile, kind, root)
        written = around[0] + around[1]
    return hashlib.sha256(written).hexdigest()


def _headers(profile: Profile, kind: MessageKind, root: Any) -> list[Any]:
    """The elements that are no content."""
    headers = profile.compiled().inspections["asean", kind.name].headers
    found: Any = headers(root) if headers is not None else ()
    return [*root.iterchildren(_SIGNATURE), *found]


def _leaf_as_written(element: Any) -> bytes | None:
    """How a canonical form writes an element of one text; None where that takes more than its name to say."""
    namespace, _, name = element.tag.rpartition("}")
    parent, prefix = element.getparent(), element.prefix
    if len(element) or element.keys() or element.tail:
        return None
    if parent.prefix != prefix or not parent.tag.startswith(f"{namespace}}}"):
        return None  # it declares its own namespace
    if prefix is not None:
        name = f"{prefix}:{name}"
    return f"<{name}>{escape_text(element.text or '')}</{name}>".encode()


def _digest_of_the_rest(profile: Profile, kind: MessageKind, root: Any) -> str:
    """The same digest by taking the elements out of a copy of the tree."""
    copy = deepcopy(root)
    for element in _headers(profile, kind, copy):
        element.getparent().remove(element)
    return hashlib.sha256(canonical(copy)).hexdigest()


def technical_error(
    profile: Profile,
    problems: Sequence[Problem],
    *,
    answers_number: str,
    answers_reference: str,
    functional_reference: str,
    now: float,
    sender_country: str = "",
) -> bytes:
    """The ASEAN Response (type 963, function 27) that lists every problem with its WCO pointers."""
    kind = profile.kind(TECHNICAL_ERROR)
    if kind is None:
        raise LookupError(f"profile {profile.name} has no kind {TECHNICAL_ERROR}")
    content = etree.Element(kind.national_root)
    etree.SubElement(content, "AnsweredNumber").text = answers_number.strip()[:70] or "unknown"
    if answers_reference:
        etree.SubElement(content, "AnsweredReference").text = answers_reference
    issued = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    etree.SubElement(content, "IssuedAt").text = issued
    for problem in problems[:ERROR_LIMIT]:
        error = etree.SubElement(content, "Error")
        etree.SubElement(error, "Code").text = "".join(c for c in problem.rule if c.isalnum() or c in "_.-")[
            :8
        ]
        text = problem.sentence() + (f" Found: {problem.value}" if problem.value else "")
        etree.SubElement(error, "Description").text = bounded(text, 512)
        for step in problem.pointer:
            pointer = etree.SubElement(error, "Pointer")
            if step.sequence is not None:
                etree.SubElement(pointer, "Sequence").text = str(step.sequence)
            etree.SubElement(pointer, "Section").text = step.section
            if step.tag:
                etree.SubElement(pointer, "Tag").text = step.tag
    return to_asean(
        profile,
        kind,
        content,
        functional_reference=functional_reference,
        now=now,
        sender_country=sender_country,
    ).document
