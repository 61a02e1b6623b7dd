"""A clock that was ahead and is set back keeps nothing waiting for as long as it was ahead."""

from __future__ import annotations

from asw_gateway.store import clock_step, inbox, jobs, journal, outbox, partner_state, sending
from asw_gateway.store.database import Database
from tests.store.messages import NODE, T0, new_outbound

AHEAD = 3600.0


def queued(database: Database, at: float) -> int:
    row = database.run_now(outbox.submit, new_outbound(), at).row
    database.run_now(
        outbox.mark_queued,
        row.id,
        message_id=f"{row.id}@vn",
        content_type="multipart/related",
        body=b"--",
        reference_digests=(("#body", "Ym9keQ=="),),
        signed_with="ab" * 32,
        document_digest="cd" * 32,
        now=at,
    )
    return row.id


def due(database: Database, now: float) -> list[int]:
    claimed = database.run_now(sending.claim_due, "th", NODE, 10, now, 60.0)
    return [message.row.id for message in claimed]


def test_messages_queued_ahead_are_due_again(database: Database) -> None:
    id = queued(database, T0 + AHEAD)
    assert due(database, T0 + 5) == []
    assert database.run_now(clock_step.set_back, AHEAD, T0 + 5) > 0
    assert due(database, T0 + 5) == [id]


def test_what_waits_longer_for_a_reason_waits_on(database: Database) -> None:
    id = queued(database, T0)
    (message,) = database.run_now(sending.claim_due, "th", NODE, 1, T0, 60.0)
    database.run_now(
        sending.record_attempt,
        id,
        message.row.attempt,
        outcome="timeout",
        retryable=True,
        reason="no_answer",
        detail="",
        new_state="queued",
        now=T0 + AHEAD,
        next_attempt_at=T0 + AHEAD + 30,
    )
    database.run_now(clock_step.set_back, AHEAD, T0)
    assert due(database, T0 + 29) == []
    assert due(database, T0 + 30) == [id]


def test_submissions_of_this_node_are_free_when_their_lease_should_end(database: Database) -> None:
    database.run_now(outbox.submit, new_outbound(), T0)
    assert database.run_now(outbox.claim_submitted, NODE, 5, T0 + AHEAD, 60.0)
    database.run_now(clock_step.set_back, AHEAD, T0)
    assert database.run_now(outbox.claim_submitted, "node-b", 5, T0 + 59, 60.0) == []
    assert len(database.run_now(outbox.claim_submitted, "node-b", 5, T0 + 60, 60.0)) == 1


def test_leases_of_other_nodes_stay(database: Database) -> None:
    database.run_now(outbox.submit, new_outbound(), T0)
    assert database.run_now(outbox.claim_submitted, "node-b", 5, T0, 600.0)
    database.run_now(clock_step.set_back, AHEAD, T0)
    assert database.run_now(outbox.claim_submitted, NODE, 5, T0 + 599, 60.0) == []


def test_jobs_and_partners_do_not_wait(database: Database) -> None:
    assert database.run_now(jobs.claim, "expire", NODE, T0 + AHEAD, 60.0)
    database.run_now(jobs.finish, "expire", NODE, T0 + AHEAD, next_run_at=T0 + AHEAD + 15)
    database.run_now(
        partner_state.contact_failed, "th", next_contact_at=T0 + AHEAD + 2, reason="refused", now=T0 + AHEAD
    )
    database.run_now(clock_step.set_back, AHEAD, T0)
    assert database.read_now(partner_state.get, "th").next_contact_at == T0 + 2
    assert not database.run_now(jobs.claim, "expire", NODE, T0 + 14, 60.0)
    assert database.run_now(jobs.claim, "expire", NODE, T0 + 15, 60.0)


def test_the_step_is_evidence_and_the_journal_tells_of_it_after_a_restart(database: Database) -> None:
    assert database.read_now(clock_step.ahead, T0) == 0.0
    queued(database, T0 + AHEAD)
    assert database.read_now(clock_step.ahead, T0) == AHEAD
    database.run_now(clock_step.set_back, AHEAD, T0)
    assert database.read_now(clock_step.ahead, T0) == 0.0
    (fact,) = database.read_now(journal.about, f"node:{NODE}")
    assert fact.event == "clock.set_back"
    assert fact.detail.startswith("3600.0 s, ")
    assert database.run_now(inbox.rescue_own_leases) is not False
