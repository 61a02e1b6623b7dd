"""An issue of UN/LOCODE in its official layout, laid over a dated code list.

UNECE publishes the list as comma-separated files without headings, in parts: change indicator, country,
location, name, name without diacritics, subdivision, function, status, date, IATA code, coordinates,
remarks.  Lines without a location head a country or refer from one name to another.  The files have no days
of validity: they follow from one issue to the next.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from attrs import evolve, frozen

from .codelist import REQUIRED, Code, CodeList, CodeListFault

_COLUMNS = 12
_ADDED, _REJECTED = "+", "RR"
_CODE = re.compile(r"[A-Z]{2}[A-Z0-9]{3}")


@frozen(kw_only=True)
class Place:
    """A location of an issue; added: this issue has it for the first time."""

    code: str
    name: str
    added: bool


@frozen(kw_only=True)
class Renewal:
    """A renewed list as CSV, and how it differs from the one before."""

    csv: bytes
    codes: int
    added: tuple[str, ...]
    renamed: tuple[str, ...]
    ended: tuple[str, ...]


def read_issue(data: bytes) -> tuple[Place, ...]:
    """The locations of one file; of two lines for one code the first counts.  Raises CodeListFault."""
    places: dict[str, Place] = {}
    faults: list[tuple[int, str]] = []
    reader = csv.reader(io.StringIO(_decoded(data)))
    for cells in reader:
        if not any(cells) or cells[:2] == ["Change", "Country"]:
            continue
        if len(cells) != _COLUMNS:
            faults.append((reader.line_num, f"{_COLUMNS} columns expected, {len(cells)} found"))
            continue
        change, country, location, name, plain_name = (cell.strip() for cell in cells[:5])
        if not location or _REJECTED in cells[6:8]:
            continue
        if not _CODE.fullmatch(country + location):
            faults.append((reader.line_num, f"{country} {location} is not a location code"))
            continue
        place = Place(code=country + location, name=name or plain_name, added=change == _ADDED)
        places.setdefault(place.code, place)
    if not places and not faults:
        faults.append((0, "no location is in this file"))
    if faults:
        raise CodeListFault(faults)
    return tuple(places.values())


def renew(before: CodeList, places: Iterable[Place], issued: date) -> Renewal:
    """The list with an issue laid over it: nothing is deleted, for older documents are read by older codes.

    A code that the issue no longer has ends on the day before it; one marked as added begins with it; all
    others hold as they did.  Vietnamese names and older days are kept.  Raises ValueError where the list
    knows a later issue already, or the files lack a country that the list has.
    """
    found = {place.code: place for place in places}
    later = [code.valid_from for codes in before.entries.values() for code in codes if code.valid_from]
    if later and max(later) > issued:
        raise ValueError(f"the list has codes of a later issue: {max(later)}")
    lost = {code[:2] for code, known in before.entries.items() if known[-1].is_valid(issued)} - {
        code[:2] for code in found
    }
    if lost:
        raise ValueError(
            f"no location of {', '.join(sorted(lost))} is in these files: give all parts of the issue"
        )
    entries: dict[str, tuple[Code, ...]] = {}
    renamed: list[str] = []
    ended: list[str] = []
    for code, place in found.items():
        known = before.entries.get(code, ())
        if known and known[-1].is_valid(issued):
            if known[-1].name_en != place.name:
                renamed.append(code)
            entries[code] = (*known[:-1], evolve(known[-1], name_en=place.name))
        else:
            entries[code] = (*known, _begun(place, issued if place.added or known else None))
    for code, known in before.entries.items():
        if code not in found:
            gone = known[-1].is_valid(issued)
            if gone:
                ended.append(code)
                known = (*known[:-1], evolve(known[-1], valid_until=issued - timedelta(days=1)))
            entries[code] = known
    return Renewal(
        csv=_written(entries),
        codes=len(found),
        added=tuple(sorted(found.keys() - before.entries.keys())),
        renamed=tuple(sorted(renamed)),
        ended=tuple(sorted(ended)),
    )


def _begun(place: Place, valid_from: date | None) -> Code:
    return Code(code=place.code, name_en=place.name, name_vi="", valid_from=valid_from, valid_until=None)


def _written(entries: Mapping[str, tuple[Code, ...]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(REQUIRED)
    for code in sorted(entries):
        for entry in entries[code]:
            days = (day.isoformat() if day else "" for day in (entry.valid_from, entry.valid_until))
            writer.writerow([entry.code, entry.name_en, entry.name_vi, *days])
    return text.getvalue().encode("utf-8")


def _decoded(data: bytes) -> str:
    """UNECE's files were Latin-1 for long; newer ones, and those of others, are UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
