"""The smallest shared value, a party identifier, and the checks that values share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from attrs import field, frozen

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MAX_TEXT_CHARS = 1024
"""Longest identifier or property value that a header may carry."""


def bounded_text(longest: int = MAX_TEXT_CHARS, *, shortest: int = 1) -> Callable[[Any, Any, str], None]:
    """An attrs validator: a string of ``shortest`` to ``longest`` characters without control characters."""

    def check(instance: object, attribute: Any, value: str) -> None:
        if not isinstance(value, str) or not shortest <= len(value) <= longest:
            raise ValueError(f"{attribute.name} must be {shortest} to {longest} characters")
        if not value.isprintable() and _CONTROL.search(value) is not None:
            raise ValueError(f"{attribute.name} must not contain control characters")

    return check


@frozen(kw_only=True)
class PartyId:
    """An ebMS party identifier with the scheme (``type``) it belongs to."""

    value: str = field(validator=bounded_text())
    type: str = field(validator=bounded_text())
