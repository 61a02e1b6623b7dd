"""The one hardened XML parser of the gateway, canonical form, and digests.

No document type, no entities, no network, bounded size and depth; comments are dropped while parsing, so
that text cannot be split by one. One parser per thread, because threads that share a parser wait for each
other.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Sequence

from lxml import etree

from asw_gateway.messaging.faults import LocalFault, printable

MAX_DOCUMENT_BYTES = 20_000_000
"""Largest XML we build a tree of; larger contents travel as raw octets."""

MAX_DEPTH = 128

_local = threading.local()
_TEXT_TROUBLE = re.compile(r"[&<>\r]|[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTRIBUTE_TROUBLE = re.compile(r'[&<"\t\n\r]|[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class XmlFault(Exception):
    """A document that we refuse to read.

    ``reason`` is one of "not_well_formed", "document_type", "too_deep", "too_large", "not_canonical";
    ``line`` and ``column`` count from 1 and are 0 where unknown.
    """

    def __init__(self, reason: str, detail: str, *, line: int = 0, column: int = 0) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = printable(detail)
        self.line = line
        self.column = column


def _parser() -> etree.XMLParser:
    # Never add collect_ids=False: lxml then makes libxml2 open external document types, whatever load_dtd
    # says.
    parser: etree.XMLParser | None = getattr(_local, "parser", None)
    if parser is None:
        parser = _local.parser = etree.XMLParser(
            resolve_entities=False,
            load_dtd=False,
            dtd_validation=False,
            attribute_defaults=False,
            no_network=True,
            huge_tree=False,
            remove_comments=True,
            remove_pis=False,
            strip_cdata=True,
            recover=False,
        )
    return parser


def parse(data: bytes, *, max_bytes: int = MAX_DOCUMENT_BYTES, max_depth: int = MAX_DEPTH) -> etree._Element:
    """Parse a whole document and return its root; raises :class:`XmlFault`."""
    if len(data) > max_bytes:
        raise XmlFault("too_large", f"the document has {len(data)} bytes, more than the {max_bytes} allowed")
    try:
        root = etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as error:
        line, column = error.position
        reason = "too_deep" if "Excessive depth" in (error.msg or "") else "not_well_formed"
        raise XmlFault(reason, error.msg or "not well-formed", line=line or 0, column=column or 0) from None
    except ValueError as error:
        raise XmlFault("not_well_formed", str(error)) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise XmlFault("document_type", "a document type declaration is not allowed")
    if max_depth < 256 and _deeper_than(root, max_depth):
        raise XmlFault("too_deep", f"elements are nested deeper than {max_depth}")
    return root


_depth_checks: dict[int, etree.XPath] = {}


def _deeper_than(root: etree._Element, depth: int) -> bool:
    check = _depth_checks.get(depth)
    if check is None:
        check = _depth_checks[depth] = etree.XPath("boolean(/" + "*/" * depth + "*)", regexp=False)
    return bool(check(root))


def canonical(element: etree._Element, inclusive_prefixes: Sequence[str] = ()) -> bytes:
    """Exclusive canonical form of an element without comments, as a signature covers it.

    ``inclusive_prefixes`` work only for prefixes that the element's own parser has met, so never use them on
    trees built in memory. The tree may have been parsed in another thread.
    """
    for prefix in inclusive_prefixes:
        if prefix in element.nsmap:
            # lxml drops, without a word, a prefix that this thread's dictionary of names does not hold.
            parse(f'<{prefix}:met xmlns:{prefix}="urn:met"/>'.encode())
    return _canonical(element, list(inclusive_prefixes) or None)


def canonical_document(root: etree._Element) -> bytes:
    """Exclusive canonical form of the whole document around ``root``, processing instructions included."""
    return _canonical(root.getroottree(), None)


def _canonical(tree: etree._Element | etree._ElementTree, prefixes: list[str] | None) -> bytes:
    try:
        result: bytes = etree.tostring(
            tree, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=prefixes
        )
    except etree.C14NError:
        raise XmlFault(
            "not_canonical", "the document has no canonical form (a relative namespace name?)"
        ) from None
    return result


def digest(data: bytes) -> str:
    """Base64 of the SHA-256 of some bytes: the value of a ds:DigestValue."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode("ascii")


def escape_text(text: str) -> str:
    """Element content in canonical escaping; raises :class:`LocalFault` for characters XML cannot carry."""
    if _is_plain(text) or _TEXT_TROUBLE.search(text) is None:
        return text
    _refuse_illegal(text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def escape_attribute(text: str) -> str:
    """Attribute value in canonical escaping; raises :class:`LocalFault` for characters XML cannot carry."""
    if _is_plain(text) or _ATTRIBUTE_TROUBLE.search(text) is None:
        return text
    _refuse_illegal(text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")


def _is_plain(text: str) -> bool:
    """Whether a text plainly needs no escaping; most do not, and this asks less than the expressions do."""
    return (
        text.isascii()
        and text.isprintable()
        and "&" not in text
        and "<" not in text
        and ">" not in text
        and '"' not in text
    )


def _refuse_illegal(text: str) -> None:
    illegal = _ILLEGAL.search(text)
    if illegal is not None:
        raise LocalFault(f"character U+{ord(illegal.group()):04X} cannot be written in XML")
