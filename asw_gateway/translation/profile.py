"""A document type's profile: its data files, checked as a whole and compiled once a thread.

`load_profile` gets names and bytes and reports every mistake with file and line.  A Profile is a frozen
value; `compiled()` gives the stylesheets and rules of the calling thread, because lxml recompiles a
stylesheet that is used in another thread than its own.
"""

from __future__ import annotations

import csv
import io
import threading
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from attrs import define, field, frozen
from lxml import etree

from .codelist import CodeList, CodeListFault, read_code_list
from .goods import GoodsFault, GoodsFields, read_goods_fields
from .inventory import Inventory, compile_headers, write_inventory_sheet
from .kind import EFFECTS, MessageKind
from .mapping import MappingFault, Row, read_rows
from .rules import RuleSet, RulesFault, compile_rules
from .schema import Element, SchemaFault, SchemaTree, compile_schema, parse_file
from .stylesheet import OutsideRepetition, Sheet, write_stylesheet
from .timers import Timer, TimerFault, read_timers
from .tree import Node, build_tree

MANIFEST = "profile.toml"
TIMERS = "timers.csv"
TEXTS = ("name", "document_type", "version", "procedure", "service", "title", "title_vi")
SIDES = ("national", "asean")


@frozen
class FileProblem:
    """A mistake in one of the profile's files; line 0 = the file as a whole."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


class ProfileFault(Exception):
    """A profile that cannot be used; carries every mistake found."""

    def __init__(self, name: str, problems: Iterable[FileProblem]) -> None:
        self.name, self.problems = name, tuple(problems)
        super().__init__(f"profile {name}: " + "; ".join(map(str, self.problems)))


@frozen
class FactPath:
    """Where a fact stands on one side: an ElementPath below the root, and the row with its conversion."""

    fact: str
    path: str
    row: Row


@define
class Compiled:
    """The compiled objects of one thread: libxml2 lets no two threads use the same one at once."""

    stylesheets: dict[str, etree.XSLT]
    inventories: dict[str, etree.XSLT]
    headers: dict[str, etree.XPath | None]
    rules: RuleSet
    accepted: dict[tuple[str, str, date], dict[int, set[str]]] = field(factory=dict)
    last_inventory: tuple[Any, MessageKind, str, Inventory] | None = None


@frozen(kw_only=True, eq=False)
class Profile:
    """One version of one document type.

    procedure: the VNSW documentType; service: the AS4 service; valid_from / valid_until: first and last day
    of use (None = open).  trees: side -> kind name -> the tree of paths; codes: the code lists by name.
    """

    name: str
    document_type: str
    version: str
    procedure: str
    service: str
    title: str
    title_vi: str
    customization_version: str
    valid_from: date | None
    valid_until: date | None
    kinds: tuple[MessageKind, ...]
    rows: tuple[Row, ...] = field(repr=False)
    goods: GoodsFields | None = field(repr=False)
    timers: tuple[Timer, ...] = field(repr=False)
    codes: Mapping[str, CodeList] = field(repr=False)
    classes: Mapping[str, str] = field(repr=False)
    national_schema: str = field(repr=False)
    rules_file: str = field(repr=False)
    schemas: Mapping[str, etree.XMLSchema] = field(repr=False)
    trees: Mapping[str, Mapping[str, Node]] = field(repr=False)
    declarations: Mapping[str, Mapping[str, Element]] = field(repr=False)
    facts: Mapping[str, Mapping[str, tuple[FactPath, ...]]] = field(repr=False)
    stylesheet_sources: Mapping[str, bytes] = field(repr=False)
    inventory_sources: Mapping[str, bytes] = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    _threads: threading.local = field(factory=threading.local, repr=False, init=False)

    def kind(self, name: str) -> MessageKind | None:
        return next((kind for kind in self.kinds if kind.name == name), None)

    def timer(self, id: str) -> Timer | None:
        return next((timer for timer in self.timers if timer.id == id), None)

    def is_valid(self, on: date) -> bool:
        return (self.valid_from is None or self.valid_from <= on) and (
            self.valid_until is None or on <= self.valid_until
        )

    def compiled(self) -> Compiled:
        """The compiled objects of the calling thread, made at its first call."""
        compiled: Compiled | None = getattr(self._threads, "compiled", None)
        if compiled is None:
            compiled = self._threads.compiled = self._compile()
        return compiled

    def _compile(self) -> Compiled:
        return Compiled(
            stylesheets={
                side: etree.XSLT(etree.fromstring(source)) for side, source in self.stylesheet_sources.items()
            },
            inventories={
                side: etree.XSLT(etree.fromstring(source)) for side, source in self.inventory_sources.items()
            },
            headers={kind.name: compile_headers(self.trees["asean"][kind.name]) for kind in self.kinds},
            rules=compile_rules(parse_file(self.files, self.rules_file)),
        )

    def __reduce__(self) -> Any:
        raise TypeError("a profile holds compiled objects of a thread; load it anew from its files")


def load_profile(name: str, files: Mapping[str, bytes], reference: Mapping[str, bytes]) -> Profile:
    """The profile in `files` (names relative to its folder) with the shared `reference` files.

    A profile's own file hides a reference file of the same name.  Raises ProfileFault with every mistake.
    """
    everything = {**reference, **files}
    problems: list[FileProblem] = []
    manifest = _manifest(everything, problems)
    if problems:
        raise ProfileFault(name, problems)
    kinds = _kinds(manifest, problems)
    rows = _rows(manifest, everything, problems)
    codes = _codes(rows, everything, problems)
    schemas: dict[str, etree.XMLSchema] = {}
    declarations = _declarations(manifest, kinds, everything, schemas, problems)
    try:
        compile_rules(parse_file(everything, manifest["rules"]))
    except SchemaFault as fault:
        problems.append(FileProblem(fault.file, fault.line, fault.message))
    except RulesFault as fault:
        problems.extend(FileProblem(manifest["rules"], line, message) for line, message in fault.faults)
    if problems:
        raise ProfileFault(name, problems)
    trees = _trees(kinds, rows, declarations, problems)
    if problems:
        raise ProfileFault(name, problems)
    goods = _goods(manifest, rows, problems)
    timers = _timers(manifest, everything, problems)
    values = {"customization_version": manifest["customization_version"]}
    sources = _stylesheets(kinds, codes, trees, declarations, values, problems)
    if problems:
        raise ProfileFault(name, problems)
    profile = Profile(
        **{key: manifest[key] for key in TEXTS},
        customization_version=manifest["customization_version"],
        valid_from=manifest.get("valid_from"),
        valid_until=manifest.get("valid_until"),
        kinds=kinds,
        rows=rows,
        goods=goods,
        timers=timers,
        codes=codes,
        classes=_classes(everything),
        national_schema=manifest["national_schema"],
        rules_file=manifest["rules"],
        schemas=schemas,
        trees=trees,
        declarations=declarations,
        facts={side: {kind.name: _facts(kind, side, rows, declarations) for kind in kinds} for side in SIDES},
        stylesheet_sources=sources,
        inventory_sources={
            side: write_inventory_sheet(kinds, trees[side], declarations[side], rows) for side in SIDES
        },
        files=everything,
    )
    profile.compiled()
    return profile


def _manifest(files: Mapping[str, bytes], problems: list[FileProblem]) -> dict[str, Any]:
    if MANIFEST not in files:
        problems.append(FileProblem(MANIFEST, 0, "this file is missing"))
        return {}
    try:
        manifest = tomllib.loads(files[MANIFEST].decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(FileProblem(MANIFEST, 0, str(error)))
        return {}
    for key in (*TEXTS, "customization_version", "national_schema", "rules"):
        if not isinstance(manifest.get(key), str) or not manifest[key]:
            problems.append(FileProblem(MANIFEST, 0, f"{key} must be a text"))
    for key in ("valid_from", "valid_until"):
        if key in manifest and type(manifest[key]) is not date:
            problems.append(FileProblem(MANIFEST, 0, f"{key} must be a date"))
    if not isinstance(manifest.get("mappings"), list) or not manifest["mappings"]:
        problems.append(FileProblem(MANIFEST, 0, "mappings must list at least one mapping table"))
    if not isinstance(manifest.get("kinds"), list) or not manifest["kinds"]:
        problems.append(FileProblem(MANIFEST, 0, "at least one [[kinds]] is needed"))
    return manifest


_KIND_TEXTS = (
    "name",
    "action",
    "effect",
    "national_root",
    "asean_root",
    "asean_schema",
    "type_name",
    "type_code",
    "function_code",
    "phase",
)


def _kinds(manifest: Mapping[str, Any], problems: list[FileProblem]) -> tuple[MessageKind, ...]:
    kinds: list[MessageKind] = []
    for number, entry in enumerate(manifest["kinds"], start=1):
        where = f"kind {entry.get('name', number)}"
        wrong = [key for key in _KIND_TEXTS if not isinstance(entry.get(key), str)]
        wrong += [key for key in ("priority", "max_bytes") if type(entry.get(key)) is not int]
        for key in ("submit", "deliver"):
            pair = entry.get(key)
            if pair is not None and (len(pair) != 2 or not all(isinstance(part, str) for part in pair)):
                wrong.append(key)
        if wrong:
            problems.append(FileProblem(MANIFEST, 0, f"{where}: missing or wrong: {', '.join(wrong)}"))
            continue
        if entry["effect"] not in EFFECTS:
            problems.append(FileProblem(MANIFEST, 0, f"{where}: effect is not one of {', '.join(EFFECTS)}"))
            continue
        kinds.append(
            MessageKind(
                **{key: entry[key] for key in _KIND_TEXTS},
                submit=tuple(entry["submit"]) if "submit" in entry else None,
                deliver=tuple(entry["deliver"]) if "deliver" in entry else None,
                priority=entry["priority"],
                max_bytes=entry["max_bytes"],
            )
        )
    for attribute in ("name", "action", "submit", "deliver"):
        values = [getattr(kind, attribute) for kind in kinds if getattr(kind, attribute) is not None]
        for value in {value for value in values if values.count(value) > 1}:
            problems.append(FileProblem(MANIFEST, 0, f"two kinds have the same {attribute} {value}"))
    return tuple(kinds)


def _rows(
    manifest: Mapping[str, Any], files: Mapping[str, bytes], problems: list[FileProblem]
) -> tuple[Row, ...]:
    rows: list[Row] = []
    for name in manifest["mappings"]:
        if name not in files:
            problems.append(FileProblem(name, 0, "this mapping table is missing"))
            continue
        try:
            rows.extend(read_rows(name, files[name]))
        except MappingFault as fault:
            problems.extend(FileProblem(*entry) for entry in fault.faults)
    return tuple(rows)


def _goods(
    manifest: Mapping[str, Any], rows: tuple[Row, ...], problems: list[FileProblem]
) -> GoodsFields | None:
    if "goods" not in manifest:
        return None
    try:
        return read_goods_fields(manifest["goods"], rows)
    except GoodsFault as fault:
        problems.append(FileProblem(MANIFEST, 0, str(fault)))
        return None


def _timers(
    manifest: Mapping[str, Any], files: Mapping[str, bytes], problems: list[FileProblem]
) -> tuple[Timer, ...]:
    try:
        timers = read_timers(files[TIMERS]) if TIMERS in files else ()
    except TimerFault as fault:
        problems.append(FileProblem(TIMERS, fault.line, fault.message))
        return ()
    return tuple(timer for timer in timers if timer.document_type == manifest["document_type"])


def _codes(
    rows: Iterable[Row], files: Mapping[str, bytes], problems: list[FileProblem]
) -> dict[str, CodeList]:
    codes: dict[str, CodeList] = {}
    for row in rows:
        file = f"codes/{row.codes}.csv"
        if row.codes and row.codes not in codes:
            if file not in files:
                problems.append(FileProblem(row.file, row.line, f"code list {file} is missing"))
                continue
            try:
                codes[row.codes] = read_code_list(row.codes, files[file])
            except CodeListFault as fault:
                problems.extend(FileProblem(file, line, message) for line, message in fault.faults)
                continue
        if row.convert == "map" and row.codes in codes:
            pairs = codes[row.codes].to_national
            if "" in pairs.values() or len(set(pairs.values())) != len(pairs):
                message = f"{file} must give each code a national code of its own (convert map)"
                problems.append(FileProblem(row.file, row.line, message))
    return codes


def _declarations(
    manifest: Mapping[str, Any],
    kinds: Iterable[MessageKind],
    files: Mapping[str, bytes],
    schemas: dict[str, etree.XMLSchema],
    problems: list[FileProblem],
) -> dict[str, dict[str, Element]]:
    """Side -> kind name -> the root's declaration; every schema is compiled on the way."""
    found: dict[str, dict[str, Element]] = {side: {} for side in SIDES}
    trees: dict[str, SchemaTree | None] = {}
    for kind in kinds:
        for side, file, root in (
            ("national", manifest["national_schema"], kind.national_root),
            ("asean", kind.asean_schema, "MetaData"),
        ):
            if file not in trees:
                trees[file] = None
                try:
                    trees[file] = SchemaTree(files, file)
                    schemas[file] = compile_schema(files, file)
                except SchemaFault as fault:
                    problems.append(FileProblem(fault.file, fault.line, fault.message))
            tree = trees[file]
            if tree is None:
                continue
            if root not in tree.roots:
                problems.append(FileProblem(file, 0, f"kind {kind.name}: no element {root} is declared"))
                continue
            found[side][kind.name] = tree.roots[root]
    return found


