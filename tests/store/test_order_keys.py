"""Rows behind an open one of their key are out of a claim's way, and come forward when it closes."""

from __future__ import annotations

from asw_gateway.store import dead_letters, outbox
from asw_gateway.store.database import Database
from tests.store.messages import T0, claim, finish, ids, queued, submitted

ONE_KEY = {"document_number": "D-1", "order_key": "th|D-1"}


def heads(database: Database, *found: int) -> list[int]:
    """The column `head` of these rows."""
    return [row.head for row in (database.read_now(outbox.get, id) for id in found) if row is not None]


def test_only_the_oldest_open_message_of_a_key_is_looked_at(database: Database) -> None:
    rows = [queued(database, **ONE_KEY).id for _ in range(3)]
    other = queued(database).id
    assert heads(database, *rows, other) == [1, 0, 0, 1]
    assert ids(claim(database)) == [rows[0], other]
    finish(database, rows[0], 1, "delivered")
    assert heads(database, *rows) == [1, 1, 0]
    assert ids(claim(database)) == [rows[1]]
    finish(database, rows[1], 1, "delivered")
    assert ids(claim(database)) == [rows[2]]


def test_every_end_of_a_message_brings_the_next_one_forward(database: Database) -> None:
    first, second, third, fourth = (submitted(database, **ONE_KEY).id for _ in range(4))
    database.run_now(outbox.move, first, "submitted", "rejected", now=T0, reason="R-01")
    assert heads(database, second) == [1]
    database.run_now(outbox.move, second, "submitted", "failed", now=T0, reason="broke")
    assert heads(database, third) == [0], "a failed message still stands before it"
    database.run_now(dead_letters.discard, second, reason="test", actor="op", now=T0)
    assert heads(database, third) == [1]
    database.run_now(outbox.move, third, "submitted", "cancelled", now=T0)
    assert heads(database, fourth) == [1]


def test_a_late_receipt_of_a_failed_message_brings_the_next_one_forward(database: Database) -> None:
    first, second = (queued(database, **ONE_KEY).id for _ in range(2))
    claim(database)
    finish(database, first, 1, "failed")
    assert claim(database) == []
    finish(database, first, 1, "delivered")
    assert ids(claim(database)) == [second]


def test_a_closed_last_message_leaves_no_one_behind(database: Database) -> None:
    first, second = (queued(database, **ONE_KEY).id for _ in range(2))
    database.run_now(outbox.move, second, "queued", "cancelled", now=T0)
    third = queued(database, **ONE_KEY).id
    assert ids(claim(database)) == [first]
    assert claim(database) == [], "the third one waits, whatever its mark says"
    finish(database, first, 1, "delivered")
    assert ids(claim(database)) == [third]


def test_two_nodes_that_take_in_messages_of_one_key_strand_none(nodes: tuple[Database, Database]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        for _ in range(25):
            pairs = [pool.submit(queued, node, **ONE_KEY) for node in nodes for _ in range(2)]
            waiting = {each.result().id for each in pairs}
            while waiting:
                found = claim(nodes[0]) or claim(nodes[1])
                assert len(found) == 1 and found[0].row.id == min(waiting)
                owner = next(node for node in nodes if node.node == found[0].row.lease_owner)
                finish(owner, found[0].row.id, 1, "delivered")
                waiting.remove(found[0].row.id)
