"""Where two documents part, for people who look for it: the first element that is not the same."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from lxml import etree

from .problem import bounded


def first_difference(written: Any, expected: Any) -> str:
    """`Declaration/ID: VN-1 where VN-2 is expected`, in document order; "" where nothing visible differs."""
    return _compare(written, expected, etree.QName(expected).localname)


def _compare(written: Any, expected: Any, path: str) -> str:
    if written.tag != expected.tag:
        return f"{path}: {_shown(written)} where {_shown(expected)} is expected"
    for name in sorted({*written.attrib, *expected.attrib}):
        one, other = written.get(name), expected.get(name)
        if one != other:
            return f"{path}/@{name}: {one or 'nothing'} where {other or 'nothing'} is expected"
    if (written.text or "") != (expected.text or ""):
        return f"{path}: {_text(written)} where {_text(expected)} is expected"
    counts: dict[str, int] = {}
    for one, other in zip_longest(written, expected):
        if one is None or other is None:
            return f"{path}: {_shown(one)} where {_shown(other)} is expected"
        name = etree.QName(other).localname
        counts[name] = counts.get(name, 0) + 1
        several = counts[name] > 1
        found = _compare(one, other, f"{path}/{name}[{counts[name]}]" if several else f"{path}/{name}")
        if found:
            return found
    return ""


def _shown(element: Any) -> str:
    return "the end" if element is None else str(etree.QName(element).localname)


def _text(element: Any) -> str:
    return bounded(element.text or "") or "nothing"
