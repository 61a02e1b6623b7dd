"""`make chaos`: see the package.  Exit status 0 only when every engine reached its aim with zeros."""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from simulators.chaos.link import reactor_in_a_thread
from simulators.chaos.processes import COMMITS
from simulators.chaos.run import Aim, Run
from simulators.chaos.verdict import Verdict, together
from simulators.processes import ProcessTrouble
from simulators.world import REPOSITORY

ENGINES = ("sqlite", "postgresql")
QUICK = Aim(seconds=110, faults=15, messages=60, drain_seconds=45, fault_every_seconds=0.9, least_seconds=20)
LEAST_FAULTS, LEAST_MESSAGES = 200, 5000


def main(arguments: Sequence[str]) -> int:
    options = argparse.ArgumentParser(prog="python -m simulators.chaos", description="Break it, then count.")
    options.add_argument("--engine", choices=(*ENGINES, "both"), default="both")
    options.add_argument("--minutes", type=float, default=10.0, help="at most, for each engine")
    options.add_argument("--quick", action="store_true", help="a minute for each engine, with small aims")
    options.add_argument("--seed", type=int, default=None, help="printed when it is not given")
    options.add_argument("--directory", type=Path, default=REPOSITORY / "var" / "chaos")
    chosen = options.parse_args(arguments)
    seed = chosen.seed if chosen.seed is not None else secrets.randbelow(10**6)
    aim = (
        QUICK
        if chosen.quick
        else Aim(seconds=chosen.minutes * 60, faults=LEAST_FAULTS, messages=LEAST_MESSAGES, every_commit=True)
    )
    engines = ENGINES if chosen.engine == "both" else (chosen.engine,)
    print(f"chaos: seed={seed} engines={','.join(engines)} at most {aim.seconds:g} s each", flush=True)
    reactor = reactor_in_a_thread()
    verdicts: list[Verdict] = []
    for engine in engines:
        directory = chosen.directory.resolve() / engine
        shutil.rmtree(directory, ignore_errors=True)
        show = Progress()
        run = Run(engine, directory, seed=seed, aim=aim, reactor=reactor, say=show.say, live=show.live)
        try:
            verdicts.append(run.go())
        except (ProcessTrouble, OSError, KeyboardInterrupt) as trouble:
            show.say(f"chaos: {engine} {type(trouble).__name__}: {trouble}")
            return 1
        _tell(verdicts[-1])
    total = together(verdicts)
    print(f"chaos: {total.counts()}", flush=True)
    commits = len(COMMITS) if aim.every_commit else 0
    good = all(each.zeros and each.enough(aim.faults, aim.messages, commits=commits) for each in verdicts)
    return 0 if good else 1


def _tell(verdict: Verdict) -> None:
    for sentence in [*verdict.findings[:50], *verdict.complaints]:
        print(f"  {sentence}")
    kinds = ", ".join(f"{kind} {many}" for kind, many in verdict.faults.most_common())
    print(f"  {kinds}")
    if verdict.reasons:
        told = ", ".join(f"{reason} {many}" for reason, many in verdict.reasons.most_common())
        print(f"  refused or failed: {told}")
    print(verdict.line(), flush=True)


class Progress:
    """One line that is written over on a terminal; elsewhere a line every ten seconds."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._told_at = 0.0

    def say(self, sentence: str) -> None:
        print(("\r\x1b[K" if self._terminal else "") + sentence, flush=True)

    def live(self, line: str) -> None:
        if self._terminal:
            columns = shutil.get_terminal_size().columns
            print("\r\x1b[K" + line[: columns - 1], end="", flush=True)
        elif time.monotonic() - self._told_at >= 10:
            self._told_at = time.monotonic()
            print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
