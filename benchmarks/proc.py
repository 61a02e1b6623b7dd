"""What the kernel says of running processes: CPU by thread, resident memory."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> dict[str, float]:
    """CPU seconds of a process by the name of its threads, and `all` of it, ended threads included."""
    found: dict[str, float] = {}
    with suppress(FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            name = (task / "comm").read_text().strip()
            name = "reactor" if int(task.name) == pid else name
            seconds = int((task / "schedstat").read_text().split()[0]) / 1e9
            found[name] = found.get(name, 0.0) + seconds
    own, _ = _ticks(f"/proc/{pid}/stat")
    found["all"] = own / TICKS
    return found


def family_cpu(pid: int) -> float:
    """CPU seconds of a process, of its children, and of those of them that ended."""
    own, ended = _ticks(f"/proc/{pid}/stat")
    total = own + ended
    for other in Path("/proc").iterdir():
        if other.name.isdigit() and _parent(other) == pid:
            with suppress(FileNotFoundError, ProcessLookupError):
                total += _ticks(f"{other}/stat")[0]
    return total / TICKS


def resident_megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def _ticks(stat: str) -> tuple[int, int]:
    """Clock ticks of the process itself, and of its children that ended."""
    fields = Path(stat).read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])


def _parent(process: Path) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    return 0
