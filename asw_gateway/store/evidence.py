"""Everything the store holds about one message, and the proof that the journal holds it too.

Read in one transaction on the reading connection, so that traffic goes on and the pieces agree.
"""

from __future__ import annotations

from typing import Any

from attrs import asdict, field, frozen
from sqlalchemy import bindparam, select

from asw_gateway.store import bodies, certificates, heads, inbox, journal, outbox, revocation, sending, tables
from asw_gateway.store.certificates import KnownCertificate
from asw_gateway.store.heads import PublishedHead
from asw_gateway.store.inbox_rows import InboundRow
from asw_gateway.store.outbox_rows import OutboundRow
from asw_gateway.store.revocation import KnownState
from asw_gateway.store.statements import Statement
from asw_gateway.store.transaction import Transaction

MAX_ENTRIES = 10_000
_f, _fb = tables.feed, tables.feed_body
_FEED_ENTRY = Statement(
    lambda _: (
        select(_f.c.sequence, *bodies.body_columns(_fb))
        .join_from(_f, _fb, _f.c.sequence == _fb.c.sequence)
        .where(_f.c.inbox_id == bindparam("row"))
    )
)


@frozen(kw_only=True)
class Bytes:
    """Some stored bytes: `role` is submitted, sent, sent-before, received, receipt, error, feed."""

    role: str
    content_type: str
    data: bytes = field(repr=False)
    at: float | None = None


@frozen(kw_only=True)
class ChainProof:
    """A stretch of one chain: from the message's first entry to a published head.

    `links` holds the message's own entries whole and the content hash of every other one, in order;
    `previous_hash` is what the first one follows. `head` is None when none was published yet: then the
    stretch ends at the message's last entry.
    """

    chain: str
    first_sequence: int
    previous_hash: str
    links: tuple[journal.Fact | str, ...] = field(repr=False)
    head: PublishedHead | None


@frozen(kw_only=True)
class Evidence:
    """One message, whole; `purged` names what retention has removed.

    `revocation` is what was known of the partner's certificates in the message's time.
    """

    subject: str
    row: dict[str, Any]
    bytes: tuple[Bytes, ...]
    attempts: tuple[dict[str, Any], ...]
    proofs: tuple[ChainProof, ...]
    certificates: tuple[KnownCertificate, ...]
    purged: tuple[str, ...] = ()
    revocation: tuple[KnownState, ...] = ()


def of_outbound(conn: Transaction, row: OutboundRow) -> Evidence:
    """A message to a partner: as submitted, every form in which it was signed, every answer."""
    found: list[Bytes] = []
    purged: list[str] = []
    try:
        found.append(
            Bytes(role="submitted", content_type="application/xml", data=outbox.submitted_body(conn, row.id))
        )
    except bodies.BodyMissing:
        purged.append("submitted")
    for before in outbox.superseded_bodies(conn, row.id):
        found.append(
            Bytes(
                role="sent-before",
                content_type=before.content_type,
                data=before.body,
                at=before.superseded_at,
            )
        )
    sealed = outbox.sealed_body(conn, row.id)
    if sealed is not None:
        found.append(Bytes(role="sent", content_type=sealed[0], data=sealed[1]))
    elif row.message_id is not None:
        purged.append("sent")
    attempts = sending.attempts(conn, row.id)
    for each in attempts:
        if each.answer is not None:
            found.append(
                Bytes(
                    role="receipt" if each.outcome == "receipt" else "error",
                    content_type=each.answer_content_type or "application/soap+xml",
                    data=each.answer,
                    at=each.finished_at,
                )
            )
    return _evidence(conn, row, found, [_told(each) for each in attempts], purged, row.created_at)


def of_inbound(conn: Transaction, row: InboundRow) -> Evidence:
    """A message from a partner: as received, our receipt, and what the portal was given."""
    content_type, receipt = inbox.receipt(conn, row.id)
    found = [Bytes(role="receipt", content_type=content_type, data=receipt, at=row.received_at)]
    purged: list[str] = []
    try:
        content_type, body = inbox.body(conn, row.id)
        found.insert(0, Bytes(role="received", content_type=content_type, data=body, at=row.received_at))
    except bodies.BodyMissing:
        purged.append("received")
    entry = conn.row(_FEED_ENTRY, {"row": row.id})
    if entry is not None:
        stored = bodies.stored(entry[1:])
        found.append(Bytes(role="feed", content_type=stored.content_type, data=bodies.load(conn, stored)))
    return _evidence(conn, row, found, [], purged, row.received_at)


def _evidence(
    conn: Transaction,
    row: OutboundRow | InboundRow,
    found: list[Bytes],
    attempts: list[dict[str, Any]],
    purged: list[str],
    begun_at: float,
) -> Evidence:
    facts = journal.about(conn, row.subject, MAX_ENTRIES)
    chains = sorted({fact.chain for fact in facts})
    proofs = tuple(_proof(conn, chain, [f for f in facts if f.chain == chain]) for chain in chains)
    until = _ended_at(row, begun_at, proofs)
    used = {one.fingerprint + one.party + one.use: one for one in _certificates(conn, row, begun_at, until)}
    theirs = [one.fingerprint for one in used.values() if one.party == row.partner]
    return Evidence(
        subject=row.subject,
        row=asdict(row),
        bytes=tuple(found),
        attempts=tuple(attempts),
        proofs=proofs,
        certificates=tuple(used.values()),
        purged=tuple(purged),
        revocation=tuple(revocation.used_between(conn, theirs, begun_at, until)),
    )


def _proof(conn: Transaction, chain: str, own: list[journal.Fact]) -> ChainProof:
    first, last = min(f.sequence for f in own), max(f.sequence for f in own)
    head = heads.covering(conn, chain, last)
    until = head.sequence if head is not None else last
    shown = {fact.sequence for fact in own}
    links: list[journal.Fact | str] = []
    previous = ""
    for fact in journal.entries(conn, chain, first - 1):
        if fact.sequence > until:
            break
        previous = previous or fact.previous_hash
        links.append(fact if fact.sequence in shown else fact.content_hash)
    return ChainProof(
        chain=chain, first_sequence=first, previous_hash=previous, links=tuple(links), head=head
    )


def _ended_at(row: OutboundRow | InboundRow, begun_at: float, proofs: tuple[ChainProof, ...]) -> float:
    return max([begun_at, row.finalized_at or 0.0, *(p.head.published_at for p in proofs if p.head)])


def _certificates(
    conn: Transaction, row: OutboundRow | InboundRow, begun_at: float, until: float
) -> list[KnownCertificate]:
    """Ours and the partner's that were in use at some time between the message's beginning and its end."""
    return [
        one
        for one in certificates.everything(conn)
        if one.party in ("own", row.partner)
        and one.use in ("signing", "seal")
        and one.first_used_at <= until
        and (one.withdrawn_at is None or one.withdrawn_at >= begun_at)
    ]


def _told(attempt: Any) -> dict[str, Any]:
    told = asdict(attempt)
    del told["answer"]
    return told
