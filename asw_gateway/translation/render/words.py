"""Codes in words, and a national document as labelled values in its own order."""

from __future__ import annotations

from datetime import date
from typing import Any

from attrs import field, frozen

from ..codelist import Code
from ..kind import MessageKind
from ..mapping import Row
from ..profile import Profile
from ..survey import matching
from ..tree import Node


@frozen(kw_only=True)
class Value:
    """One filled field: its label in both languages, box of the form, text, and the words of its code."""

    label_en: str
    label_vi: str
    box: str
    text: str
    words_en: str = ""
    words_vi: str = ""


@frozen(kw_only=True)
class Section:
    """One repeated element: `item 2`, with its values and the repeated elements within it."""

    label_en: str
    label_vi: str
    number: int
    values: tuple[Value, ...] = ()
    sections: tuple[Section, ...] = field(default=(), repr=False)


class Words:
    """Looks codes up as they were on the day of the document."""

    def __init__(self, profile: Profile, on: date) -> None:
        self.profile, self.on = profile, on

    def entry(self, codes: str, code: str) -> Code | None:
        """The entry of a code list, of whatever day where none is valid on the day."""
        found = self.profile.codes.get(codes)
        if found is None:
            return None
        return found.find(code, self.on) or next(iter(found.entries.get(code, ())), None)

    def english(self, codes: str, code: str) -> str:
        """`KGM (kilogram)`; a code without words stays alone."""
        entry = self.entry(codes, code)
        return f"{code} ({entry.name_en})" if entry and entry.name_en not in ("", code) else code

    def name(self, codes: str, code: str) -> str:
        """The words alone, or the code where there are none."""
        entry = self.entry(codes, code)
        return entry.name_en if entry and entry.name_en else code

    def of_row(self, row: Row, text: str) -> tuple[str, str]:
        """The words of a national value in both languages."""
        if not row.codes:
            return "", ""
        code = self.profile.codes[row.codes].to_asean.get(text, text) if row.convert == "map" else text
        entry = self.entry(row.codes, code)
        if entry is None:
            return "", ""
        names = entry.name_en, entry.name_vi or entry.name_en
        return ("" if names[0] == text else names[0]), ("" if names[1] == text else names[1])


def read_section(profile: Profile, kind: MessageKind, content: Any, on: date) -> Section:
    """A national content element as one section with everything that its mapping table labels."""
    words = Words(profile, on)
    tree = profile.trees["national"][kind.name]
    return _section(words, content, tree, profile.title, profile.title_vi, 1)


def _section(words: Words, element: Any, node: Node, label_en: str, label_vi: str, number: int) -> Section:
    values: list[Value] = []
    sections: list[Section] = []
    _collect(words, element, node, values, sections)
    return Section(
        label_en=label_en,
        label_vi=label_vi,
        number=number,
        values=tuple(values),
        sections=tuple(sections),
    )


def _collect(words: Words, element: Any, node: Node, values: list[Value], sections: list[Section]) -> None:
    if node.text is not None and (element.text or "").strip():
        values.append(_value(words, element, node))
    counts: dict[str, int] = {}
    for child in element:
        below = matching(node, child)
        if below is None:
            continue
        if below.each is None or (below.text is not None and not len(child)):
            _collect(words, child, below, values, sections)
            continue
        counts[below.step.name] = counts.get(below.step.name, 0) + 1
        sections.append(
            _section(words, child, below, below.each.label_en, below.each.label_vi, counts[below.step.name])
        )


def _value(words: Words, element: Any, node: Node) -> Value:
    row = node.text
    assert row is not None
    text = element.text.strip()
    english, vietnamese = words.of_row(row, text)
    for name, unit in node.attributes.items():
        code = element.get(name)
        if code:
            text += f" {code}"
            unit_en, unit_vi = words.of_row(unit, code)
            english, vietnamese = english or unit_en, vietnamese or unit_vi
    return Value(
        label_en=row.label_en,
        label_vi=row.label_vi,
        box=row.box,
        text=text,
        words_en=english,
        words_vi=vietnamese,
    )
