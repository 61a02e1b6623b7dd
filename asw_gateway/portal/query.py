"""Values from the addresses and queries of the feed, read strictly: no wrong one is taken for a right one."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
MAX_NUMBER = 2**63 - 1  # what a sequence may ever reach in the store


class BadQuery(Exception):
    """A value that cannot be understood; the text is one sentence for the caller."""


def whole_number(
    values: Mapping[str, str], name: str, *, default: int, least: int = 0, most: int = MAX_NUMBER
) -> int:
    """The whole number `name`, or the default when it is not there; raises BadQuery."""
    text = values.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and least <= int(text) <= most):
        raise BadQuery(f"{name} must be a whole number from {least} to {most}.")
    return int(text)


def seconds(values: Mapping[str, str], name: str) -> float:
    """The number of seconds `name`, with or without decimals, 0 when it is not there; raises BadQuery."""
    text = values.get(name, "0")
    if not _SECONDS.fullmatch(text):
        raise BadQuery(f"{name} must be a number of seconds.")
    return float(text)
