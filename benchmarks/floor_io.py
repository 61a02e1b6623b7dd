"""What the floor writes and sends: durable rows in bare sqlite3, TLS records through a real socket."""

from __future__ import annotations

import socket
import sqlite3
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from certs.make_dev_pki import make_pki

GROUP = 32


@frozen(kw_only=True)
class Sizes:
    """The bytes that are stored and sent."""

    national: bytes
    sealed: bytes
    receipt: bytes
    delivered: bytes


def _database(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, cached_statements=64)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE q (id INTEGER PRIMARY KEY, k TEXT UNIQUE, n TEXT, state TEXT, at REAL)")
    db.execute("CREATE INDEX due ON q (at, id) WHERE state = 'queued'")
    for table in ("first", "second", "third"):
        db.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, body BLOB)")
    return db


def _grouped(db: sqlite3.Connection, write: Callable[[int], None]) -> Callable[[], object]:
    number = [0]

    def one() -> None:
        if number[0] % GROUP == 0:
            db.execute("BEGIN IMMEDIATE")
        number[0] += 1
        write(number[0])
        if number[0] % GROUP == 0:
            db.execute("COMMIT")

    return one


def outbound_store(path: Path, sizes: Sizes) -> Callable[[], object]:
    """Submitted, queued, sending, delivered: one row, its updates, and the three bodies."""
    db = _database(path)

    def write(id: int) -> None:
        db.execute("INSERT INTO q VALUES (?, ?, ?, 'submitted', 0)", (id, f"N-{id}", f"D-{id}"))
        db.execute("INSERT INTO first VALUES (?, ?)", (id, sizes.national))
        db.execute("UPDATE q SET state = 'queued' WHERE id = ?", (id,))
        db.execute("INSERT INTO second VALUES (?, ?)", (id, sizes.sealed))
        db.execute("UPDATE q SET state = 'sending' WHERE id = ?", (id,))
        db.execute("UPDATE q SET state = 'delivered' WHERE id = ?", (id,))
        db.execute("INSERT INTO third VALUES (?, ?)", (id, sizes.receipt))

    return _grouped(db, write)


def inbound_store(path: Path, sizes: Sizes) -> Callable[[], object]:
    """Received and available: one row, its update, message, receipt and feed entry."""
    db = _database(path)

    def write(id: int) -> None:
        db.execute("INSERT INTO q VALUES (?, ?, ?, 'received', 0)", (id, f"M-{id}", ""))
        db.execute("INSERT INTO first VALUES (?, ?)", (id, sizes.sealed))
        db.execute("INSERT INTO second VALUES (?, ?)", (id, sizes.receipt))
        db.execute("UPDATE q SET state = 'available', n = ? WHERE id = ?", (f"D-{id}", id))
        db.execute("INSERT INTO third VALUES (?, ?)", (id, sizes.delivered))

    return _grouped(db, write)


class Records:
    """TLS 1.3 over a loopback connection: what one end pays to write and to read records, system calls
    included."""

    def __init__(self, directory: Path) -> None:
        pki = directory / "pki"
        make_pki(pki, ["vn"])
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(pki / "vn" / "tls-server.pem", pki / "vn" / "tls-server.key")
        client = ssl.create_default_context(cafile=str(pki / "root.pem"))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near = socket.create_connection(listener.getsockname(), timeout=10)
            far, _ = listener.accept()
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted: list[ssl.SSLSocket] = []
        answering = threading.Thread(
            target=lambda: accepted.append(server.wrap_socket(far, server_side=True)), daemon=True
        )
        answering.start()
        self.client = client.wrap_socket(near, server_hostname="localhost")
        answering.join(10)
        self.server = accepted[0]

    def close(self) -> None:
        self.client.close()
        self.server.close()

    def exchange(self, *records: bytes) -> Callable[[], object]:
        """Write each on one end and read it on the other, by turns; one end's share of it is half."""

        def run() -> None:
            writer, reader = self.client, self.server
            for data in records:
                writer.sendall(data)
                left = len(data)
                while left:
                    left -= len(reader.recv(65536))
                writer, reader = reader, writer

        return run
