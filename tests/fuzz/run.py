"""`make fuzz`: every target for a bounded time, in a process of its own.

    python -m tests.fuzz.run [--seconds 10] [--only TARGET]

Last line `fuzz: PASS targets=8 executions=… growth_mb=…`, or `fuzz: FAIL …`; `fuzz: skipped (reason)` and
status 2 without atheris. What was found lies in build/fuzz/TARGET/, a file an input. Corpora are kept there,
and used again.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from attrs import frozen

REPOSITORY = Path(__file__).resolve().parents[2]
DIRECTORY = REPOSITORY / "build" / "fuzz"
TARGETS = ("envelope", "signal", "gzip", "certificate-path", "encrypted", "two-readers", "signed", "receiver")
#: One input that takes longer is a hang.
HANG_SECONDS = 10
START_SECONDS = 60
MAX_INPUT_BYTES = 60_000


@frozen(kw_only=True)
class Outcome:
    """How one target ended; `found` is empty when all was well."""

    executions: int
    growth_mb: int
    found: str


def fuzz(name: str, seconds: int, directory: Path = DIRECTORY) -> Outcome:
    """Run one target for so many seconds."""
    place = directory / name
    (place / "corpus").mkdir(parents=True, exist_ok=True)
    options = {
        "max_total_time": seconds,
        "timeout": HANG_SECONDS,
        "max_len": MAX_INPUT_BYTES,
        "print_final_stats": 1,
        "verbosity": 0,
        "artifact_prefix": f"{place}/",
    }
    command = [sys.executable, "-m", "tests.fuzz.engine", name, str(place / "corpus")]
    command += [f"-{option}={value}" for option, value in options.items()]
    try:
        run = subprocess.run(  # noqa: S603  our own command
            command,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=START_SECONDS + seconds + HANG_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(executions=0, growth_mb=0, found="did not end")
    said = run.stdout + run.stderr
    (place / "log").write_text(said, encoding="utf-8")
    peak = _number(r"stat::peak_rss_mb:\s+(\d+)", said)
    return Outcome(
        executions=_number(r"stat::number_of_executed_units:\s+(\d+)", said),
        growth_mb=max(0, peak - _number(r"^begun (\d+)", said)),
        found="" if run.returncode == 0 else _first_fault(said),
    )


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text, re.MULTILINE)
    return int(found.group(1)) if found else 0


def _first_fault(text: str) -> str:
    """The line that says what went wrong."""
    marks = re.compile(r"^(\w*(Error|Exception|Fault)\b.*|==\d+==.*ERROR.*|ALARM.*)$")
    lines = [line for line in text.splitlines() if marks.match(line.strip())]
    return (lines[0].strip() if lines else "ended badly, see the log")[:300]


def main(arguments: list[str]) -> int:
    """The exit status: 0 all well, 1 something was found, 2 not run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run")
    parser.add_argument("--seconds", type=int, default=10, help="for each target")
    parser.add_argument("--only", choices=TARGETS, help="one target")
    chosen = parser.parse_args(arguments)
    if find_spec("atheris") is None:
        print("fuzz: skipped (atheris is not installed: pip install -e '.[fuzz]')")
        return 2
    outcomes = {}
    for name in (chosen.only,) if chosen.only else TARGETS:
        outcome = outcomes[name] = fuzz(name, chosen.seconds)
        word = f"FOUND {outcome.found}" if outcome.found else "ok"
        print(f"{name:17s} {outcome.executions:9d} executions, +{outcome.growth_mb} MB  {word}", flush=True)
    bad = sorted(name for name, outcome in outcomes.items() if outcome.found)
    executions = sum(outcome.executions for outcome in outcomes.values())
    growth = max(outcome.growth_mb for outcome in outcomes.values())
    verdict = f"FAIL found={','.join(bad)}" if bad else "PASS"
    print(f"fuzz: {verdict} targets={len(outcomes)} executions={executions} growth_mb={growth}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
