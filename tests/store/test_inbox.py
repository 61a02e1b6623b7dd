"""Register, convert, park; the feed, the registry, what is remembered of partners, jobs: on every engine."""

from __future__ import annotations

import pytest

from asw_gateway.store import (
    bodies,
    feed,
    inbox,
    jobs,
    journal,
    outlook,
    partner_state,
    refusals,
    registry,
    search,
)
from asw_gateway.store.database import Database
from asw_gateway.store.engine import StoreConflict
from asw_gateway.store.inbox_rows import Duplicate, InboundRow, NewInbound, Registered
from asw_gateway.store.transaction import Transaction
from tests.store.messages import DAY, NODE, T0, new_inbound, queued, submitted


def registered(database: Database, *, now: float = T0, **given: object) -> InboundRow:
    answer = database.run_now(inbox.register, new_inbound(**given), now)
    assert isinstance(answer, Registered)
    return answer.row


def deliver(conn: Transaction, row: InboundRow, *, body: bytes = b"<Envelope/>") -> None:
    inbox.move(conn, row.id, "received", "available", now=T0 + 1, document_number="N-1", document_type="acdd")
    feed.append(conn, kind="message", subject=row.subject, body=body, inbox_id=row.id, now=T0 + 1)


def test_a_message_is_stored_with_its_receipt(database: Database) -> None:
    new = new_inbound(body=b"raw", receipt=b"<R/>", order_key="k")
    answer = database.run_now(inbox.register, new, T0)
    assert isinstance(answer, Registered)
    row = answer.row
    assert row.state == "received"
    assert database.read_now(inbox.get, row.id) == row
    assert database.read_now(inbox.by_message_id, "th", new.message_id) == row
    assert database.read_now(inbox.body, row.id) == (new.content_type, b"raw")
    assert database.read_now(inbox.receipt, row.id) == ("application/soap+xml", b"<R/>")
    facts = database.read_now(journal.about, row.subject)
    assert [(fact.event, fact.actor) for fact in facts] == [
        ("inbound.received", "th"),
        ("inbound.receipt", "gateway"),
    ]
    assert facts[1].digest == journal.digest(b"<R/>")


def test_a_duplicate_gets_the_stored_receipt(database: Database) -> None:
    new = new_inbound(message_id="m", reference_digests=(("#a", "1"), ("cid:b", "2")), receipt=b"first")
    first = database.run_now(inbox.register, new, T0)
    assert isinstance(first, Registered)
    same = new_inbound(message_id="m", reference_digests=(("cid:b", "2"), ("#a", "1")), receipt=b"second")
    again = database.run_now(inbox.register, same, T0 + 9)
    assert isinstance(again, Duplicate)
    assert (again.row, again.same_digests, again.receipt) == (first.row, True, b"first")
    other = new_inbound(message_id="m", reference_digests=(("#a", "1"), ("cid:b", "3")))
    forged = database.run_now(inbox.register, other, T0 + 10)
    assert isinstance(forged, Duplicate)
    assert not forged.same_digests
    elsewhere = database.run_now(inbox.register, new_inbound(message_id="m", partner="id"), T0)
    assert isinstance(elsewhere, Registered)


def test_a_ping_is_remembered_and_never_converted(database: Database) -> None:
    row = registered(database, state="acknowledged")
    assert row.finalized_at == T0
    assert database.run_now(inbox.claim_received, NODE, 10, T0, 30.0) == []


def test_conversion_keeps_the_order_of_a_key(database: Database) -> None:
    first = registered(database, order_key="k")
    second = registered(database, order_key="k")
    free, urgent = registered(database), registered(database, priority=0)

    def take(now: float) -> list[int]:
        return [each.row.id for each in database.run_now(inbox.claim_received, NODE, 10, now, 30.0)]

    assert take(T0) == [urgent.id, first.id, free.id]
    assert database.read_now(inbox.earlier_received, second)
    assert not database.read_now(inbox.earlier_received, first)
    database.run_now(deliver, first)
    assert take(T0) == [second.id]
    assert take(T0 + 30) == [urgent.id, second.id, free.id], "leases end"


def test_claims_carry_all_that_conversion_needs(database: Database) -> None:
    new = new_inbound(body=b"x" * 300_000)
    database.run_now(inbox.register, new, T0)
    [got] = database.run_now(inbox.claim_received, NODE, 10, T0, 30.0)
    assert (got.partner, got.content_type, got.body) == ("th", new.content_type, b"")
    assert got.large is not None, "a long body stays in its chunks until somebody reads it"
    assert database.read_now(bodies.load, got.large) == new.body
    assert got.reference_digests == new.reference_digests
    assert (got.row.lease_owner, got.row.attempt) == (NODE, 1)


