"""From an element of a document to its place: readable path, box of the form, WCO pointer, label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen
from lxml import etree

from .mapping import Path, Row, Step, parse_path
from .problem import PointerStep
from .survey import matching
from .tree import Node

#: Children of an element seen before: each with its number among its namesakes.
Numbers = dict[Any, dict[Any, tuple[int, bool]]]


@frozen(kw_only=True)
class Place:
    path: str
    box: str
    pointer: tuple[PointerStep, ...]
    label_en: str
    label_vi: str


def place_of(
    element: Any,
    tree: Node,
    classes: Mapping[str, str],
    *,
    missing: str = "",
    attribute: str = "",
    numbers: Numbers | None = None,
) -> Place:
    """The place of an element, of an attribute of it, or of what is missing at a path below it.

    Who asks for many places of one unchanged document gives the same `numbers` each time: then the elements
    beside each other are counted once, not once a problem.
    """
    numbers = {} if numbers is None else numbers
    chain = [*reversed(list(element.iterancestors())), element]
    chain = chain[next((i for i, link in enumerate(chain) if link.tag == tree.declaration.tag), 0) :]
    node: Node | None = tree
    nearest = tree
    text: list[str] = []
    sequences: dict[Path, int] = {}
    for depth, link in enumerate(chain):
        name = etree.QName(link).localname
        if depth:
            node = matching(node, link) if node is not None else None
            nearest = node or nearest
        number, several = _number(link, numbers) if depth else (1, False)
        text.append(f"{name}[{number}]" if several else name)
        if node is not None and node.each is not None:
            sequences[node.each.asean] = number
    steps = parse_path(missing) if missing else ()
    for step in steps:
        text.append(step.name)
        found = _below(node, step) if node is not None else None
        node = found
        nearest = node or nearest
    if attribute:
        text.append(f"@{attribute}")
    row = _row(nearest, attribute)
    shown = text[1:] if text and text[0] == "MetaData" and len(text) > 1 else text
    return Place(
        path="/".join(shown),
        box=row.box if row else "",
        pointer=_pointer(nearest, row, sequences, classes),
        label_en=row.label_en if row else "",
        label_vi=row.label_vi if row else "",
    )


def _number(element: Any, numbers: Numbers) -> tuple[int, bool]:
    """The number of an element among its namesakes, and whether it has any."""
    parent = element.getparent()
    if parent not in numbers:
        counts: dict[Any, int] = {}
        order: list[tuple[Any, int]] = []
        for child in parent:
            counts[child.tag] = counts.get(child.tag, 0) + 1
            order.append((child, counts[child.tag]))
        numbers[parent] = {child: (number, counts[child.tag] > 1) for child, number in order}
    return numbers[parent][element]


def _below(node: Node, step: Step) -> Node | None:
    if step in node.children:
        return node.children[step]
    return next(iter(node.by_name.get(step.name, ())), None)


def _row(node: Node, attribute: str) -> Row | None:
    if attribute and attribute in node.attributes:
        return node.attributes[attribute]
    if node.text is not None or node.each is not None:
        return node.text or node.each
    boxes = {row.box for row in node.rows()}
    first = next(node.rows(), None)
    return first if len(boxes) == 1 and first is not None and len(list(node.rows())) == 1 else None


def _pointer(
    node: Node, row: Row | None, sequences: Mapping[Path, int], classes: Mapping[str, str]
) -> tuple[PointerStep, ...]:
    path = row.asean if row is not None else _shared(node)
    steps: list[PointerStep] = []
    for index, step in enumerate(path):
        section = classes.get(step.name)
        is_leaf = index == len(path) - 1 and row is not None and row.convert != "each"
        if section and not is_leaf:
            steps.append(PointerStep(section=section, sequence=sequences.get(path[: index + 1])))
    if row is not None and row.tag and steps:
        last = steps.pop()
        steps.append(PointerStep(section=last.section, tag=row.tag, sequence=last.sequence))
    return tuple(steps)


def _shared(node: Node) -> Path:
    """The part of the ASEAN path that all fields below a container have in common."""
    paths = [row.asean[:-1] for row in node.rows()]
    shared = paths[0] if paths else ()
    for path in paths[1:]:
        length = next((i for i, (a, b) in enumerate(zip(shared, path, strict=False)) if a != b), None)
        shared = shared[: min(len(shared), len(path)) if length is None else length]
    return shared
