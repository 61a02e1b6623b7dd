"""The database threads: sharing a commit, replaying, answering, closing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from asw_gateway.metrics import CollectorRegistry, Metrics
from asw_gateway.store import chains, feed, outbox
from asw_gateway.store.database import Database, StoreClosed
from asw_gateway.store.engine import StoreConflict, StoreUnavailable
from asw_gateway.store.transaction import Transaction
from tests.store.databases import database_url, open_database
from tests.store.messages import T0, new_outbound


class Mailbox:
    """Stands for a reactor: what threads hand in is run by `pump`, on the test's thread."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def callFromThread(self, callable: Callable[..., object], *args: object, **kwargs: object) -> None:
        self.calls.put(lambda: callable(*args, **kwargs))

    def pump(self, deferred: Deferred[Any]) -> Any:
        """Run what comes until the Deferred has fired; give its result or raise its error."""
        found: list[Any] = []
        deferred.addBoth(found.append)
        while not found:
            self.calls.get(timeout=30)()
        if isinstance(found[0], BaseException) or hasattr(found[0], "raiseException"):
            found[0].raiseException()
        return found[0]


@contextmanager
def busy(database: Database, mailbox: Mailbox) -> Iterator[None]:
    """Hold the writing thread, so that everything handed in meanwhile waits and makes one group."""
    gate, entered = threading.Event(), threading.Event()

    def hold(_: Transaction) -> None:
        entered.set()
        gate.wait(30)

    held = database.run(hold)
    assert entered.wait(30)
    yield
    gate.set()
    mailbox.pump(held)


@pytest.fixture(params=("sqlite", "memory", "postgresql"))
def setting(request: pytest.FixtureRequest) -> Iterator[tuple[Database, Mailbox, CollectorRegistry]]:
    registry, mailbox = CollectorRegistry(), Mailbox()
    with open_database(request.param, reactor=mailbox, metrics=Metrics(registry)) as database:
        yield database, mailbox, registry


Setting = tuple[Database, Mailbox, CollectorRegistry]


def value(registry: CollectorRegistry, name: str) -> float:
    found = registry.get_sample_value(name)
    assert found is not None, name
    return found


def test_units_that_wait_share_a_commit(setting: Setting) -> None:
    database, mailbox, registry = setting
    before = value(registry, "asw_database_transaction_duration_seconds_count")
    with busy(database, mailbox):
        answers = [database.run(outbox.submit, new_outbound(), T0) for _ in range(50)]
    rows = [mailbox.pump(answer).row for answer in answers]
    assert [row.id for row in rows] == sorted(row.id for row in rows)
    assert value(registry, "asw_database_transaction_duration_seconds_count") - before == 2
    assert value(registry, "asw_database_group_commit_units_sum") == 51
    assert value(registry, "asw_journal_entries_total") == 50
    assert database.read_now(chains.verify).whole


def test_a_unit_that_fails_fails_alone(setting: Setting) -> None:
    database, mailbox, registry = setting

    def bad(conn: Transaction) -> None:
        outbox.submit(conn, new_outbound(national_message_id="never"), T0)
        raise ValueError("no")

    def twice_on_the_feed(conn: Transaction) -> None:
        for _ in range(2):
            feed.append(conn, kind="notice", subject="", body=b"", entry_id="same", now=T0)

    with busy(database, mailbox):
        good = [database.run(outbox.submit, new_outbound(), T0) for _ in range(3)]
        failing, conflicting = database.run(bad), database.run(twice_on_the_feed)
        good += [database.run(outbox.submit, new_outbound(), T0) for _ in range(3)]
    assert len({mailbox.pump(answer).row.id for answer in good}) == 6
    with pytest.raises(ValueError, match="no"):
        mailbox.pump(failing)
    with pytest.raises(StoreConflict):
        mailbox.pump(conflicting)
    assert database.read_now(outbox.by_national_id, "VNSW", "never") is None
    assert database.read_now(feed.after, 0) == []
    report = database.read_now(chains.verify)
    assert (report.whole, report.entries) == (True, {"node-a": 6})
    assert value(registry, "asw_database_group_commit_replays_total") == 1


def test_a_cancelled_unit_does_not_start(setting: Setting) -> None:
    database, mailbox, _ = setting
    ran: list[int] = []
    with busy(database, mailbox):
        answer = database.run(lambda conn: ran.append(1))
        answer.cancel()
    with pytest.raises(CancelledError):
        mailbox.pump(answer)
    database.run_now(lambda conn: None)
    assert ran == []


