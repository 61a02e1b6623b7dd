"""Dated code lists: CSV with the columns code, name_en, name_vi, valid_from, valid_until.

Optional columns: same_as (this is an accepted spelling of another code), national (the code of the national
side, for convert `map`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache

from attrs import field, frozen

REQUIRED = ("code", "name_en", "name_vi", "valid_from", "valid_until")


class CodeListFault(Exception):
    """Mistakes in a code list: (line, message) of each."""

    def __init__(self, faults: Iterable[tuple[int, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"line {line}: {message}" for line, message in self.faults))


@frozen(kw_only=True)
class Code:
    """One entry.  valid_from / valid_until: first and last day, None = open."""

    code: str
    name_en: str
    name_vi: str
    valid_from: date | None
    valid_until: date | None
    same_as: str = ""
    national: str = ""

    def is_valid(self, on: date) -> bool:
        return (self.valid_from is None or self.valid_from <= on) and (
            self.valid_until is None or on <= self.valid_until
        )


@frozen(kw_only=True)
class CodeList:
    """All entries of a list by code; one code may have several entries with different dates."""

    name: str
    entries: Mapping[str, tuple[Code, ...]] = field(repr=False)

    to_national: Mapping[str, str] = field(init=False, eq=False, repr=False)
    to_asean: Mapping[str, str] = field(init=False, eq=False, repr=False)

    @to_national.default
    def _to_national(self) -> Mapping[str, str]:
        return {entry.code: entry.national for entries in self.entries.values() for entry in entries[-1:]}

    @to_asean.default
    def _to_asean(self) -> Mapping[str, str]:
        return {national: code for code, national in self.to_national.items()}

    def find(self, code: str, on: date) -> Code | None:
        """The entry valid on a day, or None."""
        return next((entry for entry in self.entries.get(code, ()) if entry.is_valid(on)), None)


@lru_cache(maxsize=32)  # profiles share lists, and one of them may have a hundred thousand codes
def read_code_list(name: str, data: bytes) -> CodeList:
    """A code list from CSV bytes; raises CodeListFault with every mistake of the file."""
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8")))
    except UnicodeDecodeError:
        raise CodeListFault([(0, "the list is not UTF-8")]) from None
    missing = [column for column in REQUIRED if column not in (reader.fieldnames or ())]
    if missing:
        raise CodeListFault([(1, f"columns missing: {', '.join(missing)}")])
    entries: dict[str, tuple[Code, ...]] = {}
    faults: list[tuple[int, str]] = []
    for record in reader:
        try:
            entry = _entry(record)
            if any(_overlap(entry, other) for other in entries.get(entry.code, ())):
                raise ValueError(f"code {entry.code} stands twice for the same days")
        except ValueError as error:
            faults.append((reader.line_num, str(error)))
            continue
        entries[entry.code] = (*entries.get(entry.code, ()), entry)
    if faults:
        raise CodeListFault(faults)
    return CodeList(name=name, entries=entries)


def _entry(record: Mapping[str, str]) -> Code:
    if None in record or None in record.values():
        raise ValueError("this row does not have as many cells as the first line")
    if not record["code"]:
        raise ValueError("an entry without a code")
    entry = Code(
        code=record["code"],
        name_en=record["name_en"],
        name_vi=record["name_vi"],
        valid_from=_day(record["valid_from"]),
        valid_until=_day(record["valid_until"]),
        same_as=record.get("same_as") or "",
        national=record.get("national") or "",
    )
    if entry.valid_from and entry.valid_until and entry.valid_until < entry.valid_from:
        raise ValueError(f"code {entry.code} ends before it begins")
    return entry


def _overlap(one: Code, other: Code) -> bool:
    return (one.valid_from or date.min) <= (other.valid_until or date.max) and (
        other.valid_from or date.min
    ) <= (one.valid_until or date.max)


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
