"""Claims, outcomes, leases: on every engine."""

from __future__ import annotations

from asw_gateway.store import dead_letters, journal, outbox, outlook, sending
from asw_gateway.store.database import Database
from tests.store.messages import NODE, T0, claim, finish, ids, queued, submitted


def test_one_at_a_time_within_a_key_oldest_first(database: Database) -> None:
    first, second, third = (queued(database, order_key="k") for _ in range(3))
    other = queued(database)
    assert ids(claim(database)) == [first.id, other.id]
    assert claim(database) == []
    finish(database, first.id, 1, "delivered")
    assert ids(claim(database)) == [second.id]
    finish(database, second.id, 1, "delivered")
    assert ids(claim(database)) == [third.id]


def test_a_message_waiting_for_its_next_attempt_blocks_its_key(database: Database) -> None:
    first, second = queued(database, order_key="k"), queued(database, order_key="k")
    claim(database)
    recorded = finish(database, first.id, 1, "queued", next_attempt_at=T0 + 60)
    assert recorded.moved
    assert claim(database, now=T0 + 59) == []
    assert database.read_now(sending.next_due_at, "th") == T0 + 60
    [again] = claim(database, now=T0 + 60)
    assert (again.row.id, again.row.attempt) == (first.id, 2)
    assert second.id not in ids(claim(database, now=T0 + 60))


def test_a_message_not_converted_yet_blocks_its_key(database: Database) -> None:
    first = submitted(database, order_key="k")
    second = queued(database, order_key="k")
    assert claim(database) == []
    assert database.read_now(sending.next_due_at, "th") is None
    database.run_now(outbox.move, first.id, "submitted", "rejected", now=T0, reason="")
    assert ids(claim(database)) == [second.id]


def test_class_first_then_age_and_partners_apart(database: Database) -> None:
    normal = queued(database, priority=2)
    indonesia = queued(database, partner="id")
    bulk = queued(database, priority=9)
    answer = queued(database, priority=1, now=T0 + 5)
    cancel = queued(database, priority=0, now=T0 + 6)
    assert ids(claim(database, now=T0 + 10, limit=3)) == [cancel.id, answer.id, normal.id]
    assert ids(claim(database, now=T0 + 10)) == [bulk.id]
    assert ids(claim(database, now=T0 + 10, partner="id")) == [indonesia.id]


def test_the_window_counts_what_is_in_flight(database: Database) -> None:
    rows = [queued(database) for _ in range(6)]
    assert ids(claim(database, window=4, limit=3)) == ids(rows[:3])
    assert ids(claim(database, window=4)) == ids(rows[3:4])
    assert claim(database, window=4) == []
    finish(database, rows[0].id, 1, "delivered")
    assert ids(claim(database, window=4)) == ids(rows[4:5])


def test_a_claim_is_the_record_of_the_attempt(database: Database) -> None:
    queued(database)
    [due] = claim(database, now=T0 + 3, lease_seconds=60.0)
    row = due.row
    assert (row.state, row.attempt, row.attempted_at) == ("sending", 1, T0 + 3)
    assert (row.lease_owner, row.lease_until) == (NODE, T0 + 63)


def test_a_receipt_ends_the_story(database: Database) -> None:
    row = queued(database)
    claim(database, now=T0 + 1)
    recorded = finish(
        database,
        row.id,
        1,
        "delivered",
        now=T0 + 2,
        receipt=b"<R/>",
        receipt_content_type="text/xml",
    )
    assert recorded.moved
    assert (recorded.row.state, recorded.row.finalized_at) == ("delivered", T0 + 2)
    assert recorded.row.open_key is None
    [attempt] = database.read_now(sending.attempts, row.id)
    assert (attempt.outcome, attempt.started_at, attempt.finished_at) == ("receipt", T0 + 1, T0 + 2)
    assert (attempt.answer, attempt.answer_content_type) == (b"<R/>", "text/xml")
    last = database.read_now(journal.about, row.subject)[-1]
    assert (last.event, last.actor, last.digest) == ("outbound.delivered", "th", journal.digest(b"<R/>"))


