"""The restore drill: a backup made under traffic comes back whole, with all that was acknowledged before."""

from __future__ import annotations

import json
import threading
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import make_url

from asw_gateway.cli.main import main
from asw_gateway.store import backup, chains, feed, inbox, journal, outbox, sending
from asw_gateway.store.backup import FEED_JUMP, BackupFault
from asw_gateway.store.database import Database
from tests.store.databases import database_url
from tests.store.messages import T0, claim, finish, ids, new_inbound, queued, submitted

ON_DISK = pytest.mark.parametrize("engine", ["sqlite", "postgresql"])


class Traffic:
    """Messages in and out on a thread of its own; `done` are those whose commit was acknowledged."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.done: list[tuple[str, str]] = []
        self.stopping = threading.Event()
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        while not self.stopping.is_set():
            row = queued(self.database)
            claim(self.database)
            finish(self.database, row.id, 1, "delivered")
            self.done.append(("out", row.national_message_id or ""))
            new = new_inbound()
            self.database.run_now(inbox.register, new, T0)
            self.done.append(("in", new.message_id))
            if len(self.done) > 40:
                self.enough.set()

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join()


@ON_DISK
def test_the_restore_drill(engine: str, tmp_path: Path) -> None:
    copy = tmp_path / "gateway.backup"
    with database_url(engine) as url:
        database = Database.open(url, node="node-a")
        long = b"x" * 3_000_000
        large = submitted(database, body=long)
        traffic = Traffic(database)
        assert traffic.enough.wait(30)
        before = list(traffic.done)
        made = backup.back_up(url, copy, now=T0)
        traffic.stop()
        database.close_now()
    assert made.heads["node-a"] >= len(before)
    assert copy.stat().st_mode & 0o077 == 0
    with database_url(engine, empty=True) as url:
        if engine == "sqlite":
            assert not Path(make_url(url).database or "").exists()
        backup.restore(url, copy, now=T0 + 1, actor="test")
        database = Database.open(url, node="node-a")
        try:
            assert database.read_now(chains.verify).whole
            for direction, name in before:
                if direction == "out":
                    row = database.read_now(outbox.by_national_id, "VNSW", name)
                    assert row is not None and row.state == "delivered"
                    assert database.read_now(sending.attempts, row.id)[0].answer == b"<Receipt/>"
                else:
                    assert database.read_now(inbox.by_message_id, "th", name) is not None
            assert database.read_now(outbox.submitted_body, large.id) == long
            newer = queued(database)
            assert newer.id in ids(claim(database)), "it goes on where it stood"
            [fact] = database.read_now(journal.about, "store")
            assert (fact.event, fact.actor) == ("store.restored", "test")
            database.run_now(lambda c: feed.append(c, kind="notice", subject="s", body=b"x", now=T0))
            assert database.read_now(feed.backlog).last_sequence == FEED_JUMP + 1
        finally:
            database.close_now()


@ON_DISK
def test_nothing_is_overwritten(engine: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with database_url(engine) as url:
        database = Database.open(url, node="node-a")
        submitted(database)
        database.close_now()
        backup.back_up(url, copy, now=T0)
        with pytest.raises(BackupFault, match="exists already"):
            backup.back_up(url, copy, now=T0)
        with pytest.raises(BackupFault, match="exists already|not empty"):
            backup.restore(url, copy, now=T0, actor="test")
        assert not list(tmp_path.glob("*.part"))


def test_a_changed_backup_is_refused(tmp_path: Path) -> None:
    copy, forged = tmp_path / "copy", tmp_path / "forged"
    with database_url("postgresql") as url:
        database = Database.open(url, node="node-a")
        submitted(database)
        database.close_now()
        backup.back_up(url, copy, now=T0)
    with zipfile.ZipFile(copy) as read, zipfile.ZipFile(forged, "w") as write:
        for name in read.namelist():
            data = read.read(name)
            write.writestr(name, data.replace(b"VNSW", b"ZZZZ"))
    with database_url("postgresql", empty=True) as url:
        with pytest.raises(BackupFault, match="was changed"):
            backup.restore(url, forged, now=T0, actor="test")
        backup.restore(url, copy, now=T0, actor="test")


def test_what_is_no_backup(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"nothing")
    with pytest.raises(BackupFault):
        backup.restore(f"sqlite:///{tmp_path / 'new.db'}", file, now=T0, actor="test")
    assert not (tmp_path / "new.db").exists()
    with database_url("postgresql", empty=True) as url, pytest.raises(BackupFault, match="no backup"):
        backup.restore(url, file, now=T0, actor="test")


def test_the_commands(tmp_path: Path) -> None:
    store, copy, again = (str(tmp_path / name) for name in ("gateway.db", "copy.db", "again.db"))
    Database.open(f"sqlite:///{store}", node="node-a").close_now()
    run = CliRunner().invoke
    done = run(main, ["--json", "db", "backup", copy, "--database", f"sqlite:///{store}"])
    assert (done.exit_code, json.loads(done.output)["engine"]) == (0, "sqlite"), done.output
    assert run(main, ["db", "restore", copy, "--database", f"sqlite:///{again}"]).exit_code == 0
    assert run(main, ["evidence", "verify", "--database", f"sqlite:///{again}"]).exit_code == 0
    assert run(main, ["db", "restore", copy, "--database", f"sqlite:///{again}"]).exit_code == 2
    missing = f"sqlite:///{tmp_path / 'missing.db'}"
    done = run(main, ["db", "backup", str(tmp_path / "x"), "--database", missing])
    assert (done.exit_code, "no such file" in done.output) == (2, True)
    assert not (tmp_path / "missing.db").exists()
