"""Which message goes first, and what must stay in order.

A priority chooses between order keys and never reorders inside one.  A cancellation lifts its whole
key, so that the document it follows is not left waiting behind others while it is withdrawn.
"""

from __future__ import annotations

import json

TOP = 0


def order_key(partner: str, document_type: str, document_number: str) -> str:
    """Give the text that keeps messages about one document with one partner in line.

    The three parts are written as a JSON list, because a number may hold any separator.
    """
    return json.dumps([partner, document_type, document_number], ensure_ascii=False, separators=(",", ":"))


def effective_priority(kind_priority: int, effect: str) -> int:
    """Give a message's class, 0 first: the profile's wish, except that a cancellation is always first."""
    if effect == "cancels":
        return TOP
    return max(TOP, kind_priority)
