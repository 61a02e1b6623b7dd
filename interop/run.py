"""`make interop`: our daemon and phase4 against each other over real mutual TLS, both ways.

    python -m interop.run [--only WORD] [--keep DIRECTORY]

Last line `interop phase4: N of N`, exit 0 only then; `interop phase4: skipped (reason)` and exit 2 where
Java, Maven or the artefacts are missing. Everything that was exchanged stays under build/interop.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback
from pathlib import Path

from interop.build import Unavailable, classpath
from interop.case import CASES, Case
from interop.stage import ELLIPTIC, ENCRYPTED, MODERN_SUITE, SIGNED, Stage

DIRECTORY = Path(__file__).resolve().parents[1] / "build" / "interop"
FAILED, SKIPPED = 1, 2
#: In this order; the last case of the last judges all that the others have put on the wire.
CASE_MODULES = ("cases_exchange", "cases_refusals", "cases_kills")


def main(arguments: list[str]) -> int:
    """Run the cases; the exit status."""
    options = argparse.ArgumentParser(prog="python -m interop.run", description=__doc__.splitlines()[0])
    options.add_argument("--only", default="", help="only cases with this word in their name")
    options.add_argument("--keep", type=Path, default=DIRECTORY, help="where everything is kept")
    chosen = options.parse_args(arguments)
    try:
        peers_classpath = classpath()
    except Unavailable as reason:
        print(f"interop phase4: skipped ({reason})")
        return SKIPPED
    for name in CASE_MODULES:
        importlib.import_module(f"interop.{name}")
    cases = [case for case in CASES if chosen.only.lower() in case.name.lower()]
    needed = {name for case in cases for name in case.peers}
    roles = tuple(role for role in (SIGNED, ENCRYPTED, ELLIPTIC, MODERN_SUITE) if role.name in needed)
    with Stage(chosen.keep, peers_classpath, roles) as stage:
        good = sum(attempt(stage, number, case) for number, case in enumerate(cases, start=1))
    print(f"interop phase4: {good} of {len(cases)}")
    return 0 if good == len(cases) and cases else FAILED


def attempt(stage: Stage, number: int, case: Case) -> bool:
    """Run one case and print its line."""
    begin = time.monotonic()
    try:
        said = case.run(stage)
    except Exception as fault:  # noqa: BLE001  whatever it is, the other cases are run too
        print(f"FAIL {number:2d}  {case.name}\n         {type(fault).__name__}: {fault}", flush=True)
        if not isinstance(fault, AssertionError):
            traceback.print_exc()
        _revive(stage)
        return False
    note = f"  ({said})" if said else ""
    print(f"ok   {number:2d}  {case.name}  {time.monotonic() - begin:.1f} s{note}", flush=True)
    return True


def _revive(stage: Stage) -> None:
    """A failed case may have left a process dead."""
    if not stage.gateway.running:
        stage.start_gateway()
    for peer in stage.peers.values():
        if not peer.running:
            peer.start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
