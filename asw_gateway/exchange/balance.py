"""The running balance of original proofs of origin under back-to-back certificates (OCP Rule 11(1)(f)).

The intermediate country sees to it when it approves a back-to-back certificate that all of them together
draw no more than the originals certify.  Only its gateway can: the originals came to it, and every
certificate that draws on them left through it.  The final importing country has neither, and may ask for the
originals (Rule 11(1)(g)).

How loud each of the three rules is, is told by the rows of `rules.csv`.  The balance is a warning there as
shipped: goods that are packed anew weigh more in gross without being more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from attrs import field, frozen

from asw_gateway.translation.goods import GoodsLine, Sort
from asw_gateway.translation.problem import Problem

RULE = "R-12"
#: Rows of `rules.csv`: the balance, an original that never came here, one that was cancelled or replaced.
BALANCE, UNKNOWN, ENDED = "R-12-balance", "R-12-original", "R-12-ended"
#: States of an original that is no valid proof of origin any more (Rule 11(1)(a)).
_ENDED = {"CAN": ("cancelled", "bị hủy"), "RPL": ("replaced", "bị thay thế")}
_NOTHING = Decimal(0)


@frozen(kw_only=True)
class Original:
    """What is known of one original: its state, what it certifies by sort, what certificates drew from it."""

    state: str = "VAL"
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
) -> tuple[tuple[Draw, ...], tuple[tuple[str, Problem], ...]]:
    """Spread the lines of a back-to-back certificate over their originals, in the order they name them.

    Problems come with the row of `rules.csv` that they fall under.

    ``originals`` holds those that came through this gateway.  What an unknown original would have to cover is
    drawn from it all the same, so that the account is right once the original comes.
    """
    draws: list[Draw] = []
    problems: list[tuple[str, Problem]] = []
    left = {
        (number, sort): quantity - original.drawn.get(sort, _NOTHING)
        for number, original in originals.items()
        for sort, quantity in original.certified.items()
    }
    told: set[str] = set()
    for line in lines:
        needed = line.quantity
        unknown = [number for number in line.originals if number not in originals]
        for place, number in enumerate(line.originals):
            if number in told:
                continue
            told.add(number)
            if number in unknown:
                problems.append((UNKNOWN, _unknown(line, place)))
            elif originals[number].state in _ENDED:
                problems.append((ENDED, _ended(line, place, *_ENDED[originals[number].state])))
        for number in line.originals:
            taken = min(needed, max(left.get((number, line.sort), _NOTHING), _NOTHING))
            if taken > 0:
                left[number, line.sort] -= taken
                needed -= taken
                draws.append(Draw(original=number, sort=line.sort, quantity=taken))
        if needed > 0 and line.originals:
            draws.append(Draw(original=(unknown or line.originals)[-1], sort=line.sort, quantity=needed))
            if not unknown:
                problems.append((BALANCE, _exceeded(line, needed)))
    return tuple(draws), tuple(problems)


def _unknown(line: GoodsLine, place: int) -> Problem:
    number = line.originals[place]
    return _about_original(
        line,
        place,
        "warning",
        f"the original proof of origin {number} has not come through this gateway",
        f"chứng từ xuất xứ gốc {number} chưa được nhận qua cổng này",
    )


def _ended(line: GoodsLine, place: int, how: str, how_vi: str) -> Problem:
    number = line.originals[place]
    return _about_original(
        line,
        place,
        "error",
        f"the original proof of origin {number} was {how}: nothing can rest on it",
        f"chứng từ xuất xứ gốc {number} đã {how_vi}, không thể làm căn cứ",
    )


def _about_original(line: GoodsLine, place: int, severity: str, message: str, message_vi: str) -> Problem:
    where = line.original_places[place] if line.original_places else None
    return Problem(
        rule=RULE,
        severity=severity,
        message=message,
        message_vi=message_vi,
        box=where.box if where else line.box,
        pointer=where.pointer if where else line.pointer,
        path=where.path if where else line.path,
        value=line.originals[place],
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
