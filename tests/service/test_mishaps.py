"""A wrong clock and crashes on purpose, as files that come and go."""

from __future__ import annotations

from pathlib import Path

import pytest

from asw_gateway.service.mishaps import clock, crash_at_commit
from asw_gateway.store import journal
from asw_gateway.store.database import Database
from asw_gateway.store.transaction import Transaction


class Steady:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_clock_follows_the_file(tmp_path: Path) -> None:
    offset, steady = tmp_path / "offset", Steady()
    now = clock(offset, system=lambda: 1000.0, steady=steady)
    assert now() == 1000.0
    offset.write_text("-30.5\n")
    steady.at = 1.0
    assert now() == 969.5
    offset.write_text("")
    steady.at = 2.0
    assert now() == 1000.0


def test_no_file_no_detour() -> None:
    def system() -> float:
        return 1.0

    assert clock(None, system=system) is system
    assert crash_at_commit(None) is None


def _note(conn: Transaction, event: str) -> None:
    journal.append(conn, event=event, subject="outbound:1", now=1.0)


class Crash(BaseException):
    """Stands for the end of the process."""


def _crash() -> None:
    raise Crash


@pytest.mark.parametrize(("moment", "stored"), [("before", 1), ("after", 2)])
def test_crash_at_the_named_event(tmp_path: Path, moment: str, stored: int) -> None:
    file = tmp_path / "crash"
    url = f"sqlite:///{tmp_path}/gateway.sqlite"
    database = Database.open(url, node="a", around_commit=crash_at_commit(file, crash=_crash))
    database.run_now(_note, "outbound.delivered")
    file.write_text(f"{moment} outbound.delivered\n")
    database.run_now(_note, "outbound.queued")
    assert file.exists()
    database.close_now()

    again = Database.open(url, node="a", around_commit=crash_at_commit(file, crash=_crash))
    with pytest.raises(Crash):
        again._writer._transaction([_Unit()])
    assert not file.exists()
    again.close_now()
    reader = Database.open(url, node="b")
    entries = reader.read_now(lambda conn: [fact.event for fact in journal.entries(conn, "a")])
    reader.close_now()
    assert entries.count("outbound.delivered") == stored


class _Unit:
    def work(self, conn: Transaction) -> None:
        _note(conn, "outbound.delivered")
