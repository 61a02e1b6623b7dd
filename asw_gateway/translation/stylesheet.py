"""One mapping table, two stylesheets: national → ASEAN and ASEAN → national, compiled at load.

Each stylesheet has one named template a message kind; the parameter `kind` chooses.  Elements come out in the
order of the schema of their side, whatever the order of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape, quoteattr

from attrs import frozen

from .kind import MessageKind
from .mapping import Path, Row, Step
from .schema import Element
from .tree import Node

PARAMETERS = ("functional_reference", "sender_country", "sender_agency")

_DATES = {
    "asean": """
  <xsl:template name="date">
    <xsl:choose>
      <xsl:when test="string-length(.) = 10">
        <xsl:attribute name="formatCode">102</xsl:attribute>
        <xsl:value-of select="translate(., '-', '')"/>
      </xsl:when>
      <xsl:otherwise>
        <xsl:attribute name="formatCode">304</xsl:attribute>
        <xsl:value-of select="concat(translate(substring(., 1, 10), '-', ''),
          translate(substring(., 12, 8), ':', ''), translate(substring(., 20), ':', ''))"/>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>""",
    "national": """
  <xsl:template name="date">
    <xsl:value-of select="concat(substring(., 1, 4), '-', substring(., 5, 2), '-',
      substring(., 7, 2))"/>
    <xsl:if test="@formatCode = '304'">
      <xsl:value-of select="concat('T', substring(., 9, 2), ':', substring(., 11, 2), ':',
        substring(., 13, 2))"/>
      <xsl:choose>
        <xsl:when test="substring(., 15) = 'Z'">Z</xsl:when>
        <xsl:otherwise>
          <xsl:value-of select="concat(substring(., 15, 3), ':', substring(., 18, 2))"/>
        </xsl:otherwise>
      </xsl:choose>
    </xsl:if>
  </xsl:template>""",
}


class OutsideRepetition(Exception):
    """A field stands inside a repeating element on one side only; the message names both paths."""


@frozen(kw_only=True)
class Sheet:
    """What one kind needs to be written: the tree of the side written, and the root of the side read."""

    kind: MessageKind
    target: Node
    source_root: Element
    profile_values: Mapping[str, str]


