"""How a growth is judged: flat or the factor, and the goals."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.growth.__main__ import goals
from benchmarks.growth.point import Point, megabyte_verdict, verdict


def point(what: str, size: int, cpu_ms: float, **more: Any) -> Point:
    return Point(what=what, size=size, messages=10, cpu_ms={"VN": cpu_ms, "TH": 1.0}, more=more)


def test_flat_up_to_a_seventh_more() -> None:
    factor, text = verdict(
        [point("partners", 1, 1.0), point("partners", 10, 9.0), point("partners", 50, 1.2)]
    )
    assert factor == pytest.approx(1.1)
    assert text == "partners: flat, 2.00 ms at 1, 2.20 ms at 50 (x1.10)"


def test_growth_is_told_by_its_factor() -> None:
    _, text = verdict([point("backlog", 0, 1.0), point("backlog", 1_000_000, 3.0)])
    assert text == "backlog: grows x2.00, 2.00 ms at 0, 4.00 ms at 1,000,000 (x2.00)"


def test_a_further_megabyte_costs_the_same() -> None:
    points = [
        point("payload", 0, 1.0),
        point("payload", 1_000_000, 11.0),
        point("payload", 101_000_000, 1111.0),
    ]
    assert megabyte_verdict(points) == (
        "payload, a megabyte: flat, 10.0 ms, 11.0 ms for each further one (x1.10)"
    )


def test_goals_of_two_nodes_and_of_a_million_rows() -> None:
    found = {
        "nodes": [
            point("nodes", 1, 2.0, **{"messages/s": 100}),
            point("nodes", 2, 2.4, **{"messages/s": 100}),
        ],
        "backlog": [point("backlog", 1_000_000, 1.0, **{"resident MB of the sender": 149})],
    }
    judged = {name: met for name, met, _ in goals(found)}
    assert judged["two nodes, the sender's CPU over one node's"] is False
    assert judged["resident MB of the sender with 1,000,000 rows"] is True
