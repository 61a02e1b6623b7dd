"""What each item of a certificate certifies, and which original proofs of origin it rests on.

A profile names the fields in its manifest (`[goods]`); a profile without that table has no balance to keep.
Quantities are compared by the first six digits of the commodity code, which all importing countries share,
and by unit; masses are counted in kilograms (factors of UN/ECE Recommendation 20).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from attrs import frozen
from lxml import etree

from .kind import MessageKind
from .mapping import Row
from .places import Place, place_of
from .problem import PointerStep
from .schema import Element
from .tree import Node

COMMODITY_DIGITS = 6
KILOGRAM = "KGM"
KILOGRAMS = {
    "MGM": Decimal("0.000001"),
    "GRM": Decimal("0.001"),
    "HGM": Decimal("0.1"),
    KILOGRAM: Decimal(1),
    "DTN": Decimal(100),
    "TNE": Decimal(1000),
    "KTN": Decimal(1_000_000),
}

#: What is counted together: the first six digits of the commodity code, and the unit.
Sort = tuple[str, str]


@frozen(kw_only=True)
class GoodsFields:
    """The rows that tell of an item.  measures: quantities by preference, each with its unit's attribute."""

    mark: str
    item: Row
    original: Row
    commodity: Row
    measures: tuple[tuple[Row, str], ...]

    def apply_to(self, kind: MessageKind) -> bool:
        """Whether a kind has all these fields."""
        rows = (self.item, self.original, self.commodity, *(row for row, _ in self.measures))
        return all(row.applies_to(kind) for row in rows)


@frozen(kw_only=True)
class GoodsLine:
    """One item: what is certified, the numbers of the originals it rests on, and the places of both."""

    commodity: str
    unit: str
    quantity: Decimal
    originals: tuple[str, ...] = ()
    path: str = ""
    box: str = ""
    pointer: tuple[PointerStep, ...] = ()
    original_places: tuple[Place, ...] = ()

    @property
    def sort(self) -> Sort:
        """What this line is counted with."""
        return (self.commodity, self.unit)


class GoodsFault(Exception):
    """A mistake in the table `[goods]` of a manifest."""


def read_goods_fields(table: Mapping[str, Any], rows: Iterable[Row]) -> GoodsFields:
    """The fields that a manifest names; raises GoodsFault at the first that is wrong."""
    by_field = {row.field: row for row in rows}

    def named(key: str, name: object) -> Row:
        if not isinstance(name, str) or name not in by_field:
            raise GoodsFault(f"[goods] {key}: the mapping has no field {name!r}")
        return by_field[name]

    measures = []
    for name in table.get("measures", ()):
        row = named("measures", name)
        units = [
            other.asean[-1].name[1:]
            for other in by_field.values()
            if other.asean[:-1] == row.asean and other.asean[-1].is_attribute
        ]
        if len(units) != 1:
            raise GoodsFault(f"[goods] measures: the field {name} has no unit of its own")
        measures.append((row, units[0]))
    if not isinstance(table.get("mark"), str) or not measures:
        raise GoodsFault("[goods] mark must be a text, and measures must name at least one field")
    return GoodsFields(
        mark=table["mark"],
        item=named("item", table.get("item")),
        original=named("original", table.get("original")),
        commodity=named("commodity", table.get("commodity")),
        measures=tuple(measures),
    )


@frozen(kw_only=True)
class GoodsPaths:
    """The expressions of one thread that find the fields: items below the root, the others below an item."""

    item: Row
    items: etree.XPath
    has_originals: etree.XPath
    originals: etree.XPath
    commodity: etree.XPath
    measures: tuple[tuple[etree.XPath, str], ...]


def compile_goods(fields: GoodsFields, root: Element) -> GoodsPaths:
    """The expressions of a profile's fields; `root` declares the root of a kind that has them all."""
    depth = len(fields.item.asean)
    return GoodsPaths(
        item=fields.item,
        items=_below(fields.item, 1, root),
        has_originals=_below(fields.original, 1, root),
        originals=_below(fields.original, depth, root),
        commodity=_below(fields.commodity, depth, root),
        measures=tuple((_below(row, depth, root), unit) for row, unit in fields.measures),
    )


def read_goods(
    paths: GoodsPaths | None, kind: MessageKind, root: Any, *, tree: Node | None = None, classes: Any = None
) -> tuple[GoodsLine, ...]:
    """The lines of an ASEAN document, one an item; with `tree` and `classes` each has its place as well.

    An item without a readable quantity gives no line: there is nothing to count.  Nor is there for a profile
    without these fields.
    """
    if paths is None or not paths.item.applies_to(kind):
        return ()
    lines = []
    rests_on_originals = bool(_found(paths.has_originals, root))
    for item in _found(paths.items, root):
        originals: dict[str, Any] = {}
        for found in _found(paths.originals, item) if rests_on_originals else ():
            originals.setdefault((found.text or "").strip(), found)
        for measure, unit_attribute in paths.measures:
            element = next(iter(_found(measure, item)), None)
            quantity = _number(element.text) if element is not None else None
            if element is None or quantity is None:
                continue
            commodity = next(iter(_found(paths.commodity, item)), None)
            unit = element.get(unit_attribute, "")
            place = place_of(element, tree, classes) if tree is not None else None
            lines.append(
                GoodsLine(
                    commodity=(commodity.text or "")[:COMMODITY_DIGITS] if commodity is not None else "",
                    unit=KILOGRAM if unit in KILOGRAMS else unit,
                    quantity=quantity * KILOGRAMS.get(unit, 1),
                    originals=tuple(originals),
                    path=place.path if place else "",
                    box=place.box if place else "",
                    pointer=place.pointer if place else (),
                    original_places=tuple(place_of(one, tree, classes) for one in originals.values())
                    if tree is not None
                    else (),
                )
            )
            break
    return tuple(lines)


def totals(lines: Iterable[GoodsLine]) -> dict[Sort, Decimal]:
    """The sum of the lines of each sort."""
    found: dict[Sort, Decimal] = {}
    for line in lines:
        found[line.sort] = found.get(line.sort, Decimal(0)) + line.quantity
    return found


def written(sums: Mapping[Sort, Decimal]) -> str:
    """Sums as text, one line a sort: what the register keeps."""
    return "\n".join(f"{commodity} {unit} {quantity:f}" for (commodity, unit), quantity in sums.items())


def read_written(text: str | None) -> dict[Sort, Decimal]:
    """The sums of `written`."""
    lines = (line.split(" ") for line in (text or "").splitlines())
    return {(commodity, unit): Decimal(quantity) for commodity, unit, quantity in lines}


def _below(row: Row, depth: int, root: Element) -> etree.XPath:
    """The path of a row from the element `depth` steps down."""
    declaration = root
    names: list[str] = []
    prefixes: dict[str, str] = {}
    for step in row.asean[1:]:
        declaration = declaration.by_name[step.name]
        prefix = f"n{len(names)}"
        prefixes[prefix] = declaration.namespace
        names.append(f"{prefix}:{step.name}")
    return etree.XPath("/".join(names[depth - 1 :]), namespaces=prefixes, regexp=False)


def _found(path: Any, element: Any) -> list[Any]:
    result: list[Any] = path(element)
    return result


def _number(text: str | None) -> Decimal | None:
    try:
        number = Decimal((text or "").strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
