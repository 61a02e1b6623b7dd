"""Every mistake in a profile's files, with file and line: what `aswctl profile check` shows.

`load_profile` stops where going on makes no sense; this looks at every file that can be looked at by itself,
and at what a loadable profile may still lack: rules without a row, elements that no mapping row carries.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .codelist import CodeListFault, read_code_list
from .profile import MANIFEST, RULE_TABLE, FileProblem, Profile, ProfileFault
from .profile_loading import load_profile
from .rule_table import read_rule_table
from .schema import Element
from .schema_files import SchemaFault, parse_file
from .schema_tree import XS
from .tree import Node
from .trial import NEEDED


def check_profile(
    name: str,
    files: Mapping[str, bytes],
    reference: Mapping[str, bytes],
    examples: Mapping[str, bytes] | None = None,
) -> tuple[FileProblem, ...]:
    """All mistakes in file order.  examples: what lies below examples/, by path (`NAME/example.toml`)."""
    problems: list[FileProblem] = []
    profile: Profile | None = None
    try:
        profile = load_profile(name, files, reference)
    except ProfileFault as fault:
        problems += [_located(problem, files) for problem in fault.problems]
    problems += _code_lists(files)
    rules = _rules(files, profile, problems)
    if profile is not None:
        if profile.name != name:
            problems.append(
                FileProblem(
                    MANIFEST, _line_of(files, "name"), f"name must be {name}, as the folder is called"
                )
            )
        problems += _idle(profile, files)
        problems += _unmapped(profile)
    if examples is not None:
        problems += _examples(profile, examples, rules)
    return tuple(sorted(dict.fromkeys(problems), key=lambda each: (each.file, each.line)))


def clashes(profiles: Iterable[Profile]) -> tuple[tuple[str, FileProblem], ...]:
    """What two profiles may not share: (profile, problem in its profile.toml) for the later of the two.

    A service and a version in documents must lead to one profile; a procedure to one document type.
    """
    found: list[tuple[str, FileProblem]] = []
    known: list[Profile] = []
    for profile in profiles:
        for other in known:
            shared = [
                key
                for key in ("service", "customization_version")
                if getattr(profile, key) == getattr(other, key)
            ]
            same_type = profile.document_type == other.document_type
            if (profile.procedure == other.procedure) != same_type:
                shared.append("document_type" if same_type else "procedure")
            if same_type and profile.version == other.version:
                shared.append("version")
            for key in shared:
                line = _line_of(profile.files, key)
                message = f"{key} {getattr(profile, key)} belongs to {other.name} already"
                found.append((profile.name, FileProblem(MANIFEST, line, message)))
        known.append(profile)
    return tuple(found)


def _located(problem: FileProblem, files: Mapping[str, bytes]) -> FileProblem:
    """A problem of profile.toml with its line, which tomllib tells only in words or not at all."""
    if problem.file != MANIFEST or problem.line or MANIFEST not in files:
        return problem
    told = re.search(r"\(at line (\d+), column \d+\)", problem.message)
    if told:
        return FileProblem(problem.file, int(told[1]), problem.message[: told.start()].strip())
    kind = re.match(r"kind ([\w.-]+)[:,]", problem.message)
    if kind:
        return FileProblem(problem.file, _kind_line(files, kind[1]), problem.message)
    key = problem.message.split(" ", 1)[0]
    return FileProblem(problem.file, _line_of(files, key), problem.message)


def _line_of(files: Mapping[str, bytes], key: str, start: int = 0) -> int:
    lines = files[MANIFEST].decode("utf-8", "replace").splitlines()
    pattern = re.compile(rf"\s*{re.escape(key)}\s*=")
    return next((n for n, line in enumerate(lines, 1) if n > start and pattern.match(line)), 0)


def _kind_line(files: Mapping[str, bytes], kind: str) -> int:
    """The line of a kind's name, or of the [[kinds]] that stands at this place of the list."""
    lines = files[MANIFEST].decode("utf-8", "replace").splitlines()
    heads = [n for n, line in enumerate(lines, 1) if line.strip() == "[[kinds]]"]
    if kind.isdigit() and 0 < int(kind) <= len(heads):
        return heads[int(kind) - 1]
    named = re.compile(rf'\s*name\s*=\s*"{re.escape(kind)}"')
    return next((n for n, line in enumerate(lines, 1) if heads and n > heads[0] and named.match(line)), 0)


def _code_lists(files: Mapping[str, bytes]) -> Iterator[FileProblem]:
    for file, data in files.items():
        if file.startswith("codes/") and file.endswith(".csv"):
            try:
                read_code_list(file[6:-4], data)
            except CodeListFault as fault:
                yield from (FileProblem(file, line, message) for line, message in fault.faults)


