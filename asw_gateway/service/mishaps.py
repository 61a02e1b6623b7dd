"""A clock that is wrong and crashes on purpose, for gateways whose environment is "test".

Configuration refuses both in production (`config.ForTests`). Each is a file that whoever tests may write
while the gateway runs; without the file, or with an empty one, everything is as usual.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from asw_gateway.store.group import AroundCommit

LOOK_SECONDS = 0.05


def clock(
    offset_file: Path | None,
    *,
    system: Callable[[], float] = time.time,
    steady: Callable[[], float] = time.monotonic,
) -> Callable[[], float]:
    """`system` (UTC epoch seconds), shifted by the seconds that stand in `offset_file`, if there is one."""
    if offset_file is None:
        return system
    shifted, looked_at = 0.0, float("-inf")

    def now() -> float:
        nonlocal shifted, looked_at
        if steady() - looked_at > LOOK_SECONDS:
            looked_at = steady()
            shifted = _number_in(offset_file)
        return system() + shifted

    return now


def crash_at_commit(
    crash_file: Path | None, *, crash: Callable[[], object] = lambda: os.kill(os.getpid(), signal.SIGKILL)
) -> AroundCommit | None:
    """What the database calls around each commit; None without a file.

    The file says one thing, for example `before outbound.delivered`: the next commit that adds such an event
    to the journal takes the file away and ends the process there, without any farewell.
    """
    if crash_file is None:
        return None

    def around_commit(moment: str, events: Sequence[str]) -> None:
        try:
            wanted = crash_file.read_text("ascii").split()
        except (OSError, ValueError):
            return
        if len(wanted) == 2 and wanted[0] == moment and wanted[1] in events:
            crash_file.unlink(missing_ok=True)
            crash()

    return around_commit


def _number_in(file: Path) -> float:
    try:
        return float(file.read_text("ascii"))
    except (OSError, ValueError):
        return 0.0
