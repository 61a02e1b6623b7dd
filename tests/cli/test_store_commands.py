"""`aswctl db` and `aswctl evidence`: on the store itself, with or without a running gateway."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from asw_gateway.cli.main import main
from asw_gateway.store.database import Database
from asw_gateway.store.tables import SCHEMA_REVISION
from tests.store.messages import submitted


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with three journal entries."""
    path = tmp_path / "gateway.sqlite"
    database = Database.open(f"sqlite:///{path}", node="node-a")
    for _ in range(3):
        submitted(database)
    database.close_now()
    return path


def run(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--database", f"sqlite:///{file}"])


def change(file: Path, sql: str) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute(sql)
    connection.close()


def test_verify_a_whole_journal(file: Path) -> None:
    done = run(file, "evidence", "verify")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == ["CHAIN   ENTRIES", "node-a  3", "the journal is whole"]
    found = json.loads(run(file, "--json", "evidence", "verify").output)
    assert found == {"whole": True, "entries": {"node-a": 3}, "breaks": []}


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE journal SET detail = 'nothing happened' WHERE sequence = 2", "#2: was changed"),
        ("DELETE FROM journal WHERE sequence = 2", "#3: entry 2 is missing"),
    ],
)
def test_verify_a_journal_that_was_tampered_with(file: Path, sql: str, said: str) -> None:
    change(file, sql)
    done = run(file, "evidence", "verify")
    assert done.exit_code == 1
    assert said in done.output
    assert json.loads(run(file, "--json", "evidence", "verify").output)["whole"] is False


def test_the_schema_of_a_good_database(file: Path) -> None:
    done = run(file, "db", "current")
    assert (done.exit_code, SCHEMA_REVISION in done.output) == (0, True)
    assert json.loads(run(file, "--json", "db", "check").output)["good"] is True


def test_a_new_database_is_made_by_upgrade_only(tmp_path: Path) -> None:
    file = tmp_path / "new.sqlite"
    for command in (["db", "current"], ["db", "check"]):
        done = run(file, *command)
        assert (done.exit_code, "no such file" in done.output, file.exists()) == (2, True, False)
    assert run(file, "db", "upgrade").exit_code == 0
    assert run(file, "db", "check").exit_code == 0
    assert run(file, "db", "upgrade").exit_code == 0


def test_an_empty_database_needs_an_upgrade(tmp_path: Path) -> None:
    file = tmp_path / "empty.sqlite"
    file.touch()
    done = run(file, "db", "check")
    assert (done.exit_code, "run aswctl db upgrade" in done.output) == (1, True)
    assert run(file, "evidence", "verify").exit_code == 2


def test_a_newer_database_is_refused(file: Path) -> None:
    change(file, "UPDATE alembic_version SET version_num = '9999'")
    done = run(file, "db", "check")
    assert (done.exit_code, "install the newer program" in done.output) == (1, True)
    assert run(file, "db", "upgrade").exit_code == 2
    assert run(file, "evidence", "verify").exit_code == 2


def test_what_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "gateway.sqlite"
    file.write_bytes(b"not a database at all" * 100)
    for command in (["db", "current"], ["db", "upgrade"], ["evidence", "verify"]):
        done = run(file, *command)
        assert done.exit_code == 2, done.output
        assert done.output.startswith("aswctl: "), done.output


def test_a_configuration_with_errors(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text("")
    done = CliRunner().invoke(main, ["db", "check", "--config", str(config)])
    assert (done.exit_code, "see aswctl check-config" in done.output) == (2, True)
