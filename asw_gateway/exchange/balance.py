"""The running balance of original proofs of origin under back-to-back certificates (OCP Rule 11(1)(f)).

Each back-to-back certificate draws quantities from the originals its items name; what all of them draw
together may not exceed what the originals certify.  It is a warning: the issuing authority has the papers,
the gateway only what passed through it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from attrs import field, frozen

from asw_gateway.translation.goods import GoodsLine, Sort
from asw_gateway.translation.problem import Problem

RULE = "R-12"
_NOTHING = Decimal(0)


@frozen(kw_only=True)
class Original:
    """What is known of one original: what it certifies by sort, and what certificates drew from it."""

    certified: Mapping[Sort, Decimal]
    drawn: Mapping[Sort, Decimal] = field(factory=dict)


@frozen(kw_only=True)
class Draw:
    """A quantity that a certificate takes from an original."""

    original: str
    sort: Sort
    quantity: Decimal


def draw(
    lines: Iterable[GoodsLine], originals: Mapping[str, Original]
) -> tuple[tuple[Draw, ...], tuple[Problem, ...]]:
    """Spread the lines of a back-to-back certificate over their originals, in the order they name them.

    ``originals`` holds those that came through this gateway.  What an unknown original would have to cover is
    drawn from it all the same, so that the account is right once the original comes.
    """
    draws: list[Draw] = []
    problems: list[Problem] = []
    left = {
        (number, sort): quantity - original.drawn.get(sort, _NOTHING)
        for number, original in originals.items()
        for sort, quantity in original.certified.items()
    }
    told: set[str] = set()
    for line in lines:
        needed = line.quantity
        unknown = [number for number in line.originals if number not in originals]
        for number in unknown:
            if number not in told:
                told.add(number)
                problems.append(_unknown(line, number))
        for number in line.originals:
            taken = min(needed, max(left.get((number, line.sort), _NOTHING), _NOTHING))
            if taken > 0:
                left[number, line.sort] -= taken
                needed -= taken
                draws.append(Draw(original=number, sort=line.sort, quantity=taken))
        if needed > 0 and line.originals:
            draws.append(Draw(original=(unknown or line.originals)[-1], sort=line.sort, quantity=needed))
            if not unknown:
                problems.append(_exceeded(line, needed))
    return tuple(draws), tuple(problems)


def _unknown(line: GoodsLine, number: str) -> Problem:
    return Problem(
        rule=RULE,
        severity="warning",
        message=f"the original proof of origin {number} has not come through this gateway",
        message_vi=f"chứng từ xuất xứ gốc {number} chưa được nhận qua cổng này",
        box="7",
        pointer=line.pointer,
        path=line.path,
        value=number,
    )


def _exceeded(line: GoodsLine, surplus: Decimal) -> Problem:
    amount = f"{surplus.normalize():f} {line.unit}"
    numbers = ", ".join(line.originals)
    return Problem(
        rule=RULE,
        severity="warning",
        message=f"with this certificate {amount} of {line.commodity} more are drawn than {numbers} certify",
        message_vi=f"C/O này vượt {amount} mã {line.commodity} so với chứng từ gốc {numbers}",
        box=line.box,
        pointer=line.pointer,
        path=line.path,
        value=f"{line.quantity.normalize():f} {line.unit}",
    )
