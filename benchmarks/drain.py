"""A partner comes back after an outage: how fast what waited for it leaves.

python -m benchmarks.drain [--messages 2000] [--engine sqlite] [--limit-seconds 600]
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from typing import Any

from benchmarks import floor, material, run
from benchmarks.load import Load
from benchmarks.pair import COUNTRIES, Pair, Setting, difference, postgresql, running

DIRECTORY = run.WORK / "drain"


def measure(messages: int, setting: Setting, limit_seconds: float, server: str | None) -> dict[str, Any]:
    """Stop TH, hand in `messages` at VN, start TH, and watch the queue go."""
    with running(DIRECTORY, setting, server=server) as pair:
        world, store = pair.world, pair.stores["VN"]
        world.gateways["TH"].stop()
        load = Load(
            world.sites["VN"], world.directory / "pki", store, connections=16, outstanding=messages + 1
        )
        began, now = time.monotonic(), time.time() // 60 * 60
        try:
            load.run(material.form_d(number, now=now) for number in range(1, messages + 1))
        finally:
            load.close()
        while store.number("SELECT count(*) FROM outbox WHERE state = 'submitted'"):
            time.sleep(0.1)
        handed_in = time.monotonic() - began
        world.start_gateway("TH")
        back = Pair(world, pair.stores)
        back.pin()
        before, began, curve = back.snapshot(), time.monotonic(), []
        while left := store.open_messages():
            curve.append((round(time.monotonic() - began, 1), left))
            if time.monotonic() - began > limit_seconds:
                break
            time.sleep(0.5)
        took, after = time.monotonic() - began, back.snapshot()
    spent = {c: difference(after.cpu[c], before.cpu[c])["all"] for c in COUNTRIES}
    drained = messages - left
    first = next((at for at, waiting in curve if waiting < messages), 0.0)
    return {
        "messages": messages,
        "drained": drained,
        "seconds": round(took, 1),
        "first_after_seconds": first,
        "per_second": round(drained / max(took - first, 0.1), 1),
        "handed_in_per_second": round(messages / handed_in, 1),
        "cpu_ms": {c: round(value / max(drained, 1) * 1e3, 3) for c, value in spent.items()},
        "curve": curve,
    }


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--messages", type=int, default=2_000)
    asked.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    asked.add_argument("--limit-seconds", type=float, default=600.0)
    given = asked.parse_args()
    with ExitStack() as stack:
        server = None
        if given.engine == "postgresql":
            server = stack.enter_context(postgresql(DIRECTORY / "server"))
        found = measure(given.messages, Setting(engine=given.engine, window=32), given.limit_seconds, server)
    run.keep("drain", {"machine": floor.machine()} | found)
    widest = max(left for _, left in found["curve"]) if found["curve"] else 1
    for at, left in found["curve"][:: max(1, len(found["curve"]) // 20)]:
        print(f"{at:7.1f} s {left:>7} {'#' * round(50 * left / widest)}")
    print(
        f"drain: {found['drained']} of {found['messages']} in {found['seconds']} s, first after"
        f" {found['first_after_seconds']} s, then {found['per_second']} messages/s"
    )


if __name__ == "__main__":
    main()