def _trees(
    kinds: Iterable[MessageKind],
    rows: tuple[Row, ...],
    declarations: Mapping[str, Mapping[str, Element]],
    problems: list[FileProblem],
) -> dict[str, dict[str, Node]]:
    trees: dict[str, dict[str, Node]] = {side: {} for side in SIDES}
    for kind in kinds:
        own = tuple(row for row in rows if row.applies_to(kind))
        for side in SIDES:
            tree, faults = build_tree(own, side, declarations[side][kind.name])
            trees[side][kind.name] = tree
            for fault in faults:
                problem = FileProblem(fault[0], fault[1], f"kind {kind.name}, {fault[2]}")
                if not any(known.file == fault[0] and known.line == fault[1] for known in problems):
                    problems.append(problem)
    return trees


def _stylesheets(
    kinds: Iterable[MessageKind],
    codes: Mapping[str, CodeList],
    trees: Mapping[str, Mapping[str, Node]],
    declarations: Mapping[str, Mapping[str, Element]],
    values: Mapping[str, str],
    problems: list[FileProblem],
) -> dict[str, bytes]:
    sources: dict[str, bytes] = {}
    for side in SIDES:
        other = "asean" if side == "national" else "national"
        sheets = [
            Sheet(
                kind=kind,
                target=trees[side][kind.name],
                source_root=declarations[other][kind.name],
                profile_values=values,
            )
            for kind in kinds
        ]
        maps = {
            name: code_list.to_asean if side == "asean" else code_list.to_national
            for name, code_list in codes.items()
        }
        try:
            sources[side] = write_stylesheet(side, sheets, maps)
            etree.XSLT(etree.fromstring(sources[side]))
        except OutsideRepetition as fault:
            problems.append(FileProblem(MANIFEST, 0, str(fault)))
        except (KeyError, AttributeError, etree.XSLTParseError) as fault:
            problems.append(FileProblem(MANIFEST, 0, f"the mapping gives no stylesheet: {fault}"))
    return sources


def _facts(
    kind: MessageKind, side: str, rows: Iterable[Row], declarations: Mapping[str, Mapping[str, Element]]
) -> tuple[FactPath, ...]:
    found: list[FactPath] = []
    for row in rows:
        if row.fact and row.applies_to(kind) and row.side(side):
            declaration = declarations[side][kind.name]
            parts: list[str] = []
            for step in row.side(side)[1:]:
                declaration = declaration.by_name[step.name]
                text = declaration.tag
                if step.condition:
                    text += f"[{declaration.by_name[step.condition[0]].tag}='{step.condition[1]}']"
                parts.append(text)
            found.append(FactPath(row.fact, "/".join(parts), row))
    return tuple(found)


def _classes(files: Mapping[str, bytes]) -> dict[str, str]:
    """WCO class id by element name, from wco-classes.csv."""
    data = files.get("wco-classes.csv", b"element,class\n").decode("utf-8")
    return {record["element"]: record["class"] for record in csv.DictReader(io.StringIO(data))}
