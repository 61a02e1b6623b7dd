"""The chain: whoever changes, removes, adds or reorders an entry is found out."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from asw_gateway.store import chains, heads, journal
from asw_gateway.store.database import Database
from asw_gateway.store.heads import PublishedHead
from tests.store.databases import sqlite_database
from tests.store.messages import T0


def fill(database: Database, entries: int = 6) -> None:
    for number in range(entries):
        database.run_now(
            journal.append, event="test", subject=f"s:{number}", now=T0 + number, detail="Nguyễn", digest="d"
        )


TAMPERED = [
    ("UPDATE journal SET detail = 'other' WHERE sequence = 3", "#3: was changed"),
    ("UPDATE journal SET at = at + 1 WHERE sequence = 4", "#4: was changed"),
    ("UPDATE journal SET actor = 'someone' WHERE sequence = 1", "#1: was changed"),
    ("DELETE FROM journal WHERE sequence = 3", "entry 3 is missing"),
    ("DELETE FROM journal WHERE sequence = 1", "entry 1 is missing"),
    ("UPDATE journal SET previous_hash = hash WHERE sequence = 2", "#2: does not follow"),
    ("UPDATE journal SET chain = 'other' WHERE sequence = 6", "#6: entry 1 is missing"),
]


@pytest.mark.parametrize(("change", "says"), TAMPERED)
def test_every_change_is_found(database: Database, change: str, says: str) -> None:
    fill(database)
    assert database.read_now(chains.verify).whole
    database.run_now(lambda conn: conn.connection.exec_driver_sql(change).close())
    report = database.read_now(chains.verify)
    assert not report.whole
    assert any(says in broken for broken in report.breaks), report.breaks


def test_a_rewritten_entry_with_a_fitting_hash_breaks_the_next_link() -> None:
    with sqlite_database() as database:
        fill(database)
        facts = database.read_now(lambda conn: list(journal.entries(conn, "node-a")))
        forged = ["node-a", 3, facts[2].at, "test", "s:other", "gateway", "d", "Nguyễn"]
        content = sha256(json.dumps(forged, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()
        fitting = sha256((facts[2].previous_hash + content).encode()).hexdigest()
        change = "UPDATE journal SET subject = 's:other', hash = :fitting WHERE sequence = 3"
        database.run_now(lambda conn: conn.connection.exec_driver_sql(change, {"fitting": fitting}).close())
        assert database.read_now(chains.verify).breaks == ("node-a #4: does not follow the entry before it",)


def test_a_chain_goes_on_after_a_restart_and_after_a_failed_unit(database: Database) -> None:
    fill(database, 2)
    with pytest.raises(ZeroDivisionError):
        database.run_now(lambda conn: (journal.append(conn, event="e", subject="s", now=T0), 1 // 0))
    fill(database, 2)
    report = database.read_now(chains.verify)
    assert (report.whole, report.entries) == (True, {"node-a": 4})


def test_details_are_bounded_and_chains_are_read_in_pages(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "PAGE_ROWS", 2)
    fill(database, 5)
    database.run_now(journal.append, event="e", subject="long", now=T0, detail="x" * 10_000)
    assert database.read_now(chains.verify).entries == {"node-a": 6}
    [fact] = database.read_now(journal.about, "long")
    assert len(fact.detail) == journal.MAX_DETAIL_CHARS


def publish(database: Database, chain: str = "node-a") -> None:
    head = database.read_now(journal.last, chain)
    signed = PublishedHead(
        chain=chain, sequence=head.sequence, hash=head.hash, published_at=T0, signed_with="", statement=b""
    )
    assert database.run_now(heads.publish, signed)


def test_only_chains_that_have_grown_need_a_new_head(database: Database) -> None:
    assert database.read_now(heads.unpublished) == []
    fill(database, 3)
    [(chain, head)] = database.read_now(heads.unpublished)
    assert (chain, head.sequence) == ("node-a", 3)
    publish(database)
    assert database.read_now(heads.unpublished) == []
    fill(database, 1)
    assert [head.sequence for _, head in database.read_now(heads.unpublished)] == [4]
    covering = database.read_now(heads.covering, "node-a", 2)
    assert covering is not None and covering.sequence == 3
    assert database.read_now(heads.covering, "node-a", 4) is None


CUT = [
    ("DELETE FROM journal WHERE sequence > 3", "#6: was published as the head and is missing"),
    ("DELETE FROM journal", "node-a: the whole chain is missing"),
]


@pytest.mark.parametrize(("change", "says"), CUT)
def test_a_chain_that_was_cut_is_found_by_its_published_head(
    database: Database, change: str, says: str
) -> None:
    fill(database)
    publish(database)
    database.run_now(lambda conn: conn.connection.exec_driver_sql(change).close())
    assert any(says in broken for broken in database.read_now(chains.verify).breaks)


def test_a_chain_rewritten_from_the_start_is_not_the_published_one(database: Database) -> None:
    fill(database)
    publish(database)
    wrong = "UPDATE journal_heads SET hash = 'other'"
    database.run_now(lambda conn: conn.connection.exec_driver_sql(wrong).close())
    assert database.read_now(chains.verify).breaks == ("node-a #6: is not the head that was published",)
