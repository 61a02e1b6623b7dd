"""Writes national documents from a profile's national schema, for round-trip tests.

Every optional element, choice and repetition is taken or left by chance; values come from facets, patterns
and code lists, texts from many scripts.  Chance is an argument: a seeded random.Random, or hypothesis's.
"""

from __future__ import annotations

import re._constants as sre  # type: ignore[import-not-found]
import re._parser as sre_parser  # type: ignore[import-not-found]
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from attrs import frozen
from lxml import etree

from .kind import MessageKind
from .profile import Profile
from .schema import Element, Group, SimpleType
from .survey import matching
from .tree import Node

T = TypeVar("T")

SCRIPTS = (
    "ABC xyz 0189 -/&<>'\".,;#",
    "Đường Lê Lợi, thành phố Huế, Việt Nam",
    "e\u0301 o\u031b\u0323 u\u031b",
    "กรุงเทพมหานคร ชื่อผู้ส่งออก",
    "ກາເຟດາວລາວ ຈຳກັດ",
    "ក្រុមហ៊ុន អង្គរ ភ្នំពេញ",
    "ရန်ကုန် ကုမ္ပဏီလီမိတက်",
    "\u200fعربي\u200e \u202aRTL\u202c",
    "日本語 中文 한국어",
    "\U0001f33e\U00020000 ﷽",
)
FIRST_DAY, LAST_DAY = date(2022, 5, 1), date(2026, 12, 31)
ZONES = ("Z", "+07:00", "-03:30", "+14:00")


class Chance(Protocol):
    """What is needed of random.Random."""

    def random(self) -> float: ...
    def randint(self, a: int, b: int) -> int: ...
    def choice(self, seq: Sequence[T]) -> T: ...


@frozen(kw_only=True)
class Recipe:
    """How to write one document.  most: repetitions at most; optional: likelihood of what may be left out."""

    profile: Profile
    chance: Chance
    most: int = 3
    optional: float = 0.5


def national_document(
    profile: Profile, kind: MessageKind, chance: Chance, *, most: int = 3, optional: float = 0.5
) -> Any:
    """A national content element of a kind, valid by schema, code lists and calendar (not by the rules)."""
    recipe = Recipe(profile=profile, chance=chance, most=most, optional=optional)
    declaration = profile.declarations["national"][kind.name]
    root = etree.Element(declaration.tag)
    _fill(recipe, root, declaration, profile.trees["national"][kind.name])
    return root


def _fill(recipe: Recipe, element: Any, declaration: Element, node: Node | None) -> None:
    rows = node.attributes if node is not None else {}
    for attribute in declaration.attributes:
        if attribute.required or recipe.chance.random() < recipe.optional:
            row = rows.get(attribute.name)
            element.set(attribute.name, _value(recipe, attribute.type, row.codes if row else "", False))
    if declaration.text is not None:
        text_row = node.text if node is not None else None
        codes = text_row.codes if text_row is not None else ""
        mapped = text_row is not None and text_row.convert == "map"
        element.text = _value(recipe, declaration.text, codes, mapped)
    elif declaration.content is not None:
        _fill_group(recipe, declaration.content, element, node)


def _fill_group(recipe: Recipe, group: Group, element: Any, node: Node | None) -> None:
    if group.minimum == 0 and recipe.chance.random() >= recipe.optional:
        return
    items = (recipe.chance.choice(group.items),) if group.kind == "choice" else group.items
    for item in items:
        if isinstance(item, Group):
            _fill_group(recipe, item, element, node)
            continue
        count = item.minimum
        if item.minimum == 0 and recipe.chance.random() < recipe.optional:
            count = 1
        if count and item.repeats:
            count = recipe.chance.randint(count, max(count, min(recipe.most, item.maximum or recipe.most)))
        for _ in range(count):
            child = etree.SubElement(element, item.tag)
            _fill(recipe, child, item, matching(node, child) if node is not None else None)


