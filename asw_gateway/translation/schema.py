"""XML Schemas from a mapping of names to bytes, and their content model as a tree we can walk.

libxml2 decides whether a document is valid; the tree serves for what libxml2 cannot tell: every fault at once
(`schema_faults`), the order of elements when a stylesheet is written, which paths exist, which may repeat.
The tree understands the constructs that profiles use: named and anonymous types, sequence and choice that do
not repeat, simple content with attributes, references, `xs:any` for foreign namespaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from attrs import field, frozen
from lxml import etree

XS = "{http://www.w3.org/2001/XMLSchema}"
XS_NAMESPACE = "http://www.w3.org/2001/XMLSchema"
_BASE = "profile:///"
_ATTEMPTS = 20


class SchemaFault(Exception):
    """A schema file is missing, not well-formed, not a schema, or uses a construct the tree does not know."""

    def __init__(self, file: str, line: int, message: str) -> None:
        self.file, self.line, self.message = file, line, message
        super().__init__(f"{file}:{line}: {message}")


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


class _MappingResolver(etree.Resolver):
    """Gives includes and imports from the mapping; anything else fails: never a file, never the network."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files

    def resolve(self, system_url: str, public_id: str, context: Any = None) -> Any:
        name = system_url.removeprefix(_BASE)
        if name not in self.files:
            raise SchemaFault(name, 0, "is included but not among the profile's files")
        return self.resolve_string(self.files[name], context, base_url=_BASE + name)


def parse_file(files: Mapping[str, bytes], name: str) -> Any:
    """The root element of one of the profile's own XML files."""
    if name not in files:
        raise SchemaFault(name, 0, "this file is missing")
    parser = etree.XMLParser(
        no_network=True, resolve_entities=False, load_dtd=False, remove_comments=True, remove_pis=True
    )
    parser.resolvers.add(_MappingResolver(files))
    try:
        return etree.fromstring(files[name], parser, base_url=_BASE + name)
    except etree.XMLSyntaxError as error:
        raise SchemaFault(name, error.lineno or 0, f"not well-formed XML: {error.msg}") from error


def compile_schema(files: Mapping[str, bytes], name: str) -> etree.XMLSchema:
    """The schema in file `name`, with its includes, for all threads; raises SchemaFault with file and line.

    libxml2 asks one process-wide loader for included files, and every parse in another thread takes it away
    for a moment.  Only a fault that comes back each time is one of the schema.
    """
    root = parse_file(files, name)
    for attempt in reversed(range(_ATTEMPTS)):
        try:
            return etree.XMLSchema(root)
        except etree.XMLSchemaParseError as error:
            if attempt:
                continue
            entry = next(iter(error.error_log), None)
            file = (entry.filename if entry else "").removeprefix(_BASE) or name
            raise SchemaFault(file, entry.line if entry else 0, str(error)) from error
    raise AssertionError("the last attempt returns or raises")


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
