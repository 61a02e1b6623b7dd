"""Submit, convert, queue: on every engine."""

from __future__ import annotations

import pytest

from asw_gateway.store import bodies, journal, outbox, sending
from asw_gateway.store.database import Database
from asw_gateway.store.outbox_rows import NewOutbound, Repeated, Submitted
from asw_gateway.store.transaction import Transaction
from tests.store.messages import NODE, T0, claim, ids, new_outbound, prepared, queued, submitted


def test_a_submitted_message_is_found_by_every_key(database: Database) -> None:
    row = submitted(database, body=b"<Envelope/>", dossier="D-7", document_number="N-1")
    look = database.read_now
    assert look(outbox.get, row.id) == row
    assert look(outbox.by_national_id, "VNSW", row.national_message_id or "") == row
    assert look(outbox.by_document, "atiga-form-d", "N-1") == [row]
    assert look(outbox.submitted_body, row.id) == b"<Envelope/>"
    assert (row.state, row.attempt, row.dossier, row.body_role) == ("submitted", 0, "D-7", "national")
    assert look(outbox.get, row.id + 1) is None


def test_the_same_id_again_is_told_apart_by_its_digest(database: Database) -> None:
    new = new_outbound(national_message_id="same")
    first = database.run_now(outbox.submit, new, T0)
    again = database.run_now(outbox.submit, new, T0 + 5)
    other = database.run_now(outbox.submit, new_outbound(national_message_id="same", digest="other"), T0 + 6)
    assert isinstance(first, Submitted)
    assert again == Repeated(row=first.row, same_digest=True)
    assert other == Repeated(row=first.row, same_digest=False)
    someone_else = new_outbound(national_message_id="same", sender_identity="OTHER")
    assert isinstance(database.run_now(outbox.submit, someone_else, T0), Submitted)


def test_our_own_answers_need_no_national_id(database: Database) -> None:
    own = {"origin": "gateway", "sender_identity": None, "national_message_id": None}
    first, second = submitted(database, **own), submitted(database, **own)
    assert first.id != second.id
    assert first.body_role == "asean"


def test_a_repetition_inside_one_unit_is_a_repetition_too(database: Database) -> None:
    def twice(conn: Transaction, new: NewOutbound) -> list[bool]:
        return [isinstance(outbox.submit(conn, new, T0), Submitted) for _ in range(2)]

    assert database.run_now(twice, new_outbound()) == [True, False]


def test_conversion_claims_first_class_first_and_oldest_first(database: Database) -> None:
    late = submitted(database, priority=2)
    later = submitted(database, priority=2)
    urgent = submitted(database, priority=0)
    got = database.run_now(outbox.claim_submitted, NODE, 2, T0, 30.0)
    assert [each.row.id for each in got] == [urgent.id, late.id]
    assert got[0].row.lease_owner == NODE
    assert got[0].body.startswith(b"<Envelope>")
    rest = database.run_now(outbox.claim_submitted, "node-b", 10, T0, 30.0)
    assert [each.row.id for each in rest] == [later.id]


def test_a_conversion_lease_ends(database: Database) -> None:
    row = submitted(database)
    claim_ = outbox.claim_submitted
    assert len(database.run_now(claim_, NODE, 10, T0, 30.0)) == 1
    assert database.run_now(claim_, "node-b", 10, T0 + 29, 30.0) == []
    taken_over = database.run_now(claim_, "node-b", 10, T0 + 30, 30.0)
    assert [each.row.id for each in taken_over] == [row.id]


def test_a_message_born_leased_is_left_to_its_node(database: Database) -> None:
    row = submitted(database, lease_owner=NODE, lease_until=T0 + 30)
    assert database.run_now(outbox.claim_submitted, "node-b", 10, T0 + 1, 30.0) == []
    assert database.run_now(prepared, row.id, T0 + 1) is not None


def test_a_deferred_conversion_waits(database: Database) -> None:
    row = submitted(database)
    database.run_now(outbox.claim_submitted, NODE, 10, T0, 30.0)
    given = {"next_attempt_at": T0 + 100, "reason": "profile missing"}
    assert not database.run_now(outbox.defer_submitted, row.id, "node-b", **given)
    assert database.run_now(outbox.defer_submitted, row.id, NODE, **given)
    assert database.run_now(outbox.claim_submitted, NODE, 10, T0 + 99, 30.0) == []
    [again] = database.run_now(outbox.claim_submitted, NODE, 10, T0 + 100, 30.0)
    assert again.row.last_reason == "profile missing"


