"""What is kept no longer: payloads, then evidence, and earlier than both the notes of failed attempts.

A piece is one short unit over at most `limit` rows in the order of their numbers, so traffic goes on between
two of them however much there is to purge; the table `retention` remembers how far a purge came. Nothing that
has not come to rest is touched. Every piece is an entry of the journal: how many, which rows, how many bytes,
and the SHA-256 of their digests.

The register of documents, partners' states and certificates hold no payload and are never purged.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from attrs import frozen
from sqlalchemy import bindparam, text

from asw_gateway.store import bodies, chains, journal
from asw_gateway.store.journal import Head
from asw_gateway.store.transaction import Transaction

PIECE_ROWS = 200
JOURNAL_PIECE_ROWS = 1000
DAY_SECONDS = 86_400.0


@frozen(kw_only=True)
class Periods:
    """How long each class is kept after it came to rest, seconds."""

    payload_seconds: float = 1826 * DAY_SECONDS
    evidence_seconds: float = 3653 * DAY_SECONDS
    logs_seconds: float = 366 * DAY_SECONDS

    def before(self, klass: str, now: float) -> float:
        """What came to rest before this time is purged (`payload`, `evidence` or `logs`)."""
        return now - float(getattr(self, f"{klass}_seconds"))


@frozen(kw_only=True)
class Task:
    """One purge: rows of `table` that rest since `:before`, by `key`; rows begun after it end the walk.

    Rows that rest but for which `also` does not hold have nothing to be deleted. `held` are the tables of
    their bodies with the column that names the row; `deletes` run for the ripe
    `:ids`, in order. A task with `only_bodies` has nothing to do for rows whose bodies are gone.
    """

    name: str
    klass: str
    table: str
    begun_at: str
    rested: str
    digest: str
    deletes: tuple[str, ...]
    key: str = "id"
    held: tuple[tuple[str, str], ...] = ()
    only_bodies: bool = False
    also: str = "1 = 1"


@frozen(kw_only=True)
class Piece:
    """What one unit did; `reached` is where the next one begins, None when nothing is left."""

    rows: int = 0
    reached: int | None = None


_FINAL = "finalized_at IS NOT NULL AND finalized_at < :before"
_CONFIRMED = "acknowledged_at IS NOT NULL AND acknowledged_at < :before"
_OUTBOX_BODIES = (("outbox_submitted", "id"), ("outbox_sealed", "id"), ("outbox_superseded", "outbox_id"))
_OUTBOX_DELETES = tuple(f"DELETE FROM {table} WHERE {key} IN :ids" for table, key in _OUTBOX_BODIES)  # noqa: S608

TASKS: tuple[Task, ...] = (
    Task(
        name="outbox payload", klass="payload", table="outbox", begun_at="created_at", rested=_FINAL,
        digest="digest", held=_OUTBOX_BODIES, only_bodies=True, deletes=_OUTBOX_DELETES,
    ),
    Task(
        # The receipt stands beside the body and stays.
        name="inbox payload", klass="payload", table="inbox", begun_at="received_at", rested=_FINAL,
        digest="digest", held=(("inbox_body", "id"),), only_bodies=True,
        deletes=("UPDATE inbox_body SET body = NULL, staging_id = NULL WHERE id IN :ids",),
    ),
    Task(
        name="feed payload", klass="payload", table="feed", key="sequence", begun_at="created_at",
        rested=_CONFIRMED, digest="entry_id", held=(("feed_body", "sequence"),), only_bodies=True,
        deletes=("DELETE FROM feed_body WHERE sequence IN :ids",),
    ),
    Task(
        name="attempts without an answer", klass="logs", table="attempts", begun_at="started_at",
        rested="finished_at < :before", also="answer IS NULL", digest="outcome",
        deletes=("DELETE FROM attempts WHERE id IN :ids",),
    ),
    Task(
        name="copies of what was refused", klass="logs", table="refusals", begun_at="refused_at",
        rested="refused_at < :before", also="length(head) > 0", digest="digest",
        deletes=("UPDATE refusals SET head = :nothing, answer = NULL WHERE id IN :ids",),
    ),
    Task(
        name="refusals", klass="evidence", table="refusals", begun_at="refused_at",
        rested="refused_at < :before", digest="digest", deletes=("DELETE FROM refusals WHERE id IN :ids",),
    ),
    Task(
        name="outbox", klass="evidence", table="outbox", begun_at="created_at", rested=_FINAL,
        digest="digest", held=_OUTBOX_BODIES,
        deletes=(
            *_OUTBOX_DELETES,
            "DELETE FROM attempts WHERE outbox_id IN :ids",
            "DELETE FROM outbox WHERE id IN :ids",
        ),
    ),
    Task(
        name="feed", klass="evidence", table="feed", key="sequence", begun_at="created_at",
        rested=_CONFIRMED, digest="entry_id", held=(("feed_body", "sequence"),),
        deletes=(
            "DELETE FROM feed_body WHERE sequence IN :ids",
            "DELETE FROM feed WHERE sequence IN :ids",
        ),
    ),
    Task(
        name="inbox", klass="evidence", table="inbox", begun_at="received_at",
        rested=f"{_FINAL} AND NOT EXISTS (SELECT 1 FROM feed WHERE feed.inbox_id = inbox.id)",  # noqa: S608
        digest="digest", held=(("inbox_body", "id"),),
        deletes=("DELETE FROM inbox_body WHERE id IN :ids", "DELETE FROM inbox WHERE id IN :ids"),
    ),
)  # fmt: skip


def purge_piece(
    conn: Transaction,
    task: Task,
    *,
    before: float,
    now: float,
    after: int | None = None,
    limit: int = PIECE_ROWS,
) -> Piece:
    """Do one piece of a purge, from where an earlier purge came to, or from `after`.

    With `after`, the rows passed are remembered as done only if nothing was left behind before them.
    """
    begin = _done_until(conn, task.name) if after is None else after
    place = {"after": begin, "before": before}
    until = _one(
        conn,
        f"SELECT max(k) FROM (SELECT {task.key} AS k FROM {task.table} WHERE {task.key} > :after"  # noqa: S608
        f" AND {task.begun_at} < :before ORDER BY {task.key} LIMIT :limit) AS next_rows",
        {**place, "limit": limit},
    )
    if until is None:
        return Piece()
    inside = f"FROM {task.table} WHERE {task.key} > :after AND {task.key} <= :until"
    place["until"] = until
    order = f"ORDER BY {task.key}"
    ripe = _rows(
        conn,
        f"SELECT {task.key}, {task.digest} {inside} AND {task.rested} AND {task.also} {order}",
        place,
    )
    left = _one(conn, f"SELECT min({task.key}) {inside} AND NOT ({task.rested})", place)
    purged = _delete(conn, task, ripe, before, now) if ripe else 0
    if _done_until(conn, task.name) == begin:
        _remember(conn, task.name, until if left is None else left - 1)
    return Piece(rows=purged, reached=until)


def purge_journal_piece(
    conn: Transaction, chain: str, *, before: float, now: float, limit: int = JOURNAL_PIECE_ROWS
) -> int:
    """Delete the oldest entries of a chain, at most `limit`, all older than `before`; answer how many.

    The entry that says so names the last one deleted and its hash: there the chain begins from now on.
    """
    old = _rows(
        conn,
        "SELECT sequence, at, hash FROM journal WHERE chain = :chain ORDER BY sequence LIMIT :limit",
        {"chain": chain, "limit": limit},
    )
    last = None
    for sequence, at, hash_ in old:
        if at >= before:
            break
        last = Head(sequence=sequence, hash=hash_)
    if last is None:
        return 0
    first = old[0][0]
    for table in ("journal", "journal_heads"):
        _run(
            conn,
            f"DELETE FROM {table} WHERE chain = :chain AND sequence <= :last",  # noqa: S608
            {"chain": chain, "last": last.sequence},
        )
    chains.note_purge(conn, chain, last, now, f"is the last of entries {first}.. purged, {_day(before)}")
    return int(last.sequence - first + 1)


def _delete(conn: Transaction, task: Task, ripe: Sequence[Any], before: float, now: float) -> int:
    ids = [row[0] for row in ripe]
    found = [
        row
        for table, key in task.held
        for row in _rows(
            conn,
            f"SELECT {key}, size_bytes, staging_id FROM {table} WHERE {key} IN :ids"  # noqa: S608
            " AND (body IS NOT NULL OR staging_id IS NOT NULL)",
            {"ids": ids},
        )
    ]
    if task.only_bodies:
        holding = {row[0] for row in found}
        ripe = [row for row in ripe if row[0] in holding]
        ids = [row[0] for row in ripe]
    if not ids:
        return 0
    for statement in task.deletes:
        _run(conn, statement, {"ids": ids} | ({"nothing": b""} if ":nothing" in statement else {}))
    for _, _, staging_id in found:
        if staging_id is not None:
            bodies.drop(conn, staging_id)
    lines = "".join(f"{id} {digest}\n" for id, digest in ripe)
    size = sum(row[1] for row in found)
    journal.append(
        conn,
        event=f"retention.{task.klass}",
        subject=f"retention:{task.name}",
        digest=sha256(lines.encode()).hexdigest(),
        detail=f"{len(ids)} rows {ids[0]}..{ids[-1]}, {size} bytes, at rest since before {_day(before)}",
        now=now,
    )
    return len(ids)


def _done_until(conn: Transaction, name: str) -> int:
    found = _one(conn, "SELECT done_until FROM retention WHERE name = :name", {"name": name})
    return 0 if found is None else int(found)


def _remember(conn: Transaction, name: str, until: int) -> None:
    _run(
        conn,
        "INSERT INTO retention (name, done_until) VALUES (:name, :until)"
        " ON CONFLICT (name) DO UPDATE SET done_until = excluded.done_until",
        {"name": name, "until": until},
    )


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _execute(conn: Transaction, statement: str, given: dict[str, Any]) -> Any:
    clause = text(statement)
    if ":ids" in statement:
        clause = clause.bindparams(bindparam("ids", expanding=True))
    return conn.connection.execute(clause, given)


def _rows(conn: Transaction, statement: str, given: dict[str, Any]) -> list[Any]:
    return list(_execute(conn, statement, given))


def _one(conn: Transaction, statement: str, given: dict[str, Any]) -> Any:
    return _execute(conn, statement, given).scalar()


def _run(conn: Transaction, statement: str, given: dict[str, Any]) -> None:
    _execute(conn, statement, given)
