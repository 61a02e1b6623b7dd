"""Messages per second and CPU per message of two real gateways, beside the floor of the same machine.

    python -m benchmarks.run [--quick] [--engine sqlite] [--algorithm ecdsa] [--window 32] [--seconds 12]

Two daemons (VN sends to TH) over loopback mTLS, every commit on the disk, each on a core of its own; this
process is the portal: it submits over kept connections and looks into the stores from outside. The floor
ratio compares CPU: what the floor's calls cost, measured in the same minute, over what both daemons used.
Messages a second also tell how much of the machine was ours, which on a shared machine is another matter;
both are written down.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import floor, material, peer, stages, transport
from benchmarks.load import Load, wait_at_rest
from benchmarks.pair import COUNTRIES, Pair, Setting, difference, percentile, postgresql, running

REPOSITORY = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).with_name("results")
WORK = REPOSITORY / "build" / "bench"
WARM_UP = 200
REGRESSION = 0.8
MAIN = Setting(engine="sqlite", algorithm="ecdsa", window=32)
RSA = Setting(engine="sqlite", algorithm="rsa", window=32)
GOALS = (
    "floor 0.50 (ecdsa), 0.45 (rsa), phase4 3.0, reactor lag 50 ms, p99 at half load 5 x median alone, 150 MB"
)


def settings(quick: bool) -> list[Setting]:
    """What is measured: every combination, or the three that the goals speak of."""
    if quick:
        return [MAIN, Setting(engine="sqlite", algorithm="ecdsa", window=1)]
    return [
        Setting(engine=engine, algorithm=algorithm, window=window)
        for engine in ("sqlite", "postgresql")
        for algorithm in ("ecdsa", "rsa")
        for window in (1, 8, 32)
    ]


def measure(
    pair: Pair, setting: Setting, seconds: float, *, first: int = 1, per_second: float = 0.0, resting: int = 0
) -> dict[str, Any]:
    """Send for some seconds, wait until all is at rest but `resting` older rows, and say what it took."""
    world, sender, receiver = pair.world, pair.stores["VN"], pair.stores["TH"]
    alone = setting.window == 1
    load = Load(
        world.sites["VN"],
        world.directory / "pki",
        sender,
        connections=1 if alone else min(16, setting.window),
        outstanding=1 if alone else 3 * setting.window,
        per_second=per_second,
    )
    now = time.time() // 60 * 60
    try:
        if not per_second:
            warm = range(first, first + (20 if alone else WARM_UP))
            load.run(material.form_d(number, now=now) for number in warm)
            wait_at_rest(sender, receiver, base=resting)
            first = warm.stop
        before, base, began = pair.snapshot(), sender.last_outbound(), time.monotonic()
        submitted = load.run(
            (material.form_d(number, now=now) for number in range(first, first + 90_000)),
            until=lambda: time.monotonic() - began > seconds,
        )
        wait_at_rest(sender, receiver, base=resting)
        took, after = time.monotonic() - began, pair.snapshot()
    finally:
        load.close()
    rows = sender.rows(f"SELECT created_at, finalized_at, state, attempt FROM outbox WHERE id > {base}")  # noqa: S608
    delivered = [row for row in rows if row[2] == "delivered"]
    if len(delivered) != submitted:
        raise SystemExit(f"bench: {submitted} submitted, {len(delivered)} delivered")
    times = [row[1] - row[0] for row in delivered]
    found: dict[str, Any] = {
        "engine": setting.engine,
        "algorithm": setting.algorithm,
        "window": setting.window,
        "messages": submitted,
        "seconds": round(took, 2),
        "per_second": round(submitted / took, 1),
        "retried": sum(1 for row in rows if row[3] > 1),
        "receipt_seconds": {f"p{share}": round(percentile(times, share / 100), 4) for share in (50, 95, 99)},
        "resident_megabytes": {c: round(value) for c, value in pair.resident_megabytes().items()},
        "next": first + submitted,
    }
    for country in COUNTRIES:
        spent = difference(after.cpu[country], before.cpu[country])
        counted = difference(after.metrics[country], before.metrics[country])
        found[country] = {
            "cpu_ms": round(spent.pop("all") / submitted * 1e3, 3),
            "cpu_ms_by_thread": {
                name: round(value / submitted * 1e3, 3)
                for name, value in sorted(spent.items())
                if value > 1e-3
            },
            "commits": round(counted.get("asw_database_group_commit_units_count", 0) / submitted, 3),
            "units": round(counted.get("asw_database_group_commit_units_sum", 0) / submitted, 3),
            "reactor_lag_p99_seconds": histogram_quantile(counted, "asw_reactor_lag_seconds", 0.99),
        }
    found["cpu_ms"] = round(sum(found[country]["cpu_ms"] for country in COUNTRIES), 3)
    return found


def histogram_quantile(counted: dict[str, float], name: str, share: float) -> float:
    """The upper end of the bucket in which the quantile lies; nan without samples."""
    buckets = []
    for sample, value in counted.items():
        if sample.startswith(f"{name}_bucket"):
            end = sample.partition('le="')[2].partition('"')[0]
            buckets.append((math.inf if end == "+Inf" else float(end), value))
    buckets.sort()
    if not buckets or not buckets[-1][1]:
        return math.nan
    return next(end for end, value in buckets if value >= share * buckets[-1][1])


def run(asked: list[Setting], seconds: float, *, quick: bool, with_peer: bool) -> dict[str, Any]:
    """Everything, as one JSON value."""
    results: dict[str, Any] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "commit": commit(),
        "machine": floor.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "rows": [],
        "floor": {},
        "goals": GOALS,
        "missing": {},
    }
    rounds = 3 if quick else 7
    with ExitStack() as stack:
        server: str | None = None
        if any(setting.engine == "postgresql" for setting in asked):
            server = stack.enter_context(postgresql(WORK / "postgresql"))
        for setting in asked:
            before = floor.measure(setting.algorithm, rounds=rounds)
            with running(WORK / "world", setting, server=server) as pair:
                pair.pin()
                row = measure(pair, setting, seconds)
                if setting == MAIN and not quick:
                    rate = row["per_second"] / 2
                    row["half_load"] = measure(pair, setting, seconds, first=row["next"], per_second=rate)
            after = floor.measure(setting.algorithm, rounds=rounds)
            least = (before.both + after.both) / 2
            row["floor_us"] = {"before": round(before.both), "after": round(after.both)}
            row["floor_ratio"] = round(least / 1e3 / row["cpu_ms"], 3)
            row["floor_per_second"] = round(floor.CORES * 1e6 / least)
            row["throughput_ratio"] = round(row["per_second"] / row["floor_per_second"], 3)
            results["floor"][setting.algorithm] = {
                f"{s} {n}": round(us, 1) for (s, n), us in after.parts.items()
            }
            results["rows"].append(row)
            print(line(row), flush=True)
    results["stages"] = {name: stages.measure(name, 100 if quick else 300) for name in material.ALGORITHMS}
    results["transport"] = transport.measure(WORK / "transport", 1.0 if quick else 3.0)
    results["phase4"] = (
        peer.measure(WORK / "phase4") if with_peer else {"skipped": "not asked for (--no-peer or --quick)"}
    )
    results["load_after"] = os.getloadavg()[0]
    return results


HEADER = (
    f"{'engine':<11}{'keys':<6}{'window':>6}{'msg/s':>8}{'CPU ms VN':>11}{'CPU ms TH':>11}{'p50 s':>8}"
    f"{'p99 s':>8}{'commits':>12}{'lag p99':>9}{'MB':>9}{'floor us':>9}{'ratio':>7}"
)


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    vn, th = row["VN"], row["TH"]
    lag = max(vn["reactor_lag_p99_seconds"], th["reactor_lag_p99_seconds"])
    megabytes = "/".join(str(value) for value in row["resident_megabytes"].values())
    return (
        f"{row['engine']:<11}{row['algorithm']:<6}{row['window']:>6}{row['per_second']:>8.0f}{vn['cpu_ms']:>11.2f}"
        f"{th['cpu_ms']:>11.2f}{row['receipt_seconds']['p50']:>8.3f}{row['receipt_seconds']['p99']:>8.3f}"
        f"{vn['commits']:>6.2f}{th['commits']:>6.2f}{lag:>9.3f}{megabytes:>9}{row['floor_us']['after']:>9}"
        f"{row['floor_ratio']:>7.2f}"
    )


def by_part(row: dict[str, Any]) -> list[str]:
    """CPU per message by thread: reactor is TLS, HTTP and Python, database SQL, workers all the rest."""
    found = []
    for country in COUNTRIES:
        threads = ", ".join(f"{name} {ms:.2f}" for name, ms in row[country]["cpu_ms_by_thread"].items())
        found.append(f"  {country}: {row[country]['cpu_ms']:.2f} ms = {threads}")
    return found


def goals(results: dict[str, Any]) -> list[tuple[str, bool, str]]:
    """Each goal that this run could judge: what it is, whether it is met, by how much."""
    rows = {(r["engine"], r["algorithm"], r["window"]): r for r in results["rows"]}
    judged: list[tuple[str, bool, str]] = []

    def judge(name: str, value: float, bound: float, *, above: bool) -> None:
        judged.append((name, value >= bound if above else value <= bound, f"{value:.2f}, goal {bound:g}"))

    main = rows.get(("sqlite", "ecdsa", 32))
    if main is not None:
        judge("floor ratio ecdsa", main["floor_ratio"], 0.5, above=True)
        lag = max(main[country]["reactor_lag_p99_seconds"] for country in COUNTRIES)
        judge("reactor lag at full load, s", lag, 0.05, above=False)
        judge("resident MB", max(main["resident_megabytes"].values()), 150, above=False)
    if (rsa := rows.get(("sqlite", "rsa", 32))) is not None:
        judge("floor ratio rsa", rsa["floor_ratio"], 0.45, above=True)
    alone = rows.get(("sqlite", "ecdsa", 1))
    if main is not None and alone is not None and "half_load" in main:
        ratio = main["half_load"]["receipt_seconds"]["p99"] / alone["receipt_seconds"]["p50"]
        judge("p99 at half load over p50 alone", ratio, 5, above=False)
    if "ratio" in results["phase4"]:
        judge("phase4 ratio", results["phase4"]["ratio"], 3, above=True)
    return judged


def last_ratios() -> tuple[str, dict[str, float]]:
    """The ratios of the newest committed result, and its file."""
    known = _git("ls-files", "benchmarks/results").split()
    for name in sorted((name for name in known if "-bench-" in name), reverse=True):
        ratios = json.loads((REPOSITORY / name).read_text(encoding="utf-8")).get("ratios")
        if ratios:
            return name, ratios
    return "", {}


def commit() -> str:
    """The short name of the commit, with + when files differ from it."""
    return _git("describe", "--always", "--dirty=+", "--abbrev=8", "--exclude=*").strip() or "unknown"


def _git(*words: str) -> str:
    command = [shutil.which("git") or "git", *words]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout


def keep(kind: str, results: dict[str, Any]) -> Path:
    """Write a result file."""
    RESULTS.mkdir(exist_ok=True)
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    path = RESULTS / f"{day}-{kind}-{commit().rstrip('+')}.json"
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return path


def main() -> int:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--quick", action="store_true", help="30 seconds: the main setting, and one at a time")
    asked.add_argument("--engine", choices=("sqlite", "postgresql"))
    asked.add_argument("--algorithm", choices=sorted(material.ALGORITHMS))
    asked.add_argument("--window", type=int)
    asked.add_argument("--seconds", type=float, help="sending time of each row")
    asked.add_argument("--no-peer", action="store_true", help="do not measure phase4")
    given = asked.parse_args()
    chosen = [
        setting
        for setting in settings(given.quick)
        if given.engine in (None, setting.engine)
        if given.algorithm in (None, setting.algorithm)
        if given.window in (None, setting.window)
    ]
    seconds = given.seconds or (5.0 if given.quick else 10.0)
    earlier_file, earlier = last_ratios()
    print(HEADER, flush=True)
    results = run(chosen, seconds, quick=given.quick, with_peer=not (given.quick or given.no_peer))
    rows = {(r["engine"], r["algorithm"], r["window"]): r for r in results["rows"]}
    main_row = rows.get(("sqlite", "ecdsa", 32)) or results["rows"][0]
    print("\nCPU by thread, " + line(main_row).strip())
    print("\n".join(by_part(main_row)))
    ratios = {
        f"floor {r['engine']} {r['algorithm']} {r['window']}": r["floor_ratio"] for r in results["rows"]
    }
    if "ratio" in results["phase4"]:
        ratios["phase4"] = results["phase4"]["ratio"]
    results["ratios"] = ratios
    print(f"transport floor: {results['transport']['per_second']:.0f} requests/s over mTLS, bare echo")
    print(f"phase4: {results['phase4'].get('skipped') or json.dumps(results['phase4'])}")
    judged = goals(results)
    for name, met, text in judged:
        print(f"{'met   ' if met else 'MISSED'} {name}: {text}")
    results["goals_met"] = {name: met for name, met, _ in judged}
    kept = keep("quick" if given.quick else "bench", results)
    fallen = [
        f"{name} fell to {ratios[name]:.2f} from {value:.2f} ({earlier_file})"
        for name, value in earlier.items()
        if name in ratios and ratios[name] < REGRESSION * value
    ]
    for text in fallen:
        print(f"bench: {text}")
    print(f"bench: written to {kept.relative_to(REPOSITORY)}")
    print(f"goals met {sum(met for _, met, _ in judged)} of {len(judged)}")
    peer_ratio = f"{results['phase4']['ratio']:.2f}" if "ratio" in results["phase4"] else "skipped"
    print(f"bench: floor ratio {main_row['floor_ratio']:.2f} phase4 ratio {peer_ratio}")
    return 1 if fallen else 0


if __name__ == "__main__":
    sys.exit(main())