def test_a_sealed_message_carries_all_that_sending_needs(database: Database) -> None:
    row = submitted(database)
    sealed = database.run_now(prepared, row.id, T0 + 1, functional_reference="FR-1", conversation_id="C-1")
    assert sealed is not None
    assert (sealed.state, sealed.queued_at, sealed.message_id) == ("queued", T0 + 1, f"{row.id}@vn.example")
    assert (sealed.functional_reference, sealed.conversation_id) == ("FR-1", "C-1")
    assert database.read_now(outbox.by_message_id, f"{row.id}@vn.example") == sealed
    [due] = claim(database, now=T0 + 1)
    assert due.body == f"sealed {row.id}".encode()
    assert due.reference_digests == (("#body", "Ym9keQ=="), ("cid:document", f"{row.id}=="))
    assert due.signed_with == "cd" * 32


def test_only_a_submitted_message_is_queued(database: Database) -> None:
    row = queued(database)
    assert database.run_now(prepared, row.id, T0 + 5) is None
    assert database.read_now(outbox.get, row.id) == row


def test_new_signature_same_message(database: Database) -> None:
    row = queued(database)
    database.run_now(
        outbox.reseal, row.id, content_type="x/y", body=b"sealed anew", signed_with="ef" * 32, now=T0 + 9
    )
    [due] = claim(database)
    assert (due.body, due.content_type, due.signed_with) == (b"sealed anew", "x/y", "ef" * 32)
    assert due.row.message_id == row.message_id


def test_a_guarded_move_happens_once(database: Database) -> None:
    row = submitted(database)
    moved = database.run_now(outbox.move, row.id, "submitted", "rejected", now=T0 + 1, reason="R-07")
    assert moved is not None
    assert (moved.state, moved.finalized_at, moved.last_reason) == ("rejected", T0 + 1, "R-07")
    assert database.run_now(outbox.move, row.id, "submitted", "rejected", now=T0 + 2) is None
    events = [fact.event for fact in database.read_now(journal.about, row.subject)]
    assert events == ["outbound.submitted", "outbound.rejected"]


def test_a_rejected_message_lets_its_successors_go(database: Database) -> None:
    first = submitted(database, order_key="k")
    second = queued(database, order_key="k")
    assert claim(database) == []
    assert database.read_now(outbox.earlier_submitted, second)
    database.run_now(outbox.move, first.id, "submitted", "rejected", now=T0, reason="R-07")
    assert not database.read_now(outbox.earlier_submitted, second)
    assert ids(claim(database)) == [second.id]


def test_a_cancellation_lifts_its_whole_key(database: Database) -> None:
    other = queued(database, priority=1)
    first = queued(database, order_key="k", priority=2)
    cancellation = queued(database, order_key="k", priority=0)
    assert ids(claim(database)) == [first.id, other.id]
    assert database.read_now(sending.next_due_at, "th") is None
    database.run_now(
        sending.record_attempt, first.id, 1, outcome="receipt", retryable=False, reason="", detail="",
        new_state="delivered", now=T0,
    )  # fmt: skip
    assert ids(claim(database)) == [cancellation.id]


@pytest.mark.parametrize("size", [0, bodies.INLINE_BYTES, bodies.INLINE_BYTES + 1, 2_500_000])
def test_bodies_of_every_size_come_back_whole(database: Database, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    row = submitted(database, body=body[:size])
    assert database.read_now(outbox.submitted_body, row.id) == body[:size]
    database.run_now(prepared, row.id, T0, body=body[:size])
    [due] = claim(database)
    found = due.body if due.large is None else database.read_now(bodies.load, due.large)
    assert found == body[:size]
    assert (due.large is None) == (size <= bodies.INLINE_BYTES), "a claim carries short bodies only"


def test_a_staged_body_is_seen_only_with_its_message(database: Database) -> None:
    staged = database.run_now(bodies.begin, "s-1", T0)
    orphan = database.run_now(bodies.begin, "s-2", T0)
    chunk = b"x" * bodies.CHUNK_BYTES
    for number, data in enumerate([chunk, chunk, b"tail"]):
        database.run_now(bodies.write_chunk, staged, number, data)
        database.run_now(bodies.write_chunk, orphan, number, data)
    row = submitted(database, body=staged)
    assert database.run_now(bodies.purge_orphans, T0 + 1) == 1
    assert database.read_now(outbox.submitted_body, row.id) == chunk + chunk + b"tail"
    assert database.run_now(bodies.purge_orphans, T0 + 1) == 0
    with pytest.raises(bodies.BodyMissing):
        submitted(database, body=staged)
    with pytest.raises(bodies.BodyMissing):
        database.run_now(bodies.write_chunk, orphan, 3, b"more")
