"""What back-to-back certificates drew from their original proofs of origin."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen
from sqlalchemy import bindparam, delete, insert, literal_column, select

from asw_gateway.store import tables
from asw_gateway.store.statements import Statement, insert_values
from asw_gateway.store.transaction import Transaction

_w, _d = tables.document_draws, tables.documents
_FORGET = Statement(lambda _: delete(_w).where(_w.c.document_id == bindparam("row")))
_RECORD = Statement(lambda _: insert(_w).values(insert_values(_w)))
# Certificates that were cancelled or replaced give back what they drew.
_DRAWN = Statement(
    lambda _: (
        select(_w.c.commodity, _w.c.unit, _w.c.quantity)
        .join(_d, _d.c.id == _w.c.document_id)
        .where(
            _w.c.original == bindparam("number"),
            _d.c.document_type == bindparam("in_type"),
            _d.c.document_number != bindparam("but_number"),
            literal_column("state NOT IN ('CAN', 'RPL')"),
        )
    )
)


@frozen(kw_only=True)
class Drawn:
    """A quantity (decimal text) of one commodity and unit that a certificate drew from an original."""

    original: str
    commodity: str
    unit: str
    quantity: str


def record(conn: Transaction, document_id: int, draws: Iterable[Drawn]) -> None:
    """Write what a certificate draws, instead of what its version before drew."""
    conn.run(_FORGET, {"row": document_id})
    for draw in draws:
        conn.run(
            _RECORD,
            {
                "document_id": document_id,
                "original": draw.original,
                "commodity": draw.commodity,
                "unit": draw.unit,
                "quantity": draw.quantity,
            },
        )


def drawn(conn: Transaction, document_type: str, original: str, *, apart_from: str) -> list[Drawn]:
    """What standing certificates drew from an original, the one with the number `apart_from` left out."""
    return [
        Drawn(original=original, commodity=commodity, unit=unit, quantity=quantity)
        for commodity, unit, quantity in conn.rows(
            _DRAWN, {"number": original, "in_type": document_type, "but_number": apart_from}
        )
    ]
