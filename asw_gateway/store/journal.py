"""Evidence: an append-only journal in which every entry carries the hash of the one before.

One chain per node, so that nodes never wait for one another. An entry's content hash is SHA-256 over the
UTF-8 bytes of the JSON list [chain, sequence, at, event, subject, actor, digest, detail], written without
spaces and without escaping non-ASCII letters; its hash is SHA-256 over the hash of the entry before followed
by the content hash, both as hexadecimal text. So a chain can be checked with any language, and a proof that
one entry stands in it shows the content hashes of the others, not what they say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256

from attrs import frozen
from sqlalchemy import bindparam, insert, select

from asw_gateway.store import tables
from asw_gateway.store.statements import Row, Statement
from asw_gateway.store.transaction import Transaction

GENESIS = "0" * 64
MAX_DETAIL_CHARS = 500
PAGE_ROWS = 5000
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_table = tables.journal
_INSERT = Statement(lambda _: insert(_table))
_LAST = Statement(
    lambda _: (
        select(_table.c.sequence, _table.c.hash)
        .where(_table.c.chain == bindparam("chain"))
        .order_by(_table.c.sequence.desc())
        .limit(1)
    )
)
_LAST_AT = Statement(
    lambda _: (
        select(_table.c.at)
        .where(_table.c.chain == bindparam("chain"))
        .order_by(_table.c.sequence.desc())
        .limit(1)
    )
)
_NEXT_CHAIN = Statement(
    lambda _: (
        select(_table.c.chain)
        .where(_table.c.chain > bindparam("chain"))
        .order_by(_table.c.chain)
        .limit(1)
    )
)
_AFTER = Statement(
    lambda _: (
        select(_table)
        .where(_table.c.chain == bindparam("chain"), _table.c.sequence > bindparam("sequence"))
        .order_by(_table.c.sequence)
        .limit(bindparam("limit"))
    )
)
_ABOUT = Statement(
    lambda _: (
        select(_table)
        .where(_table.c.subject == bindparam("subject"))
        .order_by(_table.c.at, _table.c.chain, _table.c.sequence)
        .limit(bindparam("limit"))
    )
)


@frozen(kw_only=True)
class NewFact:
    """An entry that has no place in the chain yet."""

    event: str
    subject: str
    actor: str
    digest: str
    detail: str
    at: float


@frozen(kw_only=True)
class Fact:
    """One entry of the journal."""

    chain: str
    sequence: int
    at: float
    event: str
    subject: str
    actor: str
    digest: str
    detail: str
    previous_hash: str
    hash: str

    def expected_hash(self) -> str:
        """The hash this entry must have."""
        return _hash(
            self.chain,
            self.sequence,
            self.at,
            self.event,
            self.subject,
            self.actor,
            self.digest,
            self.detail,
            previous_hash=self.previous_hash,
        )

    @property
    def content_hash(self) -> str:
        """The hash of what the entry says, without its place behind the one before."""
        return _content_hash(
            self.chain, self.sequence, self.at, self.event, self.subject, self.actor, self.digest, self.detail
        )


@frozen(kw_only=True)
class Head:
    """The last entry of a chain."""

    sequence: int
    hash: str


def append(
    conn: Transaction,
    *,
    event: str,
    subject: str,
    now: float,
    actor: str = "gateway",
    digest: str = "",
    detail: str = "",
) -> None:
    """Add an entry; it takes its place in the chain when the transaction ends.

    `subject` is `outbound:<id>`, `inbound:<id>`, `refusal:<id>`, `partner:<name>` or the like; `digest` is
    the SHA-256 of the bytes concerned; `detail` is cut at 500 characters and never holds payload.
    """
    conn.facts.append(
        NewFact(
            event=event,
            subject=subject,
            actor=actor,
            digest=digest,
            detail=detail[:MAX_DETAIL_CHARS],
            at=float(now),
        )
    )


def write(conn: Transaction, head: Head | None) -> Head | None:
    """Write what `append` collected after `head` (None = look it up), just before a commit; the new head."""
    if not conn.facts:
        return head
    if head is None:
        head = last(conn, conn.node)
    sequence, previous = head.sequence, head.hash
    batch = []
    for fact in conn.facts:
        sequence += 1
        here = _hash(
            conn.node,
            sequence,
            fact.at,
            fact.event,
            fact.subject,
            fact.actor,
            fact.digest,
            fact.detail,
            previous_hash=previous,
        )
        batch.append(
            {
                "chain": conn.node,
                "sequence": sequence,
                "at": fact.at,
                "event": fact.event,
                "subject": fact.subject,
                "actor": fact.actor,
                "digest": fact.digest,
                "detail": fact.detail,
                "previous_hash": previous,
                "hash": here,
            }
        )
        previous = here
    conn.run_many(_INSERT, batch)
    conn.facts.clear()
    return Head(sequence=sequence, hash=previous)


def last(conn: Transaction, chain: str) -> Head:
    """The head of a chain; of an empty one, sequence 0 and the genesis hash."""
    row = conn.row(_LAST, {"chain": chain})
    return Head(sequence=row[0], hash=row[1]) if row else Head(sequence=0, hash=GENESIS)


def last_at(conn: Transaction, chain: str) -> float | None:
    """When the newest entry of a chain was written; None in an empty one."""
    row = conn.row(_LAST_AT, {"chain": chain})
    found: float | None = row[0] if row else None
    return found


def chain_names(conn: Transaction) -> list[str]:
    """Every chain, by name, without counting its entries: one seek a chain."""
    found: list[str] = []
    while row := conn.row(_NEXT_CHAIN, {"chain": found[-1] if found else ""}):
        found.append(row[0])
    return found


def about(conn: Transaction, subject: str, limit: int = 1000) -> list[Fact]:
    """The entries about one subject, oldest first."""
    return [_fact(row) for row in conn.rows(_ABOUT, {"subject": subject, "limit": limit})]


def entries(conn: Transaction, chain: str, after: int = 0) -> Iterator[Fact]:
    """The entries of one chain after a sequence, read page by page."""
    while True:
        page = conn.rows(_AFTER, {"chain": chain, "sequence": after, "limit": PAGE_ROWS})
        for row in page:
            yield _fact(row)
        if len(page) < PAGE_ROWS:
            return
        after = page[-1][1]


def _content_hash(*fields: str | int | float) -> str:
    return sha256(_encode(fields).encode()).hexdigest()


def _hash(*fields: str | int | float, previous_hash: str) -> str:
    return sha256((previous_hash + _content_hash(*fields)).encode()).hexdigest()


def _fact(row: Row) -> Fact:
    return Fact(**dict(zip(_table.c.keys(), row, strict=True)))


def digest(data: bytes) -> str:
    """SHA-256 of some bytes, hex, as it stands in an entry's digest."""
    return sha256(data).hexdigest()
