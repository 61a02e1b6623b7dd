"""What the store costs for one message, beside bare sqlite3 writing the same bytes in the same commits.

    python -m benchmarks.store_floor [--messages 3000] [--group 32] [--backlog 0] [--postgresql URL]

Prints microseconds per message for each step of the way out and in, then the floor and the ratio.
`--backlog` puts that many queued messages into the table first: the steps should cost the same.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from asw_gateway.store import engine as engines
from asw_gateway.store import feed, inbox, outbox, schema, sending
from asw_gateway.store.database import Database
from asw_gateway.store.group import Unit, Writer
from asw_gateway.store.inbox_rows import NewInbound
from asw_gateway.store.outbox_rows import NewOutbound
from asw_gateway.store.transaction import Transaction
from benchmarks import generated

NOW = 1_800_000_000.0
NATIONAL, SEALED, RECEIPT = b"n" * 10_000, b"s" * 8_000, b"r" * 4_500
DIGESTS = tuple((f"cid:{number}@vn.example", "A" * 44) for number in range(4))


def outbound(number: int) -> NewOutbound:
    return NewOutbound(
        origin="portal", sender_identity="VNSW", national_message_id=f"N-{number}", partner="th",
        document_type="atiga-form-d", profile="atiga-form-d-2.1", kind="certificate",
        document_number=f"D-{number}", order_key=f'["th","atiga-form-d","D-{number}"]', priority=2,
        expires_at=NOW + 1e6, digest="d" * 64, body=NATIONAL, lease_owner="bench", lease_until=NOW + 60,
    )  # fmt: skip


def inbound(number: int) -> NewInbound:
    return NewInbound(
        partner="th", message_id=f"{number}@th.example", reference_digests=DIGESTS,
        content_type="multipart/related", body=SEALED, receipt_content_type="application/soap+xml",
        receipt=RECEIPT, service="s", action="a", signer="f" * 64, lease_owner="bench", lease_until=NOW + 60,
    )  # fmt: skip


def queue(conn: Transaction, id: int) -> None:
    outbox.mark_queued(
        conn, id, message_id=f"{id}@vn.example", content_type="multipart/related", body=SEALED,
        reference_digests=DIGESTS, signed_with="f" * 64, document_digest="e" * 64, now=NOW,
    )  # fmt: skip


def record(conn: Transaction, id: int) -> None:
    sending.record_attempt(
        conn, id, 1, outcome="receipt", retryable=False, reason="receipt", detail="", new_state="delivered",
        receipt=RECEIPT, receipt_content_type="application/soap+xml", now=NOW,
    )  # fmt: skip


def hand_over(conn: Transaction, id: int) -> None:
    inbox.move(conn, id, "received", "available", now=NOW, document_type="acdd", document_number=f"D-{id}")
    feed.append(conn, kind="message", subject=f"inbound:{id}", body=NATIONAL, inbox_id=id, now=NOW)


def groups(work: list[Callable[[Transaction], Any]], size: int) -> Iterator[list[Unit]]:
    for start in range(0, len(work), size):
        yield [Unit(each) for each in work[start : start + size]]


def timed(writer: Writer, work: list[Callable[[Transaction], Any]], size: int) -> tuple[float, list[Any]]:
    """Seconds of wall clock, and the results."""
    results = []
    began = time.perf_counter()
    for group in groups(work, size):
        writer.run(group)
        for unit in group:
            if unit.error is not None:
                raise unit.error
            results.append(unit.result)
    return time.perf_counter() - began, results


def ours(url: str, messages: int, size: int, backlog: int) -> dict[str, float]:
    """Microseconds per message, step by step."""
    engine = engines.open_engine(url)
    schema.prepare(engine, upgrade=True)
    if backlog:
        database = Database.open(url, node="fill")
        generated.queue(database, backlog, partner="th", due_at=NOW + 1e6, body_bytes=100)
        database.close_now()
    writer = Writer(engine, "bench")
    steps: dict[str, float] = {}
    try:
        news = [outbound(number) for number in range(messages)]
        submits: list[Callable[[Transaction], Any]] = [
            lambda c, new=new: outbox.submit(c, new, NOW) for new in news
        ]
        steps["submit"], answers = timed(writer, submits, size)
        ids = [answer.row.id for answer in answers]
        steps["queue"], _ = timed(writer, [lambda c, id=id: queue(c, id) for id in ids], size)
        claims = [lambda c: sending.claim_due(c, "th", "bench", size, NOW, 60.0, window=messages)]
        steps["claim"], found = timed(writer, claims * -(-messages // size), 1)
        assert sum(map(len, found)) == messages
        steps["outcome"], _ = timed(writer, [lambda c, id=id: record(c, id) for id in ids], size)
        arrivals = [inbound(number) for number in range(messages)]
        steps["register"], answers = timed(
            writer, [lambda c, new=new: inbox.register(c, new, NOW) for new in arrivals], size
        )
        ids = [answer.row.id for answer in answers]
        steps["available"], _ = timed(writer, [lambda c, id=id: hand_over(c, id) for id in ids], size)
    finally:
        writer.close()
    return {name: seconds / messages * 1e6 for name, seconds in steps.items()}


def floor(path: Path, messages: int, size: int) -> dict[str, float]:
    """The least that must be written, without our code: small rows, bodies beside them, an update a state."""
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        db.execute(f"PRAGMA {pragma}")
    db.execute("CREATE TABLE q (id INTEGER PRIMARY KEY, k TEXT UNIQUE, document TEXT, state TEXT, at REAL)")
    db.execute("CREATE INDEX due ON q (at, id) WHERE state = 'queued'")
    for table in ("national", "sealed", "receipt", "body", "entry"):
        db.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, body BLOB)")

    def run(write: Callable[[int], object]) -> float:
        began = time.perf_counter()
        for start in range(0, messages, size):
            db.execute("BEGIN IMMEDIATE")
            for id in range(start + 1, min(start + size, messages) + 1):
                write(id)
            db.execute("COMMIT")
        return (time.perf_counter() - began) / messages * 1e6

    def insert(id: int) -> None:
        db.execute("INSERT INTO q VALUES (?, ?, ?, 'submitted', ?)", (id, f"N-{id}", f"D-{id}", NOW))
        db.execute("INSERT INTO national VALUES (?, ?)", (id, NATIONAL))

    def put(table: str, state: str, body: bytes) -> Callable[[int], None]:
        def write(id: int) -> None:
            db.execute("UPDATE q SET state = ? WHERE id = ?", (state, id))
            db.execute(f"INSERT INTO {table} VALUES (?, ?)", (id, body))  # noqa: S608

        return write

    def claim(id: int) -> None:
        db.execute("UPDATE q SET state = 'sending' WHERE id = ?", (id,))
        db.execute("SELECT body FROM sealed WHERE id = ?", (id,)).fetchone()

    def register(id: int) -> None:
        db.execute("INSERT INTO q VALUES (?, ?, ?, 'received', ?)", (messages + id, f"M-{id}", "", NOW))
        db.execute("INSERT INTO body VALUES (?, ?)", (id, SEALED + RECEIPT))

    try:
        return {
            "submit": run(insert),
            "queue": run(put("sealed", "queued", SEALED)),
            "claim": run(claim),
            "outcome": run(put("receipt", "delivered", RECEIPT)),
            "register": run(register),
            "available": run(put("entry", "available", NATIONAL)),
        }
    finally:
        db.close()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--messages", type=int, default=3000)
    asked.add_argument("--group", type=int, default=32, help="units in a commit")
    asked.add_argument("--backlog", type=int, default=0, help="queued messages already there")
    asked.add_argument("--postgresql", help="an empty database to measure instead of SQLite")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as directory:
        path = Path(directory)
        url = given.postgresql or f"sqlite:///{path / 'store.db'}"
        least = floor(path / "floor.db", given.messages, given.group)
        found = ours(url, given.messages, given.group, given.backlog)
    engine = make_url(url).get_backend_name()
    what = f"{given.messages} messages, {given.group} units a commit, backlog {given.backlog}"
    print(f"{engine}, {what}; us a message")
    for name in found:
        print(f"  {name:<10} {found[name]:8.0f}   bare sqlite3 {least[name]:8.0f}")
    total, bare = sum(found.values()), sum(least.values())
    print(f"store: us={total:.0f} floor={bare:.0f} ratio={bare / total:.2f}")


if __name__ == "__main__":
    main()
