"""A message's cost by the size of its payload: packed, sent, stored with its receipt at the other side.

Only the AS4 layer; a part of which half can be compressed. Up to 256 kB it lies in the message's row, beyond
that in chunks, written and read piece by piece.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from asw_gateway import config
from asw_gateway.messaging.large_packing import LargePart
from asw_gateway.partner.large_sending import PackedMessage, pack_to_store
from asw_gateway.service.standing import standing
from asw_gateway.spool import Spool
from asw_gateway.store.bodies import INLINE_BYTES
from asw_gateway.store.database import Database
from asw_gateway.store.transaction import Transaction
from asw_gateway.workers import Workers
from benchmarks import peer
from benchmarks.growth.point import Point
from benchmarks.load import wait_at_rest
from benchmarks.pair import COUNTRIES, Setting, difference, running
from simulators.world import REPOSITORY

SETTLE_SECONDS = 6.0
PIECE_BYTES = 64 * 1024


def measure(directory: Path, size_bytes: int, messages: int) -> Point:
    """`messages` of one size, one after the other or as many at once as the window lets."""
    with running(directory, Setting(window=8)) as pair:
        site, store = pair.world.sites["VN"], pair.stores["VN"]
        pair.world.gateways["VN"].stop()
        if size_bytes <= INLINE_BYTES:
            partner = next(p for p in config.load(site.gateway_file).partners if p.country == "TH")
            identity = peer.signing_identity(directory / "pki" / "vn")
            content = b"".join(octets(size_bytes))
            packing = peer.queue(store.url, [partner], identity, content, messages)
        else:
            packing = _pack_elsewhere(site.gateway_file, size_bytes, messages)
        pair.world.start_gateway("VN")
        fresh = pair.again()
        fresh.pin()
        peer.still_waiting(store)
        before, began = fresh.snapshot(), time.monotonic()
        wait_at_rest(store, pair.stores["TH"], seconds=300)
        after, took = fresh.snapshot(), time.monotonic() - began
        delivered = store.number("SELECT count(*) FROM outbox WHERE state = 'delivered'")
        resident = {c: round(value) for c, value in fresh.resident_megabytes().items()}
    if delivered != messages:
        raise SystemExit(f"growth: {delivered} of {messages} delivered")
    spent = {c: difference(after.cpu[c], before.cpu[c])["all"] / messages * 1e3 for c in COUNTRIES}
    spent["VN"] += packing
    return Point(
        what="payload",
        size=size_bytes,
        messages=messages,
        cpu_ms={country: round(ms, 3) for country, ms in spent.items()},
        more={
            "ms a MB": round(sum(spent.values()) / (size_bytes / 1e6), 2),
            "packing ms": round(packing, 2),
            "resident MB": "/".join(map(str, resident.values())),
            "seconds": round(took, 1),
        },
    )


def octets(size_bytes: int) -> Iterator[bytes]:
    """So many octets, half of them zero."""
    left = size_bytes
    while left:
        size = min(left, PIECE_BYTES)
        yield os.urandom(size // 2) + bytes(size - size // 2)
        left -= size


def _pack_elsewhere(gateway_file: Path, size_bytes: int, messages: int) -> float:
    """CPU milliseconds a message of a process that packs them into VN's store."""
    command = [sys.executable, "-m", "benchmarks.growth.payload", str(gateway_file)]
    done = subprocess.run(  # noqa: S603 - our own module
        [*command, str(size_bytes), str(messages)],
        check=True,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=300,
    )
    return float(done.stdout.split()[-1])


async def _pack(reactor: object, gateway_file: Path, size_bytes: int, messages: int) -> None:
    loaded = config.load(gateway_file)
    current = standing(loaded)
    partner = current.partners["th"]
    database = Database.open(loaded.database_url, node="packing", reactor=reactor)  # type: ignore[arg-type]
    workers, spool = Workers(reactor), Spool(loaded.state_directory / "spool")
    packed: list[PackedMessage] = []
    began = time.process_time()
    for _ in range(messages):
        message_id = current.message_id(secrets.token_hex(16))
        part = LargePart(
            content_id=f"large.{message_id}",
            pieces=lambda: octets(size_bytes),
            mime_type="application/octet-stream",
        )
        packed.append(
            await pack_to_store(
                peer.test_message(partner, message_id),
                [part],
                partner.outbound,
                current.identities.signing,
                content_secret=None,
                spool=spool,
                database=database,
                workers=workers,
                now=time.time,
            )
        )
    due_at = time.time() + SETTLE_SECONDS
    for each in packed:
        await database.run(_queue, each, due_at)
    print((time.process_time() - began) / messages * 1e3)
    await workers.stop()
    await database.close()


def _queue(conn: Transaction, packed: PackedMessage, due_at: float) -> None:
    peer.store(conn, "th", packed, due_at)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("gateway_file", type=Path)
    asked.add_argument("size_bytes", type=int)
    asked.add_argument("messages", type=int)
    given = asked.parse_args()
    react(
        lambda reactor: Deferred.fromCoroutine(
            _pack(reactor, given.gateway_file, given.size_bytes, given.messages)
        )
    )
