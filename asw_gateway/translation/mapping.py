"""The mapping table: one row a field, serving both directions.

Columns (see profiles/README.md): field, national, asean, convert, codes, unknown, fact, tag, box, label_en,
label_vi, kinds.  A path is a list of element names from the document element down, the last step may be
`@attribute`; on the ASEAN side a step may carry `[Child=CONSTANT]`, which tells apart elements of one name.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping

from attrs import frozen

from .kind import MessageKind

COLUMNS = (
    "field",
    "national",
    "asean",
    "convert",
    "codes",
    "unknown",
    "fact",
    "tag",
    "box",
    "label_en",
    "label_vi",
    "kinds",
)
CONVERSIONS = ("text", "date", "map", "each")
CONSTANTS = ("const", "kind", "param", "profile")
FACTS = (
    "number",
    "version",
    "origin_country",
    "destination_country",
    "issued_at",
    "previous_number",
    "functional_reference",
    "answers_number",
    "answers_reference",
    "response_function",
    "response_status",
    "marks",
)
_STEP = re.compile(r"^(@?[A-Za-z_][\w.-]*)(?:\[([A-Za-z]\w*)=([^\]/]+)\])?$")


class MappingFault(Exception):
    """Mistakes in a mapping table: (file, line, message) of each."""

    def __init__(self, faults: Iterable[tuple[str, int, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{file}:{line}: {message}" for file, line, message in self.faults))


@frozen(order=True)
class Step:
    """One step of a path.  condition: (child, constant) that tells this element from its namesakes."""

    name: str
    condition: tuple[str, str] | None = None

    @property
    def is_attribute(self) -> bool:
        return self.name.startswith("@")

    def __str__(self) -> str:
        return self.name + (f"[{self.condition[0]}={self.condition[1]}]" if self.condition else "")


Path = tuple[Step, ...]


def parse_path(text: str) -> Path:
    """The steps of a path; raises ValueError naming the step that cannot be read."""
    steps = []
    for part in filter(None, text.split("/")):
        match = _STEP.match(part)
        if match is None:
            raise ValueError(f"step {part!r} of a path cannot be read")
        name, child, constant = match.groups()
        steps.append(Step(name, (child, constant) if child else None))
    return tuple(steps)


def plain(path: Path) -> str:
    """The path without conditions: what a schema knows."""
    return "/".join(step.name for step in path)


@frozen(kw_only=True)
class Row:
    """One row of the table.  national is empty for what only the ASEAN side carries (header values)."""

    file: str
    line: int
    field: str
    national: Path
    asean: Path
    convert: str
    codes: str = ""
    unknown: str = "error"
    fact: str = ""
    tag: str = ""
    box: str = ""
    label_en: str = ""
    label_vi: str = ""
    kinds: tuple[str, ...] = ()

    @property
    def is_constant(self) -> bool:
        return self.convert.partition(":")[0] in CONSTANTS

    def side(self, side: str) -> Path:
        return self.national if side == "national" else self.asean

    def applies_to(self, kind: MessageKind) -> bool:
        """Whether the row belongs to messages of this kind."""
        if self.kinds and kind.name not in self.kinds:
            return False
        if self.national:
            return self.national[0].name == kind.national_root
        return len(self.asean) == 2 or self.asean[1].name == kind.asean_root


def read_rows(file: str, data: bytes) -> tuple[Row, ...]:
    """The rows of one table; raises MappingFault with every mistake of the file."""
    faults: list[tuple[str, int, str]] = []
    rows: list[Row] = []
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise MappingFault([(file, 0, "the table is not UTF-8")]) from None
    reader = csv.DictReader(io.StringIO(text))
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise MappingFault([(file, 1, f"columns missing: {', '.join(missing)}")])
    for record in reader:
        line = reader.line_num
        if None in record or None in record.values():
            faults.append((file, line, f"this row does not have {len(COLUMNS)} cells"))
            continue
        row, mistakes = _read_row(file, line, record)
        faults.extend((file, line, mistake) for mistake in mistakes)
        if row is not None:
            rows.append(row)
    if faults:
        raise MappingFault(faults)
    return tuple(rows)


def _read_row(file: str, line: int, record: Mapping[str, str]) -> tuple[Row | None, list[str]]:
    mistakes: list[str] = []
    paths: dict[str, Path] = {}
    for side in ("national", "asean"):
        try:
            paths[side] = parse_path(record[side])
        except ValueError as error:
            mistakes.append(f"{side}: {error}")
            paths[side] = ()
    convert = record["convert"] or "text"
    head = convert.partition(":")[0]
    if head in CONSTANTS:
        if paths["national"]:
            mistakes.append(f"convert {convert} is only for fields without a national path")
    elif convert not in CONVERSIONS:
        mistakes.append(f"convert {convert!r} is not one of {', '.join((*CONVERSIONS, 'const:…', 'kind:…'))}")
    elif not paths["national"]:
        mistakes.append("the national path is missing")
    if not paths["asean"]:
        mistakes.append("the ASEAN path is missing")
    elif paths["asean"][0].name != "MetaData":
        paths["asean"] = (Step("MetaData"), *paths["asean"])
    if any(step.condition for step in paths["national"]):
        mistakes.append("conditions are only for ASEAN paths")
    if convert == "map" and not record["codes"]:
        mistakes.append("convert map needs a code list in the column codes")
    if record["fact"] and record["fact"] not in FACTS:
        mistakes.append(f"fact {record['fact']!r} is not one of {', '.join(FACTS)}")
    if record["unknown"] not in ("", "error", "warning"):
        mistakes.append("unknown must be error or warning")
    if not record["field"]:
        mistakes.append("the field has no name")
    if mistakes:
        return None, mistakes
    return (
        Row(
            file=file,
            line=line,
            field=record["field"],
            national=paths["national"],
            asean=paths["asean"],
            convert=convert,
            codes=record["codes"],
            unknown=record["unknown"] or "error",
            fact=record["fact"],
            tag=record["tag"],
            box=record["box"],
            label_en=record["label_en"],
            label_vi=record["label_vi"],
            kinds=tuple(record["kinds"].split()),
        ),
        [],
    )
