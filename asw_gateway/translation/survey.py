"""One walk over a document beside the tree of its paths: what is not mapped, and the values to check."""

from __future__ import annotations

from typing import Any

from attrs import define, field, frozen
from lxml import etree

from .inspection import text_of
from .mapping import Row
from .tree import Node


@frozen
class Found:
    """A mapped value: the row, the element that holds it, the text (an attribute's or the element's own)."""

    row: Row
    element: Any
    text: str


@frozen
class Lost:
    """A value that no row carries to the other side; attribute "" means the element itself."""

    element: Any
    attribute: str
    text: str


@define
class Survey:
    values: list[Found] = field(factory=list)
    losses: list[Lost] = field(factory=list)


def survey(root: Any, tree: Node) -> Survey:
    """Walk a document whose root element is that of the tree."""
    result = Survey()
    _visit(root, tree, result)
    return result


def matching(node: Node, element: Any) -> Node | None:
    """Which child of `node` the element is, by name and by the constant that tells it from its namesakes."""
    candidates = node.by_name.get(etree.QName(element).localname, ())
    plain = None
    for candidate in candidates:
        condition = candidate.step.condition
        if condition is None:
            plain = candidate
        elif any(
            child.text == condition[1] and etree.QName(child).localname == condition[0] for child in element
        ):
            return candidate
    return plain


def _visit(element: Any, node: Node, result: Survey) -> None:
    for name, value in element.attrib.items():
        row = node.attributes.get(name)
        if row is not None:
            if row.codes:
                result.values.append(Found(row, element, value))
        elif name != "formatCode" and not name.startswith("{http://www.w3.org/2001/XMLSchema-instance}"):
            result.losses.append(Lost(element, name, value))
    row = node.text
    if row is not None:
        if row.codes or row.is_constant or row.convert == "date":
            result.values.append(Found(row, element, text_of(element)))
    elif element.text and element.text.strip() and not len(element):
        result.losses.append(Lost(element, "", element.text))
    if not len(element):
        return
    single: set[int] = set()
    constants = node.constants
    foreign = node.declaration.foreign
    by_name = node.by_name
    for child in element:
        tag = child.tag
        name = tag.rpartition("}")[2] if isinstance(tag, str) else ""
        candidates = by_name.get(name)
        if candidates is None or candidates[0].declaration.tag != tag:
            known = node.declaration.by_name.get(name) if name in constants else None
            if (known and known.tag == tag) or (foreign and etree.QName(child).namespace in foreign):
                continue
            _lose(child, result)
            continue
        if len(candidates) == 1 and candidates[0].step.condition is None:
            found: Node | None = candidates[0]
        else:
            found = matching(node, child)
        if found is None or (found.each is None and id(found) in single):
            _lose(child, result)
            continue
        if found.each is None:
            single.add(id(found))
        _visit(child, found, result)


def _lose(element: Any, result: Survey) -> None:
    """Every value in an element and below it is lost."""
    for node in element.iter():
        for name, value in node.attrib.items():
            result.losses.append(Lost(node, name, value))
        if (node.text or "").strip() or not len(node):
            result.losses.append(Lost(node, "", node.text or ""))
