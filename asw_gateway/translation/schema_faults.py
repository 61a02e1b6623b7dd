"""Every way in which a document breaks its schema, each with its place.

libxml2 stops looking inside an element after its first misplaced child; this walk does not.  It runs only on
documents that libxml2 refuses, so its speed does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from attrs import frozen
from lxml import etree

from .problem import bounded
from .schema import Element, Group, SimpleType


@frozen(kw_only=True)
class Fault:
    """A fault at `element`, or at its attribute `@name`, or at a child that is not there."""

    element: Any
    missing: str = ""
    attribute: str = ""
    message: str
    message_vi: str
    value: str = ""


def schema_faults(element: Any, declaration: Element) -> Iterator[Fault]:
    """All faults of an element and everything below it."""
    yield from _attribute_faults(element, declaration)
    if declaration.text is not None:
        if len(element):
            yield Fault(
                element=element,
                message=f"{declaration.name} must hold a value, not elements",
                message_vi=f"{declaration.name} phải chứa giá trị, không chứa phần tử con",
            )
        else:
            yield from _value_faults(element, declaration.name, element.text or "", declaration.text)
        return
    if (element.text or "").strip() or any((child.tail or "").strip() for child in element):
        yield Fault(
            element=element,
            message=f"{declaration.name} must hold elements only, but there is text between them",
            message_vi=f"{declaration.name} chỉ được chứa phần tử con, nhưng có văn bản xen giữa",
            value="".join([element.text or "", *[child.tail or "" for child in element]]),
        )
    yield from _child_faults(element, declaration)


def _child_faults(element: Any, declaration: Element) -> Iterator[Fault]:
    order = {child.name: position for position, child in enumerate(declaration.children)}
    counts: dict[str, int] = {}
    highest, highest_name = -1, ""
    for child in element:
        name = etree.QName(child)
        known = declaration.by_name.get(name.localname)
        if name.namespace in declaration.foreign:
            continue
        if known is None or (name.namespace or "") != known.namespace:
            expected = ", ".join(order) or "nothing"
            wrong = " in this namespace" if known is not None else ""
            yield Fault(
                element=child,
                message=f"{name.localname} is not known{wrong} in {declaration.name}; known are {expected}",
                message_vi=f"{name.localname} không có trong {declaration.name}; được phép: {expected}",
            )
            continue
        counts[known.name] = counts.get(known.name, 0) + 1
        if known.maximum is not None and counts[known.name] == known.maximum + 1:
            yield Fault(
                element=child,
                message=f"{known.name} may occur at most {known.maximum} times in {declaration.name}",
                message_vi=f"{known.name} chỉ được xuất hiện {known.maximum} lần trong {declaration.name}",
            )
        if order[known.name] < highest:
            yield Fault(
                element=child,
                message=f"{known.name} must come before {highest_name}",
                message_vi=f"{known.name} phải đứng trước {highest_name}",
            )
        else:
            highest, highest_name = order[known.name], known.name
        yield from schema_faults(child, known)
    if declaration.content is not None:
        yield from _missing(element, declaration.content, counts)


def _missing(element: Any, group: Group, counts: dict[str, int]) -> Iterator[Fault]:
    if group.minimum == 0 and not any(_present(item, counts) for item in group.items):
        return
    if group.kind == "choice":
        chosen = [item for item in group.items if _present(item, counts)]
        names = [_name(item) for item in group.items]
        if len(chosen) > 1:
            yield Fault(
                element=element,
                message=f"only one of {', '.join(names)} may be given",
                message_vi=f"chỉ được có một trong: {', '.join(names)}",
            )
        elif not chosen and all(item.minimum for item in group.items):
            yield Fault(
                element=element,
                missing=names[0],
                message=f"one of {', '.join(names)} is missing",
                message_vi=f"thiếu một trong: {', '.join(names)}",
            )
        for item in chosen:
            if isinstance(item, Group):
                yield from _missing(element, item, counts)
        return
    for item in group.items:
        if isinstance(item, Group):
            yield from _missing(element, item, counts)
        elif counts.get(item.name, 0) < item.minimum:
            yield Fault(
                element=element,
                missing=item.name,
                message=f"{item.name} is missing",
                message_vi=f"thiếu {item.name}",
            )


def _present(item: Element | Group, counts: dict[str, int]) -> bool:
    if isinstance(item, Element):
        return bool(counts.get(item.name))
    return any(_present(inner, counts) for inner in item.items)


def _name(item: Element | Group) -> str:
    return item.name if isinstance(item, Element) else _name(item.items[0])


def _attribute_faults(element: Any, declaration: Element) -> Iterator[Fault]:
    known = {attribute.name: attribute for attribute in declaration.attributes}
    for name, value in element.attrib.items():
        if name.startswith("{http://www.w3.org/2001/XMLSchema-instance}"):
            continue
        if name not in known:
            yield Fault(
                element=element,
                attribute=name,
                message=f"attribute {name} is not known at {declaration.name}",
                message_vi=f"thuộc tính {name} không có ở {declaration.name}",
                value=value,
            )
            continue
        for fault in _value_faults(element, f"attribute {name}", value, known[name].type):
            yield Fault(
                element=element,
                attribute=name,
                message=fault.message,
                message_vi=fault.message_vi,
                value=value,
            )
    for name, attribute in known.items():
        if attribute.required and name not in element.attrib:
            yield Fault(
                element=element,
                attribute=name,
                message=f"attribute {name} of {declaration.name} is missing",
                message_vi=f"thiếu thuộc tính {name} của {declaration.name}",
            )


def _value_faults(element: Any, name: str, text: str, kind: SimpleType) -> Iterator[Fault]:
    value = text if kind.primitive == "string" else " ".join(text.split())
    for english, vietnamese in _mistakes(value, kind):
        yield Fault(
            element=element,
            message=f"{name} {english}",
            message_vi=f"{name} {vietnamese}",
            value=bounded(text),
        )


def _mistakes(value: str, kind: SimpleType) -> Iterator[tuple[str, str]]:
    if value == "" and (kind.min_length or kind.patterns or kind.primitive != "string"):
        yield "is empty", "để trống"
        return
    if kind.enumeration and value not in kind.enumeration:
        allowed = ", ".join(kind.enumeration[:20])
        yield f"must be one of {allowed}", f"phải là một trong: {allowed}"
        return
    if kind.max_length is not None and len(value) > kind.max_length:
        yield (
            f"has {len(value)} characters, at most {kind.max_length} are allowed",
            f"có {len(value)} ký tự, tối đa {kind.max_length}",
        )
    if kind.min_length is not None and len(value) < kind.min_length:
        yield (
            f"has {len(value)} characters, at least {kind.min_length} are needed",
            f"có {len(value)} ký tự, tối thiểu {kind.min_length}",
        )
    if kind.primitive in ("date", "dateTime") and not _is_date(value, kind.primitive):
        yield "is not a date as YYYY-MM-DD, with hh:mm:ss and zone for a time", "không phải ngày giờ hợp lệ"
        return
    if kind.primitive in _NUMBERS:
        yield from _number_mistakes(value, kind)
        return
    for patterns in kind.patterns:
        if not any(_pattern(pattern).fullmatch(value) for pattern in patterns):
            form = " or ".join(patterns)
            yield f"does not have the form {form}", f"không đúng dạng {form}"
            return


_NUMBERS = ("decimal", "integer", "positiveInteger", "nonNegativeInteger", "int", "short")


def _number_mistakes(value: str, kind: SimpleType) -> Iterator[tuple[str, str]]:
    try:
        if not re.fullmatch(r"[+\-]?[0-9]*\.?[0-9]*", value):
            raise InvalidOperation
        number = Decimal(value)
    except InvalidOperation:
        yield "is not a number", "không phải là số"
        return
    if kind.primitive != "decimal" and number != number.to_integral_value():
        yield "must be a whole number", "phải là số nguyên"
    low = kind.minimum
    if kind.primitive in ("positiveInteger", "nonNegativeInteger"):
        low = max(low or Decimal(0), Decimal(1 if kind.primitive == "positiveInteger" else 0))
    if low is not None and number < low:
        yield f"must be at least {low}", f"phải lớn hơn hoặc bằng {low}"
        return
    if kind.exclusive_minimum is not None and number <= kind.exclusive_minimum:
        yield f"must be more than {kind.exclusive_minimum}", f"phải lớn hơn {kind.exclusive_minimum}"
    if kind.maximum is not None and number > kind.maximum:
        yield f"must be at most {kind.maximum}", f"phải nhỏ hơn hoặc bằng {kind.maximum}"
    whole, _, fraction = value.lstrip("+-").partition(".")
    fraction = fraction.rstrip("0")
    if kind.fraction_digits is not None and len(fraction) > kind.fraction_digits:
        yield (
            f"has more than {kind.fraction_digits} digits after the point",
            f"có quá {kind.fraction_digits} chữ số thập phân",
        )
    if kind.total_digits is not None and len(whole.lstrip("0")) + len(fraction) > kind.total_digits:
        yield f"has more than {kind.total_digits} digits", f"có quá {kind.total_digits} chữ số"
    for patterns in kind.patterns:
        if not any(_pattern(pattern).fullmatch(value) for pattern in patterns):
            form = " or ".join(patterns)
            yield f"does not have the form {form}", f"không đúng dạng {form}"


def _is_date(value: str, primitive: str) -> bool:
    try:
        if primitive == "date":
            date.fromisoformat(value[:10])
        else:
            datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> re.Pattern[str]:
    # the profiles' patterns use only what XSD and Python read alike
    return re.compile(pattern)
