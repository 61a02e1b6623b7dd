"""Sending for some seconds through a running pair, and what one message took."""

from __future__ import annotations

import math
import time
from typing import Any

from benchmarks import material
from benchmarks.load import Load, wait_at_rest
from benchmarks.pair import COUNTRIES, Pair, Setting, Snapshot, difference, percentile

WARM_UP = 200


def measure(
    pair: Pair, setting: Setting, seconds: float, *, first: int = 1, per_second: float = 0.0
) -> dict[str, Any]:
    """Send from VN to TH, wait until all of it is at rest, and say what it took.

    What waits in VN's store before is a backlog and stays there. `first`: the number of the first document.
    """
    world, sender, receiver = pair.world, pair.stores["VN"], pair.stores["TH"]
    alone = setting.window == 1
    load = Load(
        pair.sites("VN"),
        world.directory / "pki",
        sender,
        connections=1 if alone else min(16, setting.window),
        outstanding=1 if alone else 3 * setting.window,
        per_second=per_second,
    )
    now = time.time() // 60 * 60
    backlog = sender.last_outbound() if sender.open_messages() else 0
    try:
        if not per_second:
            warm = range(first, first + (20 if alone else WARM_UP))
            load.run(material.form_d(number, now=now) for number in warm)
            wait_at_rest(sender, receiver, after=backlog)
            first = warm.stop
        before, base, began = pair.snapshot(), sender.last_outbound(), time.monotonic()
        submitted = load.run(
            (material.form_d(number, now=now) for number in range(first, first + 90_000)),
            until=lambda: time.monotonic() - began > seconds,
        )
        wait_at_rest(sender, receiver, after=backlog)
        took, after = time.monotonic() - began, pair.snapshot()
    finally:
        load.close()
    rows = sender.rows(f"SELECT created_at, finalized_at, state, attempt FROM outbox WHERE id > {base}")  # noqa: S608
    delivered = [row for row in rows if row[2] == "delivered"]
    if len(delivered) != submitted:
        raise SystemExit(f"{submitted} submitted, {len(delivered)} delivered")
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
        found[country] = per_message(pair.members(country), before, after, submitted)
    found["cpu_ms"] = round(sum(found[country]["cpu_ms"] for country in COUNTRIES), 3)
    if pair.server_pid:
        spent = (after.server_cpu - before.server_cpu) / submitted * 1e3
        found["database_server_cpu_ms"] = round(spent, 3)
    return found


def per_message(members: list[str], before: Snapshot, after: Snapshot, messages: int) -> dict[str, Any]:
    """What the processes of one country used, together, for one message."""
    spent: dict[str, float] = {}
    counted: dict[str, float] = {}
    for name in members:
        _add(spent, difference(after.cpu[name], before.cpu[name]))
        _add(counted, difference(after.metrics[name], before.metrics[name]))
    return {
        "cpu_ms": round(spent.pop("all") / messages * 1e3, 3),
        "cpu_ms_by_thread": {
            name: round(value / messages * 1e3, 3) for name, value in sorted(spent.items()) if value > 1e-3
        },
        "commits": round(counted.get("asw_database_group_commit_units_count", 0) / messages, 3),
        "units": round(counted.get("asw_database_group_commit_units_sum", 0) / messages, 3),
        "reactor_lag_p99_seconds": histogram_quantile(counted, "asw_reactor_lag_seconds", 0.99),
    }


def _add(total: dict[str, float], more: dict[str, float]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0.0) + value


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
