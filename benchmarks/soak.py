"""Half load for a long time: memory, file descriptors, threads and latency must stay where they were.

python -m benchmarks.soak [--seconds 1800] [--per-second 100] [--every 30]
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks import floor, material, run
from benchmarks.load import Load, wait_at_rest
from benchmarks.pair import MAIN_WINDOW, Pair, Setting, percentile, resident_megabytes, running

DIRECTORY = run.WORK / "soak"
GROWTH_ALLOWED = 1.1


def sample(pair: Pair, since: float) -> dict[str, Any]:
    """What is watched, with the receipts of the time since the last sample."""
    times = [
        row[0]
        for row in pair.stores["VN"].rows(
            f"SELECT finalized_at - created_at FROM outbox WHERE state = 'delivered' AND id > {int(since)}"  # noqa: S608
        )
    ]
    found: dict[str, Any] = {
        "p50": percentile(times, 0.5),
        "p99": percentile(times, 0.99),
        "receipts": len(times),
    }
    for country, pid in pair.pids.items():
        found[country] = {
            "megabytes": round(resident_megabytes(pid), 1),
            "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())),
            "threads": len(list(Path(f"/proc/{pid}/task").iterdir())),
        }
    return found


def main() -> int:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--seconds", type=float, default=1800.0)
    asked.add_argument("--per-second", type=float, default=100.0, help="half of what `make bench` found")
    asked.add_argument("--every", type=float, default=30.0)
    given = asked.parse_args()
    samples: list[dict[str, Any]] = []
    with running(DIRECTORY, Setting(window=MAIN_WINDOW)) as pair:
        pair.pin()
        world, store = pair.world, pair.stores["VN"]
        load = Load(
            world.sites["VN"],
            world.directory / "pki",
            store,
            connections=8,
            outstanding=0,
            per_second=given.per_second,
        )
        now, began = time.time() // 60 * 60, time.monotonic()
        traffic = (material.form_d(number, now=now) for number in range(1, 99_999))
        sending = threading.Thread(
            target=lambda: load.run(traffic, until=lambda: time.monotonic() - began > given.seconds),
            daemon=True,
        )
        sending.start()
        last = 0
        while sending.is_alive():
            sending.join(given.every)
            taken = sample(pair, last)
            last = store.last_outbound() - store.open_messages()
            samples.append({"at": round(time.monotonic() - began)} | taken)
            print(samples[-1], flush=True)
        wait_at_rest(store, pair.stores["TH"])
        load.close()
    half = samples[len(samples) // 2 :]
    first, final = half[0], half[-1]
    grown = max(final[country]["megabytes"] / first[country]["megabytes"] for country in ("VN", "TH"))
    steady = grown <= GROWTH_ALLOWED and all(
        final[country][name] <= first[country][name] + 4
        for country in ("VN", "TH")
        for name in ("descriptors", "threads")
    )
    run.keep("soak", {"machine": floor.machine(), "per_second": given.per_second, "samples": samples})
    print(
        f"soak: {'PASS' if steady else 'FAIL'} memory x{grown:.2f} in the second half,"
        f" p99 {final['p99']:.3f} s"
    )
    return 0 if steady else 1


if __name__ == "__main__":
    sys.exit(main())
