"""Many messages wait for a dead partner: what the others notice, what memory does, how fast they leave.

    python -m benchmarks.backlog [--rows 100000] [--engine sqlite] [--per-second 20] [--seconds 90]

Three real daemons. VN sends to ID at a steady rate all the time that is measured: alone, with `--rows`
messages waiting for TH which is dead, while TH is back and its queue drains, and alone again, which shows
what the machine itself did meanwhile. Before all that `--warm-up` messages go to ID as fast as they are
taken, so that memory is compared after the same kind of work with and without a backlog. The waiting
messages are handed in through the portal's port like any others: checked, translated, sealed, signed, queued.
A delivery time is from the submission's commit to the commit of the receipt. A channel that catches up sends
at most 200 messages a second. Exit status 0 when p99 beside the dead partner's backlog is within x1.5 of p99
alone, memory stays within x1.2, and every message has arrived.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any

from benchmarks import material, record
from benchmarks.database import postgresql
from benchmarks.load import Load
from benchmarks.pair import Pair, Setting, percentile, running
from benchmarks.proc import resident_megabytes
from benchmarks.record import WORK

DIRECTORY = WORK / "backlog"
COUNTRIES = ("VN", "TH", "ID")
P99_ALLOWED, MEMORY_ALLOWED = 1.5, 1.2
MORE_THAN_IT_CAN = 2_000.0


class Memory:
    """Samples the sender's resident memory once a second; `most` of each phase, megabytes."""

    def __init__(self, pid: int) -> None:
        self.phase = ""
        self.most: dict[str, float] = {}
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(1.0):
            now = resident_megabytes(self._pid)
            self.most[self.phase] = max(self.most.get(self.phase, 0.0), round(now, 1))

    def close(self) -> None:
        self._ended.set()
        self._thread.join()


class Trial:
    """The three gateways, and traffic from VN to ID."""

    def __init__(self, pair: Pair, per_second: float) -> None:
        self.pair = pair
        self.store = pair.stores["VN"]
        self.memory = Memory(pair.pids["VN"])
        self._per_second = per_second
        self._serial = 0
        self._now = time.time() // 60 * 60

    def for_id(self) -> Iterator[bytes]:
        while True:
            self._serial += 1
            yield material.form_d(self._serial, now=self._now, destination="ID", run="bb")

    def open_messages(self, partner: str) -> int:
        return self.store.number(
            f"SELECT count(*) FROM outbox WHERE partner = '{partner}' AND open_key IS NOT NULL"  # noqa: S608
        )

    def steady(self, phase: str, until: Callable[[], bool]) -> dict[str, Any]:
        """Send to ID until it is enough; how long deliveries took."""
        self.memory.phase = phase
        world, base = self.pair.world, self.store.last_outbound()
        load = Load(
            [world.sites["VN"]], world.directory / "pki", self.store,
            connections=8, outstanding=0, per_second=self._per_second,
        )  # fmt: skip
        began = time.monotonic()
        try:
            sent = load.run(self.for_id(), until=until)
        finally:
            load.close()
        seconds = time.monotonic() - began
        wait_for(lambda: self.open_messages("id") == 0, seconds=60)
        times = [
            row[0]
            for row in self.store.rows(
                "SELECT finalized_at - created_at FROM outbox"  # noqa: S608
                f" WHERE id > {base} AND partner = 'id' AND state = 'delivered'"
            )
        ]
        if len(times) != sent:
            raise SystemExit(f"backlog: {sent} sent to ID, {len(times)} delivered")
        found = {f"p{share}": round(percentile(times, share / 100), 4) for share in (50, 99)}
        return found | {"longest": round(max(times), 4), "messages": sent, "seconds": round(seconds, 1)}

    def hand_in(self, phase: str, envelopes: Iterator[bytes], rows: int) -> float:
        """Submit as fast as they are taken; how many a second became ready to be sent."""
        self.memory.phase = phase
        world = self.pair.world
        load = Load(
            [world.sites["VN"]], world.directory / "pki", self.store,
            connections=16, outstanding=0, per_second=MORE_THAN_IT_CAN,
        )  # fmt: skip
        began = time.monotonic()
        try:
            load.run(envelopes)
        finally:
            load.close()
        wait_for(lambda: not self.store.number("SELECT count(*) FROM outbox WHERE state = 'submitted'"))
        return rows / (time.monotonic() - began)

    def for_th(self, rows: int) -> Iterator[bytes]:
        return islice(material.many_forms(now=self._now), rows)


def wait_for(so: Callable[[], bool], *, seconds: float = 300.0) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {seconds:g} s")
        time.sleep(0.1)


