"""What issuers said of partners' certificates and when, with the list or answer that proves it.

Kept for ever like the certificates themselves: whoever judges an old signature asks what was known then.
"""

from __future__ import annotations

from collections.abc import Collection

from attrs import field, frozen
from sqlalchemy import bindparam, select

from asw_gateway.store import journal, tables
from asw_gateway.store.statements import Row, Statement, insert_or_ignore, insert_values
from asw_gateway.store.transaction import Transaction

#: Longer proofs are known by their digest only; they can be had from the issuer's archive.
MAX_PROOF_BYTES = 1_000_000
REVOKED = "revoked"

_s, _p = tables.revocation_states, tables.revocation_proofs
_PUT_PROOF = Statement(
    lambda dialect: insert_or_ignore(dialect, _p, "digest").values(insert_values(_p)).returning(_p.c.digest)
)
_PUT_STATE = Statement(
    lambda dialect: (
        insert_or_ignore(dialect, _s, "fingerprint", "digest")
        .values(insert_values(_s))
        .returning(_s.c.digest)
    )
)
_COLUMNS = (
    _s.c.fingerprint,
    _s.c.state,
    _p.c.source,
    _s.c.produced_at,
    _s.c.valid_until_at,
    _s.c.learnt_at,
    _p.c.digest,
    _p.c.proof,
)
_OF_ONE = Statement(
    lambda _: (
        select(*_COLUMNS)
        .join_from(_s, _p, _s.c.digest == _p.c.digest)
        .where(_s.c.fingerprint == bindparam("print"))
        .order_by(_s.c.learnt_at, _s.c.produced_at, _s.c.digest)
    )
)


@frozen(kw_only=True)
class KnownState:
    """What was learnt of one certificate; `proof` is None when the list or answer was too long to be kept."""

    fingerprint: str
    state: str
    source: str
    produced_at: float
    valid_until_at: float
    learnt_at: float
    digest: str
    proof: bytes | None = field(repr=False)


def note(
    conn: Transaction,
    *,
    partner: str,
    use: str,
    fingerprint: str,
    state: str,
    source: str,
    produced_at: float,
    valid_until_at: float,
    proof: bytes,
    now: float,
) -> bool:
    """Keep what an issuer said, with an entry of the journal; False when just that was known already."""
    digest = journal.digest(proof)
    kept = proof if len(proof) <= MAX_PROOF_BYTES else None
    conn.row(_PUT_PROOF, {"digest": digest, "source": source, "proof": kept})
    values = {
        "fingerprint": fingerprint,
        "digest": digest,
        "state": state,
        "produced_at": produced_at,
        "valid_until_at": valid_until_at,
        "learnt_at": now,
    }
    if conn.row(_PUT_STATE, values) is None:
        return False
    journal.append(
        conn,
        event=f"certificate.{state}",
        subject=f"partner:{partner}",
        digest=digest,
        detail=f"{use} {fingerprint} {state} by {source}",
        now=now,
    )
    return True


def latest(conn: Transaction, fingerprints: Collection[str]) -> dict[str, KnownState]:
    """The last word on each of these certificates; of a revoked one, that it is revoked."""
    found = {}
    for fingerprint in fingerprints:
        states = _states(conn, fingerprint)
        if states:
            final = [each for each in states if each.state == REVOKED]
            found[fingerprint] = final[0] if final else states[-1]
    return found


def used_between(
    conn: Transaction, fingerprints: Collection[str], begun_at: float, until: float
) -> list[KnownState]:
    """What was known of these certificates at some time in between, by certificate and time."""
    return [
        each
        for fingerprint in sorted(set(fingerprints))
        for each in _states(conn, fingerprint)
        if each.learnt_at <= until and (each.state == REVOKED or each.valid_until_at >= begun_at)
    ]


def _states(conn: Transaction, fingerprint: str) -> list[KnownState]:
    return [_known(row) for row in conn.rows(_OF_ONE, {"print": fingerprint})]


def _known(row: Row) -> KnownState:
    *facts, proof = row
    names = [each.name for each in _COLUMNS[:-1]]
    return KnownState(
        **dict(zip(names, facts, strict=True)), proof=bytes(proof) if proof is not None else None
    )