def test_a_released_conversion_waits(database: Database) -> None:
    row = registered(database, lease_owner=NODE, lease_until=T0 + 30)
    assert database.run_now(inbox.claim_received, "node-b", 10, T0, 30.0) == []
    assert database.run_now(inbox.release, [row.id], "node-b") == 0
    assert database.run_now(inbox.release, [row.id], NODE, next_attempt_at=T0 + 9, reason="busy") == 1
    assert database.run_now(inbox.claim_received, NODE, 10, T0 + 8, 30.0) == []
    assert len(database.run_now(inbox.claim_received, NODE, 10, T0 + 9, 300.0)) == 1
    assert database.run_now(inbox.rescue_own_leases) == 1
    assert len(database.run_now(inbox.claim_received, NODE, 10, T0 + 9, 30.0)) == 1


def test_an_early_cancellation_is_parked_until_its_original_comes(database: Database) -> None:
    row = registered(database, order_key="k")
    parked = database.run_now(
        inbox.move, row.id, "received", "parked", now=T0 + 1, reason="no original", waiting_for="th|form|N-1"
    )
    assert parked is not None
    original = registered(database, order_key="k")
    [got] = database.run_now(inbox.claim_received, NODE, 10, T0 + 2, 30.0)
    assert got.row.id == original.id, "what is parked blocks nobody"
    assert database.run_now(inbox.unpark, "id", "th|form|N-1", T0 + 2) == []
    assert database.read_now(inbox.parked, before=T0 + DAY) == [parked]
    [back] = database.run_now(inbox.unpark, "th", "th|form|N-1", T0 + 2)
    assert (back.id, back.state, back.waiting_for) == (row.id, "received", None)
    database.run_now(deliver, original)
    [again] = database.run_now(inbox.claim_received, NODE, 10, T0 + 40, 30.0)
    assert again.row.id == row.id


def test_the_feed_gives_every_entry_once_in_order(database: Database) -> None:
    rows = [registered(database) for _ in range(5)]
    for row in rows:
        database.run_now(deliver, row, body=f"<E n='{row.id}'/>".encode())
    entries = database.read_now(feed.after, 0)
    assert [entry.sequence for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.inbox_id for entry in entries] == [row.id for row in rows]
    assert entries[2].body == f"<E n='{rows[2].id}'/>".encode()
    assert [entry.sequence for entry in database.read_now(feed.after, 3)] == [4, 5]
    assert [entry.sequence for entry in database.read_now(feed.after, 1, 2)] == [2, 3]
    assert database.read_now(feed.after, 5) == []


def test_a_page_is_bounded_in_bytes_but_never_empty(database: Database) -> None:
    for size in (1000, 10, 300_000, 10):
        database.run_now(feed.append, kind="notice", subject="", body=b"x" * size, now=T0)
    assert [entry.sequence for entry in database.read_now(feed.after, 0, 10, 1010)] == [1, 2]
    [big] = database.read_now(feed.after, 2, 10, 1010)
    assert len(big.body) == 300_000


def test_a_second_entry_for_one_message_is_impossible(database: Database) -> None:
    row = registered(database)
    database.run_now(deliver, row)
    with pytest.raises(StoreConflict):
        database.run_now(deliver, row)

    def both(conn: Transaction) -> None:
        feed.append(conn, kind="status", subject="", body=b"", entry_id="same", now=T0)
        feed.append(conn, kind="status", subject="", body=b"", entry_id="same", now=T0)

    with pytest.raises(StoreConflict):
        database.run_now(both)
    assert [entry.sequence for entry in database.read_now(feed.after, 0)] == [1]
    database.run_now(feed.append, kind="notice", subject="", body=b"", now=T0)
    assert database.read_now(feed.backlog).last_sequence == 2, "a unit that failed leaves no gap"


def test_the_first_acknowledgement_stands(database: Database) -> None:
    row = registered(database)
    database.run_now(deliver, row)
    database.run_now(feed.append, kind="notice", subject="", body=b"", now=T0)
    given = {"detail": "", "actor": "vnsw", "now": T0 + 5}
    assert database.run_now(feed.acknowledge, 99, result="ok", **given) is None
    done = database.run_now(feed.acknowledge, 1, result="ok", **given)
    assert done is not None
    assert (done.first, done.entry.inbox_id, done.entry.acknowledged_at) == (True, row.id, T0 + 5)
    again = database.run_now(feed.acknowledge, 1, result="not-readable", **given)
    assert again is not None
    assert (again.first, again.entry.result) == (False, "ok")
    backlog = database.read_now(feed.backlog)
    assert (backlog.unacknowledged, backlog.first_unacknowledged, backlog.last_sequence) == (1, 2, 2)
    assert [entry.sequence for entry in database.read_now(feed.unacknowledged)] == [2]
    assert len(database.read_now(feed.after, 0)) == 2, "acknowledged entries can be read again"


def test_documents_are_known_by_number_and_by_bytes(database: Database) -> None:
    key = {"direction": "in", "party": "th", "document_type": "atiga-form-d", "document_number": "N-1"}
    first = database.run_now(registry.put, **key, state="RCV", digest="d1", kind="certificate", now=T0)
    assert (first.version, first.state) == (1, "RCV")
    moved = database.run_now(registry.move, first.id, "RCV", "VAL", now=T0 + 1, reason="checked")
    assert moved is not None
    assert database.run_now(registry.move, first.id, "RCV", "CAN", now=T0 + 1) is None
    second = database.run_now(
        registry.put, **key, state="RCV", digest="d2", kind="replacement", now=T0 + 2, message_id="m2"
    )
    assert (second.id, second.version, second.digest, second.message_id) == (first.id, 2, "d2", "m2")
    assert database.read_now(registry.find, "in", "th", "atiga-form-d", "N-1") == second
    assert database.read_now(registry.find, "out", "th", "atiga-form-d", "N-1") is None
    assert database.read_now(registry.by_number, "atiga-form-d", "N-1") == [second]
    known = [database.read_now(registry.seen, first.id, digest) for digest in ("d1", "d2", "d3")]
    assert known == [True, True, False]


