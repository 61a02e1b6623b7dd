"""CPU of one message on one side, split by part of the work.

Measured in the daemons is the CPU of each thread. What a thread does is told apart so:

SQL          the database thread (on PostgreSQL the client's part; the server's own CPU stands beside)
TLS/HTTP     what a bare twisted.web over mutual TLS needed for the same exchanges in the same run (`echo`),
             at most what the reactor thread used
Python       the rest of the reactor thread, all other threads, and what is neither of the below in a worker
XML, rules,  the worker threads, shared out as `stages` found it in one thread in the same run: their own
translation, clock is not read in the daemons, so these four are shares of a measured sum
signature
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARTS = ("XML", "rules", "translation", "signature", "TLS/HTTP", "SQL", "Python")
#: Stages of `stages` that run in worker threads, by side; `answer` runs on the reactor thread.
WORKER_STAGES = {
    "sender": ("submit", "prepare", "notice", "read_signal"),
    "receiver": ("receive", "process"),
}
#: Names of `meter.PARTS`: the own time of each, what is nested taken out; any other is Python.
PART_OF = {
    "parse": "XML",
    "canonical": "XML",
    "schema": "XML",
    "read SOAP": "XML",
    "business digest": "XML",
    "check national": "rules",
    "check asean": "rules",
    "values": "rules",
    "rules": "rules",
    "facts": "translation",
    "survey": "translation",
    "goods": "translation",
    "to_asean": "translation",
    "to_national": "translation",
    "delivery envelope": "translation",
    "seal": "signature",
    "check seal": "signature",
    "sign": "signature",
    "signature": "signature",
}


def own_times(paths: Mapping[str, float]) -> dict[str, float]:
    """Time of each path ("a / b" is b called by a) without what is nested in it."""
    own = dict(paths)
    for path, spent in paths.items():
        outer = path.rpartition(" / ")[0]
        if outer in own:
            own[outer] -= spent
    return own


def worker_shares(stages: Mapping[str, Any], side: str) -> dict[str, float]:
    """Shares (sum 1) of the parts in a side's worker threads, from the result of `stages.measure`."""
    sums: dict[str, float] = {}
    for stage in WORKER_STAGES[side]:
        paths = stages["parts_us"][stage]
        own = own_times(paths)
        outermost = sum(spent for path, spent in paths.items() if " / " not in path)
        # The untouched stage is the measure; the wrapped parts may not be more than it.
        whole = max(stages["stages_us"][stage], outermost)
        sums["Python"] = sums.get("Python", 0.0) + whole - outermost
        for path, spent in own.items():
            part = PART_OF.get(path.rpartition(" / ")[2], "Python")
            sums[part] = sums.get(part, 0.0) + max(spent, 0.0)
    total = sum(sums.values())
    return {part: spent / total for part, spent in sums.items()}


def split(
    cpu_ms: float, by_thread: Mapping[str, float], shares: Mapping[str, float], transport_ms: float
) -> dict[str, float]:
    """Milliseconds of each of PARTS; they add up to `cpu_ms`."""
    workers, sql = by_thread.get("workers", 0.0), by_thread.get("database", 0.0)
    transport = min(transport_ms, by_thread.get("reactor", 0.0))
    found = {part: workers * shares.get(part, 0.0) for part in PARTS}
    found["SQL"] += sql
    found["TLS/HTTP"] += transport
    found["Python"] += cpu_ms - workers - sql - transport
    return {part: round(spent, 3) for part, spent in found.items()}


def told(found: Mapping[str, float]) -> str:
    """In a row of the table."""
    return " ".join(f"{part} {found[part]:.2f}" for part in PARTS)
