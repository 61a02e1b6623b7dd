"""A disk that is full for a while (RLIMIT_FSIZE, max_page_count): units fail, and work when there is room."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asw_gateway.store import chains, journal
from asw_gateway.store.database import Database
from asw_gateway.store.engine import StoreUnavailable
from asw_gateway.store.transaction import Transaction


@contextmanager
def no_file_beyond(size_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def note(conn: Transaction, many: int) -> None:
    for number in range(many):
        journal.append(conn, event="test", subject=f"outbound:{number}", now=1.0, detail="x" * 400)


@pytest.mark.parametrize("room_bytes", [0, 4096, 40_000])
def test_a_full_disk_is_survived(tmp_path: Path, room_bytes: int) -> None:
    file = tmp_path / "gateway.sqlite"
    database = Database.open(f"sqlite:///{file}", node="a")
    database.run_now(note, 10)
    log = Path(f"{file}-wal")
    with no_file_beyond(log.stat().st_size + room_bytes):
        with pytest.raises(StoreUnavailable):
            database.run_now(note, 5000)
        with pytest.raises(StoreUnavailable):
            database.run_now(note, 5000)
    database.run_now(note, 7)
    report = database.read_now(chains.verify)
    database.close_now()
    assert report.whole
    assert report.entries == {"a": 17}


def pragma(conn: Transaction, words: str) -> int:
    return int(conn.connection.exec_driver_sql(f"PRAGMA {words}").scalar_one())


@pytest.mark.parametrize("room_pages", [0, 1, 20])
def test_a_database_that_may_not_grow_is_survived(tmp_path: Path, room_pages: int) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'gateway.sqlite'}", node="a")
    database.run_now(note, 10)
    pages = database.run_now(pragma, "page_count")
    database.run_now(pragma, f"max_page_count = {pages + room_pages}")
    with pytest.raises(StoreUnavailable, match="full"):
        database.run_now(note, 5000)
    database.run_now(pragma, f"max_page_count = {pages + 100_000}")
    database.run_now(note, 7)
    report = database.read_now(chains.verify)
    database.close_now()
    assert report.whole
    assert report.entries == {"a": 17}
