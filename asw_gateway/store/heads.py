"""Published heads: the last entry of a chain, signed. Whoever has one can prove every entry before it."""

from __future__ import annotations

from attrs import field, frozen
from sqlalchemy import bindparam, select
from sqlalchemy import func as sql

from asw_gateway.store import journal, tables
from asw_gateway.store.statements import Row, Statement, insert_or_ignore, insert_values
from asw_gateway.store.transaction import Transaction

_h = tables.journal_heads
_NAMES = tuple(_h.c.keys())
_PUT = Statement(
    lambda dialect: (
        insert_or_ignore(dialect, _h, "chain", "sequence").values(insert_values(_h)).returning(_h.c.chain)
    )
)
_LAST = Statement(lambda _: select(sql.max(_h.c.sequence)).where(_h.c.chain == bindparam("in_chain")))
_COVERING = Statement(
    lambda _: (
        select(_h)
        .where(_h.c.chain == bindparam("in_chain"), _h.c.sequence >= bindparam("at"))
        .order_by(_h.c.sequence)
        .limit(1)
    )
)
_OF_CHAIN = Statement(
    lambda _: select(_h).where(_h.c.chain == bindparam("in_chain")).order_by(_h.c.sequence)
)


@frozen(kw_only=True)
class PublishedHead:
    """A head and the signed XML statement of it (`exchange.evidence`)."""

    chain: str
    sequence: int
    hash: str
    published_at: float
    signed_with: str
    statement: bytes = field(repr=False)


def unpublished(conn: Transaction) -> list[tuple[str, journal.Head]]:
    """Every chain that has grown since its last published head, with its head now."""
    found = []
    for chain in journal.chain_names(conn):
        head = journal.last(conn, chain)
        known = conn.row(_LAST, {"in_chain": chain})
        if known is None or known[0] is None or known[0] < head.sequence:
            found.append((chain, head))
    return found


def publish(conn: Transaction, head: PublishedHead) -> bool:
    """Keep a signed head; False when another node published the same one."""
    return conn.row(_PUT, {name: getattr(head, name) for name in _NAMES}) is not None


def covering(conn: Transaction, chain: str, sequence: int) -> PublishedHead | None:
    """The first published head at or after an entry."""
    row = conn.row(_COVERING, {"in_chain": chain, "at": sequence})
    return _head(row) if row else None


def of_chain(conn: Transaction, chain: str) -> list[PublishedHead]:
    """Every published head of a chain, oldest first."""
    return [_head(row) for row in conn.rows(_OF_CHAIN, {"in_chain": chain})]


def _head(row: Row) -> PublishedHead:
    return PublishedHead(**dict(zip(_NAMES, row, strict=True)))
