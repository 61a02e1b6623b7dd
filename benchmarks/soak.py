"""Half load for a long time: memory, file descriptors, threads and latency must stay where they were.

    python -m benchmarks.soak [--seconds 1800] [--per-second 100] [--every 30]

VN sends to TH all the time; a sample is taken every so often. The first quarter is for warming up: caches
fill, threads and connections come. Of what follows, the first third is compared with the last third, by
medians, so that one odd sample decides nothing. Ends by itself with one line; exit status 1 when something
grew.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from benchmarks import material, record
from benchmarks.load import Load, wait_at_rest
from benchmarks.pair import COUNTRIES, MAIN_WINDOW, Pair, Setting, percentile, running
from benchmarks.proc import descriptors, resident_megabytes, threads
from benchmarks.record import WORK

DIRECTORY = WORK / "soak"
FEWEST_SAMPLES = 8


@frozen
class Limit:
    """What the last third may be: a share of the first third and so much on top."""

    share: float
    more: float


#: Descriptors and threads come and go with connections; 4 ms are a fifth of a commit group.
LIMITS = {
    "megabytes": Limit(1.05, 2.0),
    "descriptors": Limit(1.0, 4.0),
    "threads": Limit(1.0, 1.0),
    "p50": Limit(1.2, 0.004),
    "p99": Limit(1.5, 0.02),
}


def sample(pair: Pair, after: int) -> tuple[dict[str, Any], int]:
    """What is watched, with the receipts of messages later than `after`; and the last of those at rest."""
    rows = pair.stores["VN"].rows(
        f"SELECT id, finalized_at - created_at FROM outbox WHERE id > {after:d} AND state = 'delivered'"  # noqa: S608
    )
    times = [row[1] for row in rows]
    found: dict[str, Any] = {"receipts": len(rows)}
    found |= {f"p{share}": round(percentile(times, share / 100), 4) for share in (50, 99)}
    for country, pid in pair.pids.items():
        found[country] = {
            "megabytes": round(resident_megabytes(pid), 1),
            "descriptors": descriptors(pid),
            "threads": threads(pid),
        }
    # A message under way when the sample is taken counts in the next one, unless a later one overtook it.
    return found, max((row[0] for row in rows), default=after)


def judge(samples: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for everything that grew; raises ValueError when there are too few samples to tell."""
    if len(samples) < FEWEST_SAMPLES:
        raise ValueError(f"{len(samples)} samples, at least {FEWEST_SAMPLES} are needed")
    steady = samples[len(samples) // 4 :]
    third = max(1, len(steady) // 3)
    grown = []
    for name, series in watched(steady).items():
        limit = LIMITS[name.rpartition(" ")[2]]
        before, after = statistics.median(series[:third]), statistics.median(series[-third:])
        # nan (no receipt at all in a third) is not steady either.
        if not after <= before * limit.share + limit.more:
            grown.append(f"{name} {before:g} -> {after:g}")
    return grown


def watched(samples: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Every series by its name: "p50", "VN megabytes", …"""
    found = {name: [float(each[name]) for each in samples] for name in ("p50", "p99")}
    for country in COUNTRIES:
        for name in ("megabytes", "descriptors", "threads"):
            found[f"{country} {name}"] = [float(each[country][name]) for each in samples]
    return found


def measure(seconds: float, per_second: float, every: float) -> list[dict[str, Any]]:
    """Samples, the last one while traffic still flows."""
    samples: list[dict[str, Any]] = []
    with running(DIRECTORY, Setting(window=MAIN_WINDOW)) as pair:
        pair.pin()
        store = pair.stores["VN"]
        load = Load(
            pair.sites("VN"),
            pair.world.directory / "pki",
            store,
            connections=8,
            outstanding=0,
            per_second=per_second,
        )
        now, began = time.time() // 60 * 60, time.monotonic()
        traffic = material.many_forms(now=now)
        failures: list[BaseException] = []

        def send() -> None:
            try:
                load.run(traffic, until=lambda: time.monotonic() - began > seconds)
            except BaseException as error:  # noqa: BLE001 - told by the main thread
                failures.append(error)

        sending = threading.Thread(target=send, daemon=True)
        sending.start()
        last = 0
        while time.monotonic() - began + every <= seconds and sending.is_alive():
            sending.join(every)
            taken, last = sample(pair, last)
            samples.append({"at": round(time.monotonic() - began)} | taken)
            print(samples[-1], flush=True)
        sending.join(60)
        load.close()
        if failures or sending.is_alive():
            raise SystemExit(f"soak: FAIL the traffic ended early: {failures or 'it hangs'}")
        wait_at_rest(store, pair.stores["TH"])
    return samples


def main() -> int:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--seconds", type=float, default=1800.0)
    asked.add_argument("--per-second", type=float, default=100.0, help="half of what `make bench` found")
    asked.add_argument("--every", type=float, default=30.0)
    given = asked.parse_args()
    samples = measure(given.seconds, given.per_second, given.every)
    grown = judge(samples)
    receipts = sum(each["receipts"] for each in samples)
    record.keep("soak", {"per_second": given.per_second, "grown": grown, "samples": samples})
    for text in grown:
        print(f"grew: {text}")
    last = samples[-1]
    print(
        f"soak: {'FAIL' if grown else 'PASS'} seconds={given.seconds:g} receipts={receipts}"
        f" p50={last['p50']:.3f} p99={last['p99']:.3f}"
        f" megabytes={last['VN']['megabytes']:.0f}/{last['TH']['megabytes']:.0f} grown={len(grown)}"
    )
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
