"""The floor: what lxml, cryptography, zlib, sqlite3 and ssl cost for one message when nothing else runs.

    python -m benchmarks.floor [--rounds 7] [--write]        --write puts the figures into floor.toml

Hot loops over library calls; our code only makes the documents, stylesheets and signatures they work on. The
parts and how often a message needs each stand in floor.toml.
"""

from __future__ import annotations

import argparse
import platform
import re
import statistics
import tempfile
import time
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks import material
from benchmarks.floor_calls import calls_of

PARTS_FILE = Path(__file__).with_name("floor.toml")
#: On the disk that the gateways of the benchmarks write to.
WORK = Path(__file__).resolve().parent.parent / "build" / "bench"
CORES = 2
ROUND_SECONDS = 0.02
STORED_MESSAGES = 3_200


@frozen(kw_only=True)
class Floor:
    """Microseconds per message of each part (calls included), by (side, name)."""

    algorithm: str
    parts: dict[tuple[str, str], float]

    def side(self, side: str) -> float:
        return sum(spent for (at, _), spent in self.parts.items() if at == side)

    @property
    def both(self) -> float:
        return self.side("sender") + self.side("receiver")

    @property
    def per_second(self) -> float:
        """Messages a second if every core did nothing but this."""
        return CORES * 1e6 / self.both


def hot(call: Callable[[], object], rounds: int) -> float:
    """CPU microseconds of one call: the median of rounds of ROUND_SECONDS each."""
    call()
    began = time.perf_counter()
    call()
    number = max(1, int(ROUND_SECONDS / max(time.perf_counter() - began, 1e-7)))
    found = []
    for _ in range(rounds):
        began = time.thread_time()
        for _ in range(number):
            call()
        found.append((time.thread_time() - began) / number * 1e6)
    return statistics.median(found)


def steady(call: Callable[[], object], number: int) -> float:
    """CPU microseconds of one call over `number` calls: commits, flushes and checkpoints come as they do."""
    for _ in range(number // 10):
        call()
    began = time.thread_time()
    for _ in range(number):
        call()
    return (time.thread_time() - began) / number * 1e6


def parts() -> list[dict[str, Any]]:
    """The lines of floor.toml."""
    with PARTS_FILE.open("rb") as file:
        found: list[dict[str, Any]] = tomllib.load(file)["parts"]
    return found


def measure(algorithm: str, *, rounds: int = 7) -> Floor:
    """Every part's microseconds per message on this machine, now."""
    WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="floor-", dir=WORK) as directory, ExitStack() as closing:
        calls = calls_of(algorithm, Path(directory), closing)
        spent: dict[tuple[str, str], float] = {}
        known: dict[str, float] = {}
        for part in parts():
            side, name = part["side"], part["name"]
            once = known.get(name)
            if once is None:
                call = calls[side, name]
                stored = name.startswith("store")
                once = known[name] = steady(call, STORED_MESSAGES) if stored else hot(call, rounds)
            spent[side, name] = once * part["calls"]
    return Floor(algorithm=algorithm, parts=spent)


def write(floors: dict[str, Floor]) -> None:
    """Put the microseconds of one call of each part into floor.toml."""
    text = PARTS_FILE.read_text(encoding="utf-8")
    for part in parts():
        for algorithm, floor in floors.items():
            spent = floor.parts[part["side"], part["name"]] / part["calls"]
            line = re.compile(
                rf'(\{{ name = "{part["name"]}", side = "{part["side"]}",.*?\b{algorithm} = )[0-9.]+'
            )
            text = line.sub(rf"\g<1>{spent:.1f}", text)
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    text = re.sub(r'^machine = ".*"$', f'machine = "{when}, {machine()}"', text, flags=re.MULTILINE)
    PARTS_FILE.write_text(text, encoding="utf-8")


def machine() -> str:
    """What the figures were measured on, in a few words."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{model}, Linux {platform.release()}, Python {platform.python_version()}"


def table(floor: Floor) -> str:
    """For people."""
    lines = [f"{floor.algorithm}: us of CPU per message"]
    lines += [f"  {side:<9}{name:<22}{spent:8.1f}" for (side, name), spent in floor.parts.items()]
    sender, receiver = floor.side("sender"), floor.side("receiver")
    lines.append(
        f"floor {floor.algorithm}: sender us={sender:.0f} receiver us={receiver:.0f} both us={floor.both:.0f}"
        f" per_second={floor.per_second:.0f}"
    )
    return "\n".join(lines)


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--rounds", type=int, default=7)
    asked.add_argument("--write", action="store_true", help="keep the figures in floor.toml")
    given = asked.parse_args()
    floors = {algorithm: measure(algorithm, rounds=given.rounds) for algorithm in material.ALGORITHMS}
    for floor in floors.values():
        print(table(floor))
    if given.write:
        write(floors)


if __name__ == "__main__":
    main()
