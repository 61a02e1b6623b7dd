"""Claims and look-ups stay in index time: the plans of both engines, statement by statement."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from asw_gateway.store import (
    bodies,
    dead_letters,
    feed,
    heads,
    inbox_sql,
    jobs,
    journal,
    outbox_sql,
    partner_state,
    refusals,
    registry,
    sending_sql,
    tables,
)
from asw_gateway.store.database import Database
from asw_gateway.store.statements import Statement
from asw_gateway.store.transaction import Transaction
from tests.store.databases import open_database
from tests.store.messages import T0

MODULES = (
    bodies, dead_letters, feed, heads, inbox_sql, jobs, journal, outbox_sql, partner_state, refusals,
    registry, sending_sql,
)  # fmt: skip
# Small tables (a row per partner or job), and reports that are read whole.
WHOLE = {"partner_state._ALL", "jobs._ALL", "journal._CHAINS", "journal._PUBLISHED_CHAINS"}
# At start only: what this node had leased, looked for among what is unfinished.
AT_START = {"sending_sql.FORGET_OWN", "inbox_sql.FORGET_OWN"}
# Rare and bounded by what is parked.
PARKED = {"inbox_sql.PARKED_SINCE"}
# The newest rows, walked backwards; and a function only PostgreSQL has.
OTHERS = {"refusals._LATEST", "sending_sql.TRY_PARTNER"}
# Partial indexes hold only what is unfinished, and these are walked in the order that is asked for.
WALKED = re.compile(
    r"USING (COVERING )?INDEX "
    r"(ix_outbox_submitted|ix_inbox_received|uq_outbox_in_flight|ix_feed_unacknowledged)"
)


def statements() -> dict[str, Statement]:
    """Every statement of the store by name."""
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": value
        for module in MODULES
        for name, value in vars(module).items()
        if isinstance(value, Statement)
    }


def plan(conn: Transaction, statement: Statement) -> list[str]:
    """SQLite's plan, a line a step."""
    sql, constants = statement.compiled(conn.dialect)
    named = dict.fromkeys(re.findall(r"(?<!:):(\w+)", sql), 1)
    found = conn.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", {**named, **constants})
    return [row[3] for row in found]


@pytest.mark.parametrize("name", sorted(set(statements()) - WHOLE - AT_START - PARKED - OTHERS))
def test_no_statement_scans_a_table_on_sqlite(sqlite: Database, name: str) -> None:
    steps = sqlite.read_now(plan, statements()[name])
    tables_ = "|".join(tables.metadata.tables)
    scans = [step for step in steps if re.match(rf"SCAN ({tables_})\b", step) and not WALKED.search(step)]
    assert not scans, steps
    sorted_ = any("TEMP B-TREE" in step for step in steps)
    assert not sorted_ or name in ("journal._ABOUT", "journal._LAST_PURGE"), steps


@pytest.fixture(scope="module")
def sqlite() -> Any:
    with open_database("sqlite") as database:
        yield database


