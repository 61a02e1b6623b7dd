"""Failure, time-to-live, replay, discard: on every engine."""

from __future__ import annotations

from asw_gateway.store import dead_letters, journal, outbox
from asw_gateway.store.database import Database
from asw_gateway.store.outbox_rows import OutboundRow
from tests.store.messages import DAY, T0, claim, finish, ids, queued, submitted


def failed(database: Database, row: OutboundRow) -> list[OutboundRow]:
    """Let a queued message fail for good; answer what is held because of it."""
    [due] = [each for each in claim(database) if each.row.id == row.id]
    recorded = finish(database, row.id, due.row.attempt, "failed")
    return database.run_now(dead_letters.hold_successors, recorded.row, T0)


def test_successors_are_held_and_told(database: Database) -> None:
    first, second, third = (queued(database, order_key="k") for _ in range(3))
    unprepared = submitted(database, order_key="k")
    other = queued(database, order_key="other")
    held = failed(database, first)
    assert ids(held) == [second.id, third.id]
    assert {row.state for row in held} == {"held"}
    assert database.read_now(outbox.get, other.id) != other, "the other key went on"
    assert claim(database) == []
    late = queued(database, order_key="k")
    assert late.state == "held"
    assert unprepared.state == "submitted"


def test_replay_sends_the_same_message_and_then_its_successors(database: Database) -> None:
    first, second = queued(database, order_key="k"), queued(database, order_key="k")
    failed(database, first)
    assert ids(database.read_now(dead_letters.dead_letters)) == [first.id]
    given = {"expires_at": T0 + 30 * DAY, "actor": "operator:lan", "now": T0 + DAY}
    again = database.run_now(dead_letters.replay, first.id, **given)
    assert again is not None
    assert (again.state, again.message_id, again.finalized_at) == ("queued", first.message_id, None)
    assert again.expires_at == T0 + 30 * DAY
    assert database.run_now(dead_letters.replay, first.id, **given) is None
    [due] = claim(database, now=T0 + DAY)
    assert (due.row.id, due.body) == (first.id, f"sealed {first.id}".encode())
    assert database.read_now(dead_letters.dead_letters) == []
    finish(database, first.id, 2, "delivered")
    assert ids(claim(database, now=T0 + DAY)) == [second.id]
    acts = [(fact.event, fact.actor) for fact in database.read_now(journal.about, first.subject)]
    assert ("outbound.queued", "operator:lan") in acts


def test_replay_of_what_was_never_sealed_converts_it_again(database: Database) -> None:
    row = submitted(database)
    database.run_now(outbox.move, row.id, "submitted", "failed", now=T0, reason="internal")
    again = database.run_now(dead_letters.replay, row.id, expires_at=T0 + DAY, actor="operator", now=T0)
    assert again is not None
    assert again.state == "submitted"


def test_discard_frees_the_successors(database: Database) -> None:
    first, second = queued(database, order_key="k"), queued(database, order_key="k")
    failed(database, first)
    gone = database.run_now(dead_letters.discard, first.id, reason="typed twice", actor="operator", now=T0)
    assert gone is not None
    assert (gone.state, gone.last_reason) == ("cancelled", "typed twice")
    assert ids(claim(database)) == [second.id]
    assert database.run_now(dead_letters.discard, second.id, reason="", actor="operator", now=T0) is None


def test_a_successor_stays_held_behind_another_dead_letter(database: Database) -> None:
    first, second, third = (queued(database, order_key="k") for _ in range(3))
    failed(database, first)
    database.run_now(outbox.move, second.id, "held", "expired", now=T0, reason="EBMS:0301")
    database.run_now(dead_letters.discard, first.id, reason="", actor="operator", now=T0)
    row = database.read_now(outbox.get, third.id)
    assert row is not None
    assert row.state == "held"
    database.run_now(dead_letters.discard, second.id, reason="", actor="operator", now=T0)
    assert ids(claim(database)) == [third.id]


def test_time_to_live_ends_everything_that_waits(database: Database) -> None:
    over = queued(database, order_key="k", expires_at=T0 + 10)
    behind = queued(database, order_key="k", expires_at=T0 + 1000)
    raw = submitted(database, expires_at=T0 + 10)
    flying = queued(database, expires_at=T0 + 10)
    young = queued(database, expires_at=T0 + 1000)
    assert flying.id in ids(claim(database, limit=2))
    finish(database, over.id, 1, "queued", next_attempt_at=T0 + 5)
    assert database.run_now(dead_letters.expire_due, T0 + 9) == ([], [])
    expired, held = database.run_now(dead_letters.expire_due, T0 + 10)
    assert ids(expired) == [over.id, raw.id]
    assert {row.state for row in expired} == {"expired"}
    assert ids(held) == [behind.id]
    assert database.run_now(dead_letters.expire_due, T0 + 11) == ([], [])
    assert ids(claim(database, now=T0 + 11)) == [young.id]


def test_expiry_takes_bounded_steps(database: Database) -> None:
    rows = [queued(database, expires_at=T0 + number) for number in range(5)]
    first, _ = database.run_now(dead_letters.expire_due, T0 + 10, 3)
    second, _ = database.run_now(dead_letters.expire_due, T0 + 10, 3)
    assert ids(first) + ids(second) == ids(rows)