def _rules(
    files: Mapping[str, bytes], profile: Profile | None, problems: list[FileProblem]
) -> dict[str, int]:
    """The table's document rules by id, with their lines; its mistakes go to `problems`."""
    if RULE_TABLE not in files:
        problems.append(FileProblem(RULE_TABLE, 0, "this file is missing"))
        return {}
    rows, faults = read_rule_table(files[RULE_TABLE])
    problems += [FileProblem(RULE_TABLE, line, message) for line, message in faults]
    if profile is not None and not faults:
        asserted: dict[str, int] = {}
        for phase in profile.compiled().rules.phases.values():
            for assertion in phase:
                asserted.setdefault(assertion.rule, assertion.line)
        listed = {row.id for row in rows if row.kind == "document"}
        problems += [
            FileProblem(RULE_TABLE, row.line, f"no assert in {profile.rules_file} has the id {row.id}")
            for row in rows
            if row.kind == "document" and row.id not in asserted
        ]
        problems += [
            FileProblem(profile.rules_file, line, f"rule {rule} has no row of kind document in {RULE_TABLE}")
            for rule, line in asserted.items()
            if rule not in listed
        ]
    return {example: row.line for row in rows for example in row.examples}


def _idle(profile: Profile, own: Mapping[str, bytes]) -> Iterator[FileProblem]:
    """Rows of the profile's own tables that no message uses; shared tables have rows for all profiles."""
    for row in profile.rows:
        if row.file in own and not any(row.applies_to(kind) for kind in profile.kinds):
            root = row.national[0].name if row.national else row.asean[0].name
            kinds = f" of the kinds {' '.join(row.kinds)}" if row.kinds else ""
            message = f"no kind{kinds} has the root {root}: this row is never used"
            yield FileProblem(row.file, row.line, message)


def _unmapped(profile: Profile) -> Iterator[FileProblem]:
    """Elements and attributes of the national schema whose value every translation would lose."""
    seen: set[str] = set()
    for kind in profile.kinds:
        tree = profile.trees["national"][kind.name]
        for path in _without_row(profile.declarations["national"][kind.name], tree, tree.step.name):
            if path not in seen:
                seen.add(path)
                file, line = _place(profile, path)
                yield FileProblem(file, line, f"no mapping row carries {path}: its value would be lost")


def _without_row(declaration: Element, node: Node | None, path: str) -> Iterator[str]:
    if declaration.text is not None and (node is None or node.text is None):
        yield path
    for attribute in declaration.attributes:
        if node is None or attribute.name not in node.attributes:
            yield f"{path}/@{attribute.name}"
    for child in declaration.children:
        below = next(iter(node.by_name.get(child.name, ())), None) if node is not None else None
        yield from _without_row(child, below, f"{path}/{child.name}")


def _place(profile: Profile, path: str) -> tuple[str, int]:
    """Where the national schema declares a path, as far as its declarations are nested in one file."""
    names = [name for name in path.split("/") if not name.startswith("@")]
    for file in (profile.national_schema, *sorted(profile.files)):
        if not file.endswith(".xsd"):
            continue
        try:
            node: Any = parse_file(profile.files, file)
        except SchemaFault:
            continue
        if not any(child.get("name") == names[0] for child in node.findall(f"{XS}element")):
            continue
        line = 0
        for name in names:
            found = next((each for each in node.iter(f"{XS}element") if each.get("name") == name), None)
            if found is None:
                break
            node, line = found, found.sourceline
        return file, line
    return profile.national_schema, 0


def _examples(
    profile: Profile | None, examples: Mapping[str, bytes], wanted: Mapping[str, int]
) -> Iterator[FileProblem]:
    folders = {path.partition("/")[0] for path in examples}
    for name, line in wanted.items():
        if name not in folders:
            yield FileProblem(RULE_TABLE, line, f"there is no example {name}")
    for name in sorted(folders):
        file = f"examples/{name}/example.toml"
        data = examples.get(f"{name}/example.toml")
        if data is None:
            yield FileProblem(file, 0, "this file is missing")
            continue
        try:
            manifest = tomllib.loads(data.decode("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            yield _toml_problem(file, str(error))
            continue
        for key, type_ in NEEDED.items():
            if not isinstance(manifest.get(key), type_):
                line = next(
                    (n for n, text in enumerate(data.splitlines(), 1) if text.startswith(key.encode())), 0
                )
                yield FileProblem(file, line, f"{key} is missing or not a {type_.__name__}")
        if profile is not None and profile.kind(str(manifest.get("kind"))) is None:
            yield FileProblem(file, 0, f"the profile has no kind {manifest.get('kind')}")
        if not {f"{name}/national.xml", f"{name}/asean.xml"} & examples.keys():
            yield FileProblem(file, 0, "there is neither national.xml nor asean.xml beside it")


def _toml_problem(file: str, message: str) -> FileProblem:
    told = re.search(r"\(at line (\d+), column \d+\)", message)
    return FileProblem(
        file, int(told[1]) if told else 0, message[: told.start()].strip() if told else message
    )