BACKLOG = 20_000
FILL = f"""
INSERT INTO outbox (origin, sender_identity, national_message_id, digest, partner, document_type, profile,
  kind, document_number, order_key, open_key, priority, state, attempt, next_attempt_at, expires_at,
  lease_until, created_at, finalized_at, message_id)
SELECT 'portal', 'VNSW', 'N' || n, 'd', 'p' || n % 10, 'atiga-form-d', 'p', 'certificate', 'D' || n, 'k' || n,
  CASE WHEN n % 2 = 0 THEN 'k' || n END, n % 4,
  CASE WHEN n % 2 = 1 THEN 'delivered' WHEN n % 4 = 0 THEN 'submitted' ELSE 'queued' END, 0,
  {T0} + n, {T0} + 1000 + n, 0, {T0} + n, CASE WHEN n % 2 = 1 THEN {T0} END, 'm' || n
FROM generate_series(1, {BACKLOG}) AS n
"""
FILL_INBOX = f"""
INSERT INTO inbox (partner, message_id, digest, service, action, order_key, open_key, priority, state,
  attempt, next_attempt_at, lease_until, signer, received_at)
SELECT 'p' || n % 10, 'm' || n, 'd', 's', 'a', 'k' || n, CASE WHEN n % 2 = 0 THEN 'k' || n END, n % 4,
  CASE WHEN n % 2 = 1 THEN 'acknowledged' ELSE 'received' END, 0, 0, 0, 'f', {T0} + n
FROM generate_series(1, {BACKLOG}) AS n
"""
FILL_FEED = f"""
INSERT INTO feed (sequence, entry_id, kind, subject, partner, document_type, document_number, created_at)
SELECT n, 'e' || n, 'notice', 'outbound:' || n, '', '', '', {T0} FROM generate_series(1, {BACKLOG}) AS n
"""
FILL_FEED_BODY = f"""
INSERT INTO feed_body (sequence, content_type, size_bytes, body)
SELECT n, 'x', 500, decode(repeat('78', 500), 'hex') FROM generate_series(1, {BACKLOG}) AS n
"""
NOW = T0 + 500
ASKED: Mapping[str, Mapping[str, Any]] = {
    "sending_sql.CLAIM": {
        "partner": "p2", "node": "a", "limit": 8, "now": NOW, "until": NOW + 60, "window": 8
    },
    "sending_sql.NEXT_DUE": {"partner": "p2"},
    "sending_sql.RESCUE": {"now": NOW},
    "outbox_sql.CLAIM_SUBMITTED": {"node": "a", "limit": 8, "now": NOW, "until": NOW + 60},
    "outbox_sql.BY_MESSAGE_ID": {"message_id": "m7"},
    "outbox_sql.BY_NATIONAL_ID": {"sender": "VNSW", "national": "N7"},
    "outbox_sql.BY_DOCUMENT": {"type": "atiga-form-d", "number": "D7"},
    "outbox_sql.FOLLOW": {"in_partner": "p2", "in_key": "k2", "row": 9, "class_": 0},
    "outbox_sql.PROMOTE": {"in_partner": "p2", "in_key": "k2"},
    "dead_letters._EXPIRE": {"now": NOW, "limit": 100},
    "dead_letters._HOLD": {"in_partner": "p2", "in_key": "k2", "row": 1},
    "inbox_sql.CLAIM": {"node": "a", "limit": 8, "now": NOW, "until": NOW + 60},
    "inbox_sql.EARLIER": {"partner": "p2", "message_id": "m2"},
    "inbox_sql.BY_DOCUMENT": {"type": "atiga-form-d", "number": "D7"},
}  # fmt: skip


@pytest.fixture(scope="module")
def filled() -> Any:
    def fill(conn: Transaction) -> None:
        analyse = "ANALYZE outbox, inbox, feed, feed_body"
        for each in (FILL, FILL_INBOX, FILL_FEED, FILL_FEED_BODY, analyse):
            conn.connection.exec_driver_sql(each.replace("%", "%%"))

    with open_database("postgresql") as database:
        database.run_now(fill)
        yield database


@pytest.mark.parametrize("name", sorted(ASKED))
def test_postgresql_finds_its_way_by_index_in_a_backlog(filled: Database, name: str) -> None:
    def explain(conn: Transaction) -> str:
        sql, constants = statements()[name].compiled(conn.dialect)
        found = conn.connection.exec_driver_sql(f"EXPLAIN {sql}", {**constants, **ASKED[name]})
        return "\n".join(row[0] for row in found)

    steps = filled.run_now(explain)
    assert not re.search(r"Seq Scan on (outbox|inbox)", steps), steps
    assert "Index" in steps


@pytest.mark.parametrize("after", [0, BACKLOG // 2, BACKLOG - 20])
def test_a_page_of_the_feed_reads_a_page_wherever_it_lies(filled: Database, after: int) -> None:
    """PostgreSQL must not walk one of the two tables from its beginning to find where a page starts."""

    def explain(conn: Transaction) -> str:
        sql, constants = statements()["feed._AFTER"].compiled(conn.dialect)
        asked = {**constants, "after": after, "limit": 10}
        found = conn.connection.exec_driver_sql(f"EXPLAIN (ANALYZE, TIMING OFF) {sql}", asked)
        return "\n".join(row[0] for row in found)

    steps = filled.run_now(explain)
    read = [float(found) for found in re.findall(r"actual rows=([0-9.]+)", steps)]
    assert read[0] == 10
    assert max(read) <= 100, steps
    assert not re.search(r"Seq Scan|Rows Removed", steps), steps