def write_stylesheet(side: str, sheets: list[Sheet], maps: Mapping[str, Mapping[str, str]]) -> bytes:
    """The stylesheet that writes `side`; `maps`: code list name -> code read -> code written."""
    namespaces: dict[str, str] = {}
    templates = [_Writer(side, sheet, namespaces, maps).template() for sheet in sheets]
    choose = "".join(
        f"<xsl:when test=\"$kind = '{sheet.kind.name}'\">"
        f'<xsl:call-template name="kind-{sheet.kind.name}"/></xsl:when>'
        for sheet in sheets
    )
    declared = "".join(f" xmlns:{prefix}={quoteattr(uri)}" for uri, prefix in namespaces.items())
    exclude = f' exclude-result-prefixes="{" ".join(namespaces.values())}"' if namespaces else ""
    parameters = "".join(f'<xsl:param name="{name}" select="\'\'"/>\n' for name in ("kind", *PARAMETERS))
    body = "\n".join(templates)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"{declared}{exclude}>
{parameters}<xsl:output method="xml" encoding="UTF-8"/>
<xsl:template match="/"><xsl:choose>{choose}</xsl:choose></xsl:template>
{_DATES[side]}
{body}
</xsl:stylesheet>
""".encode()


class _Writer:
    def __init__(
        self, side: str, sheet: Sheet, namespaces: dict[str, str], maps: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.side, self.sheet, self.namespaces, self.maps = side, sheet, namespaces, maps
        self.other = "asean" if side == "national" else "national"

    def template(self) -> str:
        root = "/" + self._step(self.sheet.source_root.namespace, self.sheet.source_root.name)
        body = self._open(self.sheet.target, (Step(self.sheet.source_root.name),), "")
        name = f"kind-{self.sheet.kind.name}"
        return (
            f'<xsl:template name="{name}"><xsl:for-each select="{root}">{body}</xsl:for-each></xsl:template>'
        )

    def _prefix(self, namespace: str) -> str:
        return self.namespaces.setdefault(namespace, f"n{len(self.namespaces) + 1}")

    def _step(self, namespace: str, name: str) -> str:
        return f"{self._prefix(namespace)}:{name}" if namespace else name

    def _select(self, path: Path, context: Path) -> str:
        """The XPath of a source path from the context that is current there."""
        if path[: len(context)] != context:
            raise OutsideRepetition(f"{_text(path)} is not inside {_text(context)}, which repeats around it")
        declaration = self.sheet.source_root
        parts: list[str] = []
        for index, step in enumerate(path):
            if step.is_attribute:
                parts.append(step.name)
                continue
            if index:
                declaration = declaration.by_name[step.name]
            if index < len(context):
                continue
            text = self._step(declaration.namespace, step.name)
            if step.condition:
                child = declaration.by_name[step.condition[0]]
                text += f"[{self._step(child.namespace, child.name)} = '{step.condition[1]}']"
            parts.append(text)
        return "/".join(parts) or "."

    def _first(self, path: Path, context: Path, inner: str) -> str:
        """`inner` said of the first element at a path; where the schema lets none repeat, of the only one."""
        select = self._select(path, context)
        if select == ".":
            return inner
        declaration, repeats = self.sheet.source_root, False
        for index, step in enumerate(path[1:], start=1):
            if step.is_attribute:
                break
            declaration = declaration.by_name[step.name]
            repeats = repeats or (index >= len(context) and declaration.repeats)
        return f'<xsl:for-each select="{f"({select})[1]" if repeats else select}">{inner}</xsl:for-each>'

    def _element(self, node: Node, context: Path, around: str) -> str:
        """The element of a node, written from `context` into an element of the namespace `around`; repeated
        where the node repeats."""
        if node.each is not None:
            source = node.each.side(self.other)
            inner = self._open(node, source, around)
            return f'<xsl:for-each select="{self._select(source, context)}">{inner}</xsl:for-each>'
        if node.text is not None and not node.text.is_constant:
            source = node.text.side(self.other)
            return self._first(source, context, self._open(node, source, around))
        inner = self._open(node, context, around)
        if node.text is not None and node.text.convert.startswith("param:"):
            return f"<xsl:if test=\"${node.text.convert[6:]} != ''\">{inner}</xsl:if>"
        tests = [
            self._select(row.side(self.other), context) for row in _present_with(node) if not row.is_constant
        ]
        if len(tests) < len(list(_present_with(node))):
            return inner  # it holds a constant, which is always there
        return f'<xsl:if test="{escape(" or ".join(dict.fromkeys(tests)))}">{inner}</xsl:if>'

    def _open(self, node: Node, context: Path, around: str) -> str:
        """The element as it is to come out, which libxslt copies faster than it makes an xsl:element."""
        namespace = node.declaration.namespace
        parts = [_start_tag(node.declaration, around)]
        for attribute, row in node.attributes.items():
            select = self._select(row.side(self.other), context)
            parts.append(
                f'<xsl:if test="{select}"><xsl:attribute name="{attribute}">'
                f'<xsl:value-of select="{select}"/></xsl:attribute></xsl:if>'
            )
        constants = node.constants
        for child in node.declaration.children:
            if child.name in constants:
                parts.append(
                    f"{_start_tag(child, namespace)}{escape(constants[child.name])}</{child.name}>"
                )
            for below in node.by_name.get(child.name, ()):
                parts.append(self._element(below, context, namespace))
        if node.text is not None:
            parts.append(self._text(node.text, context))
        parts.append(f"</{node.declaration.name}>")
        return "".join(parts)

    def _text(self, row: Row, context: Path) -> str:
        value = self._value(row)
        return value if row.is_constant else self._first(row.side(self.other), context, value)

    def _value(self, row: Row) -> str:
        head, _, argument = row.convert.partition(":")
        if head == "const":
            return escape(argument)
        if head == "kind":
            return escape(str(getattr(self.sheet.kind, argument)))
        if head == "profile":
            return escape(self.sheet.profile_values[argument])
        if head == "param":
            return f'<xsl:value-of select="${argument}"/>'
        if head == "date":
            return '<xsl:call-template name="date"/>'
        if head == "map":
            whens = "".join(
                f"<xsl:when test=\". = '{read}'\">{escape(written)}</xsl:when>"
                for read, written in self.maps[row.codes].items()
            )
            return (
                f'<xsl:choose>{whens}<xsl:otherwise><xsl:value-of select="."/></xsl:otherwise></xsl:choose>'
            )
        return '<xsl:value-of select="."/>'


def _start_tag(declaration: Element, around: str) -> str:
    """A start tag that declares its namespace where the element around it has another one."""
    if declaration.namespace == around:
        return f"<{declaration.name}>"
    return f"<{declaration.name} xmlns={quoteattr(declaration.namespace)}>"


def _present_with(node: Node) -> Iterator[Row]:
    """The rows whose presence calls for this element: its own and those below, down to what repeats."""
    for child in node.children.values():
        if child.each is not None:
            yield child.each
        else:
            yield from _present_with(child)
    if node.text is not None:
        yield node.text
    yield from node.attributes.values()


def _text(path: Path) -> str:
    return "/".join(map(str, path))