def test_an_outage_is_remembered_until_any_contact(database: Database) -> None:
    assert database.read_now(partner_state.get, "th").may_contact(T0)
    for number in (1, 2):
        state = database.run_now(
            partner_state.contact_failed,
            "th",
            next_contact_at=T0 + 60 * number,
            reason="timeout",
            now=T0 + number,
        )
    assert (state.failures, state.first_failure_at, state.next_contact_at) == (2, T0 + 1, T0 + 120)
    assert not state.may_contact(T0 + 119)
    assert database.run_now(partner_state.contact_succeeded, "th", received=True, now=T0 + 50)
    state = database.read_now(partner_state.get, "th")
    assert (state.failures, state.first_failure_at, state.last_received_at) == (0, None, T0 + 50)
    assert state.may_contact(T0 + 50)
    assert not database.run_now(partner_state.contact_succeeded, "th", received=True, now=T0 + 55)
    assert database.run_now(partner_state.contact_succeeded, "th", received=False, now=T0 + 55)
    assert database.run_now(partner_state.contact_succeeded, "th", received=True, now=T0 + 60)


def test_a_suspended_partner_is_left_alone(database: Database) -> None:
    database.run_now(partner_state.suspend, "th", actor="operator", reason="their request", now=T0)
    assert not database.read_now(partner_state.get, "th").may_contact(T0 + DAY)
    state = database.run_now(partner_state.resume, "th", actor="operator", reason="", now=T0 + DAY)
    assert state.may_contact(T0 + DAY)
    assert database.read_now(partner_state.everyone) == [state]


def test_a_job_runs_once_and_survives_its_node(database: Database) -> None:
    claim = jobs.claim
    assert not database.run_now(claim, "purge", "node-a", T0, 60.0, first_at=T0 + 10)
    assert database.run_now(claim, "purge", "node-a", T0 + 10, 60.0)
    assert not database.run_now(claim, "purge", "node-b", T0 + 11, 60.0)
    assert database.run_now(claim, "purge", "node-b", T0 + 70, 60.0), "node-a went silent"
    assert not database.run_now(jobs.finish, "purge", "node-a", T0 + 71, next_run_at=T0 + 999)
    assert database.run_now(jobs.finish, "purge", "node-b", T0 + 72, next_run_at=T0 + 100, error="disk full")
    [job] = database.read_now(jobs.everything)
    assert (job.runs, job.failures, job.last_error, job.due_at) == (2, 1, "disk full", T0 + 100)


def test_refusals_keep_evidence_of_bounded_size(database: Database) -> None:
    body = b"x" * 100_000
    number = database.run_now(
        refusals.record_refusal, side="partner", party="th", code="EBMS:0101", reason="unsigned",
        detail="no signature", body=body, content_type="text/xml", message_id="m", answer=b"<Error/>", now=T0,
    )  # fmt: skip
    [refusal] = database.read_now(refusals.latest)
    assert database.read_now(refusals.by_message_id, "m") == [refusal]
    assert (refusal.id, refusal.size_bytes, refusal.digest) == (number, 100_000, journal.digest(body))
    assert refusal.head == body[: refusals.HEAD_BYTES]
    [fact] = database.read_now(journal.about, f"refusal:{number}")
    assert (fact.event, fact.digest) == ("message.refused", refusal.digest)


def test_operators_find_messages_newest_first(database: Database) -> None:
    rows = [queued(database, document_number="N-9") for _ in range(3)] + [submitted(database, partner="id")]
    look = database.read_now
    assert [row.id for row in look(search.outbound)] == [row.id for row in reversed(rows)]
    assert [row.id for row in look(search.outbound, partner="th", before_id=rows[2].id)] == [
        rows[1].id,
        rows[0].id,
    ]
    assert [row.id for row in look(search.outbound, states=["submitted"], limit=1)] == [rows[3].id]
    assert len(look(search.outbound, document_number="N-9")) == 3
    inbound = registered(database)
    assert look(search.inbound, partner="th", states=["received"]) == [inbound]
    [depth] = look(outlook.inbox_depths)
    assert (depth.partner, depth.state, depth.messages, depth.oldest_at) == ("th", "received", 1, T0)


def test_registering_twice_in_one_unit_is_a_duplicate(database: Database) -> None:
    def twice(conn: Transaction, new: NewInbound) -> list[bool]:
        return [isinstance(inbox.register(conn, new, T0), Registered) for _ in range(2)]

    assert database.run_now(twice, new_inbound()) == [True, False]
