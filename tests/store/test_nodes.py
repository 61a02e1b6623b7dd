"""Two nodes on one PostgreSQL, working at the same moment; none is special."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import pytest

from asw_gateway.store import chains, feed, inbox, jobs, outbox, sending
from asw_gateway.store.database import Database
from asw_gateway.store.engine import StoreConflict
from asw_gateway.store.inbox_rows import Registered
from asw_gateway.store.outbox_rows import Submitted
from asw_gateway.store.transaction import Transaction
from tests.store.databases import database_url
from tests.store.messages import T0, claim, finish, ids, new_inbound, new_outbound, queued

Nodes = tuple[Database, Database]


def together(nodes: Nodes, work: Callable[[Database], object]) -> list[object]:
    """Run `work` once for each node, beginning at the same moment."""
    start = Barrier(len(nodes))

    def begin(node: Database) -> object:
        start.wait(10)
        return work(node)

    with ThreadPoolExecutor(len(nodes)) as pool:
        return list(pool.map(begin, nodes))


def test_no_message_is_claimed_twice_and_keys_stay_in_order(nodes: Nodes) -> None:
    keys = [f"k{number % 20}" for number in range(120)]
    rows = [queued(nodes[number % 2], order_key=key) for number, key in enumerate(keys)]
    key_of = {row.id: row.order_key for row in rows}

    def drain(node: Database) -> list[int]:
        sent = []
        idle = 0
        while idle < 20:
            due = claim(node, limit=5, window=16)
            idle = 0 if due else idle + 1
            for each in due:
                sent.append(each.row.id)
                assert finish(node, each.row.id, each.row.attempt, "delivered").moved
        return sent

    first, second = together(nodes, drain)
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert sorted(first + second) == sorted(key_of)
    # A successor can be claimed only after its predecessor's outcome was committed: outcomes tell the order.
    outcomes = nodes[0].read_now(
        lambda conn: conn.connection.exec_driver_sql(
            "SELECT outbox_id, attempt FROM attempts ORDER BY id"
        ).fetchall()
    )
    assert all(attempt == 1 for _, attempt in outcomes)
    for key in set(keys):
        of_key = [id for id, _ in outcomes if key_of[id] == key]
        assert of_key == sorted(of_key)
        assert len(of_key) == 6


def test_the_window_holds_over_both_nodes(nodes: Nodes) -> None:
    for _ in range(40):
        queued(nodes[0])
    for _ in range(5):
        together(nodes, lambda node: claim(node, limit=3, window=8))
        states = nodes[0].read_now(lambda conn: conn.connection.exec_driver_sql(
            "SELECT count(*) FROM outbox WHERE state = 'sending'").scalar())  # fmt: skip
        assert states is not None
        assert states <= 8
    assert states == 8


def test_only_one_of_a_key_flies_even_when_an_older_one_commits_late(nodes: Nodes) -> None:
    first_node, second_node = nodes
    entered, go_on = Barrier(2), Barrier(2)

    def slow(conn: Transaction) -> int:
        answer = outbox.submit(conn, new_outbound(order_key="k"), T0)
        assert isinstance(answer, Submitted)
        entered.wait(10)
        go_on.wait(10)
        return answer.row.id

    with ThreadPoolExecutor(1) as pool:
        older = pool.submit(first_node.run_now, slow)
        entered.wait(10)
        newer = queued(second_node, order_key="k")
        assert ids(claim(second_node)) == [newer.id]
        go_on.wait(10)
        older_id = older.result(10)
    assert older_id < newer.id
    first_node.run_now(
        outbox.mark_queued, older_id, message_id="m", content_type="x", body=b"", reference_digests=(),
        signed_with="", document_digest="", now=T0,
    )  # fmt: skip
    assert claim(first_node) == [], "the newer one is in flight"
    finish(second_node, newer.id, 1, "delivered")
    assert ids(claim(first_node)) == [older_id]


def test_a_dead_nodes_messages_are_taken_over(nodes: Nodes) -> None:
    row = queued(nodes[0])
    assert ids(claim(nodes[0], lease_seconds=30.0)) == [row.id]
    assert claim(nodes[1], now=T0 + 29) == []
    assert ids(nodes[1].run_now(sending.rescue_expired_leases, T0 + 30)) == [row.id]
    assert ids(claim(nodes[1], now=T0 + 30)) == [row.id]
    assert not finish(nodes[0], row.id, 1, "failed", now=T0 + 31).moved, "node-a's word no longer counts"
    assert finish(nodes[1], row.id, 1, "delivered", now=T0 + 32).moved
    assert nodes[1].run_now(sending.rescue_own_leases, T0 + 33) == []


@pytest.mark.parametrize("size", [1, 12])
def test_a_reader_never_misses_a_feed_entry(nodes: Nodes, size: int) -> None:
    count = 60

    def write(node: Database) -> None:
        for number in range(count):
            node.run_now(
                lambda conn, number=number: [
                    feed.append(conn, kind="notice", subject=f"{node.node} {number}", body=b"x", now=T0)
                    for _ in range(size)
                ]
            )

    with ThreadPoolExecutor(1) as pool, database_url("memory"):
        writing = pool.submit(together, nodes, write)
        seen: list[int] = []
        order: dict[str, list[int]] = {"node-a": [], "node-b": []}
        while len(seen) < 2 * count * size:
            over = writing.done()
            page = nodes[0].read_now(feed.after, seen[-1] if seen else 0, 7)
            if not page and over:
                writing.result()
                break
            for entry in page:
                seen.append(entry.sequence)
                node, number = entry.subject.split()
                order[node].append(int(number))
    assert seen == list(range(1, 2 * count * size + 1))
    assert all(numbers == sorted(numbers) for numbers in order.values())


def test_each_node_writes_its_own_chain(nodes: Nodes) -> None:
    together(nodes, lambda node: [queued(node) for _ in range(20)])
    report = nodes[0].read_now(chains.verify)
    assert (report.whole, report.entries) == (True, {"node-a": 40, "node-b": 40})


def test_two_processes_with_one_name_slow_down_but_break_nothing() -> None:
    with database_url("postgresql") as url:
        twins = Database.open(url, node="same"), Database.open(url, node="same")
        try:
            for _ in range(5):
                for twin in twins:
                    with suppress(StoreConflict):  # the chain grew behind this one's back: it looks again
                        queued(twin)
                    queued(twin)
            assert twins[0].read_now(chains.verify).whole
        finally:
            for twin in twins:
                twin.close_now()


def test_the_same_message_on_both_nodes_is_stored_once(nodes: Nodes) -> None:
    for _ in range(20):
        inbound, outbound = new_inbound(), new_outbound()
        got = together(nodes, lambda node, new=inbound: node.run_now(inbox.register, new, T0))
        assert sorted(isinstance(answer, Registered) for answer in got) == [False, True]
        got = together(nodes, lambda node, new=outbound: node.run_now(outbox.submit, new, T0))
        assert sorted(isinstance(answer, Submitted) for answer in got) == [False, True]


def test_conversion_work_is_shared_without_overlap(nodes: Nodes) -> None:
    for _ in range(40):
        nodes[0].run_now(inbox.register, new_inbound(), T0)
        nodes[0].run_now(outbox.submit, new_outbound(), T0)

    def take(node: Database) -> list[int]:
        found = []
        while got := node.run_now(inbox.claim_received, node.node, 3, T0, 60.0):
            found += [each.row.id for each in got]
        while more := node.run_now(outbox.claim_submitted, node.node, 3, T0, 60.0):
            found += [1000 + each.row.id for each in more]
        return found

    first, second = together(nodes, take)
    assert isinstance(first, list)
    assert isinstance(second, list)
    everything = first + second
    assert len(everything) == len(set(everything)) == 80


def test_a_job_begins_on_one_node_only(nodes: Nodes) -> None:
    for number in range(10):
        got = together(
            nodes, lambda node, number=number: node.run_now(jobs.claim, f"job-{number}", node.node, T0, 60.0)
        )
        assert sorted(map(bool, got)) == [False, True]