def test_a_unit_cancelled_while_it_runs_is_finished_and_disturbs_nobody(setting: Setting) -> None:
    database, mailbox, _ = setting
    gate, entered = threading.Event(), threading.Event()

    def slow(conn: Transaction) -> None:
        outbox.submit(conn, new_outbound(national_message_id="done all the same"), T0)
        entered.set()
        gate.wait(30)

    with busy(database, mailbox):
        running, beside = database.run(slow), database.run(outbox.submit, new_outbound(), T0)
    assert entered.wait(30)
    running.cancel()
    gate.set()
    with pytest.raises(CancelledError):
        mailbox.pump(running)
    assert mailbox.pump(beside).row.id
    assert database.read_now(outbox.by_national_id, "VNSW", "done all the same") is not None


def test_close_finishes_what_waits_and_takes_no_more(setting: Setting) -> None:
    database, mailbox, _ = setting
    with busy(database, mailbox):
        waiting = [database.run(outbox.submit, new_outbound(), T0) for _ in range(5)]
        closed, closed_too = database.close(), database.close()
        refused, refused_read = database.run(lambda conn: None), database.read(lambda conn: None)
    assert [mailbox.pump(answer).row.id for answer in waiting]
    assert mailbox.pump(closed) is None
    assert mailbox.pump(closed_too) is None
    for late in (refused, refused_read):
        with pytest.raises(StoreClosed):
            mailbox.pump(late)
    with pytest.raises(StoreClosed):
        database.run_now(lambda conn: None)


def test_reads_do_not_wait_for_the_writer() -> None:
    mailbox = Mailbox()
    with open_database("sqlite", reactor=mailbox) as database:
        row = database.run_now(outbox.submit, new_outbound(), T0).row
        with busy(database, mailbox):
            assert database.read_now(outbox.get, row.id) == row


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_read_cannot_write(engine: str) -> None:
    with open_database(engine) as database:
        with pytest.raises(Exception, match=r"(?i)read.?only"):
            database.read_now(outbox.submit, new_outbound(), T0)
        assert database.read_now(outbox.get, 1) is None


def test_sqlite_keeps_its_promises() -> None:
    def pragmas(conn: Transaction) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return {name: conn.connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}

    with open_database("sqlite") as database:
        assert database.run_now(pragmas) == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_lost_connection_is_opened_again() -> None:
    def kill_others(conn: Transaction) -> int:
        mine = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        where = "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return int(conn.connection.exec_driver_sql(mine + where).scalar() or 0)

    with database_url("postgresql") as url:
        database, other = Database.open(url, node="node-a"), Database.open(url, node="node-b")
        try:
            database.run_now(outbox.submit, new_outbound(), T0)
            assert database.read_now(outbox.get, 1) is not None
            assert other.run_now(kill_others) >= 2
            assert database.run_now(outbox.submit, new_outbound(), T0).row.id == 2
            assert database.read_now(outbox.get, 2) is not None
            assert database.read_now(chains.verify).whole
        finally:
            database.close_now()
            other.close_now()


def test_a_connection_lost_in_a_unit_is_told_and_overcome() -> None:
    def die(conn: Transaction) -> None:
        conn.connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    with open_database("postgresql") as database:
        with pytest.raises(StoreUnavailable):
            database.run_now(die)
        assert database.run_now(outbox.submit, new_outbound(), T0).row.id == 1


def test_a_full_disk_refuses_and_loses_nothing() -> None:
    def limit(conn: Transaction, pages: int) -> None:
        conn.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    with open_database("sqlite") as database:
        kept = database.run_now(outbox.submit, new_outbound(), T0).row
        database.run_now(limit, 1)
        with pytest.raises(StoreUnavailable, match="full"):
            database.run_now(outbox.submit, new_outbound(body=b"x" * 2_000_000), T0)
        database.run_now(limit, 1_000_000)
        assert database.run_now(outbox.submit, new_outbound(), T0).row.id > kept.id
        assert database.read_now(outbox.get, kept.id) == kept
        assert database.read_now(chains.verify).whole


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:////nonexistent/dir/x.db", "unable to open"),
        ("mysql://h/d", "mysql"),
        ("nonsense", "not a database URL"),
        ("postgresql://127.0.0.1:1/none", "cannot open postgresql"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_sentence(url: str, says: str) -> None:
    with pytest.raises(StoreUnavailable, match=says) as told:
        Database.open(url, node="node-a")
    assert "\n" not in str(told.value)
