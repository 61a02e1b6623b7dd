"""Reads the global elements of a schema as trees.

Understood are the constructs that profiles use: named and anonymous types, sequence and choice that do not
repeat, simple content with attributes, references, `xs:any` for foreign namespaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from attrs import frozen
from lxml import etree

from .schema import Attribute, Element, Group, SimpleType
from .schema_files import SchemaFault, parse_file

XS = "{http://www.w3.org/2001/XMLSchema}"
XS_NAMESPACE = "http://www.w3.org/2001/XMLSchema"


@frozen
class _Definition:
    node: Any
    file: str
    target: str


class SchemaTree:
    """The global elements of a schema as trees."""

    def __init__(self, files: Mapping[str, bytes], name: str) -> None:
        self._files = files
        self._types: dict[tuple[str, str], _Definition] = {}
        self._globals: dict[tuple[str, str], _Definition] = {}
        self._seen: set[str] = set()
        self._built: dict[str, Element] = {}
        self._read(name, None)
        first_target = parse_file(files, name).get("targetNamespace", "")
        self.roots: dict[str, Element] = {
            local: self._element(definition, definition.node, ())
            for (namespace, local), definition in self._globals.items()
            if namespace == first_target
        }

    def _read(self, name: str, including_target: str | None) -> None:
        if name in self._seen:
            return
        self._seen.add(name)
        root = parse_file(self._files, name)
        target = root.get("targetNamespace") or including_target or ""
        for child in root:
            if child.tag in (XS + "include", XS + "import"):
                location = child.get("schemaLocation")
                if location:
                    self._read(location, target if child.tag == XS + "include" else None)
            elif child.tag in (XS + "complexType", XS + "simpleType"):
                self._types[(target, child.get("name"))] = _Definition(child, name, target)
            elif child.tag == XS + "element":
                self._globals[(target, child.get("name"))] = _Definition(child, name, target)
            else:
                self._unknown(_Definition(child, name, target), child)

    def _unknown(self, where: _Definition, node: Any) -> None:
        construct = etree.QName(node).localname
        raise SchemaFault(where.file, node.sourceline or 0, f"xs:{construct} is not understood here")

    def _name(self, where: _Definition, node: Any, text: str) -> tuple[str, str]:
        prefix, _, local = text.rpartition(":")
        namespace = node.nsmap.get(prefix or None)
        if prefix and namespace is None:
            raise SchemaFault(where.file, node.sourceline or 0, f"prefix of {text} is not declared")
        return namespace or "", local

    def _element(self, where: _Definition, node: Any, inside: tuple[int, ...]) -> Element:
        minimum = int(node.get("minOccurs", "1"))
        maximum = None if node.get("maxOccurs") == "unbounded" else int(node.get("maxOccurs", "1"))
        reference = node.get("ref")
        if reference:
            definition = self._globals.get(self._name(where, node, reference))
            if definition is None:
                raise SchemaFault(where.file, node.sourceline, f"element {reference} is not declared")
            target = self._element(definition, definition.node, inside)
            return Element(
                name=target.name,
                namespace=target.namespace,
                minimum=minimum,
                maximum=maximum,
                content=target.content,
                text=target.text,
                attributes=target.attributes,
                foreign=target.foreign,
            )
        content, text, attributes, foreign = self._type_of(where, node, inside)
        return Element(
            name=node.get("name"),
            namespace=where.target,
            minimum=minimum,
            maximum=maximum,
            content=content,
            text=text,
            attributes=attributes,
            foreign=foreign,
        )

    def _type_of(self, where: _Definition, node: Any, inside: tuple[int, ...]) -> Any:
        type_name = node.get("type")
        if type_name is None:
            inner = next(
                (child for child in node if child.tag in (XS + "complexType", XS + "simpleType")), None
            )
            if inner is None:
                raise SchemaFault(where.file, node.sourceline, f"element {node.get('name')} has no type")
            definition = _Definition(inner, where.file, where.target)
        else:
            key = self._name(where, node, type_name)
            if key[0] == XS_NAMESPACE:
                return None, SimpleType(primitive=key[1]), (), ()
            found = self._types.get(key)
            if found is None:
                raise SchemaFault(where.file, node.sourceline, f"type {type_name} is not defined")
            definition = found
        if definition.node.tag == XS + "simpleType":
            return None, self._simple(definition), (), ()
        if id(definition.node) in inside:
            raise SchemaFault(definition.file, definition.node.sourceline, "a type that contains itself")
        return self._complex(definition, (*inside, id(definition.node)))

    def _complex(self, where: _Definition, inside: tuple[int, ...]) -> Any:
        content: Group | None = None
        text: SimpleType | None = None
        foreign: list[str] = []
        attributes: list[Attribute] = []
        for child in where.node:
            if child.tag in (XS + "sequence", XS + "choice"):
                content = self._group(where, child, inside, foreign)
            elif child.tag == XS + "attribute":
                attributes.append(self._attribute(where, child))
            elif child.tag == XS + "simpleContent":
                extension = child[0]
                text = self._base(where, extension)
                attributes.extend(self._attribute(where, a) for a in extension if a.tag == XS + "attribute")
            elif child.tag != XS + "annotation":
                self._unknown(where, child)
        if content is None and text is None:
            content = Group(kind="sequence", minimum=1, items=())
        return content, text, tuple(attributes), tuple(foreign)

    def _group(self, where: _Definition, node: Any, inside: tuple[int, ...], foreign: list[str]) -> Group:
        if node.get("maxOccurs", "1") != "1":
            raise SchemaFault(
                where.file, node.sourceline, "a repeated sequence or choice is not understood here"
            )
        items: list[Element | Group] = []
        for child in node:
            if child.tag == XS + "element":
                items.append(self._element(where, child, inside))
            elif child.tag in (XS + "sequence", XS + "choice"):
                items.append(self._group(where, child, inside, foreign))
            elif child.tag == XS + "any":
                foreign.extend(child.get("namespace", "").split())
            elif child.tag != XS + "annotation":
                self._unknown(where, child)
        return Group(
            kind=etree.QName(node).localname, minimum=int(node.get("minOccurs", "1")), items=tuple(items)
        )

    def _attribute(self, where: _Definition, node: Any) -> Attribute:
        if node.get("type"):
            kind = self._named_simple(where, node, node.get("type"))
        else:
            inner = node.find(XS + "simpleType")
            if inner is None:
                raise SchemaFault(where.file, node.sourceline, f"attribute {node.get('name')} has no type")
            kind = self._simple(_Definition(inner, where.file, where.target))
        return Attribute(
            name=node.get("name"), required=node.get("use") == "required", type=kind, fixed=node.get("fixed")
        )

    def _named_simple(self, where: _Definition, node: Any, name: str) -> SimpleType:
        key = self._name(where, node, name)
        if key[0] == XS_NAMESPACE:
            return SimpleType(primitive=key[1])
        found = self._types.get(key)
        if found is None:
            raise SchemaFault(where.file, node.sourceline or 0, f"type {name} is not defined")
        return self._simple(found)

    def _base(self, where: _Definition, node: Any) -> SimpleType:
        return self._named_simple(where, node, node.get("base"))

    def _simple(self, where: _Definition) -> SimpleType:
        restriction = where.node.find(XS + "restriction")
        if restriction is None:
            self._unknown(where, where.node[0] if len(where.node) else where.node)
        base = self._base(where, restriction)
        facets: dict[str, Any] = {
            "primitive": base.primitive,
            "patterns": base.patterns,
            "enumeration": base.enumeration,
            "min_length": base.min_length,
            "max_length": base.max_length,
            "minimum": base.minimum,
            "exclusive_minimum": base.exclusive_minimum,
            "maximum": base.maximum,
            "total_digits": base.total_digits,
            "fraction_digits": base.fraction_digits,
        }
        patterns: list[str] = []
        enumeration: list[str] = []
        for facet in restriction:
            name, value = etree.QName(facet).localname, facet.get("value")
            if name == "pattern":
                patterns.append(value)
            elif name == "enumeration":
                enumeration.append(value)
            elif name == "length":
                facets["min_length"] = facets["max_length"] = int(value)
            elif name in ("minLength", "maxLength", "totalDigits", "fractionDigits"):
                key = {"minLength": "min_length", "maxLength": "max_length"}.get(name)
                key = key or {"totalDigits": "total_digits", "fractionDigits": "fraction_digits"}[name]
                facets[key] = int(value)
            elif name in ("minInclusive", "minExclusive", "maxInclusive"):
                key = {
                    "minInclusive": "minimum",
                    "minExclusive": "exclusive_minimum",
                    "maxInclusive": "maximum",
                }[name]
                facets[key] = Decimal(value)
            elif name not in ("annotation", "whiteSpace"):
                self._unknown(where, facet)
        if patterns:
            facets["patterns"] = (*base.patterns, tuple(patterns))
        if enumeration:
            facets["enumeration"] = tuple(enumeration)
        return SimpleType(**facets)
