"""Whether the journal's chains are whole: every entry's place, link and hash, and every published head.

`aswctl evidence verify` walks here; an exported bundle is checked without this program
(cli/verify_evidence.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen
from sqlalchemy import bindparam, func, select

from asw_gateway.store import journal, tables
from asw_gateway.store.statements import Statement
from asw_gateway.store.transaction import Transaction

PURGED = "journal.purged"

_table, _heads = tables.journal, tables.journal_heads
_CHAINS = Statement(
    lambda _: select(_table.c.chain, func.count()).group_by(_table.c.chain).order_by(_table.c.chain)
)
_PUBLISHED_CHAINS = Statement(lambda _: select(_heads.c.chain).distinct())
_PUBLISHED = Statement(
    lambda _: (
        select(_heads.c.sequence, _heads.c.hash)
        .where(_heads.c.chain == bindparam("chain"), _heads.c.sequence > bindparam("sequence"))
        .order_by(_heads.c.sequence)
        .limit(bindparam("limit"))
    )
)
_LAST_PURGE = Statement(
    lambda _: (
        select(_table.c.detail, _table.c.digest)
        .where(_table.c.subject == bindparam("subject"), _table.c.event == bindparam("event"))
        .order_by(_table.c.at.desc(), _table.c.sequence.desc())
        .limit(1)
    )
)


@frozen(kw_only=True)
class ChainReport:
    """What `verify` found: entries checked per chain, and every break as a sentence."""

    entries: dict[str, int]
    breaks: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """No break anywhere."""
        return not self.breaks


def counts(conn: Transaction) -> dict[str, int]:
    """Every chain with its number of entries."""
    return dict(conn.rows(_CHAINS, {}))


def verify(conn: Transaction) -> ChainReport:
    """Walk every chain: each entry's place, its link and its own hash, and every published head; memory stays
    flat.

    A chain whose oldest entries were purged begins after the last one that the newest `journal.purged` names.
    """
    checked: dict[str, int] = {}
    breaks: list[str] = []
    for chain in counts(conn):
        checked[chain] = _verify_chain(conn, chain, breaks)
    for (chain,) in conn.rows(_PUBLISHED_CHAINS, {}):
        if chain not in checked and start(conn, chain).sequence == 0:
            breaks.append(f"{chain}: the whole chain is missing")
    return ChainReport(entries=checked, breaks=tuple(breaks))


def start(conn: Transaction, chain: str) -> journal.Head:
    """The entry that the first kept entry follows: the last purged one, or the genesis."""
    row = conn.row(_LAST_PURGE, {"subject": f"journal:{chain}", "event": PURGED})
    return (
        journal.Head(sequence=int(row[0].split()[0]), hash=row[1])
        if row
        else journal.Head(sequence=0, hash=journal.GENESIS)
    )


def note_purge(conn: Transaction, chain: str, last_purged: journal.Head, now: float, detail: str) -> None:
    """Journal that a chain is kept only from the entry after `last_purged`."""
    journal.append(
        conn,
        event=PURGED,
        subject=f"journal:{chain}",
        digest=last_purged.hash,
        detail=f"{last_purged.sequence} {detail}",
        now=now,
    )


def _verify_chain(conn: Transaction, chain: str, breaks: list[str]) -> int:
    expected = start(conn, chain)
    heads = _published(conn, chain, expected.sequence)
    head = next(heads, None)
    count = 0
    for fact in journal.entries(conn, chain):
        where = f"{chain} #{fact.sequence}"
        if fact.sequence != expected.sequence + 1:
            breaks.append(f"{where}: entry {expected.sequence + 1} is missing")
        elif fact.previous_hash != expected.hash:
            breaks.append(f"{where}: does not follow the entry before it")
        if fact.expected_hash() != fact.hash:
            breaks.append(f"{where}: was changed after it was written")
        while head is not None and head.sequence <= fact.sequence:
            if head.sequence == fact.sequence and head.hash != fact.hash:
                breaks.append(f"{where}: is not the head that was published")
            head = next(heads, None)
        expected = journal.Head(sequence=fact.sequence, hash=fact.hash)
        count += 1
    if head is not None:
        breaks.append(f"{chain} #{head.sequence}: was published as the head and is missing")
    return count


def _published(conn: Transaction, chain: str, after: int) -> Iterator[journal.Head]:
    while True:
        page = conn.rows(_PUBLISHED, {"chain": chain, "sequence": after, "limit": journal.PAGE_ROWS})
        for sequence, hash_ in page:
            yield journal.Head(sequence=sequence, hash=hash_)
        if len(page) < journal.PAGE_ROWS:
            return
        after = page[-1][0]
