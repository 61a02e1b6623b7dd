"""Every value of a document in one call into C: what is to be checked, and whether anything has no place.

For each side a stylesheet is generated beside the two that translate.  It follows the tree of paths and
writes one line a mapped value; lines of values that need a check or are a fact carry the row's number and the
text.  The last line counts all values of the document: if that is more than the lines written, some value has
no row (or stands where it cannot be read), and only then the slow walk (`survey`) has to find out which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen
from lxml import etree

from .kind import MessageKind
from .mapping import Row
from .schema import Element
from .tree import Node

_SIGNATURES = "http://www.w3.org/2000/09/xmldsig#"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
# What would break a line; a code or a date never holds one, so that a value with one still fails its check.
_TEXT = "translate(., '&#9;&#10;&#13;', '   ')"


@frozen
class Inventory:
    """values: (row number, text) of what is to be checked or is a fact; whole: nothing is without a place."""

    values: tuple[tuple[int, str], ...]
    whole: bool


def is_listed(row: Row) -> bool:
    """Whether the text of a row's values matters beyond being there."""
    return bool(row.codes or row.fact or row.convert == "date" or row.is_constant)


def write_inventory_sheet(
    kinds: Iterable[MessageKind],
    trees: Mapping[str, Node],
    declarations: Mapping[str, Element],
    rows: tuple[Row, ...],
) -> bytes:
    """The stylesheet of one side; the parameter `kind` chooses."""
    numbers = {id(row): number for number, row in enumerate(rows)}
    namespaces: dict[str, str] = {}
    whens, templates = [], []
    for kind in kinds:
        writer = _Writer(namespaces, numbers)
        body = "".join(writer.node(trees[kind.name], "/"))
        name = f"kind-{kind.name}"
        whens.append(
            f'<xsl:when test="$kind = \'{kind.name}\'"><xsl:call-template name="{name}"/></xsl:when>'
        )
        templates.append(f'<xsl:template name="{name}">{body}</xsl:template>')
    declared = "".join(f' xmlns:{prefix}="{uri}"' for uri, prefix in namespaces.items())
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:ds="{_SIGNATURES}"
  xmlns:xsi="{_INSTANCE}"{declared}>
<xsl:output method="text"/>
<xsl:param name="kind" select="''"/>
<xsl:template match="/">
  <xsl:choose>{"".join(whens)}</xsl:choose>
  <xsl:variable name="content" select="/* | /*/*[not(self::ds:Signature)]/descendant-or-self::*"/>
  <xsl:value-of select="count($content[not(*)])
    + count($content/@*[local-name() != 'formatCode' and not(namespace-uri() = '{_INSTANCE}')])"/>
</xsl:template>
{"".join(templates)}
</xsl:stylesheet>
""".encode()


def compile_headers(tree: Node) -> etree.XPath | None:
    """The elements of a document that hold header values (constants and parameters), not content."""
    namespaces: dict[str, str] = {}
    writer = _Writer(namespaces, {})
    paths = list(writer.headers(tree, "/"))
    prefixes = {prefix: uri for uri, prefix in namespaces.items()}
    return etree.XPath(" | ".join(paths), namespaces=prefixes) if paths else None


class _Writer:
    def __init__(self, namespaces: dict[str, str], numbers: Mapping[int, int]) -> None:
        self.namespaces, self.numbers = namespaces, numbers

    def node(self, node: Node, before: str) -> Iterator[str]:
        """The lines of a node's elements, all of them where it repeats, else the first."""
        path = before + self._name(node.declaration) + self._conditions(node)
        select = path if node.each is not None else f"({path})[1]"
        yield f'<xsl:for-each select="{select}">'
        if node.text is not None:
            yield f'<xsl:if test="not(*)">{self._line(node.text)}</xsl:if>'
        for name, row in node.attributes.items():
            yield f'<xsl:for-each select="@{name}">{self._line(row)}</xsl:for-each>'
        for name in node.constants:
            yield f'<xsl:for-each select="({self._name(node.declaration.by_name[name])})[1]">'
            yield "<xsl:text>&#10;</xsl:text></xsl:for-each>"
        for child in node.children.values():
            yield from self.node(child, "")
        yield "</xsl:for-each>"

    def headers(self, node: Node, before: str) -> Iterator[str]:
        """The paths of the elements below a node that constants and parameters fill."""
        path = before + self._name(node.declaration) + self._conditions(node)
        if node.text is not None and node.text.is_constant:
            yield path
        for child in node.children.values():
            yield from self.headers(child, path + "/")

    def _line(self, row: Row) -> str:
        if not is_listed(row):
            return "<xsl:text>&#10;</xsl:text>"
        number = self.numbers[id(row)]
        return f"<xsl:value-of select=\"concat('{number}&#9;', {_TEXT}, '&#10;')\"/>"

    def _conditions(self, node: Node) -> str:
        """What tells this node's elements from its namesakes'."""
        own = node.step.condition
        if own is not None:
            return f"[{self._condition(node.declaration, own)}]"
        rivals = node.parent.by_name[node.step.name] if node.parent is not None else ()
        return "".join(
            f"[not({self._condition(rival.declaration, rival.step.condition)})]"
            for rival in rivals
            if rival.step.condition is not None
        )

    def _condition(self, declaration: Element, condition: tuple[str, str]) -> str:
        child, value = condition
        return f"{self._name(declaration.by_name[child])} = '{value}'"

    def _name(self, declaration: Element) -> str:
        if not declaration.namespace:
            return declaration.name
        prefix = self.namespaces.setdefault(declaration.namespace, f"n{len(self.namespaces) + 1}")
        return f"{prefix}:{declaration.name}"


def take_inventory(sheet: etree.XSLT, kind: MessageKind, root: Any) -> Inventory:
    """The inventory of a document by its root element; its tree must be the one `kind` has on this side."""
    lines = str(sheet(root, kind=etree.XSLT.strparam(kind.name))).split("\n")
    values = []
    for line in lines:
        number, tab, text = line.partition("\t")
        if tab:
            values.append((int(number), text))
    return Inventory(tuple(values), len(lines) - 1 == int(float(lines[-1])))
