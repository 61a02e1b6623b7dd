"""Makes a Profile of its files: names and bytes in, every mistake with file and line out.

Files are read first, then the schemas' trees are laid under the mapping, then both stylesheets are written;
a stage begins only when the one before found no mistake.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from lxml import etree

from .codelist import CodeList, CodeListFault, read_code_list
from .goods import GoodsFault, GoodsFields, read_goods_fields
from .kind import MessageKind
from .manifest import TEXTS, read_kinds, read_manifest
from .mapping import MappingFault, Row, read_rows
from .profile import MANIFEST, RULE_TABLE, SIDES, FileProblem, Profile, ProfileFault
from .rule_table import RuleTable, read_rule_table
from .rules import RulesFault, compile_rules
from .schema import Element
from .schema_files import SchemaFault, compile_schema, parse_file
from .schema_tree import SchemaTree
from .stylesheet import OutsideRepetition, Sheet, write_stylesheet
from .timers import Timer, TimerFault, read_timers
from .tree import Node, build_tree

TIMERS = "timers.csv"


def load_profile(name: str, files: Mapping[str, bytes], reference: Mapping[str, bytes]) -> Profile:
    """The profile in `files` (names relative to its folder) with the shared `reference` files.

    A profile's own file hides a reference file of the same name.  Raises ProfileFault with every mistake.
    """
    everything = {**reference, **files}
    problems: list[FileProblem] = []
    manifest = read_manifest(everything, problems)
    if problems:
        raise ProfileFault(name, problems)
    kinds = read_kinds(manifest, problems)
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
    rule_rows, faults = read_rule_table(everything[RULE_TABLE]) if RULE_TABLE in everything else ((), [])
    problems += [FileProblem(RULE_TABLE, line, message) for line, message in faults]
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
        rule_table=RuleTable(rows=rule_rows),
        codes=codes,
        classes=_classes(everything),
        national_schema=manifest["national_schema"],
        rules_file=manifest["rules"],
        schemas=schemas,
        trees=trees,
        declarations=declarations,
        stylesheet_sources=sources,
        files=everything,
    )
    # Shows that everything compiles; kept are only the copies of the threads that work with it.
    profile.compile()
    return profile


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
                message = f"kind {kind.name}: {file} declares no element {root}"
                problems.append(FileProblem(MANIFEST, 0, message))
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


def _classes(files: Mapping[str, bytes]) -> dict[str, str]:
    """WCO class id by element name, from wco-classes.csv."""
    data = files.get("wco-classes.csv", b"element,class\n").decode("utf-8")
    return {record["element"]: record["class"] for record in csv.DictReader(io.StringIO(data))}