def test_a_lease_that_ends_is_rescued_with_a_trace(database: Database) -> None:
    row = queued(database)
    claim(database, lease_seconds=60.0)
    assert database.run_now(sending.rescue_expired_leases, T0 + 59) == []
    assert ids(database.run_now(sending.rescue_expired_leases, T0 + 60)) == [row.id]
    [trace] = database.read_now(sending.attempts, row.id)
    assert (trace.attempt, trace.outcome, trace.detail) == (1, "interrupted", "lease expired")
    [again] = claim(database, now=T0 + 60)
    assert again.row.attempt == 1, "an interrupted attempt does not count"


def test_a_node_that_restarts_frees_what_it_had(database: Database) -> None:
    row, converting = queued(database), submitted(database)
    claim(database)
    database.run_now(outbox.claim_submitted, NODE, 10, T0, 60.0)
    assert ids(database.run_now(sending.rescue_own_leases, T0 + 1)) == [row.id]
    assert ids(claim(database, now=T0 + 1)) == [row.id]
    [again] = database.run_now(outbox.claim_submitted, NODE, 10, T0 + 1, 60.0)
    assert again.row.id == converting.id


def test_claims_given_back_do_not_count(database: Database) -> None:
    row = queued(database)
    claim(database)
    assert database.run_now(sending.release_claims, [row.id], "node-b", T0 + 1) == []
    [freed] = database.run_now(sending.release_claims, [row.id], NODE, T0 + 1)
    assert (freed.state, freed.attempt) == ("queued", 0)


def test_an_outcome_after_the_rescue_changes_nothing_but_a_receipt_wins(database: Database) -> None:
    row = queued(database)
    claim(database)
    database.run_now(sending.rescue_expired_leases, T0 + 60)
    late = finish(database, row.id, 1, "failed", now=T0 + 61)
    assert (late.moved, late.row.state) == (False, "queued")
    wins = finish(database, row.id, 1, "delivered", now=T0 + 62)
    assert (wins.moved, wins.row.state) == (True, "delivered")
    outcomes = [attempt.outcome for attempt in database.read_now(sending.attempts, row.id)]
    assert outcomes == ["interrupted", "error_signal", "receipt"]


def test_a_second_receipt_is_kept_but_moves_nothing(database: Database) -> None:
    row = queued(database)
    claim(database)
    first = finish(database, row.id, 1, "delivered", now=T0 + 1)
    second = finish(database, row.id, 1, "delivered", now=T0 + 2)
    assert (second.moved, second.row) == (False, first.row)
    assert len(database.read_now(sending.attempts, row.id)) == 2


def test_a_late_receipt_wins_over_failure_and_frees_the_successors(database: Database) -> None:
    first, second = queued(database, order_key="k"), queued(database, order_key="k")
    claim(database)
    failed = finish(database, first.id, 1, "failed")
    assert ids(database.run_now(dead_letters.hold_successors, failed.row, T0)) == [second.id]
    won = finish(database, first.id, 1, "delivered", now=T0 + 5)
    assert won.moved
    assert [row.id for row in won.released] == [second.id]
    assert ids(claim(database, now=T0 + 5)) == [second.id]


def test_hastened_messages_are_due_at_once(database: Database) -> None:
    row = queued(database)
    claim(database)
    finish(database, row.id, 1, "queued", next_attempt_at=T0 + 3600)
    never_tried = queued(database, now=T0)
    assert database.run_now(sending.hasten, "id", T0 + 1) == 0
    assert database.run_now(sending.hasten, "th", T0 + 1) == 1
    assert ids(claim(database, now=T0 + 1)) == [never_tried.id, row.id]


def test_depths_count_what_waits(database: Database) -> None:
    queued(database, now=T0 + 1)
    queued(database, now=T0 + 2)
    submitted(database, partner="id", now=T0 + 3)
    delivered = queued(database, now=T0)
    claim(database, limit=1, now=T0)
    finish(database, delivered.id, 1, "delivered")
    found = {(each.partner, each.state): each for each in database.read_now(outlook.outbox_depths)}
    assert {key: each.messages for key, each in found.items()} == {
        ("th", "queued"): 2,
        ("id", "submitted"): 1,
    }
    assert found["th", "queued"].oldest_at == T0 + 1
