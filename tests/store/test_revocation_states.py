"""What issuers said is kept once, with an entry of the journal, and revoked is the last word."""

from __future__ import annotations

from typing import Any

from asw_gateway.store import journal, revocation
from asw_gateway.store.database import Database
from tests.store.messages import T0


def note(database: Database, fingerprint: str, state: str, at: float, proof: bytes, **more: Any) -> bool:
    given: dict[str, Any] = {"source": "ocsp", "produced_at": at, "valid_until_at": at + 100, **more}
    noted: bool = database.run_now(
        revocation.note,
        partner="th",
        use="signing",
        fingerprint=fingerprint,
        state=state,
        proof=proof,
        now=at,
        **given,
    )
    return noted


def test_one_list_for_two_certificates(database: Database) -> None:
    assert note(database, "a", "good", T0, b"list", source="crl")
    assert note(database, "b", "revoked", T0, b"list", source="crl")
    assert not note(database, "a", "good", T0 + 5, b"list", source="crl")
    found = database.read_now(revocation.latest, ["a", "b", "c"])
    assert {name: (one.state, one.source, one.proof) for name, one in found.items()} == {
        "a": ("good", "crl", b"list"),
        "b": ("revoked", "crl", b"list"),
    }
    facts = database.read_now(journal.about, "partner:th")
    assert [fact.event for fact in facts] == ["certificate.good", "certificate.revoked"]
    assert {fact.digest for fact in facts} == {journal.digest(b"list")}
    assert facts[1].detail == "signing b revoked by crl"


def test_revoked_is_the_last_word(database: Database) -> None:
    for number, state in enumerate(("good", "revoked", "good")):
        note(database, "a", state, T0 + number, state.encode() + bytes([number]))
    assert database.read_now(revocation.latest, ["a"])["a"].state == "revoked"


def test_what_was_known_in_a_stretch_of_time(database: Database) -> None:
    for number in range(5):
        note(database, "a", "good", T0 + 100 * number, bytes([number]))
    note(database, "b", "revoked", T0, b"r")
    found = database.read_now(revocation.used_between, ["b", "a"], T0 + 150, T0 + 250)
    assert [(one.fingerprint, one.learnt_at - T0) for one in found] == [("a", 100), ("a", 200), ("b", 0)]


def test_a_proof_that_is_too_long(database: Database) -> None:
    """Its digest is enough to know it again."""
    proof = b"x" * (revocation.MAX_PROOF_BYTES + 1)
    note(database, "a", "revoked", T0, proof)
    one = database.read_now(revocation.latest, ["a"])["a"]
    assert (one.proof, one.digest) == (None, journal.digest(proof))