def lasting(seconds: float) -> Callable[[], bool]:
    ends = time.monotonic() + seconds
    return lambda: time.monotonic() > ends


def measure(
    pair: Pair, rows: int, per_second: float, seconds: float, *, warm_up: int, drain_seconds: float
) -> dict[str, Any]:
    trial = Trial(pair, per_second)
    found: dict[str, Any] = {"rows": rows, "per_second": per_second}
    try:
        trial.hand_in("warm-up", islice(trial.for_id(), warm_up), warm_up)
        wait_for(lambda: trial.open_messages("id") == 0)
        found["alone"] = told("alone", trial.steady("alone", lasting(seconds)))
        pair.world.gateways["TH"].stop()
        found["handed_in_per_second"] = round(trial.hand_in("handing in", trial.for_th(rows), rows), 1)
        print(f"handed in {rows} at {found['handed_in_per_second']} messages/s", flush=True)
        found["dead"] = told("dead", trial.steady("dead", lasting(seconds)))
        if trial.open_messages("th") != rows:
            raise SystemExit("backlog: not all wait")
        pair.world.start_gateway("TH")
        found["drain"] = told("drain", drain(trial, rows, drain_seconds))
        found["alone again"] = told("alone again", trial.steady("alone again", lasting(seconds)))
        found["arrived"] = pair.stores["TH"].number("SELECT count(*) FROM inbox WHERE partner = 'vn'")
    finally:
        trial.memory.close()
    found["megabytes"] = trial.memory.most
    return found


def drain(trial: Trial, rows: int, limit_seconds: float) -> dict[str, Any]:
    """Watch TH's queue go while ID is served as ever."""
    began, curve, enough = time.monotonic(), [(0.0, rows)], lasting(limit_seconds)

    def gone() -> bool:
        if time.monotonic() - began > curve[-1][0] + 2.0:
            curve.append((round(time.monotonic() - began, 1), trial.open_messages("th")))
        return curve[-1][1] == 0 or enough()

    found = trial.steady("drain", gone)
    first = next((at for (at, _), (_, left) in zip(curve, curve[1:], strict=False) if left < rows), 0.0)
    found["drained"] = rows - curve[-1][1]
    found["drained_per_second"] = round(found["drained"] / max(curve[-1][0] - first, 0.1), 1)
    found["curve"] = curve
    return found


def told(phase: str, found: dict[str, Any]) -> dict[str, Any]:
    more = f", drained {found['drained']} at {found['drained_per_second']}/s" if "drained" in found else ""
    print(
        f"{phase:<12} {found['messages']:>6} to ID in {found['seconds']:>6} s: p50 {found['p50']:.3f} s,"
        f" p99 {found['p99']:.3f} s, longest {found['longest']:.3f} s{more}",
        flush=True,
    )
    return found


def main() -> int:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--rows", type=int, default=100_000)
    asked.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    asked.add_argument("--per-second", type=float, default=20.0, help="messages to the partner that is there")
    asked.add_argument("--seconds", type=float, default=90.0, help="of each phase that is compared")
    asked.add_argument("--warm-up", type=int, default=3_000, help="messages at full speed before all else")
    asked.add_argument("--drain-seconds", type=float, default=1200.0, help="watch the drain no longer")
    given = asked.parse_args()
    with ExitStack() as stack:
        server = None
        if given.engine == "postgresql":
            server = stack.enter_context(postgresql(DIRECTORY / "server"))
        setting = Setting(engine=given.engine, window=32)
        pair = stack.enter_context(running(DIRECTORY / "world", setting, server=server, countries=COUNTRIES))
        found = measure(
            pair,
            given.rows,
            given.per_second,
            given.seconds,
            warm_up=given.warm_up,
            drain_seconds=given.drain_seconds,
        )
    record.keep(f"backlog-{given.engine}", {"engine": given.engine} | found)
    p99, drain_p99 = (found[phase]["p99"] / found["alone"]["p99"] for phase in ("dead", "drain"))
    most = found["megabytes"]
    memory = max(most["dead"], most["drain"]) / most["alone"]
    print("megabytes at most: " + ", ".join(f"{phase} {value:.0f}" for phase, value in most.items()))
    whole = found["drain"]["drained"] == found["arrived"] == given.rows
    good = p99 <= P99_ALLOWED and memory <= MEMORY_ALLOWED and whole
    print(
        f"backlog: {'PASS' if good else 'FAIL'} engine={given.engine} rows={given.rows}"
        f" p99 x{p99:.2f} (while it drains x{drain_p99:.2f}) memory x{memory:.2f} "
        f" drained={found['drain']['drained']}"
        f" arrived={found['arrived']} drained_per_second={found['drain']['drained_per_second']}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
