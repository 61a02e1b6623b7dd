"""The content model of an XML Schema as values that can be walked.

libxml2 decides whether a document is valid; the model serves for what libxml2 cannot tell: every fault at
once (`schema_faults`), the order of elements when a stylesheet is written, which paths exist, which may
repeat.
`schema_tree` reads it from schema files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from attrs import field, frozen


@frozen(kw_only=True)
class SimpleType:
    """A value's type: its XSD primitive and all facets on the way to it.

    patterns: groups of alternatives; a value must match one of each group.
    """

    primitive: str
    patterns: tuple[tuple[str, ...], ...] = ()
    enumeration: tuple[str, ...] = ()
    min_length: int | None = None
    max_length: int | None = None
    minimum: Decimal | None = None
    exclusive_minimum: Decimal | None = None
    maximum: Decimal | None = None
    total_digits: int | None = None
    fraction_digits: int | None = None


@frozen(kw_only=True)
class Attribute:
    name: str
    required: bool
    type: SimpleType
    fixed: str | None = None


@frozen(kw_only=True)
class Group:
    """A sequence or choice (or the one element of it); `maximum` of a group is always 1."""

    kind: str
    minimum: int
    items: tuple[Element | Group, ...]


@frozen(kw_only=True)
class Element:
    """One element declaration in its place.  maximum None = unbounded."""

    name: str
    namespace: str
    minimum: int
    maximum: int | None
    content: Group | None
    text: SimpleType | None
    attributes: tuple[Attribute, ...] = ()
    foreign: tuple[str, ...] = ()
    children: tuple[Element, ...] = field(init=False, eq=False, repr=False)
    by_name: Mapping[str, Element] = field(init=False, eq=False, repr=False)

    @children.default
    def _children(self) -> tuple[Element, ...]:
        return tuple(_elements(self.content)) if self.content else ()

    @by_name.default
    def _by_name(self) -> Mapping[str, Element]:
        return {child.name: child for child in self.children}

    @property
    def repeats(self) -> bool:
        return self.maximum is None or self.maximum > 1

    @property
    def tag(self) -> str:
        return f"{{{self.namespace}}}{self.name}" if self.namespace else self.name

    def find(self, path: str) -> Element | None:
        """The declaration at a path of plain names below this one; "" is this one."""
        node: Element | None = self
        for step in filter(None, path.split("/")):
            node = node.by_name.get(step) if node else None
        return node


def _elements(group: Group) -> Iterator[Element]:
    for item in group.items:
        if isinstance(item, Element):
            yield item
        else:
            yield from _elements(item)
