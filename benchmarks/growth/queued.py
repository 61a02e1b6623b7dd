"""A message's cost while many others wait in the sender's store, and the memory that they take."""

from __future__ import annotations

import time
from pathlib import Path

from asw_gateway.store.database import Database
from benchmarks import generated, traffic
from benchmarks.database import Server
from benchmarks.growth.point import Point
from benchmarks.pair import Setting, running

BODY_BYTES = 500
LATER_SECONDS = 3 * 86_400.0


def fill(url: str, count: int) -> float:
    """`count` messages wait for TH until later; seconds it took."""
    database = Database.open(url, node="fill")
    try:
        due_at = time.time() + LATER_SECONDS
        return generated.queue(database, count, partner="th", due_at=due_at, body_bytes=BODY_BYTES)
    finally:
        database.close_now()


def measure(directory: Path, count: int, seconds: float, engine: str, server: Server | None) -> Point:
    """A fresh pair, `count` queued rows, then traffic."""
    setting = Setting(engine=engine, window=32)
    with running(directory, setting, server=server) as pair:
        filled = 0.0
        if count:
            pair.world.gateways["VN"].stop()
            filled = fill(pair.stores["VN"].url, count)
            pair.world.start_gateway("VN")
        fresh = pair.again()
        fresh.pin()
        found = traffic.measure(fresh, setting, seconds)
    return Point(
        what="backlog",
        size=count,
        messages=found["messages"],
        cpu_ms={country: found[country]["cpu_ms"] for country in ("VN", "TH")},
        more={
            "resident MB of the sender": found["resident_megabytes"]["VN"],
            "messages/s": found["per_second"],
            "database thread ms": found["VN"]["cpu_ms_by_thread"].get("database", 0.0),
            "filled in s": round(filled, 1),
        },
    )
