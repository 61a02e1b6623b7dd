"""What the figures of `make bench` are held against: goals, and the ratios of the last committed run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.pair import COUNTRIES, MAIN_WINDOW, Setting

REGRESSION = 0.8
MAIN = Setting(engine="sqlite", algorithm="ecdsa", window=MAIN_WINDOW)
RSA = Setting(engine="sqlite", algorithm="rsa", window=MAIN_WINDOW)
ALONE = Setting(engine="sqlite", algorithm="ecdsa", window=1)
Goal = tuple[str, bool, str]


def key(row: Mapping[str, Any]) -> str:
    """What names a row, and its ratio: engine, keys, window."""
    return f"{row['engine']} {row['algorithm']} {row['window']}"


def _key_of(setting: Setting) -> str:
    return f"{setting.engine} {setting.algorithm} {setting.window}"


def ratios(results: Mapping[str, Any]) -> dict[str, float]:
    """Every ratio of a run by its name; higher is better in all of them."""
    found = {f"floor {key(row)}": float(row["floor_ratio"]) for row in results["rows"]}
    phase4 = results["phase4"]
    if "ratio" in phase4:
        found["phase4"] = float(phase4["ratio"])
    if "full_path_ratio" in phase4:
        found["phase4 full path"] = float(phase4["full_path_ratio"])
    return found


def full_path_ratio(results: Mapping[str, Any]) -> float | None:
    """phase4's CPU for AS4 alone over ours for the full path, both with RSA keys; None without both."""
    rsa = next((row for row in results["rows"] if key(row) == _key_of(RSA)), None)
    theirs = results["phase4"].get("phase4")
    if rsa is None or theirs is None:
        return None
    return round(float(theirs["sender_ms"] + theirs["receiver_ms"]) / float(rsa["cpu_ms"]), 3)


def fallen(now: Mapping[str, float], earlier: Mapping[str, tuple[float, str]]) -> list[str]:
    """A sentence for each ratio that is below REGRESSION of what was measured last."""
    return [
        f"{name} fell to {now[name]:.2f} from {value:.2f} ({file})"
        for name, (value, file) in earlier.items()
        if name in now and now[name] < REGRESSION * value
    ]


def goal(name: str, value: float, bound: float, *, above: bool) -> Goal:
    """What it is, whether it is met, and by how much; nan is never met."""
    return name, value >= bound if above else value <= bound, f"{value:.2f}, goal {bound:g}"


def goals(results: Mapping[str, Any]) -> list[Goal]:
    """Each goal that this run could judge."""
    rows = {key(row): row for row in results["rows"]}
    judged: list[Goal] = []
    main, alone = rows.get(_key_of(MAIN)), rows.get(_key_of(ALONE))
    if main is not None:
        lag = max(main[country]["reactor_lag_p99_seconds"] for country in COUNTRIES)
        judged += [
            goal("floor ratio ecdsa", main["floor_ratio"], 0.5, above=True),
            goal("reactor lag at full load, s", lag, 0.05, above=False),
        ]
    if (rsa := rows.get(_key_of(RSA))) is not None:
        judged.append(goal("floor ratio rsa", rsa["floor_ratio"], 0.45, above=True))
    if main is not None and alone is not None and "half_load" in main:
        ratio = main["half_load"]["receipt_seconds"]["p99"] / alone["receipt_seconds"]["p50"]
        judged.append(goal("p99 at half load over p50 alone", ratio, 5, above=False))
    if "ratio" in results["phase4"]:
        judged.append(goal("phase4 ratio", results["phase4"]["ratio"], 3, above=True))
    return judged


def told(judged: list[Goal]) -> list[str]:
    """A line each, and their number last."""
    lines = [f"{'met   ' if met else 'MISSED'} {name}: {text}" for name, met, text in judged]
    return [*lines, f"goals met {sum(met for _, met, _ in judged)} of {len(judged)}"]