def _value(recipe: Recipe, kind: SimpleType, codes: str, mapped: bool) -> str:
    chance = recipe.chance
    if codes:
        return chance.choice(_codes(recipe.profile, codes, mapped, kind.max_length))
    if kind.enumeration:
        return chance.choice(kind.enumeration)
    if kind.primitive in ("date", "dateTime"):
        day = FIRST_DAY + timedelta(days=chance.randint(0, (LAST_DAY - FIRST_DAY).days))
        if kind.primitive == "date":
            return day.isoformat()
        hour, minute, second = chance.randint(0, 23), chance.randint(0, 59), chance.randint(0, 59)
        return f"{day.isoformat()}T{hour:02d}:{minute:02d}:{second:02d}{chance.choice(ZONES)}"
    if kind.primitive == "decimal":
        digits = f"{chance.randint(0, 10 ** chance.randint(1, (kind.total_digits or 16) - 1))}"
        fraction = chance.randint(0, min(kind.fraction_digits or 0, len(digits) - 1))
        return _within(
            kind, digits[: len(digits) - fraction] + (f".{digits[-fraction:]}" if fraction else "")
        )
    if kind.primitive in ("positiveInteger", "nonNegativeInteger"):
        return str(chance.randint(1, 99_999))
    if kind.patterns and r"\S" not in kind.patterns[-1][0]:
        return _from_pattern(chance, sre_parser.parse(chance.choice(kind.patterns[-1])))
    return _text(chance, max(kind.min_length or 0, 1), min(kind.max_length or 60, 600))


def _within(kind: SimpleType, number: str) -> str:
    """The number, or the bound that it passes; every second one below zero where that is allowed."""
    if kind.minimum is not None and kind.minimum < 0 and int(number[-1]) % 2:
        return max(Decimal("-" + number), kind.minimum).to_eng_string()
    return number if kind.maximum is None or Decimal(number) <= kind.maximum else str(kind.maximum)


@lru_cache(maxsize=512)
def _codes(profile: Profile, name: str, mapped: bool, longest: int | None) -> tuple[str, ...]:
    """Codes of a list that are valid on every day the generator may draw."""
    return tuple(
        entry.national if mapped else entry.code
        for entries in profile.codes[name].entries.values()
        for entry in entries
        if entry.is_valid(FIRST_DAY) and entry.is_valid(LAST_DAY) and not entry.same_as
        if longest is None or len(entry.code) <= longest
    )


def _text(chance: Chance, shortest: int, longest: int) -> str:
    """Words of one script, sometimes up to the last character allowed, without blanks at the ends."""
    script = chance.choice(SCRIPTS)
    length = longest if chance.random() < 0.05 else chance.randint(shortest, max(shortest, min(longest, 24)))
    text = "".join(chance.choice(script) for _ in range(length))
    return ("x" + text[1:-1] + "z")[:length] if length > 1 else "x"


def _from_pattern(chance: Chance, parsed: Any) -> str:
    """A text that matches one of the simple patterns that profiles use."""
    out: list[str] = []
    for operation, argument in parsed:
        if operation is sre.LITERAL:
            out.append(chr(argument))
        elif operation is sre.IN:
            out.append(chance.choice(_letters(argument)))
        elif operation is sre.MAX_REPEAT:
            low, high, inner = argument
            for _ in range(chance.randint(low, min(int(high), low + 20))):
                out.append(_from_pattern(chance, inner))
        elif operation is sre.BRANCH:
            out.append(_from_pattern(chance, chance.choice(argument[1])))
        elif operation is sre.SUBPATTERN:
            out.append(_from_pattern(chance, argument[-1]))
        else:
            raise ValueError(f"the generator does not know {operation} in a pattern")
    return "".join(out)


def _letters(parts: Any) -> str:
    found = ""
    for operation, argument in parts:
        if operation is sre.LITERAL:
            found += chr(argument)
        elif operation is sre.RANGE:
            found += "".join(map(chr, range(argument[0], argument[1] + 1)))
        else:
            raise ValueError(f"the generator does not know {operation} in a set")
    return found


def paths(element: Any, prefix: str = "") -> set[str]:
    """Every element and attribute path that occurs in a document."""
    here = f"{prefix}/{etree.QName(element).localname}" if prefix else etree.QName(element).localname
    found = {here, *(f"{here}/@{name}" for name in element.attrib)}
    for child in element:
        found |= paths(child, here)
    return found


def declared_paths(declaration: Element, prefix: str = "") -> set[str]:
    """Every element and attribute path that a schema allows."""
    here = f"{prefix}/{declaration.name}" if prefix else declaration.name
    found = {here, *(f"{here}/@{attribute.name}" for attribute in declaration.attributes)}
    for child in declaration.children:
        found |= declared_paths(child, here)
    return found
