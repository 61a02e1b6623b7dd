"""Payload goes after five years, evidence after ten, and each purge is evidence itself."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from asw_gateway.store import (
    bodies,
    chains,
    evidence,
    feed,
    heads,
    inbox,
    journal,
    outbox,
    refusals,
    retention,
    sending,
)
from asw_gateway.store.database import Database
from asw_gateway.store.heads import PublishedHead
from asw_gateway.store.retention import TASKS, Periods
from asw_gateway.store.transaction import Transaction
from tests.store.messages import DAY, T0, claim, finish, new_inbound, queued

YEAR = 365.25 * DAY
LONG = b"x" * (bodies.INLINE_BYTES + 1)


def purge(database: Database, now: float, limit: int = 7) -> dict[str, int]:
    """Purge everything that is due; rows by task."""
    found: dict[str, int] = {}
    for task in TASKS:
        reached: int | None = None
        while True:
            piece = database.run_now(
                retention.purge_piece,
                task,
                before=Periods().before(task.klass, now),
                now=now,
                after=reached,
                limit=limit,
            )
            found[task.name] = found.get(task.name, 0) + piece.rows
            reached = piece.reached
            if reached is None:
                break
    return {name: rows for name, rows in found.items() if rows}


def purge_journal(database: Database, now: float) -> int:
    before, rows = Periods().before("evidence", now), 0
    for chain in database.read_now(journal.chain_names):
        more = {"before": before, "now": now, "limit": 4}
        while piece := database.run_now(retention.purge_journal_piece, chain, **more):
            rows += piece
    return rows


def count(database: Database, table: str) -> int:
    asked = text(f"SELECT count(*) FROM {table}")
    return int(database.read_now(lambda conn: conn.connection.execute(asked).scalar()))


def delivered(database: Database, *, at: float = T0, **given: Any) -> int:
    row = queued(database, now=at, **given)
    claim(database, now=at)
    finish(database, row.id, 1, "delivered", now=at)
    return row.id


def received(database: Database, *, at: float = T0, **given: Any) -> int:
    """A message that the portal has confirmed."""
    row = database.run_now(inbox.register, new_inbound(**given), at).row

    def hand_over(conn: Transaction) -> None:
        inbox.move(conn, row.id, "received", "available", now=at)
        feed.append(conn, kind="message", subject=row.subject, body=b"<E/>", inbox_id=row.id, now=at)

    def confirm(conn: Transaction) -> None:
        last = feed.backlog(conn).last_sequence
        feed.acknowledge(conn, last, result="ok", detail="", actor="portal", now=at)
        inbox.move(conn, row.id, "available", "acknowledged", now=at)

    database.run_now(hand_over)
    database.run_now(confirm)
    return int(row.id)


def test_payload_goes_first_and_receipts_stay(database: Database) -> None:
    out = [delivered(database, body=LONG if number == 3 else b"<E/>") for number in range(9)]
    into = [received(database, body=LONG if number == 3 else b"m") for number in range(9)]
    assert purge(database, T0 + 4.9 * YEAR) == {}
    assert purge(database, T0 + 5.1 * YEAR) == {"outbox payload": 9, "inbox payload": 9, "feed payload": 9}
    assert purge(database, T0 + 5.1 * YEAR) == {}
    for table in ("outbox_submitted", "outbox_sealed", "feed_body", "body_chunk", "body_staging"):
        assert count(database, table) == 0, table
    with pytest.raises(bodies.BodyMissing):
        database.read_now(inbox.body, into[0])
    assert database.read_now(inbox.receipt, into[3])[1].startswith(b"<Receipt>")
    assert database.read_now(sending.attempts, out[0])[0].answer == b"<Receipt/>"
    row = database.read_now(outbox.get, out[0])
    assert row is not None and row.state == "delivered"
    assert database.read_now(evidence.of_outbound, row).purged == ("submitted", "sent")
    facts = database.read_now(journal.about, "retention:outbox payload")
    assert [fact.detail.split(",")[0] for fact in facts] == ["7 rows 1..7", "2 rows 8..9"]
    assert database.read_now(chains.verify).whole


def test_evidence_goes_last(database: Database) -> None:
    for _ in range(3):
        delivered(database)
        received(database)
    database.run_now(
        refusals.record_refusal, side="partner", party="th", code="EBMS:0101", reason="r", detail="d",
        body=b"forged", content_type="x", now=T0,
    )  # fmt: skip
    assert purge(database, T0 + 1.1 * YEAR) == {"copies of what was refused": 1}
    assert database.read_now(refusals.latest)[0].digest == journal.digest(b"forged")
    done = purge(database, T0 + 10.1 * YEAR)
    assert {name: done[name] for name in ("outbox", "inbox", "feed", "refusals")} == {
        "outbox": 3, "inbox": 3, "feed": 3, "refusals": 1
    }  # fmt: skip
    for table in ("outbox", "inbox", "feed", "attempts", "refusals", "inbox_body"):
        assert count(database, table) == 0, table


def test_attempts_without_an_answer_are_logs(database: Database) -> None:
    row = queued(database)
    claim(database)
    finish(database, row.id, 1, "queued", next_attempt_at=T0)
    claim(database)
    finish(database, row.id, 2, "delivered")
    assert purge(database, T0 + 1.1 * YEAR) == {"attempts without an answer": 1}
    assert [each.attempt for each in database.read_now(sending.attempts, row.id)] == [2]


def test_what_has_not_come_to_rest_stays_and_is_purged_when_it_has(database: Database) -> None:
    first, waiting, last = delivered(database), queued(database).id, delivered(database)
    later = T0 + 5.1 * YEAR
    # claimed with the last one: it is in flight still
    database.run_now(sending.release_claims, [waiting], database.node, T0)
    assert purge(database, later, limit=1)["outbox payload"] == 2
    assert database.read_now(outbox.sealed_body, waiting) is not None
    assert [database.read_now(outbox.sealed_body, id) for id in (first, last)] == [None, None]
    claim(database, now=later)
    finish(database, waiting, 1, "delivered", now=later)
    assert purge(database, later + 1) == {}
    assert purge(database, later + 5.1 * YEAR) == {"outbox payload": 1, "outbox": 2}


def test_unconfirmed_feed_entries_stay_for_ever(database: Database) -> None:
    row = database.run_now(inbox.register, new_inbound(), T0).row
    database.run_now(inbox.move, row.id, "received", "available", now=T0)
    database.run_now(
        lambda conn: feed.append(conn, kind="message", subject="s", body=b"x", inbox_id=row.id, now=T0)
    )
    assert purge(database, T0 + 50 * YEAR) == {}
    assert [entry.body for entry in database.read_now(feed.after, 0)] == [b"x"]


def test_a_purged_chain_still_verifies_and_shows_what_is_missing(database: Database) -> None:
    for number in range(10):
        database.run_now(journal.append, event="e", subject=f"s:{number}", now=T0 + number * YEAR)
    head = database.read_now(journal.last, "node-a")
    facts = database.read_now(lambda conn: list(journal.entries(conn, "node-a")))
    for sequence in (3, head.sequence):
        [fact] = [fact for fact in facts if fact.sequence == sequence]
        signed = PublishedHead(
            chain="node-a", sequence=sequence, hash=fact.hash, published_at=T0, signed_with="", statement=b""
        )
        assert database.run_now(heads.publish, signed)
    assert purge_journal(database, T0 + 15.5 * YEAR) == 6
    report = database.read_now(chains.verify)
    assert (report.breaks, report.entries) == ((), {"node-a": 4 + 2})
    database.run_now(lambda c: c.connection.execute(text("DELETE FROM journal WHERE sequence = 7")).close())
    assert "entry 7 is missing" in database.read_now(chains.verify).breaks[0]
