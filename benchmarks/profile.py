"""Where either daemon spends its CPU, thread by thread, as text: sampled by py-spy while messages flow.

    python -m benchmarks.profile [--seconds 20] [--rate 100]

Writes benchmarks/profiles/vn.txt and th.txt: for each thread the functions in which samples ended (own; calls
into C libraries count there) and those anywhere on the stack (with what they call), in per cent of the
thread's samples. Only what was on a CPU is sampled. py-spy is no dependency: `pip install py-spy`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from attrs import define, field

from benchmarks import material, record
from benchmarks.daemon import short_name
from benchmarks.load import Load, wait_at_rest
from benchmarks.pair import COUNTRIES, MAIN_WINDOW, Pair, Setting, running

PROFILES = Path(__file__).with_name("profiles")
TOP_OWN, TOP_WHOLE = 16, 16
LEAST_SHARE, EVERYWHERE = 0.005, 0.99


@define
class ThreadProfile:
    """Samples of one thread: all, by the function on top, and by every function on the stack."""

    samples: int = 0
    own: Counter[str] = field(factory=Counter)
    whole: Counter[str] = field(factory=Counter)


def read(lines: Iterable[str]) -> dict[str, ThreadProfile]:
    """By thread, from py-spy's raw form: "thread (id): name;function (file:line);… count" a line."""
    found: dict[str, ThreadProfile] = {}
    for line in lines:
        stack, _, count = line.strip().rpartition(" ")
        frames = stack.split(";")
        if len(frames) < 2 or not count.isdigit():
            continue
        thread = found.setdefault(thread_name(frames[0]), ThreadProfile())
        names = [function(frame) for frame in frames[1:]]
        thread.samples += int(count)
        thread.own[names[-1]] += int(count)
        for name in set(names):
            thread.whole[name] += int(count)
    return found


def thread_name(frame: str) -> str:
    """`thread (16573): asw-workers-0`; the first thread of a process is the reactor's."""
    name = frame.partition("): ")[2]
    return "reactor" if name == "MainThread" else short_name(name)


def function(frame: str) -> str:
    """`run (asw_gateway/workers.py:120)` without its line, the file without the path before the package."""
    name, _, place = frame.partition(" (")
    file = place.rstrip(")").partition(":")[0]
    for mark in ("site-packages/", "asw_gateway/", "lib/python"):
        before, found, rest = file.rpartition(mark)
        if found:
            file = (mark if mark == "asw_gateway/" else "") + rest
            break
    return f"{name} ({file})"


def table(threads: dict[str, ThreadProfile]) -> list[str]:
    """At most TOP_OWN + TOP_WHOLE lines a thread."""
    total = sum(each.samples for each in threads.values()) or 1
    lines: list[str] = []
    for name, thread in sorted(threads.items(), key=lambda each: -each[1].samples):
        if thread.samples < LEAST_SHARE * total:
            continue
        lines += ["", f"{name}: {thread.samples / total:.0%} of the process, {thread.samples} samples"]
        for title, counts, top in (
            ("own", thread.own, TOP_OWN),
            ("with what it calls", thread.whole, TOP_WHOLE),
        ):
            lines.append(f"  {title}")
            # What every stack has in common says nothing.
            told = [
                (what, n)
                for what, n in counts.most_common()
                if title == "own" or n < EVERYWHERE * thread.samples
            ]
            lines += [f"  {count / thread.samples:6.1%}  {what}" for what, count in told[:top]]
    return lines


def measure(pair: Pair, seconds: float, rate: int) -> dict[str, list[str]]:
    """Raw lines of either daemon, sampled at once while VN sends to TH as fast as it can."""
    load = Load(
        pair.sites("VN"),
        pair.world.directory / "pki",
        pair.stores["VN"],
        connections=16,
        outstanding=3 * MAIN_WINDOW,
    )
    ended = threading.Event()
    sending = threading.Thread(
        target=lambda: load.run(material.many_forms(now=time.time() // 60 * 60), until=ended.is_set)
    )
    sending.start()
    try:
        time.sleep(3.0)  # caches are warm, the queue is full
        spies = {country: _spy(pair.pids[country], country, seconds, rate) for country in COUNTRIES}
        for country, (spy, _) in spies.items():
            if spy.wait(seconds + 60) != 0:
                raise SystemExit(f"profile: py-spy of {country} ended with status {spy.returncode}")
    finally:
        ended.set()
        sending.join(60)
        load.close()
    wait_at_rest(pair.stores["VN"], pair.stores["TH"])
    return {country: file.read_text(encoding="utf-8").splitlines() for country, (_, file) in spies.items()}


def _spy(pid: int, country: str, seconds: float, rate: int) -> tuple[subprocess.Popen[bytes], Path]:
    command = shutil.which("py-spy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if command is None:
        raise SystemExit("profile: py-spy is not there; pip install py-spy")
    file = record.WORK / f"profile-{country.lower()}.raw"
    words = [
        "record",
        "--pid",
        str(pid),
        "--format",
        "raw",
        "--output",
        str(file),
        "--threads",
        "--nonblocking",
    ]
    more = ["--duration", str(int(seconds)), "--rate", str(rate)]
    spy = subprocess.Popen(  # noqa: S603 - a tool that the user installed
        [command, *words, *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return spy, file


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--seconds", type=float, default=20.0)
    asked.add_argument("--rate", type=int, default=100, help="samples a second")
    given = asked.parse_args()
    setting = Setting(window=MAIN_WINDOW)
    with running(record.WORK / "profile", setting) as pair:
        pair.pin()
        found = measure(pair, given.seconds, given.rate)
    PROFILES.mkdir(exist_ok=True)
    head = record.heading()
    for country, lines in found.items():
        text = [
            f"{country} ({'sends' if country == 'VN' else 'receives'}), {setting.name}, full load;"
            f" py-spy, {given.rate} samples a second for {given.seconds:g} s",
            f"{head['date']}, commit {head['commit']}, {head['machine']}",
            *table(read(lines)),
        ]
        path = PROFILES / f"{country.lower()}.txt"
        path.write_text("\n".join(text) + "\n", encoding="utf-8")
        print(f"profile: {path.relative_to(record.REPOSITORY)}, {len(text)} lines")


if __name__ == "__main__":
    main()
