"""The gateway's daemon with its threads named for the kernel, so that CPU time can be told apart by thread.

python -m benchmarks.daemon --nodaemon ... asw-gateway --config FILE        (arguments of twistd)
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any


def name_threads() -> None:
    """Give each new thread's name to the kernel (15 bytes), where /proc/<pid>/task/<tid>/comm shows it."""
    run: Callable[[threading.Thread], Any] = threading.Thread.run

    def named(self: threading.Thread) -> None:
        comm = Path(f"/proc/self/task/{threading.get_native_id()}/comm")
        comm.write_text(short_name(self.name), encoding="utf-8")
        run(self)

    threading.Thread.run = named  # type: ignore[method-assign]


def short_name(name: str) -> str:
    """One of the words that `pair.cpu` adds up: workers, database, or the thread's own beginning."""
    lowered = name.lower()
    if "worker" in lowered:
        return "workers"
    if "database" in lowered or "store" in lowered:
        return "database"
    return name[:15]


if __name__ == "__main__":
    name_threads()
    from twisted.scripts.twistd import run as twistd

    twistd()
