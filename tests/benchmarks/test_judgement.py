"""Which ratios a run is held against, and which goals it meets."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import judgement, record


def row(engine: str, algorithm: str, window: int, **more: Any) -> dict[str, Any]:
    side = {"reactor_lag_p99_seconds": 0.01}
    receipt = {"p50": 0.01, "p95": 0.02, "p99": 0.03}
    found = {
        "engine": engine, "algorithm": algorithm, "window": window, "floor_ratio": 0.5, "cpu_ms": 2.0,
        "VN": side, "TH": side, "receipt_seconds": receipt,
    }  # fmt: skip
    return found | more


def results(*rows: dict[str, Any], phase4: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"rows": list(rows), "phase4": phase4 or {"skipped": "no java"}}


def met(found: dict[str, Any]) -> dict[str, bool]:
    return {name: met for name, met, _ in judgement.goals(found)}


def test_ratios_are_named_by_engine_keys_and_window() -> None:
    found = results(row("sqlite", "rsa", 8, floor_ratio=0.4), phase4={"ratio": 3.5, "full_path_ratio": 1.5})
    assert judgement.ratios(found) == {"floor sqlite rsa 8": 0.4, "phase4": 3.5, "phase4 full path": 1.5}


def test_a_ratio_may_lose_a_fifth_and_no_more() -> None:
    earlier = {"floor sqlite ecdsa 32": (0.5, "old.json"), "phase4": (3.0, "old.json"), "gone": (9.0, "x")}
    assert judgement.fallen({"floor sqlite ecdsa 32": 0.41, "phase4": 2.5, "new": 0.1}, earlier) == []
    (text,) = judgement.fallen({"floor sqlite ecdsa 32": 0.39, "phase4": 2.5}, earlier)
    assert text == "floor sqlite ecdsa 32 fell to 0.39 from 0.50 (old.json)"


def test_full_path_is_held_against_rsa_which_phase4_signs_with() -> None:
    phase4 = {"phase4": {"sender_ms": 3.0, "receiver_ms": 5.0}, "ratio": 4.0}
    found = results(row("sqlite", "ecdsa", 32), row("sqlite", "rsa", 32, cpu_ms=4.0), phase4=phase4)
    assert judgement.full_path_ratio(found) == pytest.approx(2.0)
    assert judgement.full_path_ratio(results(row("sqlite", "ecdsa", 32), phase4=phase4)) is None


def test_goals_at_their_bounds() -> None:
    half = {"half_load": {"receipt_seconds": {"p99": 0.05}}}
    found = results(
        row("sqlite", "ecdsa", 32, **half),
        row("sqlite", "ecdsa", 1),
        row("sqlite", "rsa", 32, floor_ratio=0.44),
        phase4={"ratio": 3.0},
    )  # fmt: skip
    assert met(found) == {
        "floor ratio ecdsa": True,
        "reactor lag at full load, s": True,
        "floor ratio rsa": False,
        "p99 at half load over p50 alone": True,
        "phase4 ratio": True,
    }


def test_what_was_not_measured_is_not_judged() -> None:
    assert met(results(row("postgresql", "ecdsa", 32))) == {}


def test_a_figure_that_is_missing_meets_no_goal() -> None:
    _, met, _ = judgement.goal("lag", float("nan"), 0.05, above=False)
    assert not met


def test_last_line_counts_goals() -> None:
    lines = judgement.told([("one", True, "1"), ("two", False, "2")])
    assert lines == ["met    one: 1", "MISSED two: 2", "goals met 1 of 2"]


def result(date: str, ratios: dict[str, float], floor_list: str | None = None) -> dict[str, Any]:
    return {"date": date, "ratios": ratios, "floor_list": floor_list or record.floor_list()}


def test_the_newest_result_counts_by_its_time_not_by_its_name() -> None:
    known = [
        ("2026-11-27-bench-ffff.json", result("2026-11-27T08:00:00Z", {"phase4": 3.0, "floor a": 0.4})),
        ("2026-11-27-bench-0000.json", result("2026-11-27T17:00:00Z", {"phase4": 4.0})),
    ]
    assert record.newest_ratios(known) == {
        "phase4": (4.0, "2026-11-27-bench-0000.json"),
        "floor a": (0.4, "2026-11-27-bench-ffff.json"),
    }


def test_a_ratio_to_another_floor_is_no_measure() -> None:
    known = [("old.json", result("2026-11-01T08:00:00Z", {"phase4": 3.0, "floor a": 0.4}, "another list"))]
    assert record.newest_ratios(known) == {"phase4": (3.0, "old.json")}
