"""A message's cost with one and with two sending gateways on one PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from benchmarks import traffic
from benchmarks.database import Server
from benchmarks.growth.point import Point
from benchmarks.pair import Setting, running

SETTING = Setting(engine="postgresql", window=32)


def measure(directory: Path, count: int, seconds: float, server: Server) -> Point:
    """The portal hands in to all nodes by turns; all of a country's nodes are on one core."""
    with running(directory, SETTING, server=server, nodes={"VN": count}) as pair:
        pair.pin()
        found = traffic.measure(pair, SETTING, seconds)
    return Point(
        what="nodes",
        size=count,
        messages=found["messages"],
        cpu_ms={country: found[country]["cpu_ms"] for country in ("VN", "TH")},
        more={
            "messages/s": found["per_second"],
            "database server ms": found["database_server_cpu_ms"],
            "commits": found["VN"]["commits"],
        },
    )
