"""Messages per second and CPU per message of two real gateways, beside the floor of the same machine.

    python -m benchmarks.run [--quick] [--engine sqlite] [--algorithm ecdsa] [--window 32] [--seconds 8]

Two daemons (VN sends to TH) over loopback mTLS, every commit on the disk, each on a core of its own; this
process is the portal: it submits over kept connections and looks into the stores from outside. The floor
ratio compares CPU: what the floor's calls cost, measured right before and right after, over what both daemons
used. Messages a second also tell how much of the machine was ours, which on a shared machine is another
matter; both are written down. How CPU is split by part is said in `benchmarks.split`.

Exit status 1 when a ratio fell below 0.8 of the last committed one.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from typing import Any

from benchmarks import echo, floor, judgement, material, peer, record, split, stages, traffic, transport
from benchmarks.database import Server, postgresql
from benchmarks.judgement import ALONE, MAIN
from benchmarks.pair import COUNTRIES, Setting, running
from benchmarks.record import REPOSITORY, WORK

FLOOR_ROUNDS = 3
PEER_MESSAGES = 1_000
SECONDS, QUICK_SECONDS = 8.0, 3.0
SIDES = {"VN": "sender", "TH": "receiver"}


def settings() -> list[Setting]:
    """Every combination; the same keys in a row, so that rows share the floor between them."""
    return [
        Setting(engine=engine, algorithm=algorithm, window=window)
        for engine in ("sqlite", "postgresql")
        for algorithm in ("ecdsa", "rsa")
        for window in (1, 8, 32)
    ]


def run(asked: list[Setting], seconds: float, *, quick: bool, with_peer: bool) -> dict[str, Any]:
    """Everything, as one JSON value; rows are printed as they come."""
    algorithms = list(dict.fromkeys(setting.algorithm for setting in asked))
    results: dict[str, Any] = {
        "cores": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "rows": [],
        "floor": {},
        "floor_list": record.floor_list(),
        "stages": {name: stages.measure(name, 60 if quick else 150) for name in algorithms},
        "transport": transport.measure(WORK / "transport", 0.5 if quick else 2.0),
        "twisted_echo": echo.measure(WORK / "echo", 0.7 if quick else 2.0),
    }
    print(HEADER, flush=True)
    floors: dict[str, floor.Floor] = {}
    with ExitStack() as stack:
        server: Server | None = None
        for setting in asked:
            if setting.engine == "postgresql" and server is None:
                server = stack.enter_context(postgresql(WORK / "postgresql"))
            row = measure(setting, seconds, results, floors, server, half_load=not quick)
            results["rows"].append(row)
            print("\n".join(lines(row)), flush=True)
    results["phase4"] = (
        peer.measure(WORK / "phase4", PEER_MESSAGES)
        if with_peer
        else {"skipped": "not asked for (--no-peer or --quick)"}
    )
    if (full := judgement.full_path_ratio(results)) is not None:
        results["phase4"]["full_path_ratio"] = full
    results["load_after"] = os.getloadavg()[0]
    return results


def measure(
    setting: Setting,
    seconds: float,
    results: dict[str, Any],
    floors: dict[str, floor.Floor],
    server: Server | None,
    *,
    half_load: bool,
) -> dict[str, Any]:
    """One row: traffic, the floor of the same minute, and the split by part."""
    name = setting.algorithm
    before = floors.get(name) or floor.measure(name, rounds=FLOOR_ROUNDS)
    with running(WORK / "world", setting, server=server) as pair:
        pair.pin()
        row = traffic.measure(pair, setting, seconds)
        if setting == MAIN and half_load:
            rate = row["per_second"] / 2
            row["half_load"] = traffic.measure(pair, setting, seconds, first=row["next"], per_second=rate)
    after = floors[name] = floor.measure(name, rounds=FLOOR_ROUNDS)
    least = (before.both + after.both) / 2
    row["floor_us"] = {"before": round(before.both), "after": round(after.both)}
    row["floor_ratio"] = round(least / 1e3 / row["cpu_ms"], 3)
    row["floor_per_second"] = round(floor.CORES * 1e6 / least)
    row["throughput_ratio"] = round(row["per_second"] / row["floor_per_second"], 3)
    transport_ms = echo.per_message_ms(results["twisted_echo"])
    for country, side in SIDES.items():
        found = row[country]
        shares = split.worker_shares(results["stages"][name], side)
        found["cpu_ms_by_part"] = split.split(
            found["cpu_ms"], found["cpu_ms_by_thread"], shares, transport_ms[country]
        )
    results["floor"][name] = {f"{s} {n}": round(us, 1) for (s, n), us in after.parts.items()}
    return row


HEADER = (
    f"{'engine':<11}{'keys':<6}{'window':>6}{'msg/s':>8}{'CPU ms VN':>11}{'CPU ms TH':>11}{'p50 s':>8}"
    f"{'p95 s':>8}{'p99 s':>8}{'commits':>12}{'lag p99':>9}{'MB':>9}{'floor us':>9}{'ratio':>7}"
)


def lines(row: dict[str, Any]) -> list[str]:
    """One row of the table, and below it the CPU of either side by thread and by part."""
    vn, th, receipt = row["VN"], row["TH"], row["receipt_seconds"]
    lag = max(vn["reactor_lag_p99_seconds"], th["reactor_lag_p99_seconds"])
    megabytes = "/".join(str(value) for value in row["resident_megabytes"].values())
    found = [
        f"{row['engine']:<11}{row['algorithm']:<6}{row['window']:>6}{row['per_second']:>8.0f}{vn['cpu_ms']:>11.2f}"
        f"{th['cpu_ms']:>11.2f}{receipt['p50']:>8.3f}{receipt['p95']:>8.3f}{receipt['p99']:>8.3f}"
        f"{vn['commits']:>6.2f}{th['commits']:>6.2f}{lag:>9.3f}{megabytes:>9}{row['floor_us']['after']:>9}"
        f"{row['floor_ratio']:>7.2f}"
    ]
    for country in COUNTRIES:
        side = row[country]
        threads = " ".join(f"{name} {ms:.2f}" for name, ms in side["cpu_ms_by_thread"].items())
        found.append(f"  {country} {threads} | {split.told(side['cpu_ms_by_part'])}")
    return found


def main() -> int:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--quick", action="store_true", help="30 seconds: the main setting, and one at a time")
    asked.add_argument("--engine", choices=("sqlite", "postgresql"))
    asked.add_argument("--algorithm", choices=sorted(material.ALGORITHMS))
    asked.add_argument("--window", type=int)
    asked.add_argument("--seconds", type=float, help="sending time of each row")
    asked.add_argument("--no-peer", action="store_true", help="do not measure phase4")
    given = asked.parse_args()
    everything = settings()
    chosen = [
        setting
        for setting in ([MAIN, ALONE] if given.quick else everything)
        if given.engine in (None, setting.engine)
        if given.algorithm in (None, setting.algorithm)
        if given.window in (None, setting.window)
    ]
    if not chosen:
        asked.error("no such setting")
    seconds = given.seconds or (QUICK_SECONDS if given.quick else SECONDS)
    earlier = record.newest_ratios(record.committed("bench"))
    results = run(chosen, seconds, quick=given.quick, with_peer=not (given.quick or given.no_peer))
    results["ratios"] = judgement.ratios(results)
    judged = judgement.goals(results)
    results["goals_met"] = {name: met for name, met, _ in judged}
    fallen = judgement.fallen(results["ratios"], earlier)
    # Only a whole run is what later runs are held against.
    kind = "quick" if given.quick else "bench" if chosen == everything else "part"
    kept = record.keep(kind, results)
    phase4 = results["phase4"]
    bare, web = results["transport"], results["twisted_echo"]["message"]
    print(
        f"transport floor, us of CPU a message: bare mTLS echo {bare['client_us']:.0f} +"
        f" {bare['server_us']:.0f} ({bare['per_second']:.0f}/s), twisted.web {web['client_us']:.0f} +"
        f" {web['server_us']:.0f}"
    )
    if "ratio" in phase4:
        theirs, ours = phase4["phase4"], phase4["ours"]
        print(
            f"phase4: CPU ms {theirs['sender_ms']:.2f} + {theirs['receiver_ms']:.2f}, ours, AS4 layer only,"
            f" {ours['sender_ms']:.2f} + {ours['receiver_ms']:.2f}: ratio {phase4['ratio']:.2f};"
            f" beside our full path {phase4.get('full_path_ratio', 'not measured')}"
        )
    else:
        print(f"phase4: {phase4['skipped']}")
    for text in fallen:
        print(f"bench: {text}")
    print(f"bench: written to {kept.relative_to(REPOSITORY)}")
    print("\n".join(judgement.told(judged)))
    peer_ratio = f"{phase4['ratio']:.2f}" if "ratio" in phase4 else "skipped"
    main_row = next((r for r in results["rows"] if judgement.key(r) == "sqlite ecdsa 32"), results["rows"][0])
    print(f"bench: floor ratio {main_row['floor_ratio']:.2f} phase4 ratio {peer_ratio}")
    return 1 if fallen else 0


if __name__ == "__main__":
    sys.exit(main())
