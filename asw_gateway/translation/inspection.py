"""What is asked of every document, as XPath compiled once: facts, codes, constants, what would be lost.

Each question is answered in C.  A document that answers well is never walked in Python; of any other,
the walk (`survey`) finds every place.  All paths are relative to the document's root element.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen
from lxml import etree

from .kind import MessageKind
from .mapping import Row
from .schema import Element
from .tree import Node

_DATE_FORMAT = "formatCode"
"""Says how a date is written, and the conversion of dates reads and writes it."""
_STRING = "string()"


@frozen
class Inspection:
    """The questions to a document of one kind on one side.

    facts: the row of each fact and the elements that give it; values: the elements and attributes of a code
    list (or all dates), with a row that stands for all that are judged alike; constants: whether one is
    wrong; unplaced: whether anything has no place on the other side; headers: the elements that constants
    and parameters fill, or None where there are none.
    """

    facts: tuple[tuple[Row, etree.XPath], ...]
    values: tuple[tuple[Row, etree.XPath], ...]
    constants: etree.XPath | None
    unplaced: etree.XPath | None
    headers: etree.XPath | None


def compile_inspection(kind: MessageKind, tree: Node, customization_version: str) -> Inspection:
    """The questions to documents whose tree of paths this is; `customization_version` is the profile's."""
    writer = _Writer()
    facts: list[tuple[Row, str]] = []
    lists: dict[tuple[str, str], tuple[Row, list[str]]] = {}
    constants: list[str] = []
    headers: list[str] = []
    for path, row in writer.rows(tree, "."):
        if row.fact:
            facts.append((row, path))
        expected = expected_constant(row, kind, customization_version)
        if expected is not None:
            constants.append(f"{path} != {_literal(expected)}")
        elif row.convert == "date" or row.codes:
            alike = "" if row.convert == "date" else row.codes
            lists.setdefault((alike, row.convert.partition(":")[0]), (row, []))[1].append(path)
        if row.is_constant and "/@" not in path:
            headers.append(path)
    unplaced = " or ".join(writer.unplaced(tree))
    prefixes = {prefix: uri for uri, prefix in writer.namespaces.items()}

    def compiled(expression: str) -> etree.XPath:
        return etree.XPath(expression, namespaces=prefixes, smart_strings=False, regexp=False)

    return Inspection(
        facts=tuple((row, compiled(path)) for row, path in facts),
        values=tuple((row, compiled(" | ".join(paths))) for row, paths in lists.values()),
        constants=compiled(" or ".join(constants)) if constants else None,
        unplaced=compiled(f"boolean({unplaced})") if unplaced else None,
        headers=compiled(" | ".join(headers)) if headers else None,
    )


def expected_constant(row: Row, kind: MessageKind, customization_version: str) -> str | None:
    """What a row's value must be in every document of a kind; None if that differs between documents."""
    head, _, argument = row.convert.partition(":")
    if head == "const":
        return argument
    if head == "kind":
        return str(getattr(kind, argument, ""))
    return customization_version if head == "profile" else None


def text_of(found: Any) -> str:
    """The text of an element, or the attribute's value that an expression gave.

    A processing instruction in the middle of a value does not hide what stands behind it.
    """
    if isinstance(found, str):
        return found
    if not len(found):
        return found.text or ""
    return str(found.xpath(_STRING))


class _Writer:
    """Writes paths and conditions; `namespaces` are those it met (URI -> prefix)."""

    def __init__(self) -> None:
        self.namespaces: dict[str, str] = {}

    def rows(self, node: Node, path: str) -> Iterator[tuple[str, Row]]:
        """The path of each mapped value from here down, with its row."""
        if node.text is not None:
            yield path, node.text
        for name, row in node.attributes.items():
            yield f"{path}/@{name}", row
        for child in node.children.values():
            yield from self.rows(child, f"{path}/{self._name(child.declaration)}{self._condition(child)}")

    def unplaced(self, node: Node) -> Iterator[str]:
        """What a valid element of this node may hold that no row carries to the other side."""
        declaration = node.declaration
        for attribute in declaration.attributes:
            if attribute.name not in node.attributes and attribute.name != _DATE_FORMAT:
                yield f"@{attribute.name}"
        if declaration.text is not None and node.text is None:
            yield "text()[normalize-space()]"
        for child in declaration.children:
            if child.name not in node.by_name and child.name not in node.constants:
                yield self._name(child)
        for namesakes in node.by_name.values():
            name = self._name(namesakes[0].declaration)
            tests = [self._test(each) for each in namesakes if each.step.condition is not None]
            inside = []
            if len(tests) == len(namesakes):
                inside.append(f"not({' or '.join(tests)})")
            for each in namesakes:
                lost = " or ".join(self.unplaced(each))
                if lost:
                    inside.append(" and ".join([*self._tests(each), f"({lost})"]))
            if inside:
                yield f"{name}[{' or '.join(inside)}]"
            single = [each for each in namesakes if each.each is None and each.declaration.repeats]
            if single:
                # Most documents have but one element of the name, which costs one look.
                several = " or ".join(f"{name}{self._condition(each)}[2]" for each in single)
                yield f"({name}[2] and ({several}))"

    def _condition(self, node: Node) -> str:
        """What tells this node's elements from its namesakes'."""
        return "".join(f"[{test}]" for test in self._tests(node))

    def _tests(self, node: Node) -> list[str]:
        if node.step.condition is not None:
            return [self._test(node)]
        rivals = node.parent.by_name[node.step.name] if node.parent is not None else ()
        return [f"not({self._test(rival)})" for rival in rivals if rival.step.condition is not None]

    def _test(self, node: Node) -> str:
        assert node.step.condition is not None
        child, value = node.step.condition
        return f"{self._name(node.declaration.by_name[child])} = {_literal(value)}"

    def _name(self, declaration: Element) -> str:
        if not declaration.namespace:
            return declaration.name
        return f"{self._prefix(declaration.namespace)}:{declaration.name}"

    def _prefix(self, namespace: str) -> str:
        return self.namespaces.setdefault(namespace, f"n{len(self.namespaces) + 1}")


def _literal(text: str) -> str:
    return f"'{text}'" if "'" not in text else f'"{text}"'
