"""XML files from a mapping of names to bytes: parsed, and compiled by libxml2.

What they include comes from the mapping too: never a file, never the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxml import etree

_BASE = "profile:///"
_ATTEMPTS = 20


class SchemaFault(Exception):
    """A schema file is missing, not well-formed, not a schema, or uses a construct the tree does not know."""

    def __init__(self, file: str, line: int, message: str) -> None:
        self.file, self.line, self.message = file, line, message
        super().__init__(f"{file}:{line}: {message}")


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
