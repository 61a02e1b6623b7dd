"""Measure, print a line a point, judge; exit status 1 when a goal is missed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from benchmarks import growth, judgement, peer, record
from benchmarks.database import Server, postgresql
from benchmarks.growth import nodes, partners, payload, queued
from benchmarks.growth.point import Point, megabyte_verdict, verdict
from benchmarks.judgement import Goal
from benchmarks.record import WORK

DIRECTORY = WORK / "growth"
PARTNERS = (1, 10, 50)
#: Octets of the part, and how many messages.
PAYLOADS = ((10_000, 1_000), (1_000_000, 60), (100_000_000, 2))
TWO_NODES, RESIDENT_MEGABYTES, MILLION = 1.15, 150.0, 1_000_000


def main() -> int:
    dimensions = ("backlog", "partners", "payload", "nodes")
    asked = argparse.ArgumentParser(
        description=growth.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    asked.add_argument("--only", choices=dimensions, action="append")
    asked.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite", help="of the backlog")
    asked.add_argument("--rows", default="0,100000,1000000", help="backlogs, separated by commas")
    asked.add_argument("--seconds", type=float, default=6.0, help="sending time of backlog and nodes")
    asked.add_argument("--messages", type=int, default=2_000, help="of the partners")
    given = asked.parse_args()
    chosen = given.only or dimensions
    found: dict[str, list[Point]] = {}
    with ExitStack() as stack:
        server: Server | None = None
        if "nodes" in chosen or ("backlog" in chosen and given.engine == "postgresql"):
            server = stack.enter_context(postgresql(DIRECTORY / "server"))
        for dimension in chosen:
            found[dimension] = []
            for measure in _points(dimension, given, server):
                found[dimension].append(measure())
                print(found[dimension][-1].told(), flush=True)
    said = [
        megabyte_verdict(points) if name == "payload" else verdict(points)[1]
        for name, points in found.items()
        if len(points) > 1
    ]
    judged = goals(found)
    kept: dict[str, Any] = {name: [point.kept() for point in points] for name, points in found.items()}
    record.keep("growth", kept | {"goals_met": {name: met for name, met, _ in judged}})
    for text in said:
        print(f"growth: {text}")
    print("\n".join(judgement.told(judged)))
    return 0 if all(met for _, met, _ in judged) else 1


def _points(
    dimension: str, given: argparse.Namespace, server: Server | None
) -> Iterator[Callable[[], Point]]:
    folder = DIRECTORY / dimension
    if dimension == "backlog":
        for count in map(int, given.rows.split(",")):
            yield lambda count=count: queued.measure(folder, count, given.seconds, given.engine, server)  # type: ignore[misc]
    elif dimension == "partners":
        content = peer.document()
        for count in PARTNERS:
            yield lambda count=count: partners.measure(folder, count, given.messages, content)  # type: ignore[misc]
    elif dimension == "payload":
        for size, messages in PAYLOADS:
            yield lambda size=size, messages=messages: payload.measure(folder, size, messages)  # type: ignore[misc]
    elif server is not None:
        for count in (1, 2):
            yield lambda count=count: nodes.measure(folder, count, given.seconds, server)  # type: ignore[misc]


def goals(found: dict[str, list[Point]]) -> list[Goal]:
    """Those of the issue that these points can judge."""
    judged: list[Goal] = []
    if len(points := found.get("nodes", [])) == 2:
        factor = points[1].cpu_ms["VN"] / points[0].cpu_ms["VN"]
        judged.append(
            judgement.goal("two nodes, the sender's CPU over one node's", factor, TWO_NODES, above=False)
        )
        if (os.cpu_count() or 1) >= 6:
            rate = points[1].more["messages/s"] / points[0].more["messages/s"]
            judged.append(judgement.goal("two nodes, messages/s over one node's", rate, 1.7, above=True))
    for point in found.get("backlog", []):
        if point.size >= MILLION:
            resident = point.more["resident MB of the sender"]
            name = f"resident MB of the sender with {point.size:,} rows"
            judged.append(judgement.goal(name, resident, RESIDENT_MEGABYTES, above=False))
    return judged


if __name__ == "__main__":
    sys.exit(main())
